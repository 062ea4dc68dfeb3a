#pragma once
/// @file One HTTP request after another over libcurl, and many at a time.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/http_options.hpp>
#include <reasonembed/version.hpp>

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

namespace detail {

/// Seconds on a monotonic clock.
[[nodiscard]] inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Initialises libcurl once a process; thread-safe.
inline void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    throw IoError::failed("libcurl", "initialisation", curl_easy_strerror(started), "a working libcurl");
  }
}

struct CloseEasy {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* handle) const noexcept { curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

inline void require_ok(CURLcode code, const char* what) {
  if (code != CURLE_OK) {
    throw ConfigError::invalid("remixer::HttpLanguageModel", what, curl_easy_strerror(code), "an option libcurl takes");
  }
}
inline void require_ok(CURLMcode code) {
  if (code != CURLM_OK) {
    throw IoError::failed("remixer::HttpLanguageModel", "libcurl", curl_multi_strerror(code), "transfers that go on");
  }
}

/// Holds SIGPIPE back in this thread for as long as it lives: TLS libraries write to connections that the server has
/// closed, and the signal would end the program. Changing the process-wide handler is not a library's business.
class BrokenPipesIgnored {
 public:
  BrokenPipesIgnored() {
    (void)sigemptyset(&pipe_);
    (void)sigaddset(&pipe_, SIGPIPE);
    sigset_t pending{};
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    blocked_ = pthread_sigmask(SIG_BLOCK, &pipe_, &old_) == 0;
  }
  BrokenPipesIgnored(const BrokenPipesIgnored&) = delete;
  BrokenPipesIgnored& operator=(const BrokenPipesIgnored&) = delete;
  BrokenPipesIgnored(BrokenPipesIgnored&&) = delete;
  BrokenPipesIgnored& operator=(BrokenPipesIgnored&&) = delete;
  ~BrokenPipesIgnored() {
    if (!blocked_) {
      return;
    }
    const timespec no_time{};
    while (!was_pending_ && sigtimedwait(&pipe_, nullptr, &no_time) == SIGPIPE) {
    }
    (void)pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t pipe_{};
  sigset_t old_{};
  bool was_pending_ = false;
  bool blocked_ = false;
};

}  // namespace detail

/// A POST request and its response. One object serves many requests, one after another.
///
/// @note  stays where it is: libcurl holds its address
class HttpTransfer {
 public:
  /// @throws  ConfigError if libcurl refuses an option
  HttpTransfer(const HttpOptions& options, const Secrets& secrets)
      : largest_(options.largest_answer),
        slow_seconds_(options.slow_seconds),
        slow_rate_(options.slow_bytes_per_second) {
    detail::start_curl();
    easy_.reset(curl_easy_init());
    add_header("Content-Type: application/json");
    add_header("Accept: application/json");
    add_header("Expect:");  // no round trip before a long prompt
    if (!secrets.key().empty()) {
      add_header(options.key_header + secrets.key());
    }
    set_options(options, secrets);
  }
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;
  HttpTransfer(HttpTransfer&&) = delete;
  HttpTransfer& operator=(HttpTransfer&&) = delete;
  ~HttpTransfer() = default;

  /// Makes the next request ready to start.
  void prepare(std::string request) {
    constexpr std::size_t kKept = std::size_t{1} << 16;  // one long answer shall not hold its memory for ever
    request_ = std::move(request);
    response_.clear();
    if (response_.capacity() > kKept) {
      response_.shrink_to_fit();
    }
    too_large_ = false;
    mark_.reset();
    error_.fill('\0');
    set(CURLOPT_POSTFIELDS, request_.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.size()));
  }

  [[nodiscard]] CURL* handle() const { return easy_.get(); }
  [[nodiscard]] const std::string& response() const { return response_; }
  /// @return  whether the response was cut at the largest size
  [[nodiscard]] bool too_large() const { return too_large_; }
  [[nodiscard]] int status() const {
    long status = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    return static_cast<int>(status);
  }
  /// @return  whether the response ended without a byte of a body, and without having announced that there is none
  [[nodiscard]] bool ended_early() const {
    curl_off_t length = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return response_.empty() && length < 0;
  }
  /// @return  the response's content type, empty if it has none
  [[nodiscard]] std::string content_type() const {
    const char* type = nullptr;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
    return type == nullptr ? "" : type;
  }
  /// @return  seconds of the Retry-After header, given as a number or as a date; nothing without it or in the past
  [[nodiscard]] std::optional<double> retry_after() const {
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 ? std::optional(static_cast<double>(seconds)) : std::nullopt;
  }
  /// @return  libcurl's own words on what went wrong
  [[nodiscard]] std::string error(CURLcode code) const {
    return error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
  }

