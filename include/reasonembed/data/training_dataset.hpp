#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/text_list.hpp>
#include <reasonembed/data/text_table.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// A row of a TrainingDataset, valid as long as the dataset lives and nothing is added to it.
struct TrainingRowView {
  std::string_view query = {};                 ///< without its prompt
  std::string_view instructed_query = {};      ///< as it is encoded
  std::string_view reasoning_query = {};       ///< without its prompt; empty if there is none
  std::string_view instructed_reasoning = {};  ///< as it is encoded; empty if there is none
  std::string_view prompt = {};
  std::string_view type = {};
  std::span<const TextTable::Number> pos = {};  ///< document numbers, distinct, at least one
  std::span<const TextTable::Number> neg = {};  ///< document numbers, distinct, none of `pos`
  std::span<const double> pos_scores = {};      ///< one for each of `pos`, or none
  std::span<const double> neg_scores = {};      ///< one for each of `neg`, or none
  std::optional<Index> train_group_size = {};
  std::optional<Index> batch_size = {};
};

/// The training rows of one task, which batches never mix with those of another.
///
/// Documents are kept once each, however many rows name them: the hard negatives of a task repeat from row to row. A
/// document that a row names twice counts once in it, as a positive if it is one: a text can't answer its query and not
/// answer it. Such repeats are counted.
///
/// @note  memory: the distinct texts, 4 bytes for each document of a row, about 150 bytes a row; reading from many
///        threads is safe
class TrainingDataset {
 public:
  using Number = TextTable::Number;

  explicit TrainingDataset(std::string name = {}) : name_(std::move(name)) {}

