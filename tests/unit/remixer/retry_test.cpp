#include <reasonembed/remixer/retry.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::retry_wait;
using re::remixer::RetryOptions;

TEST_SUITE("remixer/retry") {
  TEST_CASE("retry_wait: doubles up to the longest, with jitter between a half and the whole") {
    const RetryOptions options{.first_wait = 0.5, .longest_wait = 10.0};
    for (int retry = 1; retry <= 40; ++retry) {
      const double whole = std::min(0.5 * std::pow(2.0, retry - 1), 10.0);
      double least = whole;
      double most = 0.0;
      for (std::uint64_t call = 0; call < 200; ++call) {
        const double wait = retry_wait(options, retry, call).value();
        least = std::min(least, wait);
        most = std::max(most, wait);
      }
      CAPTURE(retry);
      CHECK(least >= 0.5 * whole);
      CHECK(least < 0.55 * whole);  // 200 draws: all above with probability 0.9^200 = 7e-10
      CHECK(most < whole);
      CHECK(most > 0.95 * whole);
    }
    CHECK(retry_wait(options, 1'000'000, 0).value() <= 10.0);
  }
  TEST_CASE("retry_wait: differs from call to call and from retry to retry, and is the same every time") {
    const RetryOptions options{.first_wait = 1.0, .longest_wait = 1.0};
    std::set<double> waits;
    for (std::uint64_t call = 0; call < 20; ++call) {
      for (int retry = 1; retry <= 20; ++retry) {
        waits.insert(retry_wait(options, retry, call).value());
        CHECK(retry_wait(options, retry, call) == retry_wait(options, retry, call));
      }
    }
    CHECK(waits.size() == 400);
    CHECK(retry_wait({.seed = 1}, 1, 0) != retry_wait({.seed = 2}, 1, 0));
  }
  TEST_CASE("retry_wait: waits at least as long as it is told") {
    const RetryOptions options{.first_wait = 1.0, .longest_wait = 60.0, .longest_told = 100.0};
    for (std::uint64_t call = 0; call < 100; ++call) {
      const double wait = retry_wait(options, 6, call, 20.0).value();
      CHECK(wait >= 20.0);
      CHECK(wait <= 22.0);
      CHECK(retry_wait(options, 6, call, 0.5).value() <= 1.5);
      CHECK(retry_wait(options, 1, call, 100.0).value() >= 100.0);
    }
    CHECK(!retry_wait(options, 1, 0, 100.1));
    CHECK(!retry_wait(options, 1, 0, std::numeric_limits<double>::infinity()));
  }
  TEST_CASE("check: names what is out of its range") {
    CHECK_NOTHROW(RetryOptions().check("here"));
    CHECK_THROWS_WITH_AS(RetryOptions({.retries = -1}).check("here"),
                         "here: retry.retries is -1.000000, expected at least 0",
                         re::ConfigError);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const RetryOptions& wrong : {RetryOptions{.bad_answer_retries = -1},
                                      RetryOptions{.first_wait = 0.0},
                                      RetryOptions{.first_wait = nan},
                                      RetryOptions{.first_wait = 2, .longest_wait = 1},
                                      RetryOptions{.longest_wait = HUGE_VAL},
                                      RetryOptions{.longest_told = -1.0},
                                      RetryOptions{.longest_told = nan}}) {
      CHECK_THROWS_AS(wrong.check("here"), re::ConfigError);
    }
  }
  TEST_CASE("visit: names every option") {
    CHECK(test::named_options(RetryOptions{.seed = 9}) ==
          std::vector<std::string>{
              "retries 6", "bad_answer_retries 1", "first_wait 1", "longest_wait 60", "longest_told 300", "seed 9"});
  }
}
