#pragma once
/// @file How trivial training pairs are: what a query and its positive share in words and in vectors.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/eval/chart.hpp>
#include <reasonembed/eval/chart_axis.hpp>
#include <reasonembed/eval/html_report.hpp>
#include <reasonembed/eval/table.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/rouge.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A query and a document that is called relevant for it.
struct PositivePair {
  std::string query = {};
  std::string document = {};

  friend bool operator==(const PositivePair&, const PositivePair&) = default;
};

/// @return  every (query, positive) of the rows, in their order
[[nodiscard]] inline std::vector<PositivePair> positive_pairs(std::span<const data::TrainingRow> rows) {
  std::vector<PositivePair> pairs;
  for (const data::TrainingRow& row : rows) {
    for (const std::string& document : row.pos) {
      pairs.push_back({row.query, document});
    }
  }
  return pairs;
}

/// What a pair has in common, or the mean of that over pairs.
struct Triviality {
  RougeScore rouge = {};                  ///< of the query as target, the document as prediction
  double word_overlap = 0;                ///< distinct words of both over distinct words of either, in [0, 1]
  std::optional<double> similarity = {};  ///< inner product of their vectors, the cosine for unit vectors

  friend bool operator==(const Triviality&, const Triviality&) = default;
};

/// The means over one kind of positives, with the distribution of ROUGE-1 F1.
struct TrivialityRow {
  std::string name = {};  ///< such as "source as positive"
  Index pairs = 0;        ///< >= 1
  Triviality mean = {};
  double f1_error = 0;                   ///< standard error of the mean of ROUGE-1 F1; 0 for one pair
  std::vector<double> f1 = {};           ///< (pairs)
  std::optional<double> published = {};  ///< what the paper reports for this kind of positives

  friend bool operator==(const TrivialityRow&, const TrivialityRow&) = default;
};

/// Mean ROUGE-1 between queries and positives in the paper's data: of source documents, and of mined ones.
inline constexpr double kPublishedSourceRouge = 0.3216;
inline constexpr double kPublishedMinedRouge = 0.2411;

/// @note  O(length of both)
[[nodiscard]] inline Triviality triviality(const PositivePair& pair, const RougeOptions& options = {}) {
  Triviality found;
  found.rouge = rouge_1(pair.query, pair.document, options);
  const auto distinct = [&](std::string_view text) {
    std::vector<std::string> words = rouge_words(text, options);
    return std::set<std::string>(words.begin(), words.end());
  };
  const std::set<std::string> a = distinct(pair.query);
  const std::set<std::string> b = distinct(pair.document);
  const auto common = std::count_if(a.begin(), a.end(), [&](const std::string& word) { return b.contains(word); });
  const auto all = static_cast<std::ptrdiff_t>(a.size() + b.size()) - common;
  found.word_overlap = all == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(all);
  return found;
}

/// Measures one kind of positives.
///
/// @param similarities  (pairs) of an embedder, or empty
/// @throws              DataError if there is no pair; ShapeError if similarities are neither none nor one a pair;
///                      NonFiniteError naming the pair
[[nodiscard]] inline TrivialityRow measure_triviality(std::string name,
                                                      std::span<const PositivePair> pairs,
                                                      const RougeOptions& options = {},
                                                      std::span<const float> similarities = {}) {
  const std::string where = "remixer::measure_triviality: " + io::in_quotes(name);
  if (pairs.empty()) {
    throw DataError::invalid(where, "number of pairs", "0", "at least 1");
  }
  if (!similarities.empty()) {
    require_extent(
        where, "similarities.size()", static_cast<Index>(similarities.size()), static_cast<Index>(pairs.size()));
  }
  TrivialityRow row;
  row.name = std::move(name);
  row.pairs = static_cast<Index>(pairs.size());
  double cosine = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Triviality one = triviality(pairs[i], options);
    row.mean.rouge.precision += one.rouge.precision;
    row.mean.rouge.recall += one.rouge.recall;
    row.mean.rouge.f1 += one.rouge.f1;
    row.mean.word_overlap += one.word_overlap;
    row.f1.push_back(one.rouge.f1);
    if (!similarities.empty()) {
      if (!std::isfinite(similarities[i])) {
        throw NonFiniteError::found(where, "similarities", i, static_cast<double>(similarities[i]));
      }
      cosine += static_cast<double>(similarities[i]);
    }
  }
  const auto count = static_cast<double>(pairs.size());
  for (double* sum : {&row.mean.rouge.precision, &row.mean.rouge.recall, &row.mean.rouge.f1, &row.mean.word_overlap}) {
    *sum /= count;
  }
  if (!similarities.empty()) {
    row.mean.similarity = cosine / count;
  }
  double squares = 0;
  for (const double f1 : row.f1) {
    squares += (f1 - row.mean.rouge.f1) * (f1 - row.mean.rouge.f1);
  }
  row.f1_error = pairs.size() > 1 ? std::sqrt(squares / (count - 1) / count) : 0.0;
  return row;
}

