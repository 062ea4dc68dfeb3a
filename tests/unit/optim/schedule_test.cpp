#include <reasonembed/optim/schedule.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::optim::Constant;
using re::optim::Schedule;
using re::optim::WarmupConstant;
using re::optim::WarmupCosine;
using re::optim::WarmupLinear;

namespace {

/// The smallest conforming type.
struct Archetype {
  struct Options {};
  static constexpr const char* name = "archetype";
  Archetype(Options, std::int64_t) {}
  [[nodiscard]] double factor(std::int64_t) const { return 1.0; }
};
struct WithoutTotal {
  struct Options {};
  [[maybe_unused]] static constexpr const char* name = "without total";
  explicit WithoutTotal(Options) {}
  [[nodiscard]] double factor(std::int64_t) const { return 1.0; }
};
struct WholeFactor : Archetype {
  using Archetype::Archetype;
  [[nodiscard]] int factor(std::int64_t) const { return 1; }
};
struct Unnamed {
  struct Options {};
  Unnamed(Options, std::int64_t) {}
  [[nodiscard]] double factor(std::int64_t) const { return 1.0; }
};
static_assert(Schedule<Archetype> && Schedule<Constant> && Schedule<WarmupLinear>);
static_assert(!Schedule<WithoutTotal> && !Schedule<WholeFactor> && !Schedule<Unnamed> && !Schedule<double>);
static_assert(std::is_trivially_copyable_v<WarmupCosine>);

template <Schedule S>
std::vector<double> factors(const S& schedule, std::int64_t steps) {
  std::vector<double> all;
  for (std::int64_t step = 0; step < steps; ++step) {
    all.push_back(schedule.factor(step));
  }
  return all;
}

}  // namespace

