#pragma once
/// @file From the answers of a large annotator to a fine-tuning set for a small one.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/shingles.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// One judgement of an annotator: what it was asked, and what it answered, reasoning included.
struct AnnotationRecord {
  std::string query = {};
  std::string document = {};
  std::vector<ChatMessage> messages = {};  ///< the rendered prompt
  std::string answer = {};                 ///< as it was written
  int score = -1;                          ///< as it was read from the answer; -1 if it could not be

  friend bool operator==(const AnnotationRecord&, const AnnotationRecord&) = default;
};

/// Options of distill.
struct DistillationOptions {
  int least_score = 1;  ///< records with a score outside of [least, most] are left out
  int most_score = 5;
  Index longest = 32768;   ///< characters of messages and answer together; longer examples are left out, >= 1
  double balance = 0;      ///< the most frequent score may have this many times the rarest's examples; 0: all
  double held_out = 0.05;  ///< part of the queries whose examples are held out, in [0, 1)
  std::uint64_t seed = 42;

  friend bool operator==(const DistillationOptions&, const DistillationOptions&) = default;
};

/// A fine-tuning set in two parts that share no query, and what became of the other records.
struct DistillationSet {
  std::vector<AnnotationRecord> train = {};
  std::vector<AnnotationRecord> held_out = {};
  Index unscored = 0;    ///< left out: no score, or one outside of the scale
  Index too_long = 0;    ///< left out: longer than `longest`
  Index repeated = 0;    ///< left out: the same messages and the same answer again
  Index unbalanced = 0;  ///< left out: too many of their score

  /// @return  one sentence
  [[nodiscard]] std::string summary() const {
    return std::to_string(train.size()) + " examples to train on and " + std::to_string(held_out.size()) +
           " held out; left out: " + std::to_string(unscored) + " without a score, " + std::to_string(too_long) +
           " too long, " + std::to_string(repeated) + " repeated, " + std::to_string(unbalanced) +
           " for the balance of scores.";
  }
};

namespace detail {

inline void check_distillation(const DistillationOptions& options) {
  constexpr std::string_view kWhere = "remixer::distill";
  if (options.least_score > options.most_score) {
    throw ConfigError::invalid(kWhere, "most_score", std::to_string(options.most_score), "at least least_score");
  }
  if (options.longest < 1) {
    throw ConfigError::invalid(kWhere, "longest", std::to_string(options.longest), "at least 1");
  }
  if (!(options.balance == 0 || options.balance >= 1) || !std::isfinite(options.balance)) {
    throw ConfigError::invalid(kWhere, "balance", std::to_string(options.balance), "0 or a number of at least 1");
  }
  if (!(options.held_out >= 0 && options.held_out < 1)) {
    throw ConfigError::invalid(kWhere, "held_out", std::to_string(options.held_out), "a number in [0, 1)");
  }
}

inline std::string conversation_text(const AnnotationRecord& record) {
  std::string text;
  for (const ChatMessage& message : record.messages) {
    text.append(message.role).append(1, '\0').append(message.content).append(1, '\0');
  }
  return text + record.answer;
}

/// @return  a number in [0, 1) that depends on seed, purpose and text alone
inline double uniform_draw(std::uint64_t seed, std::uint64_t purpose, std::string_view text) {
  return RandomStream(seed, text_hash(text, purpose)).uniform_double();
}

/// Leaves at most `balance` times as many records of each score as the rarest score has, those with the least draws.
inline Index balance_scores(std::vector<AnnotationRecord>& records, const DistillationOptions& options) {
  std::map<int, std::vector<std::pair<double, std::size_t>>> by_score;
  for (std::size_t i = 0; i < records.size(); ++i) {
    by_score[records[i].score].emplace_back(uniform_draw(options.seed, 2, conversation_text(records[i])), i);
  }
  std::size_t rarest = records.size();
  for (const auto& [score, draws] : by_score) {
    rarest = std::min(rarest, draws.size());
  }
  const double most = std::floor(options.balance * static_cast<double>(rarest));
  std::vector<char> dropped(records.size());
  for (auto& [score, draws] : by_score) {
    std::sort(draws.begin(), draws.end());
    for (std::size_t i = 0; i < draws.size(); ++i) {
      dropped[draws[i].second] = static_cast<double>(i) < most ? 0 : 1;
    }
  }
  std::size_t number = 0;
  return static_cast<Index>(std::erase_if(records, [&](const AnnotationRecord&) { return dropped[number++] != 0; }));
}

}  // namespace detail