  /// Whether an answer that has begun comes too slowly. To be asked about once a second or more often.
  ///
  /// The wait for the first byte is not slow: a model thinks. Neither is white space before the answer, which some
  /// servers send to keep the connection open.
  [[nodiscard]] bool too_slow(double now) {
    if (slow_rate_ <= 0.0 || response_.find_first_not_of(" \r\n\t") == std::string::npos) {
      return false;
    }
    if (!mark_) {
      mark_ = Mark{now, response_.size()};
    }
    if (now - mark_->time < slow_seconds_) {
      return false;
    }
    const bool slow = static_cast<double>(response_.size() - mark_->bytes) < slow_rate_ * (now - mark_->time);
    mark_ = Mark{now, response_.size()};
    return slow;
  }

 private:
  struct Mark {
    double time;
    std::size_t bytes;
  };

  template <class T>
  void set(CURLoption option, T value) {
    detail::require_ok(curl_easy_setopt(easy_.get(), option, value), "http");
  }
  void add_header(const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) {
      throw IoError::failed("libcurl", "memory", "exhausted", "room for a header");
    }
    if (!headers_) {
      headers_.reset(longer);  // later lines are appended to it
    }
  }
  void set_options(const HttpOptions& options, const Secrets& secrets) {
    const auto milliseconds = [](double seconds) { return static_cast<long>(std::ceil(seconds * 1000.0)); };
    set(CURLOPT_URL, options.url.c_str());
    set(CURLOPT_POST, 1L);
    set(CURLOPT_HTTPHEADER, headers_.get());
    const std::string agent = "reasonembed/" + std::to_string(REASONEMBED_VERSION_MAJOR) + "." +
                              std::to_string(REASONEMBED_VERSION_MINOR) + "." +
                              std::to_string(REASONEMBED_VERSION_PATCH);
    set(CURLOPT_USERAGENT, agent.c_str());
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_FOLLOWLOCATION, 0L);  // the key goes to the server that was named, and to no other
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connect_timeout));
    set(CURLOPT_TIMEOUT_MS, milliseconds(options.total_timeout));
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_WRITEFUNCTION, &HttpTransfer::receive);
    set(CURLOPT_WRITEDATA, static_cast<void*>(this));
    set(CURLOPT_PRIVATE, static_cast<void*>(this));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options.ca_file.empty()) {
      set(CURLOPT_CAINFO, options.ca_file.c_str());
    }
    if (options.proxy) {
      set(CURLOPT_PROXY, options.proxy->c_str());
    }
    if (!secrets.proxy_login().empty()) {
      set(CURLOPT_PROXYUSERPWD, secrets.proxy_login().c_str());
    }
  }
  static std::size_t receive(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    const std::size_t bytes = size * count;
    if (bytes > transfer.largest_ - transfer.response_.size()) {
      transfer.too_large_ = true;
      return bytes == 0 ? 1 : 0;  // not what was given: the transfer ends
    }
    transfer.response_.append(data, bytes);
    return bytes;
  }

  std::size_t largest_;
  double slow_seconds_;
  double slow_rate_;
  std::unique_ptr<curl_slist, detail::FreeList> headers_;
  std::unique_ptr<CURL, detail::CloseEasy> easy_;  // after the headers, which it holds: freed before them
  std::string request_;
  std::string response_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::optional<Mark> mark_;
  bool too_large_ = false;
};

/// The transfers under way. Connections are kept and used again.
class HttpTransfers {
 public:
  /// @param connections  kept open at most
  explicit HttpTransfers(int connections) {
    detail::start_curl();
    multi_.reset(curl_multi_init());
    detail::require_ok(curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(connections)));
  }

  void start(HttpTransfer& transfer) { detail::require_ok(curl_multi_add_handle(multi_.get(), transfer.handle())); }
  /// Ends a transfer, wherever it stands.
  void stop(HttpTransfer& transfer) noexcept { (void)curl_multi_remove_handle(multi_.get(), transfer.handle()); }

  /// Moves every transfer as far as it goes without waiting.
  void advance() {
    int running = 0;
    detail::require_ok(curl_multi_perform(multi_.get(), &running));
  }
  /// @return  a transfer that has ended since it was last asked, stopped, and how; nullptr if there is none
  [[nodiscard]] std::pair<HttpTransfer*, CURLcode> take_ended() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) {
        continue;
      }
      const CURLcode code = message->data.result;
      void* transfer = nullptr;
      (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      stop(*static_cast<HttpTransfer*>(transfer));  // `message` ends here
      return {static_cast<HttpTransfer*>(transfer), code};
    }
    return {nullptr, CURLE_OK};
  }
  /// Waits until a transfer can go on, at most so many seconds.
  void wait(double seconds) {
    const int milliseconds = static_cast<int>(std::ceil(std::clamp(seconds, 0.0, 1000.0) * 1000.0));
    detail::require_ok(curl_multi_poll(multi_.get(), nullptr, 0, milliseconds, nullptr));
  }

 private:
  std::unique_ptr<CURLM, detail::CloseMulti> multi_;
};

}  // namespace reasonembed::remixer