/// @tparam M  models TextEmbedder
/// @return    (pairs) inner products of the vectors of query and document
/// @note      encodes each pair's texts once; a text that stands in many pairs is encoded for each
template <retrieval::TextEmbedder M>
[[nodiscard]] std::vector<float> pair_similarities(std::span<const PositivePair> pairs, const M& model) {
  std::vector<std::string_view> queries;
  std::vector<std::string> documents;
  for (const PositivePair& pair : pairs) {
    queries.push_back(pair.query);
    documents.push_back(pair.document);
  }
  const Matrix<float> q = model.encode_query(queries, nullptr);
  const Matrix<float> d = model.encode_document(documents, nullptr);
  std::vector<float> similarities;
  for (Index i = 0; i < q.rows(); ++i) {
    double sum = 0;
    for (Index k = 0; k < q.cols(); ++k) {
      sum += static_cast<double>(q(i, k)) * static_cast<double>(d(i, k));
    }
    similarities.push_back(static_cast<float>(sum));
  }
  return similarities;
}

/// Kinds of positives side by side: the document a query was written from, and what mining and annotation found.
class TrivialityReport {
 public:
  /// @param options  that the rows were measured with; shown beside them
  explicit TrivialityReport(RougeOptions options = {}) : options_(options) {}

  /// @throws  ConfigError if a row of this name is there already
  void add(TrivialityRow row) {
    for (const TrivialityRow& other : rows_) {
      if (other.name == row.name) {
        throw ConfigError::invalid("remixer::TrivialityReport", "name", io::in_quotes(row.name), "another one");
      }
    }
    rows_.push_back(std::move(row));
  }
  [[nodiscard]] const std::vector<TrivialityRow>& rows() const { return rows_; }

  [[nodiscard]] eval::Table table() const {
    eval::Table table;
    table.title = "What queries and their positives have in common";
    table.columns = {
        "positives", "pairs", "ROUGE-1 F1", "+-", "paper", "precision", "recall", "word overlap", "cosine"};
    table.note = std::string("Means over pairs; +- is the standard error. ROUGE-1 ") +
                 (options_.stemming ? "with" : "without") +
                 " stemming, the query as target. The lower, the less a model can learn from words alone.";
    for (const TrivialityRow& row : rows_) {
      table.rows.push_back({row.name,
                            std::to_string(row.pairs),
                            number(row.mean.rouge.f1),
                            number(row.f1_error),
                            row.published ? number(*row.published) : "-",
                            number(row.mean.rouge.precision),
                            number(row.mean.rouge.recall),
                            number(row.mean.word_overlap),
                            row.mean.similarity ? number(*row.mean.similarity) : "-"});
    }
    return table;
  }
  /// The part of each kind's pairs by their ROUGE-1 F1, one line a kind.
  [[nodiscard]] eval::LineChart chart() const {
    constexpr int kBins = 20;
    eval::LineChart chart;
    chart.title = "Distribution of ROUGE-1 F1";
    chart.x_label = "ROUGE-1 F1 between query and positive";
    chart.y_label = "part of the pairs";
    for (const TrivialityRow& row : rows_) {
      std::vector<double> parts(kBins);
      for (const double f1 : row.f1) {
        parts[static_cast<std::size_t>(std::min(static_cast<int>(f1 * kBins), kBins - 1))] +=
            1.0 / static_cast<double>(row.pairs);
      }
      eval::LineSeries series;
      series.name = row.name;
      for (int bin = 0; bin < kBins; ++bin) {
        for (const int edge : {bin, bin + 1}) {
          series.x.push_back(static_cast<double>(edge) / kBins);
          series.y.push_back(parts[static_cast<std::size_t>(bin)]);
        }
      }
      chart.series.push_back(std::move(series));
    }
    return chart;
  }
  [[nodiscard]] io::Json json() const {
    io::Json rows = io::Json::array();
    for (const TrivialityRow& row : rows_) {
      io::Json json = {{"name", row.name},
                       {"pairs", row.pairs},
                       {"rouge1_precision", row.mean.rouge.precision},
                       {"rouge1_recall", row.mean.rouge.recall},
                       {"rouge1_f1", row.mean.rouge.f1},
                       {"rouge1_f1_error", row.f1_error},
                       {"word_overlap", row.mean.word_overlap}};
      if (row.mean.similarity) {
        json["similarity"] = *row.mean.similarity;
      }
      if (row.published) {
        json["published_rouge1"] = *row.published;
      }
      rows.push_back(std::move(json));
    }
    return {{"stemming", options_.stemming}, {"rows", std::move(rows)}};
  }
  [[nodiscard]] std::string to_markdown() const {
    return "## Triviality\n\n" + eval::markdown(table()) + "\n" + table().note + "\n";
  }
  /// Writes `path` as JSON and the same with .html as table and chart, each in one step.
  /// @throws  IoError if a file can't be written
  void write(const std::filesystem::path& path) const {
    io::write_json(path, json());
    eval::HtmlReport html("Triviality report");
    html.add(table());
    html.add(chart());
    html.write(std::filesystem::path(path).replace_extension(".html"));
  }

 private:
  static std::string number(double value) { return eval::detail::fixed_text(value, 4); }

  RougeOptions options_;
  std::vector<TrivialityRow> rows_;
};

}  // namespace reasonembed::remixer
