#pragma once
/// @file Where the files of a retrieval dataset lie in its directory.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// How a dataset is laid out.
enum class DatasetLayout : unsigned char {
  kDetect,  ///< whichever of the others the directory holds
  kBeir,    ///< corpus.jsonl, queries.jsonl of all splits, qrels/SPLIT.tsv
  kPlain,   ///< corpus.jsonl, SPLIT.queries.jsonl, SPLIT.qrels.tsv, or `_` in the place of the first dot
  kBright,  ///< one BRIGHT task: documents.jsonl (or long_documents.jsonl), examples.jsonl; no splits
};

/// The files of one split of a dataset.
struct DatasetFiles {
  DatasetLayout layout = DatasetLayout::kDetect;  ///< never kDetect once found
  std::filesystem::path corpus = {};
  std::filesystem::path queries = {};
  std::filesystem::path qrels = {};  ///< empty for kBright, whose queries hold their judgements

  friend bool operator==(const DatasetFiles&, const DatasetFiles&) = default;
};

namespace detail {

inline bool has_file(const std::filesystem::path& path) {
  std::error_code ignored;  // what can't be examined is not there
  return std::filesystem::is_regular_file(path, ignored);
}
inline bool has_directory(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

inline DatasetLayout detect_layout(const std::filesystem::path& directory) {
  if (has_directory(directory / "qrels") && has_file(directory / "queries.jsonl")) {
    return DatasetLayout::kBeir;
  }
  if (has_file(directory / "examples.jsonl")) {
    return DatasetLayout::kBright;
  }
  if (has_file(directory / "corpus.jsonl")) {
    return DatasetLayout::kPlain;
  }
  throw DataError::invalid(directory.string(),
                           "content of the directory",
                           "no dataset of a known layout",
                           "corpus.jsonl with SPLIT.queries.jsonl and SPLIT.qrels.tsv, corpus.jsonl with queries.jsonl "
                           "and qrels/SPLIT.tsv (BEIR), or documents.jsonl with examples.jsonl (BRIGHT)");
}

/// The names in `directory` that end in one of `endings`, without the ending: the splits there are.
inline std::string known_splits(const std::filesystem::path& directory,
                                std::initializer_list<std::string_view> endings) {
  std::vector<std::string> splits;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view ending : endings) {
      if (name.ends_with(ending)) {
        splits.push_back(io::in_quotes(name.substr(0, name.size() - ending.size())));
        break;
      }
    }
  }
  std::sort(splits.begin(), splits.end());
  std::string text;
  for (const std::string& split : splits) {
    text += (text.empty() ? "one of " : ", ") + split;
  }
  return text.empty() ? "a split, of which there is none" : text;
}

/// @return  the one file among `names` that exists, an empty path if there is none
/// @throws  DataError if there are several
inline std::filesystem::path only_file(const std::filesystem::path& directory, const std::vector<std::string>& names) {
  std::filesystem::path found;
  for (const std::string& name : names) {
    if (has_file(directory / name)) {
      if (!found.empty()) {
        throw DataError::invalid(directory.string(),
                                 "choice of files",
                                 io::in_quotes(found.filename().string()) + " and " + io::in_quotes(name),
                                 "one of the two");
      }
      found = directory / name;
    }
  }
  return found;
}

/// "dev.queries.jsonl" and "dev_queries.jsonl", or "queries.jsonl" where there are no splits
inline std::vector<std::string> split_names(const std::string& split, const std::string& name) {
  return split.empty() ? std::vector{name} : std::vector{split + "." + name, split + "_" + name};
}

inline DatasetFiles beir_files(const std::filesystem::path& directory, const std::string& split) {
  const std::filesystem::path qrels = directory / "qrels" / (split + ".tsv");
  if (!has_file(qrels)) {
    throw DataError::invalid(
        directory.string(), "split", io::in_quotes(split), known_splits(directory / "qrels", {".tsv"}));
  }
  return {DatasetLayout::kBeir, directory / "corpus.jsonl", directory / "queries.jsonl", qrels};
}

inline DatasetFiles plain_files(const std::filesystem::path& directory, const std::string& split) {
  const std::filesystem::path queries = only_file(directory, split_names(split, "queries.jsonl"));
  if (queries.empty()) {
    throw DataError::invalid(directory.string(),
                             "split",
                             io::in_quotes(split),
                             known_splits(directory, {".queries.jsonl", "_queries.jsonl", "queries.jsonl"}));
  }
  std::vector<std::string> names;
  for (const char* name : {"qrels.tsv", "qrels.txt", "qrels.jsonl"}) {
    for (std::string& one : split_names(split, name)) {
      names.push_back(std::move(one));
    }
  }
  const std::filesystem::path qrels = only_file(directory, names);
  if (qrels.empty()) {
    throw DataError::invalid(directory.string(),
                             "judgements of split " + io::in_quotes(split),
                             "missing",
                             names.front() + " beside " + queries.filename().string());
  }
  return {DatasetLayout::kPlain, directory / "corpus.jsonl", queries, qrels};
}

}  // namespace detail

/// Finds the files of a dataset.
///
/// @param split           of kBeir and kPlain; empty for a plain directory without splits: queries.jsonl, qrels.tsv
/// @param long_documents  of kBright: long_documents.jsonl instead of documents.jsonl
/// @throws                IoError if `directory` is none; DataError if it has no known layout or no such split, with
///                        the splits there are, or if two files answer to one name
[[nodiscard]] inline DatasetFiles find_dataset_files(const std::filesystem::path& directory,
                                                     const std::string& split,
                                                     DatasetLayout layout = DatasetLayout::kDetect,
                                                     bool long_documents = false) {
  if (!detail::has_directory(directory)) {
    std::error_code ignored;
    const bool exists = std::filesystem::exists(directory, ignored);
    throw IoError::failed(directory.string(), "dataset", exists ? "a file" : "missing", "a directory");
  }
  switch (layout == DatasetLayout::kDetect ? detail::detect_layout(directory) : layout) {
    case DatasetLayout::kBeir:
      return detail::beir_files(directory, split);
    case DatasetLayout::kBright:
      return {DatasetLayout::kBright,
              directory / (long_documents ? "long_documents.jsonl" : "documents.jsonl"),
              directory / "examples.jsonl",
              {}};
    default:
      return detail::plain_files(directory, split);
  }
}

}  // namespace reasonembed::data
