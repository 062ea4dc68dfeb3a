#pragma once
/// @file Negatives of training rows taken from what a search has found for them.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_row.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// What happens to the negatives that a row has.
enum class ExistingNegatives : bool {
  kReplace,  ///< they go
  kAppend,   ///< they stay in front, and the found ones follow
};

/// Options of with_hard_negatives.
struct HardNegativeOptions {
  Index count = 15;  ///< found documents a row takes at most, >= 1
  Index skip = 0;    ///< first admissible candidates passed over, >= 0: what ranks highest is often relevant, unjudged
  ExistingNegatives existing = ExistingNegatives::kReplace;
  /// (rows) for each row pool numbers of documents that must not become negatives, nor must copies of them: documents
  /// judged relevant that the row lacks, or the one its query was made from; or empty
  std::span<const std::vector<Index>> excluded = {};
};

/// Rows with negatives that a search has found, and what was passed over.
struct HardNegatives {
  TrainingDataset rows;
  Index taken = 0;           ///< candidates that became negatives
  Index relevant = 0;        ///< candidates passed over: a positive of the row
  Index same_as_query = 0;   ///< candidates passed over: the query itself
  Index excluded = 0;        ///< candidates passed over: excluded, without being one of the above
  Index repeated = 0;        ///< candidates passed over: the text of another candidate or negative of the row, or blank
  Index short_rows = 0;      ///< rows that took fewer than `count`
  Index dropped_scores = 0;  ///< rows whose neg_scores were dropped because found negatives have none
};

namespace detail {

/// `text` with each run of ASCII white space as one blank, and none at the ends: what copies of a document share.
inline std::string collapsed(std::string_view text) {
  std::string result;
  bool gap = false;
  for (const char c : text) {
    if (is_blank({&c, 1})) {
      gap = !result.empty();
      continue;
    }
    if (gap) {
      result += ' ';
      gap = false;
    }
    result += c;
  }
  return result;
}

/// Chooses the negatives of one row.
class HardNegativePicker {
 public:
  HardNegativePicker(const TrainingRow& row, HardNegatives& counts) : query_(collapsed(row.query)), counts_(&counts) {
    for (const std::string& text : row.pos) {
      positives_.add(collapsed(text));
    }
    for (const std::string& text : row.neg) {
      taken_.add(collapsed(text));
    }
  }
  void exclude(std::string_view text) { excluded_.add(collapsed(text)); }
  /// @return  whether the candidate may be a negative of the row; what is told twice is refused the second time
  [[nodiscard]] bool admits(std::string_view candidate) {
    const std::string text = collapsed(candidate);
    if (positives_.contains(text)) {
      ++counts_->relevant;
    } else if (text == query_) {
      ++counts_->same_as_query;
    } else if (excluded_.contains(text)) {
      ++counts_->excluded;
    } else if (text.empty() || !taken_.add(text).second) {
      ++counts_->repeated;
    } else {
      return true;
    }
    return false;
  }

 private:
  std::string query_;
  StringIndex positives_;
  StringIndex excluded_;
  StringIndex taken_;
  HardNegatives* counts_;
};

/// @throws  ShapeError if the lists are not one for each row, or name a document that is not there
inline void check_pool_numbers(std::string_view name,
                               std::span<const std::vector<Index>> lists,
                               Index rows,
                               std::size_t pool) {
  constexpr std::string_view kWhere = "data::with_hard_negatives";
  require_extent(kWhere, std::string(name) + ".size()", static_cast<Index>(lists.size()), rows);
  for (std::size_t row = 0; row < lists.size(); ++row) {
    for (const Index document : lists[row]) {
      if (document < 0 || static_cast<std::size_t>(document) >= pool) {
        throw ShapeError::invalid(kWhere,
                                  "a document of " + std::string(name) + "[" + std::to_string(row) + "]",
                                  std::to_string(document),
                                  "in [0, " + std::to_string(pool) + "), the documents searched");
      }
    }
  }
}

inline void check_hard_negatives(const HardNegativeOptions& options) {
  constexpr std::string_view kWhere = "data::with_hard_negatives";
  if (options.count < 1) {
    throw ConfigError::invalid(kWhere, "count", std::to_string(options.count), "at least 1");
  }
  if (options.skip < 0) {
    throw ConfigError::invalid(kWhere, "skip", std::to_string(options.skip), "at least 0");
  }
}

}  // namespace detail

/// Gives every row the negatives that a search has ranked highest for it.
///
/// A candidate is passed over if it is relevant (its text is that of a positive of the row), the query itself,
/// excluded, or there already. Texts are compared with runs of white space as one blank, for corpora hold such copies
/// of one document under different ids. Every reason is counted.
///
/// @param rows        (R) rows
/// @param pool        (N) texts of the documents searched
/// @param candidates  (R) for each row numbers of documents in `pool`, best first
/// @return            R rows in the same order; those with nothing found keep what `existing` leaves them
/// @throws            ShapeError if the extents differ or a number is not in the pool, ConfigError for an option out of
///                    range, DataError if a document is not UTF-8
/// @note              O(bytes of rows and candidates looked at); deterministic
[[nodiscard]] inline HardNegatives with_hard_negatives(const TrainingDataset& rows,
                                                       std::span<const std::string> pool,
                                                       std::span<const std::vector<Index>> candidates,
                                                       const HardNegativeOptions& options = {}) {
  detail::check_hard_negatives(options);
  detail::check_pool_numbers("candidates", candidates, rows.size(), pool.size());
  if (!options.excluded.empty()) {
    detail::check_pool_numbers("excluded", options.excluded, rows.size(), pool.size());
  }
  HardNegatives result{.rows = TrainingDataset(rows.name())};
  for (Index number = 0; number < rows.size(); ++number) {
    const auto i = static_cast<std::size_t>(number);
    TrainingRow row = rows.row(number);
    if (options.existing == ExistingNegatives::kReplace) {
      row.neg.clear();
      row.neg_scores.clear();
    }
    detail::HardNegativePicker picker(row, result);
    if (!options.excluded.empty()) {
      for (const Index document : options.excluded[i]) {
        picker.exclude(pool[static_cast<std::size_t>(document)]);
      }
    }
    Index passed = 0;
    Index taken = 0;
    for (const Index candidate : candidates[i]) {
      if (taken == options.count) {
        break;
      }
      const std::string& text = pool[static_cast<std::size_t>(candidate)];
      if (picker.admits(text) && ++passed > options.skip) {
        row.neg.push_back(text);
        ++taken;
      }
    }
    result.taken += taken;
    result.short_rows += taken < options.count ? 1 : 0;
    if (taken > 0 && !row.neg_scores.empty()) {
      row.neg_scores.clear();
      ++result.dropped_scores;
    }
    result.rows.add(row);
  }
  return result;
}

}  // namespace reasonembed::data
