#pragma once
/// @file The files of OpenAI's Batch API: requests to upload, results that came back.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/call_key.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/chat_protocol.hpp>
#include <reasonembed/remixer/cost_ledger.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of BatchFiles.
struct BatchFilesOptions {
  ChatModelOptions model = {};
  std::filesystem::path requests = {};              ///< directory for requests-0001.jsonl, ...; made where missing
  std::vector<std::filesystem::path> results = {};  ///< files that came back, in any order
  std::string url = "/v1/chat/completions";         ///< as the API calls the endpoint
  std::int64_t requests_per_file = 50'000;          ///< the API's limit, >= 1
  std::int64_t bytes_per_file = std::int64_t{200'000'000};  ///< likewise; a longer single request has a file of its own
  Prices prices = {};                                       ///< batches are cheaper than calls

  friend bool operator==(const BatchFilesOptions&, const BatchFilesOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("model", model);
    f("requests", requests.string());
    std::vector<std::string> names;
    names.reserve(results.size());
    for (const std::filesystem::path& path : results) {
      names.push_back(path.string());
    }
    f("results", names);
    f("url", url);
    f("requests_per_file", requests_per_file);
    f("bytes_per_file", bytes_per_file);
    f("prices", prices);
  }
};

namespace detail {

/// The result of one line of a results file.
inline ChatResult batch_result(const io::JsonFields& row) {
  if (const auto response = row.find_object("response")) {
    const std::int64_t status = response->get_int("status_code", 100, 999);
    const auto body = response->json().find("body");
    const std::string text = body == response->json().end() ? "" : io::dump_json(*body, -1);
    return status == 200
               ? parse_chat_response(text, row.where())
               : ChatResult(Unexpected<CallFailure>(status_failure(static_cast<int>(status), text, row.where())));
  }
  const io::JsonFields error = row.get_object("error");
  const std::string code = error.find_string("code").value_or("");
  return call_failure(code == "batch_expired" ? CallFault::kTimeout : CallFault::kServer,
                      row.where(),
                      "error",
                      io::in_quotes(code + ": " + error.find_string("message").value_or(""), 300),
                      "a response");
}

/// Writes requests to numbered files, each replaced in one step when it is complete, and each request once.
class BatchRequests {
 public:
  /// @param line  gives the text of the request; called if it is not written yet
  void write(const BatchFilesOptions& options, const CallKey& key, FunctionRef<std::string()> line) {
    if (!written_.insert(key).second) {
      return;
    }
    keys_.push_back(key);
    const std::string text = line() + "\n";
    const auto size = static_cast<std::int64_t>(text.size());
    if (file_ && (count_ == options.requests_per_file || bytes_ + size > options.bytes_per_file)) {
      close(options);
      keys_.push_back(key);
    }
    if (!file_) {
      make_directory(options.requests);
      file_ = std::make_unique<io::AtomicFile>(path_of(options, files_.size() + 1));
    }
    file_->write(text);
    ++count_;
    bytes_ += size;
  }
  /// Completes the last file, and removes what an earlier run has left under higher numbers.
  void finish(const BatchFilesOptions& options) {
    close(options);
    std::error_code error;
    for (std::size_t number = files_.size() + 1; std::filesystem::remove(path_of(options, number), error);) {
      ++number;
    }
  }
  /// Forgets the file that is not complete.
  void discard() {
    for (const CallKey& key : keys_) {
      written_.erase(key);
    }
    reset();
  }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  static std::filesystem::path path_of(const BatchFilesOptions& options, std::size_t number) {
    std::string digits = std::to_string(number);
    digits.insert(0, digits.size() < 4 ? 4 - digits.size() : 0, '0');
    return options.requests / ("requests-" + digits + ".jsonl");
  }
  static void make_directory(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
      throw IoError::failed(path.string(), "directory", io::system_reason(error.value()), "one that can be made");
    }
  }
  void close(const BatchFilesOptions& options) {
    if (file_) {
      file_->commit();
      files_.push_back(path_of(options, files_.size() + 1));
    }
    reset();
  }
  void reset() {
    file_.reset();
    keys_.clear();
    count_ = 0;
    bytes_ = 0;
  }