/// Chooses the examples of a fine-tuning set.
///
/// Which query is held out and which record is left out for the balance is drawn from (seed, text): the choice does not
/// depend on the order of the records, and a record that is added moves no other from one part to the other. Only the
/// training part is balanced: the held-out part shows the annotator's own distribution.
///
/// @throws  ConfigError if an option is out of range
[[nodiscard]] inline DistillationSet distill(std::span<const AnnotationRecord> records,
                                             const DistillationOptions& options = {}) {
  detail::check_distillation(options);
  DistillationSet set;
  std::map<std::string, Index> seen;
  for (const AnnotationRecord& record : records) {
    if (record.score < options.least_score || record.score > options.most_score) {
      ++set.unscored;
      continue;
    }
    std::size_t length = text::count_characters(record.answer);
    for (const ChatMessage& message : record.messages) {
      length += text::count_characters(message.content);
    }
    if (static_cast<Index>(length) > options.longest) {
      ++set.too_long;
      continue;
    }
    if (seen[detail::conversation_text(record)]++ > 0) {
      ++set.repeated;
      continue;
    }
    const bool held_out = detail::uniform_draw(options.seed, 1, record.query) < options.held_out;
    (held_out ? set.held_out : set.train).push_back(record);
  }
  if (options.balance > 0) {
    set.unbalanced = detail::balance_scores(set.train, options);
  }
  return set;
}

/// @return  {"messages": [...]}, the answer as the last message: what fine-tuning programs for chat models read
[[nodiscard]] inline io::Json chat_example(const AnnotationRecord& record) {
  io::Json messages = io::Json::array();
  for (const ChatMessage& message : record.messages) {
    messages.push_back({{"role", message.role}, {"content", message.content}});
  }
  messages.push_back({{"role", "assistant"}, {"content", record.answer}});
  return {{"messages", std::move(messages)}};
}

/// Writes examples as JSON Lines, in one step.
/// @throws  IoError if the file can't be written, DataError if a text is not UTF-8
inline void write_chat_examples(const std::filesystem::path& path, std::span<const AnnotationRecord> records) {
  io::AtomicFile file(path);
  for (const AnnotationRecord& record : records) {
    file.write(io::dump_json(chat_example(record), -1) + "\n");
  }
  file.commit();
}

/// Reads records, one JSON object a line: `query`, `document`, `messages` [{"role", "content"}], `answer`, `score`.
///
/// @throws  IoError if the file can't be read; DataError that names file:line for a broken row or field
[[nodiscard]] inline std::vector<AnnotationRecord> read_annotation_records(const std::filesystem::path& path) {
  std::vector<AnnotationRecord> records;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    AnnotationRecord record;
    record.query = row.get_string("query");
    record.document = row.get_string("document");
    record.answer = row.get_string("answer");
    record.score = static_cast<int>(row.get_int("score", -1, 1000));
    for (const io::Json& element : row.get_array("messages")) {
      const io::JsonFields message(element, row.where() + ": messages[" + std::to_string(record.messages.size()) + "]");
      record.messages.push_back({message.get_string("role"), message.get_string("content")});
    }
    records.push_back(std::move(record));
  });
  return records;
}

/// @return  the record as read_annotation_records reads it
[[nodiscard]] inline io::Json annotation_record_json(const AnnotationRecord& record) {
  io::Json json = chat_example(record);
  json["messages"].erase(json["messages"].size() - 1);
  json["query"] = record.query;
  json["document"] = record.document;
  json["answer"] = record.answer;
  json["score"] = record.score;
  return json;
}

}  // namespace reasonembed::remixer
