#pragma once
/// @file Corpora with queries and judgements, as directories that BEIR, BRIGHT and others publish.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/bright_examples.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/dataset_layout.hpp>
#include <reasonembed/data/qrels.hpp>
#include <reasonembed/data/qrels_file.hpp>
#include <reasonembed/data/queries.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// What happens to a query none of whose judgements is positive.
enum class WithoutRelevant : unsigned char {
  kKeep,      ///< it stays; as in trec_eval it scores 0 if it has judgements, and is not scored if it has none
  kLeaveOut,  ///< query and judgements are left out
  kRefuse,    ///< DataError
};

/// Options of read_retrieval_dataset.
struct RetrievalDatasetOptions {
  std::string split = "dev";         ///< of BEIR and plain directories
  std::string query_field = {};      ///< see QueryFileOptions
  std::string reasoning_field = {};  ///< see QueryFileOptions
  DatasetLayout layout = DatasetLayout::kDetect;
  BrightDocuments bright_documents = BrightDocuments::kPassages;
  DuplicateQueries duplicate_queries = DuplicateQueries::kKeepFirst;
  WithoutRelevant without_relevant = WithoutRelevant::kKeep;
  bool texts = true;  ///< whether documents have their texts; false leaves them empty, where ids are enough

  friend bool operator==(const RetrievalDatasetOptions&, const RetrievalDatasetOptions&) = default;
};

/// Documents, queries and which of the documents are relevant for which query.
struct RetrievalDataset {
  Corpus corpus;
  Queries queries;
  Qrels qrels;  ///< of queries in `queries` only; may name documents that the corpus lacks
  /// Sentences on what was unusual but no error. Whoever reads a dataset shows them.
  std::vector<std::string> notes;

  /// @return  (B) for each query the ascending corpus numbers of its excluded documents; ids that the corpus lacks have
  ///          none
  [[nodiscard]] std::vector<std::vector<Index>> excluded_documents() const {
    std::vector<std::vector<Index>> numbers;
    for (const std::vector<std::string>& ids : queries.excluded()) {
      std::vector<Index>& row = numbers.emplace_back();
      for (const std::string& id : ids) {
        if (const Index number = corpus.find(id); number != StringIndex::kAbsent) {
          row.push_back(number);
        }
      }
      std::sort(row.begin(), row.end());
      row.erase(std::unique(row.begin(), row.end()), row.end());
    }
    return numbers;
  }
};

namespace detail {

/// "PATH: 3 THINGS, CONSEQUENCE (first: "x")", or nothing for a count of 0
class NoteCounter {
 public:
  void add(std::string_view example) {
    if (++count_ == 1) {
      example_ = example;
    }
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] const std::string& example() const { return example_; }
  void note(const std::filesystem::path& path, std::string_view text, std::vector<std::string>& notes) const {
    if (count_ > 0) {
      notes.push_back(path.string() + ": " + std::to_string(count_) + " " + std::string(text) +
                      " (first: " + io::in_quotes(example_) + ")");
    }
  }

