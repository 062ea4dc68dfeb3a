#pragma once
/// @file Training rows in JSON Lines files, one task a file.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/line_reader.hpp>
#include <reasonembed/io/text_file.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// What happens to a row that can't be trained on, and to rows of one file that state different batch sizes.
enum class BadRows : bool {
  kLeaveOut,  ///< the row is left out, counted and reported; the first batch size holds, and the others are reported
  kRefuse,    ///< DataError that names file:line
};

/// Options of read_rows.
struct ReadRowsOptions {
  BadRows bad_rows = BadRows::kLeaveOut;

  friend bool operator==(const ReadRowsOptions&, const ReadRowsOptions&) = default;
};

/// What a check of rows for texts of benchmarks has found, beside the files it is about: Markdown for model cards.
inline constexpr std::string_view kContaminationFile = "contamination.md";

/// The rows to train on: one dataset for each task.
struct TrainingRows {
  std::vector<TrainingDataset> datasets = {};
  /// Sentences on what was unusual but no error. Whoever reads rows shows them.
  std::vector<std::string> notes = {};
  std::array<Index, kRowFaults> left_out = {};  ///< rows left out, by RowFault
  std::string contamination = {};               ///< the text of kContaminationFile, "" where there is none

  /// @return  rows of all datasets
  [[nodiscard]] Index size() const {
    return std::accumulate(datasets.begin(), datasets.end(), Index{0}, [](Index sum, const TrainingDataset& dataset) {
      return sum + dataset.size();
    });
  }
  /// @return  rows with a reasoning query
  [[nodiscard]] Index reasoning_count() const {
    return std::accumulate(datasets.begin(), datasets.end(), Index{0}, [](Index sum, const TrainingDataset& dataset) {
      return sum + dataset.reasoning_count();
    });
  }
  /// @return  rows left out because of this fault
  [[nodiscard]] Index left_out_by(RowFault fault) const { return left_out[static_cast<std::size_t>(fault)]; }
};

namespace detail {

/// Counts what happened in a file, and remembers the first time.
struct Incidents {
  Index count = 0;
  std::string first = {};

  void add(Index times, std::string_view example) {
    first = count == 0 ? std::string(example) : first;
    count += times;
  }
};

/// Reads the rows of one file.
class TrainingFileReader {
 public:
  TrainingFileReader(const std::filesystem::path& path, BadRows bad_rows)
      : lines_(path), bad_rows_(bad_rows), dataset_(path.stem().string()) {}

  /// @throws  DataError if a row is bad and must not be, or if there is none without a problem
  void read(TrainingRows& rows) {
    while (next()) {
      if (is_blank(lines_.text())) {
        blank_.add(1, lines_.where());
        continue;
      }
      flush_blank();
      read_line();
    }
    if (dataset_.empty()) {
      const std::string first = first_.empty() ? std::string() : " (the first row: " + first_ + ")";
      throw DataError::invalid(lines_.path(), "number of rows to train on", "0" + first, "at least 1");
    }
    report(rows);
    rows.datasets.push_back(std::move(dataset_));
  }

 private:
  /// Moves to the next line that is UTF-8.
  bool next() {
    for (;;) {
      const std::size_t before = lines_.line();
      try {
        return lines_.next();
      } catch (const DataError& error) {
        if (lines_.line() == before) {
          throw;  // too long: where the next line begins is not known
        }
        flush_blank();
        leave_out({RowFault::kNotUtf8, error.what()});
      }
    }
  }
  void read_line() {
    const std::string where = lines_.where();
    const Expected<TrainingRow, RowProblem> row = parse_training_row(lines_.text(), where);
    if (!row) {
      leave_out(row.error());
      return;
    }
    const Index repeated = dataset_.repeated_documents();
    if (const std::optional<RowProblem> problem = dataset_.try_add(*row, where)) {
      leave_out(*problem);
      return;
    }
    if (const Index more = dataset_.repeated_documents() - repeated; more > 0) {
      repeated_.add(more, where);
    }
    check_batch_size(*row, where);
  }
  void check_batch_size(const TrainingRow& row, const std::string& where) {
    const std::optional<Index> first = dataset_.batch_size();  // this row's, if no earlier one states any
    if (!row.batch_size || !first || *row.batch_size == *first) {
      return;
    }
    if (bad_rows_ == BadRows::kRefuse) {
      throw DataError::invalid(where,
                               "batch_size",
                               std::to_string(*row.batch_size),
                               std::to_string(*first) + ", as earlier rows of the file have");
    }
    other_batch_size_.add(1, where);
  }
  /// Blank lines before a row mean that a row was lost; those at the end of a file are what editors leave.
  void flush_blank() {
    const Index count = blank_.count;
    const std::string first = blank_.first;
    blank_ = {};
    for (Index i = 0; i < count; ++i) {
      leave_out(row_problem(RowFault::kBlankLine, first, "line", "blank", "a JSON object"));
    }
  }
  void leave_out(const RowProblem& problem) {
    if (bad_rows_ == BadRows::kRefuse) {
      throw DataError(problem.message);
    }
    first_ = first_.empty() ? problem.message : first_;
    left_out_[static_cast<std::size_t>(problem.fault)].add(1, problem.message);
  }
  void report(TrainingRows& rows) const {
    const auto note = [&](const Incidents& incidents, const std::string& text) {
      if (incidents.count > 0) {
        rows.notes.push_back(lines_.path() + ": " + std::to_string(incidents.count) + " " + text +
                             " (first: " + incidents.first + ")");
      }
    };
    for (std::size_t fault = 0; fault < kRowFaults; ++fault) {
      note(left_out_[fault], "row(s) left out for " + std::string(describe(static_cast<RowFault>(fault))));
      rows.left_out[fault] += left_out_[fault].count;
    }
    note(repeated_, "document(s) that their row names twice, counted once");
    note(other_batch_size_,
         "row(s) that state another batch size than the file's " + std::to_string(dataset_.batch_size().value_or(0)) +
             ", not followed");
  }