TEST_SUITE("optim/schedule") {
  TEST_CASE("WarmupLinear: rises from 0 by equal parts and falls to 0 by equal parts") {
    const WarmupLinear schedule({.warmup_steps = 2}, 6);
    CHECK(factors(schedule, 8) == std::vector<double>{0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0});
    CHECK(schedule.factor(1'000'000) == 0.0);
  }

  TEST_CASE("WarmupConstant: rises from 0 and stays at 1") {
    const WarmupConstant schedule({.warmup_steps = 4}, 6);
    CHECK(factors(schedule, 8) == std::vector<double>{0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0});
  }

  TEST_CASE("Constant: is 1 from the first step on") {
    CHECK(factors(Constant({}, 3), 5) == std::vector<double>(5, 1.0));
    CHECK(Constant().factor(7) == 1.0);
  }

  TEST_CASE("WarmupCosine: falls like half a wave") {
    const WarmupCosine schedule({.warmup_steps = 2}, 6);
    CHECK(schedule.factor(0) == 0.0);
    CHECK(schedule.factor(1) == 0.5);
    CHECK(schedule.factor(2) == 1.0);
    constexpr double kBound = 4.0 * std::numeric_limits<double>::epsilon();
    CHECK(std::abs(schedule.factor(3) - (0.5 + std::sqrt(0.125))) <= kBound);
    CHECK(std::abs(schedule.factor(4) - 0.5) <= kBound);
    CHECK(std::abs(schedule.factor(5) - (0.5 - std::sqrt(0.125))) <= kBound);
    CHECK(schedule.factor(6) == 0.0);
  }

  TEST_CASE("WarmupCosine: more cycles are more waves") {
    const WarmupCosine schedule({.warmup_steps = 0, .cycles = 1.5}, 6);
    constexpr double kBound = 8.0 * std::numeric_limits<double>::epsilon();
    const std::vector<double> want{1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 0.0};
    for (std::size_t step = 0; step < want.size(); ++step) {
      CHECK(std::abs(schedule.factor(static_cast<std::int64_t>(step)) - want[step]) <= kBound);
    }
  }

  TEST_CASE("factor: lies in [0, 1], never falls in the warm-up and never rises after it") {
    for (const std::int64_t total : {10, 97, 1000}) {
      for (const double ratio : {0.0, 0.1, 0.5, 0.9}) {
        CAPTURE(total);
        CAPTURE(ratio);
        const WarmupLinear linear({.warmup_ratio = ratio}, total);
        const WarmupCosine cosine({.warmup_ratio = ratio}, total);
        for (std::int64_t step = 0; step < total; ++step) {
          for (const auto& [here, next] : {std::pair{linear.factor(step), linear.factor(step + 1)},
                                           std::pair{cosine.factor(step), cosine.factor(step + 1)}}) {
            CHECK(here >= 0.0);
            CHECK(here <= 1.0);
            CHECK((step < linear.warmup_steps() ? next >= here : next <= here));
          }
        }
      }
    }
  }

  TEST_CASE("warmup_steps: is the share of all steps, rounded up, unless it is given") {
    CHECK(WarmupLinear({}, 100).warmup_steps() == 10);
    CHECK(WarmupLinear({}, 101).warmup_steps() == 11);
    CHECK(WarmupLinear({.warmup_ratio = 0.0}, 101).warmup_steps() == 0);
    CHECK(WarmupLinear({.warmup_ratio = 1.0}, 7).warmup_steps() == 7);
    CHECK(WarmupLinear({.warmup_ratio = 0.5, .warmup_steps = 3}, 100).warmup_steps() == 3);
    CHECK(WarmupLinear({.warmup_steps = 0}, 100).warmup_steps() == 0);
    CHECK(WarmupConstant({}, 31).warmup_steps() == 4);
    CHECK(WarmupCosine({.warmup_ratio = 0.2}, 10).warmup_steps() == 2);
  }

  TEST_CASE("factor: a warm-up as long as the run, or longer, and a run of no steps divide by nothing") {
    CHECK(factors(WarmupLinear({.warmup_steps = 4}, 4), 5) == std::vector<double>{0.0, 0.25, 0.5, 0.75, 0.0});
    CHECK(factors(WarmupLinear({.warmup_steps = 8}, 4), 4) == std::vector<double>{0.0, 0.125, 0.25, 0.375});
    CHECK(WarmupLinear({}, 0).factor(0) == 0.0);
    CHECK(WarmupConstant({}, 0).factor(0) == 1.0);
    CHECK(WarmupCosine({}, 0).factor(0) == 1.0);
  }

  TEST_CASE("options: compare and have the defaults of the paper") {
    CHECK(WarmupLinear::Options{}.warmup_ratio == 0.1);
    CHECK_FALSE(WarmupLinear::Options{}.warmup_steps.has_value());
    CHECK(WarmupCosine::Options{}.cycles == 0.5);
    CHECK(WarmupLinear::Options{} == WarmupLinear::Options{.warmup_ratio = 0.1});
    CHECK_FALSE(WarmupCosine::Options{} == WarmupCosine::Options{.cycles = 1.0});
    CHECK(Constant::Options{} == Constant::Options{});
    CHECK(std::string(Constant::name) == "constant");
    CHECK(std::string(WarmupConstant::name) == "warmup_constant");
    CHECK(std::string(WarmupLinear::name) == "warmup_linear");
    CHECK(std::string(WarmupCosine::name) == "warmup_cosine");
  }

  TEST_CASE("schedules: reject options and steps out of their range") {
    CHECK_THROWS_WITH_AS(WarmupLinear({}, -1), "optim::Schedule: total is -1, expected at least 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(WarmupLinear({.warmup_ratio = 1.5}, 10),
                         "optim::Schedule: warmup_ratio is 1.500000, expected 0 <= warmup_ratio <= 1",
                         re::ConfigError);
    CHECK_THROWS_AS(WarmupConstant({.warmup_ratio = std::nan("")}, 10), re::ConfigError);
    CHECK_THROWS_WITH_AS(WarmupCosine({.warmup_steps = -2}, 10),
                         "optim::Schedule: warmup_steps is -2, expected at least 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(WarmupCosine({.cycles = 0.0}, 10),
                         "optim::Schedule: cycles is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)WarmupLinear({}, 10).factor(-1), "optim::Schedule: step is -1, expected at least 0", re::ConfigError);
    CHECK_THROWS_AS((void)WarmupCosine({}, 10).factor(-1), re::ConfigError);
    CHECK_THROWS_AS((void)Constant().factor(-1), re::ConfigError);
    CHECK_THROWS_AS(Constant({}, -5), re::ConfigError);
  }
  TEST_CASE("visit: names every option of every schedule, in their order") {
    using test::named_options;
    CHECK(named_options(WarmupLinear::Options{}) == std::vector<std::string>{"warmup_ratio 0.1", "warmup_steps none"});
    CHECK(named_options(WarmupConstant::Options{.warmup_ratio = 0.25, .warmup_steps = 0}) ==
          std::vector<std::string>{"warmup_ratio 0.25", "warmup_steps 0"});
    CHECK(named_options(WarmupCosine::Options{.warmup_steps = 7, .cycles = 1.5}) ==
          std::vector<std::string>{"warmup_ratio 0.1", "warmup_steps 7", "cycles 1.5"});
    CHECK(named_options(Constant::Options{}).empty());
  }
}
