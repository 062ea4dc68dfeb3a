#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/stable_sort.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/qrels.hpp>
#include <reasonembed/data/queries.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/data/training_rows.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// What becomes of documents that are judged and not relevant.
enum class JudgedNegatives : bool {
  kUse,     ///< they are negatives
  kIgnore,  ///< they are documents like any other
};

/// Options of rows_from_retrieval.
struct RowsFromRetrievalOptions {
  std::string name = "retrieval";  ///< of the dataset of rows
  std::string prompt = {};         ///< of all its queries; empty: none
  JudgedNegatives judged_negatives = JudgedNegatives::kUse;

  friend bool operator==(const RowsFromRetrievalOptions&, const RowsFromRetrievalOptions&) = default;
};

/// Training rows made from queries and judgements.
struct RetrievalRows {
  TrainingRows rows;           ///< one dataset
  std::vector<Index> queries;  ///< (rows) number of each row's query in the retrieval dataset
};

namespace detail {

/// Collects rows, and what was left out on the way.
class RetrievalRowsBuilder {
 public:
  RetrievalRowsBuilder(const RetrievalDataset& dataset, const RowsFromRetrievalOptions& options)
      : dataset_(&dataset), options_(&options), rows_(options.name) {}

  void add(Index number) {
    const Query query = dataset_->queries[number];
    TrainingRow row;
    row.query = query.text;
    row.prompt = options_->prompt;
    row.reasoning_query = query.reasoning;
    if (const Qrels::Judgements* judgements = dataset_->qrels.find(query.id); judgements != nullptr) {
      add_documents(*judgements, row);
    }
    if (row.pos.empty()) {
      without_.add(query.id);
      return;
    }
    rows_.add(row);
    queries_.push_back(number);
  }
  [[nodiscard]] RetrievalRows take() {
    if (rows_.empty()) {
      throw DataError::invalid("data::rows_from_retrieval",
                               "number of queries with a relevant document",
                               "0 of " + std::to_string(dataset_->queries.size()),
                               "at least 1");
    }
    RetrievalRows result;
    const std::string& name = options_->name;
    missing_.note(name, "judged document(s) that the corpus lacks, left out", result.rows.notes);
    blank_.note(name, "judged document(s) without text, left out", result.rows.notes);
    without_.note(name, "query id(s) without a relevant document, left out", result.rows.notes);
    result.rows.datasets.push_back(std::move(rows_));
    result.queries = std::move(queries_);
    return result;
  }

 private:
  void add_documents(const Qrels::Judgements& judgements, TrainingRow& row) {
    std::vector<std::pair<int, Index>> relevant;
    for (const auto& [id, relevance] : judgements) {
      const Index document = dataset_->corpus.find(id);
      if (document == StringIndex::kAbsent) {
        missing_.add(id);
      } else if (is_blank(text(document))) {
        blank_.add(id);
      } else if (relevance > 0) {
        relevant.emplace_back(relevance, document);
      } else if (options_->judged_negatives == JudgedNegatives::kUse) {
        row.neg.push_back(text(document));
      }
    }
    stable_sort(relevant, [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [relevance, document] : relevant) {
      row.pos.push_back(text(document));
    }
  }
  [[nodiscard]] const std::string& text(Index document) const {
    return dataset_->corpus.texts()[static_cast<std::size_t>(document)];
  }

  const RetrievalDataset* dataset_;
  const RowsFromRetrievalOptions* options_;
  TrainingDataset rows_;
  std::vector<Index> queries_;
  NoteCounter missing_;
  NoteCounter blank_;
  NoteCounter without_;
};

}  // namespace detail

/// Makes a training row of every query that has a relevant document.
///
/// Its positives are ALL its relevant documents, the most relevant first and equal ones by the bytes of their ids: they
/// tell which documents of a batch, and which found ones, are no negatives (by text, so that a copy of a relevant
/// document under another id is known too). The reasoning query is the query's reasoning.
///
/// @return  rows in the order of the queries; notes on queries and documents that were left out
/// @throws  DataError if no query has a relevant document with text, or if a query is blank
[[nodiscard]] inline RetrievalRows rows_from_retrieval(const RetrievalDataset& dataset,
                                                       const RowsFromRetrievalOptions& options = {}) {
  detail::RetrievalRowsBuilder rows(dataset, options);
  for (Index query = 0; query < dataset.queries.size(); ++query) {
    rows.add(query);
  }
  return rows.take();
}

}  // namespace reasonembed::data
