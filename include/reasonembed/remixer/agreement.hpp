#pragma once
/// @file How far two annotators agree.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/chart_axis.hpp>
#include <reasonembed/eval/table.hpp>
#include <reasonembed/io/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How much a disagreement weighs by the distance of the two scores.
enum class KappaWeights : std::uint8_t {
  kNone,       ///< all the same
  kLinear,     ///< |i - j|
  kQuadratic,  ///< (i - j)^2
};

/// How often one annotator gave score i where the other gave j.
class ConfusionTable {
 public:
  /// @param least,most  the scale, least < most
  /// @throws            ConfigError if the scale has less than two scores
  explicit ConfusionTable(int least = 1, int most = 5) : least_(least), most_(most) {
    if (least >= most) {
      throw ConfigError::invalid("remixer::ConfusionTable", "most", std::to_string(most), "above least");
    }
    counts_.resize(static_cast<std::size_t>(size()) * static_cast<std::size_t>(size()));
  }

  /// Counts one item that both scored. A score outside of the scale, such as -1 for an answer that could not be read,
  /// is counted as left out.
  void add(int first, int second) {
    if (first < least_ || first > most_ || second < least_ || second > most_) {
      ++left_out_;
      return;
    }
    ++counts_[at(first, second)];
    ++items_;
  }

  [[nodiscard]] int least() const { return least_; }
  [[nodiscard]] int most() const { return most_; }
  /// @return  number of scores of the scale
  [[nodiscard]] int size() const { return most_ - least_ + 1; }
  [[nodiscard]] Index count(int first, int second) const { return counts_[at(first, second)]; }
  /// @return  items that both have scored
  [[nodiscard]] Index items() const { return items_; }
  [[nodiscard]] Index left_out() const { return left_out_; }

  friend bool operator==(const ConfusionTable&, const ConfusionTable&) = default;

 private:
  [[nodiscard]] std::size_t at(int first, int second) const {
    REASONEMBED_ASSERT(first >= least_ && first <= most_ && second >= least_ && second <= most_);
    return static_cast<std::size_t>((first - least_) * size() + second - least_);
  }

  int least_;
  int most_;
  std::vector<Index> counts_;
  Index items_ = 0;
  Index left_out_ = 0;
};

/// @param first,second  (N) scores of the same items
/// @throws              ShapeError if the lengths differ
[[nodiscard]] inline ConfusionTable confusion_table(std::span<const int> first,
                                                    std::span<const int> second,
                                                    int least = 1,
                                                    int most = 5) {
  require_extent(
      "remixer::confusion_table", "second.size()", static_cast<Index>(second.size()), static_cast<Index>(first.size()));
  ConfusionTable table(least, most);
  for (std::size_t i = 0; i < first.size(); ++i) {
    table.add(first[i], second[i]);
  }
  return table;
}

/// The part of items on which both gave the same score; nothing for no items.
[[nodiscard]] inline std::optional<double> exact_agreement(const ConfusionTable& table) {
  if (table.items() == 0) {
    return std::nullopt;
  }
  Index same = 0;
  for (int score = table.least(); score <= table.most(); ++score) {
    same += table.count(score, score);
  }
  return static_cast<double>(same) / static_cast<double>(table.items());
}

