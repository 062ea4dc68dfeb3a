#pragma once
/// @file What passes from stage to stage. The last of them is data::TrainingRow.
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/conditions.hpp>
#include <reasonembed/remixer/shared_text.hpp>

#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A document that a query may be made from.
struct SourceDocument {
  std::string id = {};
  SharedText text = {};

  friend bool operator==(const SourceDocument&, const SourceDocument&) = default;
};

/// A query that was made from a document.
struct GeneratedQuery {
  std::string query = {};
  SourceDocument source = {};
  Conditions conditions = {};  ///< what was asked for; the query may miss it

  friend bool operator==(const GeneratedQuery&, const GeneratedQuery&) = default;
};

/// A query and the documents that a retriever has found for it, its source not among them.
struct MinedQuery {
  std::string query = {};
  SourceDocument source = {};               ///< empty where a file does not say
  std::vector<SharedText> candidates = {};  ///< distinct, the best first

  friend bool operator==(const MinedQuery&, const MinedQuery&) = default;
};

/// The label of a candidate that has no usable score.
inline constexpr int kUnlabelled = -1;

/// A query and how relevant its candidates are.
struct AnnotatedQuery {
  std::string query = {};
  SourceDocument source = {};
  std::vector<SharedText> candidates = {};
  std::vector<int> labels = {};           ///< one for each candidate: 1 (unrelated) to 5 (decisive), or kUnlabelled
  std::vector<std::string> answers = {};  ///< what the annotator wrote for each, or none if answers are not kept

  friend bool operator==(const AnnotatedQuery&, const AnnotatedQuery&) = default;
};

}  // namespace reasonembed::remixer
