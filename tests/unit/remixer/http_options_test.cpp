#include <reasonembed/remixer/http_options.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::HttpOptions;
using re::remixer::Secrets;

namespace {

Secrets secrets_of(const char* key, const char* login = nullptr) {
  ::setenv("REASONEMBED_TEST_KEY", key, 1);
  HttpOptions options{.key_environment = "REASONEMBED_TEST_KEY"};
  if (login != nullptr) {
    ::setenv("REASONEMBED_TEST_LOGIN", login, 1);
    options.proxy_login_environment = "REASONEMBED_TEST_LOGIN";
  }
  return Secrets(options);
}

}  // namespace

TEST_SUITE("remixer/http_options") {
  TEST_CASE("check: takes the defaults and any server") {
    CHECK_NOTHROW(check(HttpOptions{}));
    for (const char* url : {"http://localhost:8000/v1/chat/completions",
                            "https://[::1]/",
                            "http://a",
                            "https://a?b=@c",
                            "https://a/b@c",
                            "https://a#@"}) {
      CAPTURE(url);
      CHECK_NOTHROW(check(HttpOptions{.url = url}));
    }
    CHECK_NOTHROW(check(HttpOptions{.proxy = ""}));
    CHECK_NOTHROW(check(HttpOptions{.proxy = "http://proxy:3128"}));
  }
  TEST_CASE("check: refuses URLs of other kinds, and never shows what may be secret in one") {
    for (const char* url : {"", "localhost:8000", "ftp://a", "https://", "https:///a", "http://a b", "HTTPS://a"}) {
      CAPTURE(url);
      CHECK_THROWS_AS(check(HttpOptions{.url = url}), re::ConfigError);
      if (*url != '\0') {
        CHECK_THROWS_AS(check(HttpOptions{.proxy = url}), re::ConfigError);
      }
    }
    CHECK_THROWS_WITH_AS(check(HttpOptions{.url = "ftp://a?key=secret"}),
                         "remixer::HttpLanguageModel: http.url is \"ftp://a\", expected an URL with http:// or "
                         "https://",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(check(HttpOptions{.proxy = "http://user:secret@proxy"}),
                         "remixer::HttpLanguageModel: http.proxy is an URL with a user or password, expected one "
                         "without: secrets come from environment variables",
                         re::ConfigError);
    CHECK_THROWS_AS(check(HttpOptions{.url = "https://user@a/b"}), re::ConfigError);
  }
  TEST_CASE("check: names the number that is out of its range") {
    CHECK_THROWS_WITH_AS(check(HttpOptions{.in_flight = 0}),
                         "remixer::HttpLanguageModel: http.in_flight is 0.000000, expected 1 to 10000",
                         re::ConfigError);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<std::function<void(HttpOptions&)>> faults = {
        [](HttpOptions& o) { o.in_flight = -1; },
        [](HttpOptions& o) { o.in_flight = 20'000; },
        [](HttpOptions& o) { o.connect_timeout = 0.0; },
        [&](HttpOptions& o) { o.connect_timeout = nan; },
        [](HttpOptions& o) { o.total_timeout = HUGE_VAL; },
        [](HttpOptions& o) { o.total_timeout = -1.0; },
        [](HttpOptions& o) { o.slow_seconds = 0.0; },
        [](HttpOptions& o) { o.slow_bytes_per_second = -1.0; },
        [&](HttpOptions& o) { o.slow_bytes_per_second = nan; },
        [](HttpOptions& o) { o.largest_answer = 0; },
        [](HttpOptions& o) { o.key_header = "Authorization"; },
        [](HttpOptions& o) { o.key_header = "a: b\r\nc: "; }};
    for (const auto& fault : faults) {
      HttpOptions options;
      fault(options);
      CHECK_THROWS_AS(check(options), re::ConfigError);
    }
  }
  TEST_CASE("visit: names every option, and the secrets only by their variables") {
    ::setenv("OPENAI_API_KEY", "sk-very-secret", 1);
    const re::remixer::HttpLanguageModelOptions options{.model = {.name = "m"}};
    const std::vector<std::string> names = test::named_options(options);
    REQUIRE(names.size() == 5);
    CHECK(names[0] == "model {name m, max_tokens_name max_tokens, extra }");
    CHECK(names[1] ==
          "http {url https://api.openai.com/v1/chat/completions, key_environment OPENAI_API_KEY, key_header "
          "Authorization: Bearer , ca_file , proxy none, proxy_login_environment , in_flight 64, connect_timeout 20, "
          "total_timeout 900, slow_seconds 30, slow_bytes_per_second 16, largest_answer 4194304}");
    for (const std::string& name : names) {
      CHECK(name.find("very-secret") == std::string::npos);
    }
  }

  TEST_CASE("Secrets: come from the variables that the options name") {
    CHECK(secrets_of("sk-1").key() == "sk-1");
    CHECK(secrets_of("sk-1").proxy_login().empty());
    CHECK(secrets_of("sk-1", "user:word").proxy_login() == "user:word");
    CHECK(Secrets(HttpOptions{.key_environment = ""}).key().empty());
  }
  TEST_CASE("Secrets: a variable that is not set is named, a bad value is not shown") {
    ::unsetenv("REASONEMBED_TEST_UNSET");
    CHECK_THROWS_WITH_AS(
        Secrets(HttpOptions{.key_environment = "REASONEMBED_TEST_UNSET"}),
        "remixer::HttpLanguageModel: http.key_environment is \"REASONEMBED_TEST_UNSET\", which is not set, expected an "
        "environment variable that is set, or \"\" for a server without a key",
        re::ConfigError);
    CHECK_THROWS_AS(secrets_of(""), re::ConfigError);
    CHECK_THROWS_WITH_AS(secrets_of("sk-hidden\n"),
                         "remixer::HttpLanguageModel: the environment variable REASONEMBED_TEST_KEY is a text with a "
                         "line break, expected one line",
                         re::ConfigError);
  }
  TEST_CASE("hide: takes every secret out of a text") {
    const Secrets secrets = secrets_of("sk-0123456789", "user:pass:word");
    CHECK(secrets.hide("a sk-0123456789 b sk-0123456789sk-0123456789") == "a *** b ******");
    CHECK(secrets.hide("login user:pass:word") == "login ***");
    CHECK(secrets.hide("sk-012345678") == "sk-012345678");
    CHECK(secrets.hide("").empty());
    CHECK(secrets_of("*").hide("a*b") == "a***b");
  }
  TEST_CASE("hide_in_answer: leaves a short word that is no secret, such as EMPTY") {
    CHECK(secrets_of("EMPTY").hide_in_answer("the set is EMPTY") == "the set is EMPTY");
    CHECK(secrets_of("EMPTY").hide("the key EMPTY") == "the key ***");
    CHECK(secrets_of("sk-0123456789").hide_in_answer("it is sk-0123456789.") == "it is ***.");
  }
}