  std::unique_ptr<io::AtomicFile> file_;  // the one that grows
  std::vector<CallKey> keys_;             // in it
  std::int64_t count_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<std::filesystem::path> files_;  // that are complete
  std::unordered_set<CallKey, CallKeyHash> written_;
};

}  // namespace detail

/// A language model that is asked through files: cheap, and with a day's patience.
///
/// run() gives every call whose result is in one of the files that came back. All others are written to
/// `requests/requests-NNNN.jsonl` and end as CallFault::kNotRecorded; a result that is a failure is given as that
/// failure, and written again too. The files are uploaded and their results fetched with the provider's own tools; then
/// the same command goes on from there. A call's `custom_id` is its CallKey.
///
/// The first run() of an object replaces the request files of an earlier program; further ones, such as those of later
/// stages, add files. In a pipeline each round of files answers one stage more.
///
/// Models: LanguageModel.
///
/// @note  memory: all results, and a key for each call that is written
class BatchFiles {
 public:
  using Options = BatchFilesOptions;

  /// @throws  ConfigError for impossible options, IoError; DataError that names file and line for a malformed result
  explicit BatchFiles(Options options) : options_(std::move(options)), writer_(options_.model) {
    options_.prices.check("remixer::BatchFiles");
    if (options_.requests_per_file < 1 || options_.bytes_per_file < 1) {
      throw ConfigError::invalid("remixer::BatchFiles",
                                 options_.requests_per_file < 1 ? "requests_per_file" : "bytes_per_file",
                                 std::to_string(std::min(options_.requests_per_file, options_.bytes_per_file)),
                                 "at least 1");
    }
    if (options_.requests.empty()) {
      throw ConfigError::invalid("remixer::BatchFiles", "requests", "empty", "a directory");
    }
    for (const std::filesystem::path& path : options_.results) {
      io::for_each_json_line(path, [&](const io::JsonFields& row) { take(row); });
    }
  }

  [[nodiscard]] std::string identity() const { return writer_.identity(); }
  [[nodiscard]] const Prices& prices() const { return options_.prices; }
  /// @return  calls that results are known of
  [[nodiscard]] std::size_t size() const { return results_.size(); }
  /// @return  the files that this object has written
  [[nodiscard]] const std::vector<std::filesystem::path>& written() const { return requests_.files(); }

  /// @throws  IoError if requests can't be written; DataError for a message that is not UTF-8; what `next` and `done`
  ///          throw. Requests since the last complete file are then dropped.
  void run(NextCall next, CallDone done) {
    try {
      const std::string identity = writer_.identity();
      while (const std::optional<ChatCall> call = next()) {
        end(*call, call_key(identity, *call), done);
      }
      requests_.finish(options_);
    } catch (...) {
      requests_.discard();
      throw;
    }
  }

 private:
  void end(const ChatCall& call, const CallKey& key, CallDone done) {
    const auto known = results_.find(key);
    if (known == results_.end() || !known->second) {
      requests_.write(options_, key, [&] {
        return io::dump_json(
            {{"custom_id", hex_of(key)}, {"method", "POST"}, {"url", options_.url}, {"body", writer_.body(call)}}, -1);
      });
    }
    done(call,
         known != results_.end() ? known->second
                                 : ChatResult(call_failure(CallFault::kNotRecorded,
                                                           options_.requests.string(),
                                                           "call " + hex_of(key),
                                                           "written to the requests",
                                                           "its result in a file that came back")));
  }
  /// An answer stands, whatever other files say; a failure gives way to what comes later.
  void take(const io::JsonFields& row) {
    const CallKey key = key_of(row.get_string("custom_id"), row.where() + ": custom_id");
    ChatResult result = detail::batch_result(row);
    const auto [known, added] = results_.try_emplace(key, result);
    if (!added && !known->second) {
      known->second = std::move(result);
    }
  }

  Options options_;
  ChatRequestWriter writer_;
  std::unordered_map<CallKey, ChatResult, CallKeyHash> results_;
  detail::BatchRequests requests_;
};
static_assert(LanguageModel<BatchFiles>);

}  // namespace reasonembed::remixer
