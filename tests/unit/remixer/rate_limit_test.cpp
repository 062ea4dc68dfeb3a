#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/rate_limit.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/named_options.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::remixer::RateLimit;
using re::remixer::RateLimitOptions;
using re::remixer::TokenBucket;

TEST_SUITE("remixer/rate_limit") {
  TEST_CASE("TokenBucket: grants its capacity at once, then its rate") {
    TokenBucket bucket(2.0, 10.0);
    CHECK(bucket.wait(10.0, 100.0) == 0.0);
    bucket.take(10.0, 100.0);
    CHECK(bucket.wait(1.0, 100.0) == doctest::Approx(0.5));
    CHECK(bucket.wait(10.0, 100.0) == doctest::Approx(5.0));
    CHECK(bucket.wait(1.0, 100.5) == 0.0);
    CHECK(bucket.wait(10.0, 1000.0) == 0.0);
    bucket.take(10.0, 1000.0);  // a long rest saves no more than the capacity
    CHECK(bucket.wait(1.0, 1000.0) == doctest::Approx(0.5));
  }
  TEST_CASE("TokenBucket: an amount above the capacity waits for a full bucket and leaves a debt") {
    TokenBucket bucket(1.0, 5.0);
    bucket.take(1.0, 0.0);
    CHECK(bucket.wait(20.0, 0.0) == doctest::Approx(1.0));
    bucket.take(20.0, 1.0);
    CHECK(bucket.wait(1.0, 1.0) == doctest::Approx(16.0));
  }
  TEST_CASE("TokenBucket: what was not used is given back, up to the capacity") {
    TokenBucket bucket(1.0, 10.0);
    bucket.take(10.0, 0.0);
    bucket.take(-8.0, 0.0);
    CHECK(bucket.wait(8.0, 0.0) == 0.0);
    CHECK(bucket.wait(9.0, 0.0) == doctest::Approx(1.0));
    bucket.take(-100.0, 0.0);
    CHECK(bucket.wait(10.0, 0.0) == 0.0);
    bucket.take(10.0, 0.0);
    CHECK(bucket.wait(10.0, 0.0) == doctest::Approx(10.0));
  }
  TEST_CASE("TokenBucket: time that goes back gives nothing twice") {
    TokenBucket bucket(1.0, 10.0);
    bucket.take(10.0, 50.0);
    bucket.take(0.0, 40.0);
    CHECK(bucket.wait(5.0, 50.0) == doctest::Approx(5.0));
  }
  TEST_CASE("TokenBucket: no interval gets more than rate and capacity allow") {
    re::RandomStream random(11);
    for (int round = 0; round < 50; ++round) {
      const double rate = 0.1 + 10.0 * random.uniform_double();
      const double capacity = 1.0 + 20.0 * random.uniform_double();
      TokenBucket bucket(rate, capacity);
      std::vector<std::pair<double, double>> grants;  // time, amount
      double now = 0.0;
      for (int i = 0; i < 200; ++i) {
        now += random.uniform_double() / rate;
        const double amount = capacity * random.uniform_double();
        now += bucket.wait(amount, now);
        REQUIRE(bucket.wait(amount, now) == 0.0);
        bucket.take(amount, now);
        grants.emplace_back(now, amount);
      }
      bool kept = true;
      for (std::size_t i = 0; i < grants.size(); ++i) {
        double sum = 0.0;
        for (std::size_t j = i; j < grants.size(); ++j) {
          sum += grants[j].second;
          kept = kept && sum <= (rate * (grants[j].first - grants[i].first) + capacity) * (1.0 + 1e-6);
        }
      }
      CHECK(kept);
    }
  }

  TEST_CASE("RateLimit: without limits nothing waits") {
    RateLimit limit{{}};
    for (int i = 0; i < 1000; ++i) {
      CHECK(limit.wait(1'000'000'000, 0.0) == 0.0);
      limit.start(1'000'000'000, 0.0);
    }
  }
  TEST_CASE("RateLimit: both limits hold") {
    RateLimit limit({.requests_per_minute = 60.0, .tokens_per_minute = 6000.0, .burst_seconds = 2.0});
    limit.start(10, 0.0);
    limit.start(10, 0.0);
    CHECK(limit.wait(10, 0.0) == doctest::Approx(1.0));  // two requests of a burst of two seconds are used
    CHECK(limit.wait(10, 1.0) == 0.0);
    limit.start(180, 1.0);
    CHECK(limit.wait(150, 10.0) == 0.0);
    limit.start(200, 10.0);
    CHECK(limit.wait(100, 10.0) == doctest::Approx(1.0));  // of tokens, 100 a second
  }
  TEST_CASE("RateLimit: less than one request a burst still lets one pass") {
    RateLimit limit({.requests_per_minute = 6.0, .burst_seconds = 1.0});
    CHECK(limit.wait(1, 0.0) == 0.0);
    limit.start(1, 0.0);
    CHECK(limit.wait(1, 0.0) == doctest::Approx(10.0));
  }
  TEST_CASE("settle: the server's count replaces the guess") {
    RateLimit limit({.tokens_per_minute = 6000.0, .burst_seconds = 10.0});
    limit.start(1000, 0.0);
    CHECK(limit.wait(500, 0.0) == doctest::Approx(5.0));
    limit.settle(1000, 100, 0.0);
    CHECK(limit.wait(500, 0.0) == 0.0);
    limit.settle(0, 2000, 0.0);
    CHECK(limit.wait(100, 0.0) > 10.0);
  }
  TEST_CASE("estimated_tokens: a quarter of the bytes, the messages' frame, and what may be written") {
    CHECK(re::remixer::estimated_tokens({.sampling = {.max_tokens = 100}}) == 100);
    re::remixer::ChatCall call = test::chat_call(0, std::string(400, 'x'));
    call.sampling.max_tokens = 50;
    CHECK(re::remixer::estimated_tokens(call) == 154);
  }
  TEST_CASE("RateLimit: names what is out of its range") {
    CHECK_THROWS_WITH_AS(RateLimit({.requests_per_minute = -1.0}),
                         "remixer::RateLimit: rate_limit.requests_per_minute is -1.000000, expected at least 0",
                         re::ConfigError);
    CHECK_THROWS_AS(RateLimit({.tokens_per_minute = HUGE_VAL}), re::ConfigError);
    CHECK_THROWS_AS(RateLimit({.burst_seconds = 0.0}), re::ConfigError);
    CHECK_THROWS_AS(RateLimit({.burst_seconds = std::numeric_limits<double>::quiet_NaN()}), re::ConfigError);
    CHECK(test::named_options(RateLimitOptions{}) ==
          std::vector<std::string>{"requests_per_minute 0", "tokens_per_minute 0", "burst_seconds 5"});
  }
}