 private:
  std::size_t count_ = 0;
  std::string example_;
};

/// Leaves out the queries that `keep` refuses.
template <class Keep>
void filter_queries(Queries& queries, const Keep& keep) {
  Queries kept;
  for (Index i = 0; i < queries.size(); ++i) {
    if (keep(queries.ids()[static_cast<std::size_t>(i)])) {
      kept.add(queries[i]);
    }
  }
  queries = std::move(kept);
}

/// Leaves out the judgements of unknown queries, in the order of the queries: means then don't depend on the file's.
inline void filter_qrels(const std::filesystem::path& path, RetrievalDataset& dataset) {
  NoteCounter unknown_queries;
  NoteCounter unknown_documents;
  for (const std::string& query : dataset.qrels.queries()) {
    if (dataset.queries.find(query) == StringIndex::kAbsent) {
      unknown_queries.add(query);
    }
  }
  Qrels known;
  for (const std::string& query : dataset.queries.ids()) {
    const Qrels::Judgements* judgements = dataset.qrels.find(query);
    if (judgements == nullptr) {
      continue;
    }
    for (const auto& [document, relevance] : *judgements) {
      known.add(query, document, relevance);
      if (relevance > 0 && dataset.corpus.find(document) == StringIndex::kAbsent) {
        unknown_documents.add(document);
      }
    }
  }
  dataset.qrels = std::move(known);
  unknown_queries.note(path, "query id(s) with judgements but without a text, left out", dataset.notes);
  unknown_documents.note(path, "relevant document id(s) that the corpus lacks, counted as never found", dataset.notes);
}

inline void treat_queries_without_relevant(const std::filesystem::path& path,
                                           WithoutRelevant without_relevant,
                                           RetrievalDataset& dataset) {
  NoteCounter without;
  for (const std::string& query : dataset.queries.ids()) {
    if (!dataset.qrels.has_relevant(query)) {
      without.add(query);
    }
  }
  if (without.count() == static_cast<std::size_t>(dataset.queries.size())) {
    throw DataError::invalid(path.string(), "number of queries with a relevant document", "0", "at least 1");
  }
  if (without.count() > 0 && without_relevant == WithoutRelevant::kRefuse) {
    throw DataError::invalid(
        path.string(), "number of relevant documents of query " + io::in_quotes(without.example()), "0", "at least 1");
  }
  if (without_relevant == WithoutRelevant::kLeaveOut) {
    without.note(path, "query id(s) without a relevant document, left out", dataset.notes);
    filter_queries(dataset.queries, [&](const std::string& query) { return dataset.qrels.has_relevant(query); });
    Qrels kept;
    for (const std::string& query : dataset.queries.ids()) {
      for (const auto& [document, relevance] : *dataset.qrels.find(query)) {
        kept.add(query, document, relevance);
      }
    }
    dataset.qrels = std::move(kept);
  } else {
    without.note(path, "query id(s) without a relevant document, scored 0 if judged at all", dataset.notes);
  }
}

}  // namespace detail

/// Reads a dataset from a directory; docs/file_formats.md shows the layouts.
///
/// BEIR keeps the queries of all splits in one file: those without a judgement in this split are left out. In the other
/// layouts every query of the file stays. Judgements of queries without a text are left out; those of documents that
/// the corpus lacks stay, as trec_eval counts them. Both are reported in `notes`, never silently.
///
/// @throws  IoError if a file is missing or unreadable; DataError, with file:line where there is one, for an unknown
///          layout or split, a broken row, a missing field, a duplicate document id, contradicting judgements, text
///          that is not UTF-8, no document, no query, or no query with a relevant document
/// @note    memory: the texts once unless they are left out, and the ids twice
[[nodiscard]] inline RetrievalDataset read_retrieval_dataset(const std::filesystem::path& directory,
                                                             const RetrievalDatasetOptions& options = {}) {
  const bool long_documents = options.bright_documents == BrightDocuments::kLong;
  const DatasetFiles files = find_dataset_files(directory, options.split, options.layout, long_documents);
  const QueryFileOptions query_options{options.query_field, options.reasoning_field, options.duplicate_queries};
  RetrievalDataset dataset;
  dataset.corpus =
      options.texts ? read_corpus(files.corpus, dataset.notes) : read_corpus_ids(files.corpus, dataset.notes);
  if (files.layout == DatasetLayout::kBright) {
    BrightExamples examples =
        read_bright_examples(files.queries, dataset.notes, options.bright_documents, query_options);
    dataset.queries = std::move(examples.queries);
    dataset.qrels = std::move(examples.qrels);
  } else {
    dataset.queries = read_queries(files.queries, dataset.notes, query_options);
    dataset.qrels = read_qrels(files.qrels, dataset.notes);
  }
  if (files.layout == DatasetLayout::kBeir) {
    detail::filter_queries(dataset.queries, [&](const std::string& id) { return dataset.qrels.find(id) != nullptr; });
  }
  const std::filesystem::path& judgements = files.qrels.empty() ? files.queries : files.qrels;
  detail::filter_qrels(judgements, dataset);
  detail::treat_queries_without_relevant(judgements, options.without_relevant, dataset);
  return dataset;
}

}  // namespace reasonembed::data
