#pragma once
/// @file A client of a test's server.
#include <reasonembed/remixer/http_language_model.hpp>

#include <cstdlib>
#include <string>

namespace test {

inline constexpr const char* kSecretKey = "sk-test-0123456789abcdef";

/// Options for a server of ours: a key from the environment, no proxy, waits of milliseconds.
inline reasonembed::remixer::HttpLanguageModelOptions http_options(const std::string& url) {
  ::setenv("REASONEMBED_TEST_KEY", kSecretKey, 1);
  reasonembed::remixer::HttpLanguageModelOptions options{
      .model = {.name = "test-model"},
      .http = {.url = url, .key_environment = "REASONEMBED_TEST_KEY", .proxy = "", .in_flight = 8},
      .retry = {.retries = 3, .first_wait = 0.002, .longest_wait = 0.01}};
  options.http.connect_timeout = 5.0;
  options.http.total_timeout = 20.0;
  return options;
}

}  // namespace test