  /// @throws  DataError if the row can't be trained on (see find_problem); nothing is changed then
  void add(const TrainingRow& row) {
    const std::string where = "data::TrainingDataset " + io::in_quotes(name_) + ": row " + std::to_string(size());
    if (const std::optional<RowProblem> problem = try_add(row, where)) {
      throw DataError(problem->message);
    }
  }
  /// Adds a row if it can be trained on.
  /// @param where  what the message calls the row: file:line
  /// @return       why nothing was added; nothing if it was
  std::optional<RowProblem> try_add(const TrainingRow& row, std::string_view where) {
    std::optional<RowProblem> problem = find_problem(row, where);
    if (!problem) {
      append(row);
    }
    return problem;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  /// @return  number of rows
  [[nodiscard]] Index size() const { return static_cast<Index>(rows_.size()); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// @pre  0 <= row < size()
  [[nodiscard]] TrainingRowView operator[](Index row) const {
    REASONEMBED_ASSERT(row >= 0 && row < size());
    const Entry& entry = rows_[static_cast<std::size_t>(row)];
    TrainingRowView view;
    view.instructed_query = queries_[2 * row];
    view.instructed_reasoning = queries_[2 * row + 1];
    const std::size_t prefix = detail::instruction_size(prompts_[entry.prompt]);
    view.query = view.instructed_query.substr(prefix);
    view.reasoning_query =
        view.instructed_reasoning.empty() ? std::string_view() : view.instructed_reasoning.substr(prefix);
    view.prompt = prompts_[entry.prompt];
    view.type = types_[entry.type];
    const std::span<const Number> documents(numbers_);
    view.pos = documents.subspan(entry.documents, entry.pos);
    view.neg = documents.subspan(entry.documents + entry.pos, entry.neg);
    const std::span<const double> scores(scores_);
    view.pos_scores = scores.subspan(entry.scores, entry.pos_scores);
    view.neg_scores = scores.subspan(entry.scores + entry.pos_scores, entry.neg_scores);
    view.train_group_size = stated(entry.group_size);
    view.batch_size = stated(entry.batch_size);
    return view;
  }
  /// @return  a copy of the row, as it can be changed and written
  [[nodiscard]] TrainingRow row(Index number) const {
    const TrainingRowView view = (*this)[number];
    TrainingRow row;
    row.query = view.query;
    row.pos = texts(view.pos);
    row.neg = texts(view.neg);
    row.pos_scores.assign(view.pos_scores.begin(), view.pos_scores.end());
    row.neg_scores.assign(view.neg_scores.begin(), view.neg_scores.end());
    row.prompt = view.prompt;
    row.type = view.type;
    row.reasoning_query = view.reasoning_query;
    row.train_group_size = view.train_group_size;
    row.batch_size = view.batch_size;
    return row;
  }
  /// @return  the documents of all rows; views of them live as long as the dataset, until the next row is added
  [[nodiscard]] const TextTable& documents() const { return documents_; }
  /// @return  the batch size of the dataset: that of the first row which states one; nothing if none does
  [[nodiscard]] std::optional<Index> batch_size() const { return batch_size_; }
  /// @return  rows with a reasoning query
  [[nodiscard]] Index reasoning_count() const { return reasoning_count_; }
  /// @return  documents left out because their row names them twice
  [[nodiscard]] Index repeated_documents() const { return repeated_; }
  /// @return  bytes of all texts: queries, reasoning queries, distinct documents
  [[nodiscard]] std::size_t bytes() const { return queries_.bytes() + documents_.bytes(); }

 private:
  struct Entry {
    std::size_t documents = 0;  // of the first positive in numbers_; the negatives follow
    std::size_t scores = 0;     // likewise in scores_
    std::size_t pos = 0;
    std::size_t neg = 0;
    std::size_t pos_scores = 0;
    std::size_t neg_scores = 0;
    Number prompt = 0;
    Number type = 0;
    std::int32_t group_size = 0;  // 0: not stated
    std::int32_t batch_size = 0;
  };

  [[nodiscard]] static std::optional<Index> stated(std::int32_t size) {
    return size == 0 ? std::nullopt : std::optional<Index>(size);
  }
  [[nodiscard]] std::vector<std::string> texts(std::span<const Number> numbers) const {
    std::vector<std::string> found;
    for (const Number number : numbers) {
      found.emplace_back(documents_[number]);
    }
    return found;
  }
  void append(const TrainingRow& row) {
    Entry entry;
    entry.documents = numbers_.size();
    entry.scores = scores_.size();
    entry.prompt = prompts_.add(row.prompt);
    entry.type = types_.add(row.type);
    entry.group_size = static_cast<std::int32_t>(row.train_group_size.value_or(0));
    entry.batch_size = static_cast<std::int32_t>(row.batch_size.value_or(0));
    const bool reasoning = !detail::is_blank(row.reasoning_query);
    queries_.add(instructed_query(row.prompt, row.query));
    queries_.add(reasoning ? instructed_query(row.prompt, row.reasoning_query) : "");
    entry.pos = append_documents(row.pos, row.pos_scores);
    entry.pos_scores = scores_.size() - entry.scores;
    entry.neg = append_documents(row.neg, row.neg_scores);
    entry.neg_scores = scores_.size() - entry.scores - entry.pos_scores;
    rows_.push_back(entry);
    reasoning_count_ += reasoning ? 1 : 0;
    batch_size_ = batch_size_ ? batch_size_ : row.batch_size;
  }
  /// @return  documents of these that the row had not named before
  std::size_t append_documents(const std::vector<std::string>& texts, const std::vector<double>& scores) {
    const std::size_t before = numbers_.size();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Number number = documents_.add(texts[i]);
      last_row_.resize(static_cast<std::size_t>(documents_.size()), -1);
      if (last_row_[number] == size()) {
        ++repeated_;
        continue;
      }
      last_row_[number] = size();
      numbers_.push_back(number);
      if (!scores.empty()) {
        scores_.push_back(scores[i]);
      }
    }
    return numbers_.size() - before;
  }

  std::string name_;
  std::vector<Entry> rows_;
  TextList queries_;  // two a row, as they are encoded: the query, the reasoning query or an empty text
  TextTable documents_;
  TextTable prompts_;
  TextTable types_;
  std::vector<Number> numbers_;
  std::vector<double> scores_;
  std::vector<Index> last_row_;  // by document: the last row that named it
  std::optional<Index> batch_size_;
  Index reasoning_count_ = 0;
  Index repeated_ = 0;
};

}  // namespace reasonembed::data