/// Agreement beyond chance.
///
///   kappa = 1 - sum_ij w_ij O_ij / sum_ij w_ij E_ij,   E_ij = O_i. O_.j / N             [Cohen 1960; Cohen 1968, eq.
///   8]
///
/// @return  at most 1; 0 is chance; nothing where it is not defined: no items, or both give one and the same score
///          throughout. Equals scikit-learn's cohen_kappa_score with `labels` set to the scale.
[[nodiscard]] inline std::optional<double> kappa(const ConfusionTable& table, KappaWeights weights) {
  const int size = table.size();
  std::vector<double> rows(static_cast<std::size_t>(size));
  std::vector<double> cols(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) {
    for (int j = 0; j < size; ++j) {
      const auto count = static_cast<double>(table.count(table.least() + i, table.least() + j));
      rows[static_cast<std::size_t>(i)] += count;
      cols[static_cast<std::size_t>(j)] += count;
    }
  }
  double observed = 0;
  double expected = 0;
  for (int i = 0; i < size; ++i) {
    for (int j = 0; j < size; ++j) {
      const double distance = std::abs(i - j);
      const double weight = weights == KappaWeights::kNone     ? (i == j ? 0.0 : 1.0)
                            : weights == KappaWeights::kLinear ? distance
                                                               : distance * distance;
      observed += weight * static_cast<double>(table.count(table.least() + i, table.least() + j));
      expected += weight * rows[static_cast<std::size_t>(i)] * cols[static_cast<std::size_t>(j)];
    }
  }
  if (expected == 0) {
    return std::nullopt;
  }
  return 1 - observed * static_cast<double>(table.items()) / expected;
}

/// The agreement of two named annotators, for the eye and as JSON.
class AgreementReport {
 public:
  AgreementReport(std::string first, std::string second, ConfusionTable table)
      : first_(std::move(first)), second_(std::move(second)), table_(std::move(table)) {}

  [[nodiscard]] const ConfusionTable& confusion() const { return table_; }
  /// @return  one row for each score of the first annotator, one column for each of the second
  [[nodiscard]] eval::Table table() const {
    eval::Table table;
    table.title = "Scores of " + first_ + " (rows) and " + second_ + " (columns)";
    table.columns.emplace_back("score");
    for (int score = table_.least(); score <= table_.most(); ++score) {
      table.columns.push_back(std::to_string(score));
    }
    for (int first = table_.least(); first <= table_.most(); ++first) {
      std::vector<std::string> row = {std::to_string(first)};
      for (int second = table_.least(); second <= table_.most(); ++second) {
        row.push_back(std::to_string(table_.count(first, second)));
      }
      table.rows.push_back(std::move(row));
    }
    table.note = summary();
    return table;
  }
  /// @return  one sentence: items, exact agreement and the three kappas
  [[nodiscard]] std::string summary() const {
    return std::to_string(table_.items()) + " items (" + std::to_string(table_.left_out()) + " left out); same score " +
           shown(exact_agreement(table_)) + ", kappa " + shown(kappa(table_, KappaWeights::kNone)) + ", linear " +
           shown(kappa(table_, KappaWeights::kLinear)) + ", quadratic " +
           shown(kappa(table_, KappaWeights::kQuadratic)) + ".";
  }
  [[nodiscard]] std::string to_markdown() const {
    return "## Agreement of annotators\n\n" + table().title + "\n\n" + eval::markdown(table()) + "\n" + summary() +
           "\n";
  }
  /// @return  numbers that are not defined are null
  [[nodiscard]] io::Json json() const {
    const auto number = [](std::optional<double> value) { return value ? io::Json(*value) : io::Json(nullptr); };
    io::Json counts = io::Json::array();
    for (int first = table_.least(); first <= table_.most(); ++first) {
      io::Json row = io::Json::array();
      for (int second = table_.least(); second <= table_.most(); ++second) {
        row.push_back(table_.count(first, second));
      }
      counts.push_back(std::move(row));
    }
    return {{"first", first_},
            {"second", second_},
            {"least", table_.least()},
            {"most", table_.most()},
            {"items", table_.items()},
            {"left_out", table_.left_out()},
            {"exact", number(exact_agreement(table_))},
            {"kappa", number(kappa(table_, KappaWeights::kNone))},
            {"kappa_linear", number(kappa(table_, KappaWeights::kLinear))},
            {"kappa_quadratic", number(kappa(table_, KappaWeights::kQuadratic))},
            {"confusion", std::move(counts)}};
  }

 private:
  static std::string shown(std::optional<double> value) {
    if (!value) {
      return "not defined";
    }
    return eval::detail::fixed_text(*value, 4);
  }

  std::string first_;
  std::string second_;
  ConfusionTable table_;
};

}  // namespace reasonembed::remixer
