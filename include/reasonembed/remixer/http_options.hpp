#pragma once
/// @file How a server of language models is reached.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/chat_protocol.hpp>
#include <reasonembed/remixer/cost_ledger.hpp>
#include <reasonembed/remixer/rate_limit.hpp>
#include <reasonembed/remixer/retry.hpp>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How requests travel. Times are in seconds.
struct HttpOptions {
  std::string url = "https://api.openai.com/v1/chat/completions";  ///< of the endpoint, without user and password
  std::string key_environment = "OPENAI_API_KEY";     ///< environment variable that holds the key; "" sends no key
  std::string key_header = "Authorization: Bearer ";  ///< what stands before the key, e.g. "api-key: "
  std::filesystem::path ca_file = {};                 ///< certificates to trust, PEM; empty: those of the system
  std::optional<std::string> proxy = {};              ///< URL; "" none; not given: the environment's, as curl reads it
  std::string proxy_login_environment = {};           ///< environment variable that holds user:password of the proxy
  int in_flight = 64;                                 ///< calls at a time, those that wait for a retry included; >= 1
  double connect_timeout = 20.0;                      ///< until a connection stands, TLS included; > 0
  double total_timeout = 900.0;                       ///< until an answer is complete; > 0
  double slow_seconds = 30.0;           ///< an answer that has begun is given up if it stays this long ...
  double slow_bytes_per_second = 16.0;  ///< ... below this rate; 0 never gives up
  std::size_t largest_answer = std::size_t{4} << 20;  ///< bytes of a response, decompressed; >= 1

  friend bool operator==(const HttpOptions&, const HttpOptions&) = default;

  /// Calls `f(name, value)` for every option. No value is secret.
  template <class F>
  void visit(F&& f) const {
    f("url", url);
    f("key_environment", key_environment);
    f("key_header", key_header);
    f("ca_file", ca_file.string());
    f("proxy", proxy);
    f("proxy_login_environment", proxy_login_environment);
    f("in_flight", in_flight);
    f("connect_timeout", connect_timeout);
    f("total_timeout", total_timeout);
    f("slow_seconds", slow_seconds);
    f("slow_bytes_per_second", slow_bytes_per_second);
    f("largest_answer", largest_answer);
  }
};

/// Everything about a language model behind HTTP.
struct HttpLanguageModelOptions {
  ChatModelOptions model = {};
  HttpOptions http = {};
  RetryOptions retry = {};
  RateLimitOptions rate_limit = {};
  Prices prices = {};

  friend bool operator==(const HttpLanguageModelOptions&, const HttpLanguageModelOptions&) = default;

  /// Calls `f(name, value)` for every group of options.
  template <class F>
  void visit(F&& f) const {
    f("model", model);
    f("http", http);
    f("retry", retry);
    f("rate_limit", rate_limit);
    f("prices", prices);
  }
};

/// Secrets, and the texts they are taken out of.
///
/// Kept apart from the options so that nothing which prints options can print them.
class Secrets {
 public:
  /// Reads the environment variables that the options name.
  /// @throws  ConfigError naming a variable that is not set, or holds a line break
  explicit Secrets(const HttpOptions& options)
      : key_(read(options.key_environment, "http.key_environment")),
        proxy_login_(read(options.proxy_login_environment, "http.proxy_login_environment")) {}

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& proxy_login() const { return proxy_login_; }

  /// @return  `text` with every secret in it as ***
  [[nodiscard]] std::string hide(std::string text) const { return hide(std::move(text), 1); }
  /// The same for an answer, which may hold a short word such as the key "EMPTY" of a local server by chance.
  [[nodiscard]] std::string hide_in_answer(std::string text) const { return hide(std::move(text), kLeastSecret); }

 private:
  static constexpr std::size_t kLeastSecret = 8;  // bytes; what is shorter protects nothing

  static std::string read(const std::string& variable, std::string_view option) {
    if (variable.empty()) {
      return {};
    }
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') {
      throw ConfigError::invalid("remixer::HttpLanguageModel",
                                 std::string(option),
                                 "\"" + variable + "\", which is not set",
                                 "an environment variable that is set, or \"\" for a server without a key");
    }
    std::string secret = value;
    if (secret.find_first_of("\r\n") != std::string::npos) {  // would end the header and begin another
      throw ConfigError::invalid(
          "remixer::HttpLanguageModel", "the environment variable " + variable, "a text with a line break", "one line");
    }
    return secret;
  }
  [[nodiscard]] std::string hide(std::string text, std::size_t least) const {
    for (const std::string* secret : {&key_, &proxy_login_}) {
      if (secret->empty() || secret->size() < least) {
        continue;
      }
      for (std::size_t at = text.find(*secret); at != std::string::npos; at = text.find(*secret, at + 3)) {
        text.replace(at, secret->size(), "***");
      }
    }
    return text;
  }

  std::string key_;
  std::string proxy_login_;
};

namespace detail {

/// @return  an URL without its query and fragment, which may hold what is not to be shown
inline std::string shown_url(std::string_view url) {
  return std::string(url.substr(0, url.find_first_of("?#")));
}

inline void check_url(std::string_view url, const char* name) {
  const std::size_t scheme = url.find("://");
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const std::string_view authority =
      known ? url.substr(scheme + 3, url.find_first_of("/?#", scheme + 3) - scheme - 3) : std::string_view();
  if (authority.find('@') != std::string_view::npos) {
    throw ConfigError::invalid("remixer::HttpLanguageModel",
                               name,
                               "an URL with a user or password",
                               "one without: secrets come from environment variables");
  }
  if (!known || authority.empty() || url.find_first_of(" \r\n\t") != std::string_view::npos) {
    throw ConfigError::invalid(
        "remixer::HttpLanguageModel", name, io::in_quotes(shown_url(url)), "an URL with http:// or https://");
  }
}

}  // namespace detail

/// @throws  ConfigError that names the option out of its range
inline void check(const HttpOptions& options) {
  const auto require = [](bool valid, const char* name, double value, const char* want) {
    if (!valid) {
      throw ConfigError::invalid("remixer::HttpLanguageModel", name, std::to_string(value), want);
    }
  };
  constexpr double kLongest = 1e6;  // seconds; libcurl counts milliseconds in a long
  const auto seconds = [&](const char* name, double value) {
    require(value >= 0.001 && value <= kLongest, name, value, "0.001 to 1000000 seconds");
  };
  detail::check_url(options.url, "http.url");
  if (options.proxy && !options.proxy->empty()) {
    detail::check_url(*options.proxy, "http.proxy");
  }
  if (options.key_header.find_first_of("\r\n") != std::string::npos ||
      options.key_header.find(':') == std::string::npos) {
    throw ConfigError::invalid("remixer::HttpLanguageModel",
                               "http.key_header",
                               io::in_quotes(options.key_header),
                               "the name of a header and a colon");
  }
  require(options.in_flight >= 1 && options.in_flight <= 10000, "http.in_flight", options.in_flight, "1 to 10000");
  seconds("http.connect_timeout", options.connect_timeout);
  seconds("http.total_timeout", options.total_timeout);
  seconds("http.slow_seconds", options.slow_seconds);
  require(options.slow_bytes_per_second >= 0.0 && std::isfinite(options.slow_bytes_per_second),
          "http.slow_bytes_per_second",
          options.slow_bytes_per_second,
          "at least 0");
  require(options.largest_answer >= 1, "http.largest_answer", 0, "at least 1 byte");
}

}  // namespace reasonembed::remixer
