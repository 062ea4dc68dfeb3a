#pragma once
/// @file Answers of a language model in a file, and a model that gives them again.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/call_key.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

namespace detail {

inline constexpr std::string_view kRecording = "reasonembed recording 1";

inline io::Json recording_head(std::string_view model) {
  return {{"format", kRecording}, {"model", model}};
}

/// The line of an answer: fields with their usual value are left out.
inline io::Json recorded_row(const CallKey& key, const ChatCall& call, const ChatAnswer& answer, bool keep_prompts) {
  io::Json row = {{"key", hex_of(key)}, {"stage", call.stage}, {"text", answer.text}};
  if (answer.finish != Finish::kStop) {
    row["finish"] = name_of(answer.finish);
  }
  if (answer.prompt_tokens != 0 || answer.completion_tokens != 0) {
    row["tokens"] = {answer.prompt_tokens, answer.completion_tokens};
  }
  if (call.attempt != 0) {
    row["attempt"] = call.attempt;
  }
  if (keep_prompts) {
    for (const ChatMessage& message : call.messages) {
      row["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
  }
  return row;
}

inline ChatAnswer recorded_answer(const io::JsonFields& row) {
  ChatAnswer answer{.text = row.get_string("text"),
                    .finish = finish_of(row.find_string("finish").value_or("stop"), row.where())};
  if (row.has("tokens")) {
    const std::vector<std::int64_t> tokens = row.get_ints("tokens", 0);
    if (tokens.size() != 2) {
      throw DataError::invalid(
          row.where(), "tokens", std::to_string(tokens.size()) + " numbers", "[of the prompt, of the answer]");
    }
    answer.prompt_tokens = tokens[0];
    answer.completion_tokens = tokens[1];
  }
  return answer;
}

/// Calls `f(key, row)` for every answer of a recording.
/// @return  the model that was recorded
/// @throws  DataError naming file and line, IoError
template <class F>
std::string read_recording(const std::filesystem::path& path, F&& f) {
  std::optional<std::string> model;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    if (model) {
      f(key_of(row.get_string("key"), row.where()), row);
      return;
    }
    if (const std::string format = row.find_string("format").value_or(""); format != kRecording) {
      throw DataError::invalid(row.where(), "format", io::in_quotes(format), io::in_quotes(kRecording));
    }
    model = row.get_string("model");
  });
  if (!model) {
    throw DataError::invalid(path.string(), "file", "empty", "a recording");
  }
  return *std::move(model);
}

}  // namespace detail

/// Options of Recorded.
struct RecordOptions {
  bool keep_prompts = false;  ///< write the messages too, for reading; a replay does not need them

  friend bool operator==(const RecordOptions&, const RecordOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("keep_prompts", keep_prompts);
  }
};

/// A language model whose answers are also written to a file, from which Replay gives them again.
///
/// JSON Lines: the model first, then `{"key": ..., "stage": ..., "text": ...}` for every answer as it comes (and
/// `finish`, `tokens`, `attempt` where they are unusual); docs/file_formats.md has the fields. A file that is there is
/// continued; a call it holds is asked again and not written again. Failures are not written.
///
/// Models: LanguageModel.
///
/// @note  memory: one key for each answer in the file
template <LanguageModel M>
class Recorded {
 public:
  using Options = RecordOptions;

  /// @throws  IoError if the file can't be written; DataError if it is no recording, is cut off, or of another model
  Recorded(M model, const std::filesystem::path& path, Options options = {})
      : model_(std::move(model)), options_(options) {
    const std::string identity = model_.identity();
    std::error_code error;
    const bool begun = std::filesystem::exists(path, error) && std::filesystem::file_size(path, error) > 0;
    if (begun) {
      const std::string recorded =
          detail::read_recording(path, [&](const CallKey& key, const io::JsonFields& /*row*/) { known_.insert(key); });
      if (recorded != identity) {
        throw DataError::invalid(path.string(), "model", io::in_quotes(recorded), io::in_quotes(identity));
      }
    }
    writer_.emplace(path);
    if (!begun) {
      writer_->write(detail::recording_head(identity));
    }
  }

  [[nodiscard]] std::string identity() const { return model_.identity(); }
  [[nodiscard]] M& model() { return model_; }

  /// @throws  IoError if a row can't be written; what `next`, `done` and the model throw
  void run(NextCall next, CallDone done) {
    const std::string identity = model_.identity();
    model_.run(next, [&](const ChatCall& call, ChatResult result) {
      const CallKey key = call_key(identity, call);
      if (result && known_.insert(key).second) {
        writer_->write(detail::recorded_row(key, call, *result, options_.keep_prompts));
      }
      done(call, std::move(result));
    });
  }

 private:
  M model_;
  Options options_;
  std::unordered_set<CallKey, CallKeyHash> known_;
  std::optional<io::JsonlWriter> writer_;
};

/// A language model that knows only the answers of recordings, and needs no server.
///
/// A call that no file holds ends as CallFault::kNotRecorded. Answers come at once, in the order of the calls.
///
/// Models: LanguageModel.
///
/// @note  memory: all answers
class Replay {
 public:
  /// @param paths  one recording or more, of one model
  /// @throws       IoError; DataError naming file and line for what is no recording, for two models, and for two
  ///               different answers to one call
  explicit Replay(const std::vector<std::filesystem::path>& paths) {
    if (paths.empty()) {
      throw ConfigError::invalid("remixer::Replay", "paths", "empty", "the path of a recording");
    }
    for (const std::filesystem::path& path : paths) {
      const std::string model = detail::read_recording(path, [&](const CallKey& key, const io::JsonFields& row) {
        ChatAnswer answer = detail::recorded_answer(row);
        const auto [known, added] = answers_.try_emplace(key, answer);
        if (!added && known->second != answer) {
          throw DataError::invalid(row.where(), "key", hex_of(key) + ", which has another answer before", "one answer");
        }
      });
      if (&path != &paths.front() && model != model_) {
        throw DataError::invalid(path.string(), "model", io::in_quotes(model), io::in_quotes(model_));
      }
      model_ = model;
    }
  }
  explicit Replay(const std::filesystem::path& path) : Replay(std::vector<std::filesystem::path>{path}) {}

  /// That of the model that was recorded.
  [[nodiscard]] std::string identity() const { return model_; }
  [[nodiscard]] std::size_t size() const { return answers_.size(); }

  void run(NextCall next, CallDone done) const {
    while (const std::optional<ChatCall> call = next()) {
      const CallKey key = call_key(model_, *call);
      const auto known = answers_.find(key);
      done(*call,
           known != answers_.end() ? ChatResult(known->second)
                                   : ChatResult(call_failure(CallFault::kNotRecorded,
                                                             "remixer::Replay",
                                                             "call " + hex_of(key) + " of stage " + call->stage,
                                                             "in none of the recordings",
                                                             "the prompt, sampling and model that were recorded")));
    }
  }

 private:
  std::string model_;
  std::unordered_map<CallKey, ChatAnswer, CallKeyHash> answers_;
};
static_assert(LanguageModel<Replay>);
static_assert(LanguageModel<Recorded<Replay>>);

}  // namespace reasonembed::remixer
