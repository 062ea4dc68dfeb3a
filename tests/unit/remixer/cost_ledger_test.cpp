#include <reasonembed/remixer/cost_ledger.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::CostLedger;
using re::remixer::Prices;
using re::remixer::Usage;

TEST_SUITE("remixer/cost_ledger") {
  TEST_CASE("Prices: are those of a million tokens") {
    const Prices prices{.prompt = 0.5, .completion = 2.0};
    CHECK(prices.of(1'000'000, 0) == 0.5);
    CHECK(prices.of(0, 1'000'000) == 2.0);
    CHECK(prices.of(3'000, 500) == doctest::Approx(0.0025).epsilon(1e-15));
    CHECK(prices.of(0, 0) == 0.0);
    CHECK(Prices().of(1 << 30, 1 << 30) == 0.0);
    CHECK(test::named_options(prices) == std::vector<std::string>{"prompt 0.5", "completion 2"});
  }
  TEST_CASE("add: counts by stage") {
    CostLedger ledger({.prompt = 1.0, .completion = 10.0});
    CHECK(ledger.money() == 0.0);
    CHECK(ledger.stages().empty());
    ledger.add("write", {.text = "a", .prompt_tokens = 100, .completion_tokens = 20});
    ledger.add("write", {.text = "b", .prompt_tokens = 300, .completion_tokens = 0});
    ledger.add("annotate", {.text = "c", .prompt_tokens = 7, .completion_tokens = 1});
    ledger.add("", {});
    REQUIRE(ledger.stages().size() == 3);
    CHECK(ledger.stages().at("write") == Usage{.answers = 2, .prompt_tokens = 400, .completion_tokens = 20});
    CHECK(ledger.stages().at("annotate") == Usage{.answers = 1, .prompt_tokens = 7, .completion_tokens = 1});
    CHECK(ledger.total() == Usage{.answers = 4, .prompt_tokens = 407, .completion_tokens = 21});
    CHECK(ledger.money(ledger.stages().at("write")) == doctest::Approx(600e-6).epsilon(1e-15));
    CHECK(ledger.money() == doctest::Approx(617e-6).epsilon(1e-15));
  }
  TEST_CASE("money: does not depend on the order of the answers") {
    CostLedger forward({.prompt = 0.1, .completion = 0.7});
    CostLedger backward({.prompt = 0.1, .completion = 0.7});
    for (int i = 0; i < 1000; ++i) {
      forward.add("s", {.prompt_tokens = i * i, .completion_tokens = i});
      backward.add("s", {.prompt_tokens = (999 - i) * (999 - i), .completion_tokens = 999 - i});
    }
    CHECK(forward.money() == backward.money());
  }
  TEST_CASE("CostLedger: refuses prices that are none") {
    CHECK_THROWS_WITH_AS(CostLedger({.prompt = -1.0}),
                         "remixer::CostLedger: prices.prompt is -1.000000, expected a price >= 0",
                         re::ConfigError);
    CHECK_THROWS_AS(CostLedger({.completion = std::numeric_limits<double>::quiet_NaN()}), re::ConfigError);
    CHECK_THROWS_AS(CostLedger({.completion = std::numeric_limits<double>::infinity()}), re::ConfigError);
  }
}
