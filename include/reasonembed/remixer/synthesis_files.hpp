#pragma once
/// @file The records between the stages as JSON Lines files, see docs/remixer.md.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/remixer/records.hpp>
#include <reasonembed/remixer/shared_text.hpp>
#include <reasonembed/remixer/text_store.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

namespace detail {

/// Texts that many rows of a file repeat, each kept once.
class RepeatedTexts {
 public:
  /// @param directory  where the texts are kept on the disk; empty: in memory
  explicit RepeatedTexts(const std::filesystem::path& directory = {})
      : texts_(directory.empty() ? std::make_shared<TextStore>() : std::make_shared<TextStore>(directory)) {}
  SharedText get(std::string_view text) {
    return text.empty() ? SharedText() : TextStore::share(texts_, texts_->add(text).first);
  }

 private:
  std::shared_ptr<TextStore> texts_;
};

inline void put_source(io::Json& row, const SourceDocument& source) {
  if (!source.text.empty()) {
    row["source"] = source.text.view();
  }
  if (!source.id.empty()) {
    row["source_id"] = source.id;
  }
}
inline SourceDocument find_source(const io::JsonFields& row, RepeatedTexts& texts) {
  return {row.find_string("source_id").value_or(""), texts.get(row.find_string("source").value_or(""))};
}
inline io::Json texts_json(const std::vector<SharedText>& texts) {
  io::Json array = io::Json::array();
  for (const SharedText& text : texts) {
    array.push_back(text.view());
  }
  return array;
}
inline std::vector<SharedText> read_documents(const io::JsonFields& row, RepeatedTexts& texts) {
  std::vector<SharedText> documents;
  for (const std::string& text : row.get_strings("docs")) {
    documents.push_back(texts.get(text));
  }
  return documents;
}

template <class Record, class Make>
void write_records(const std::filesystem::path& path, std::span<const Record> records, const Make& make) {
  io::write_file_atomically(path, [&](io::AtomicFile& file) {
    for (const Record& record : records) {
      file.write(io::dump_json(make(record), -1) + "\n");
    }
  });
}

}  // namespace detail

/// Writes generated queries, one a line: {"query", "source", "source_id", "length", "level"}.
/// @throws  IoError if the file can't be written, DataError if a text is not UTF-8; the old file is then unchanged
inline void write_generated(const std::filesystem::path& path, std::span<const GeneratedQuery> queries) {
  detail::write_records(path, queries, [](const GeneratedQuery& query) {
    io::Json row = {{"query", query.query}, {"length", query.conditions.length}, {"level", query.conditions.level}};
    detail::put_source(row, query.source);
    return row;
  });
}
/// @throws  IoError if the file can't be read, DataError that names file:line for a row that is no such record
[[nodiscard]] inline std::vector<GeneratedQuery> read_generated(const std::filesystem::path& path) {
  std::vector<GeneratedQuery> queries;
  detail::RepeatedTexts texts;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    queries.push_back({row.get_string("query"),
                       detail::find_source(row, texts),
                       {row.find_string("length").value_or(""), row.find_string("level").value_or("")}});
  });
  return queries;
}

/// Writes mined queries, one a line: {"prompt", "query", "docs"}, and "source", "source_id" where they are known.
/// @param instruction  the `prompt` of the rows
/// @throws             as write_generated
inline void write_mined(const std::filesystem::path& path,
                        std::span<const MinedQuery> queries,
                        const std::string& instruction) {
  detail::write_records(path, queries, [&](const MinedQuery& query) {
    io::Json row = {{"prompt", instruction}, {"query", query.query}, {"docs", detail::texts_json(query.candidates)}};
    detail::put_source(row, query.source);
    return row;
  });
}
/// @param texts_in  a directory to keep the texts in, on the disk, where they are larger than memory (see TextStore)
/// @throws          as read_generated; IoError if the texts can't be kept there
[[nodiscard]] inline std::vector<MinedQuery> read_mined(const std::filesystem::path& path,
                                                        const std::filesystem::path& texts_in = {}) {
  std::vector<MinedQuery> queries;
  detail::RepeatedTexts texts(texts_in);
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    queries.push_back({row.get_string("query"), detail::find_source(row, texts), detail::read_documents(row, texts)});
  });
  return queries;
}

/// Writes annotated queries, one a line: {"query", "docs", "labels"}, and "source", "source_id", "answers" where they
/// are known.
/// @throws  as write_generated
inline void write_labelled(const std::filesystem::path& path, std::span<const AnnotatedQuery> queries) {
  detail::write_records(path, queries, [](const AnnotatedQuery& query) {
    io::Json row = {{"query", query.query}, {"docs", detail::texts_json(query.candidates)}, {"labels", query.labels}};
    detail::put_source(row, query.source);
    if (!query.answers.empty()) {
      row["answers"] = query.answers;
    }
    return row;
  });
}
/// @throws  as read_generated; DataError for labels that are not one for each document, each 1 to 5 or -1
[[nodiscard]] inline std::vector<AnnotatedQuery> read_labelled(const std::filesystem::path& path) {
  std::vector<AnnotatedQuery> queries;
  detail::RepeatedTexts texts;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    AnnotatedQuery query{.query = row.get_string("query"),
                         .source = detail::find_source(row, texts),
                         .candidates = detail::read_documents(row, texts)};
    for (const std::int64_t label : row.get_ints("labels", kUnlabelled, 5)) {
      if (label == 0) {
        throw DataError::invalid(
            row.where(), "labels[" + std::to_string(query.labels.size()) + "]", "0", "1 to 5, or -1");
      }
      query.labels.push_back(static_cast<int>(label));
    }
    query.answers = row.find_strings("answers").value_or(query.answers);
    const auto require_count = [&](std::string_view what, std::size_t count) {
      if (count != query.candidates.size()) {
        throw DataError::invalid(row.where(),
                                 "number of " + std::string(what),
                                 std::to_string(count),
                                 std::to_string(query.candidates.size()) + ", one for each of docs");
      }
    };
    require_count("labels", query.labels.size());
    if (!query.answers.empty()) {
      require_count("answers", query.answers.size());
    }
    queries.push_back(std::move(query));
  });
  return queries;
}

}  // namespace reasonembed::remixer
