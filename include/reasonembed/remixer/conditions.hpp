#pragma once
/// @file What a generated query is asked to be like, drawn for each document.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/document_stream.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A range of lengths in words, and how often it is drawn.
struct LengthBucket {
  Index least = 0;   ///< words
  Index most = 0;    ///< words; 0: no upper limit
  Index weight = 1;  ///< relative frequency, >= 0

  friend bool operator==(const LengthBucket&, const LengthBucket&) = default;

  template <class F>
  void visit(F&& f) const {
    f("least", least);
    f("most", most);
    f("weight", weight);
  }
};

/// How much the person who asks has learnt, and how often it is drawn.
struct EducationLevel {
  std::string name = {};  ///< as the prompt says it
  Index weight = 1;       ///< relative frequency, >= 0

  friend bool operator==(const EducationLevel&, const EducationLevel&) = default;

  template <class F>
  void visit(F&& f) const {
    f("name", name);
    f("weight", weight);
  }
};

/// From which conditions are drawn; the defaults are the paper's.
struct ConditionOptions {
  std::vector<LengthBucket> lengths = {
      {0, 100, 1}, {100, 200, 2}, {200, 300, 3}, {300, 400, 3}, {400, 500, 2}, {500, 0, 1}};
  std::vector<EducationLevel> levels = {{"high school", 1}, {"college", 2}, {"PhD", 2}};

  friend bool operator==(const ConditionOptions&, const ConditionOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("lengths", lengths);
    f("levels", levels);
  }
};

/// What one query is asked to be like.
struct Conditions {
  std::string length = {};  ///< e.g. "200 to 300 words"
  std::string level = {};   ///< e.g. "college"

  friend bool operator==(const Conditions&, const Conditions&) = default;
};

/// A range of lengths in words.
[[nodiscard]] inline std::string describe(const LengthBucket& bucket) {
  if (bucket.most == 0) {
    return "at least " + std::to_string(bucket.least) + " words";
  }
  if (bucket.least == 0) {
    return "fewer than " + std::to_string(bucket.most) + " words";
  }
  return std::to_string(bucket.least) + " to " + std::to_string(bucket.most) + " words";
}

namespace detail {

/// @return  the sum of the weights
/// @throws  ConfigError if a weight is negative, or if they sum to 0 or to more than 2^31
template <class Weighted>
Index total_weight(std::string_view name, const std::vector<Weighted>& choices) {
  constexpr Index kMost = Index{1} << 31;
  Index total = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].weight < 0 || choices[i].weight > kMost) {
      throw ConfigError::invalid("remixer::ConditionOptions",
                                 std::string(name) + "[" + std::to_string(i) + "].weight",
                                 std::to_string(choices[i].weight),
                                 "in [0, 2^31]");
    }
    total += choices[i].weight;
  }
  if (total == 0 || total > kMost) {
    throw ConfigError::invalid("remixer::ConditionOptions",
                               "sum of the weights of " + std::string(name),
                               std::to_string(total),
                               "in [1, 2^31]");
  }
  return total;
}

/// @return  a choice with probability weight / total
template <class Weighted>
const Weighted& draw_weighted(RandomStream& random, std::string_view name, const std::vector<Weighted>& choices) {
  auto left = static_cast<Index>(random.below(static_cast<std::uint64_t>(total_weight(name, choices))));
  std::size_t i = 0;
  while (left >= choices[i].weight) {
    left -= choices[i++].weight;
  }
  return choices[i];
}

}  // namespace detail

/// @throws  ConfigError naming the first option that is impossible
inline void require_valid(const ConditionOptions& options) {
  (void)detail::total_weight("lengths", options.lengths);
  (void)detail::total_weight("levels", options.levels);
  for (std::size_t i = 0; i < options.lengths.size(); ++i) {
    const LengthBucket& bucket = options.lengths[i];
    if (bucket.least < 0 || bucket.most < 0 || (bucket.most != 0 && bucket.most <= bucket.least)) {
      throw ConfigError::invalid("remixer::ConditionOptions",
                                 "lengths[" + std::to_string(i) + "]",
                                 std::to_string(bucket.least) + " to " + std::to_string(bucket.most),
                                 "a range of words that begins at 0 or more and ends later, or at 0 for no limit");
    }
  }
}

/// Draws what the query of a document is asked to be like: a length and a level, independently, each with probability
/// weight / sum of weights.
///
/// @param text  of the document
/// @return      a function of the arguments alone (see document_stream)
/// @throws      as require_valid
[[nodiscard]] inline Conditions draw_conditions(std::string_view text,
                                                std::uint64_t seed,
                                                const ConditionOptions& options = {}) {
  require_valid(options);
  RandomStream random = document_stream(seed, "conditions", text);
  Conditions drawn;
  drawn.length = describe(detail::draw_weighted(random, "lengths", options.lengths));
  drawn.level = detail::draw_weighted(random, "levels", options.levels).name;
  return drawn;
}

}  // namespace reasonembed::remixer