  io::LineReader lines_;
  BadRows bad_rows_;
  TrainingDataset dataset_;
  std::array<Incidents, kRowFaults> left_out_ = {};
  Incidents blank_;  // since the last row
  Incidents repeated_;
  Incidents other_batch_size_;
  std::string first_;  // problem
};

/// The *.jsonl files of a directory by the bytes of their names. Other entries are noted, hidden ones passed over.
inline std::vector<std::filesystem::path> training_files(const std::filesystem::path& directory,
                                                         std::vector<std::string>& notes) {
  std::vector<std::filesystem::path> files;
  std::vector<std::string> others;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code unreadable;  // a dangling link has the name of a file, and opening it says what is wrong
    if (name.starts_with('.') || name.starts_with("contamination.")) {
      continue;  // what editors and file systems leave; the report, and its other forms
    }
    if (entry->path().extension() == ".jsonl" && !entry->is_directory(unreadable)) {
      files.push_back(entry->path());
    } else {
      others.push_back(name);
    }
  }
  if (error) {
    throw IoError::failed(directory.string(), "directory", error.message(), "a readable directory");
  }
  if (files.empty()) {
    throw DataError::invalid(directory.string(), "number of .jsonl files", "0", "at least 1");
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.native() < b.native(); });
  if (!others.empty()) {
    std::sort(others.begin(), others.end());
    notes.push_back(directory.string() + ": " + std::to_string(others.size()) +
                    " entries other than .jsonl files, not read (first: " + io::in_quotes(others.front()) + ")");
  }
  return files;
}

inline std::string find_contamination(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kContaminationFile;
  std::error_code missing;
  return std::filesystem::exists(file, missing) ? io::read_text_file(file) : std::string();
}

}  // namespace detail

/// Reads training rows, one JSON object a line; docs/file_formats.md shows the fields.
///
/// @param path  a file, which is one dataset, or a directory, of which every *.jsonl file is one, in the order of the
///              bytes of their names, hidden ones excepted; a dataset has the name of its file
/// @return      rows in the order of the files; what was left out stands in `notes` and `left_out`, and what lies
/// beside
///              the files as kContaminationFile in `contamination`
/// @throws      IoError if a file can't be read; DataError, with file:line where there is one, for a bad row (if
///              BadRows::kRefuse), a line of more than 256 MiB, a file without one good row, a directory without a file
/// @note        memory: as TrainingDataset, and the longest line
[[nodiscard]] inline TrainingRows read_rows(const std::filesystem::path& path, const ReadRowsOptions& options = {}) {
  TrainingRows rows;
  std::error_code missing;  // what can't be looked at can't be opened either, and that says why
  if (!std::filesystem::is_directory(path, missing)) {
    detail::TrainingFileReader(path, options.bad_rows).read(rows);
    rows.contamination = detail::find_contamination(path.parent_path());
    return rows;
  }
  for (const std::filesystem::path& file : detail::training_files(path, rows.notes)) {
    detail::TrainingFileReader(file, options.bad_rows).read(rows);
  }
  rows.contamination = detail::find_contamination(path);
  return rows;
}

/// Writes a dataset that read_rows reads back the same, in one step (see io::AtomicFile).
///
/// @throws  IoError if the file can't be written; the old file is then unchanged
inline void write_rows(const std::filesystem::path& path, const TrainingDataset& dataset) {
  io::AtomicFile file(path);
  for (Index row = 0; row < dataset.size(); ++row) {
    file.write(io::dump_json(training_row_json(dataset.row(row)), -1) + "\n");
  }
  file.commit();
}

}  // namespace reasonembed::data
