#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/document_stream.hpp>
#include <reasonembed/remixer/records.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_report.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of SampleSources; the defaults are the paper's.
struct SampleSourcesOptions {
  Index least_characters = 200;  ///< of a document, in Unicode characters
  Index most_characters = 5000;  ///< likewise
  Index most_documents = 10000;  ///< that are drawn; 0 takes all
  std::uint64_t seed = 42;

  friend bool operator==(const SampleSourcesOptions&, const SampleSourcesOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("least_characters", least_characters);
    f("most_characters", most_characters);
    f("most_documents", most_documents);
    f("seed", seed);
  }
};

/// All documents of a corpus as records.
[[nodiscard]] inline std::vector<SourceDocument> source_documents(const data::Corpus& corpus) {
  std::vector<SourceDocument> documents;
  documents.reserve(static_cast<std::size_t>(corpus.size()));
  for (std::size_t i = 0; i < corpus.texts().size(); ++i) {
    documents.push_back({corpus.ids()[i], corpus.texts()[i]});
  }
  return documents;
}

/// The ids of all documents that a benchmark speaks of: judged ones, whatever their relevance, and excluded ones. A
/// query made from one of them would be a leak.
[[nodiscard]] inline StringIndex benchmark_documents(const data::Qrels& qrels, const data::Queries& queries) {
  StringIndex ids;
  for (Index query = 0; query < qrels.size(); ++query) {
    for (const auto& [document, relevance] : qrels.judgements(query)) {
      ids.add(document);
    }
  }
  for (const std::vector<std::string>& excluded : queries.excluded()) {
    for (const std::string& document : excluded) {
      ids.add(document);
    }
  }
  return ids;
}

/// Draws the documents that queries are made from.
///
/// Left out are documents that a benchmark speaks of, and copies of them under other ids; those too short or too long;
/// those that are not UTF-8; copies of earlier ones. If more than most_documents remain, those with the smallest random
/// numbers are drawn, where the number of a document is a function of (seed, text): which of two documents is preferred
/// never depends on the others or on the order of the corpus. The drawn ones keep the order of the corpus.
class SampleSources {
 public:
  using Input = SourceDocument;
  using Output = SourceDocument;
  using Options = SampleSourcesOptions;
  static constexpr std::string_view name = "sample_sources";

  /// @param left_out  ids of documents that must not be drawn, see benchmark_documents
  /// @throws          ConfigError if least_characters < 1, most_characters < least_characters or most_documents < 0
  explicit SampleSources(Options options = {}, StringIndex left_out = {})
      : options_(options), left_out_(std::move(left_out)) {
    constexpr std::string_view kWhere = "remixer::SampleSources";
    if (options_.least_characters < 1) {
      throw ConfigError::invalid(kWhere, "least_characters", std::to_string(options_.least_characters), "at least 1");
    }
    if (options_.most_characters < options_.least_characters) {
      throw ConfigError::invalid(kWhere,
                                 "most_characters",
                                 std::to_string(options_.most_characters),
                                 "at least least_characters, " + std::to_string(options_.least_characters));
    }
    if (options_.most_documents < 0) {
      throw ConfigError::invalid(kWhere, "most_documents", std::to_string(options_.most_documents), "at least 0");
    }
  }

  [[nodiscard]] std::vector<SourceDocument> run(std::vector<SourceDocument> documents, StageMonitor& monitor) const {
    std::unordered_set<std::string_view> benchmark_texts;
    for (const SourceDocument& document : documents) {
      if (left_out_.contains(document.id)) {
        benchmark_texts.insert(document.text);
      }
    }
    monitor.expect(static_cast<Index>(documents.size()), "documents");
    std::unordered_set<std::string_view> seen;
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (const char* fault = fault_of(documents[i], benchmark_texts, seen); fault != nullptr) {
        monitor.report().drop(fault);
      } else {
        candidates.push_back({document_stream(options_.seed, name, documents[i].text).next_u64(), i});
      }
      monitor.advance();
    }
    draw(candidates, monitor.report());
    std::vector<SourceDocument> drawn;
    drawn.reserve(candidates.size());
    for (const Candidate& candidate : candidates) {
      drawn.push_back(documents[candidate.position]);  // a copy: `seen` looks at the texts
    }
    return drawn;
  }

 private:
  struct Candidate {
    std::uint64_t number = 0;
    std::size_t position = 0;
  };

  /// Why a document is left out, null if it is not.
  [[nodiscard]] const char* fault_of(const SourceDocument& document,
                                     const std::unordered_set<std::string_view>& benchmark_texts,
                                     std::unordered_set<std::string_view>& seen) const {
    const std::string_view text = document.text;
    if (left_out_.contains(document.id)) {
      return "in a benchmark";
    }
    if (benchmark_texts.contains(text)) {
      return "a copy of a document in a benchmark";
    }
    if (io::find_invalid_utf8(text) != std::string_view::npos) {
      return "not UTF-8";
    }
    const auto characters = static_cast<Index>(text::count_characters(text));
    if (characters < options_.least_characters) {
      return "too short";
    }
    if (characters > options_.most_characters) {
      return "too long";
    }
    return seen.insert(text).second ? nullptr : "a copy of an earlier document";
  }
  /// Leaves the candidates with the smallest numbers, in the order of the corpus.
  void draw(std::vector<Candidate>& candidates, StageReport& report) const {
    const auto most = static_cast<std::size_t>(options_.most_documents);
    if (most == 0 || candidates.size() <= most) {
      return;
    }
    const auto cut = candidates.begin() + options_.most_documents;
    std::nth_element(candidates.begin(), cut, candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.number != b.number ? a.number < b.number : a.position < b.position;
    });
    report.drop("not drawn", static_cast<Index>(candidates.size() - most));
    candidates.resize(most);
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.position < b.position;
    });
  }

  Options options_;
  StringIndex left_out_;
};
static_assert(Stage<SampleSources>);

}  // namespace reasonembed::remixer
