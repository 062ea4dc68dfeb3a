#include <reasonembed/loss/reasoning_intensity.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
namespace loss = reasonembed::loss;
using loss::Mapping;
using loss::Normalization;
using loss::ReasoningIntensity;

namespace {

static_assert(loss::Weighting<ReasoningIntensity>);
static_assert(std::is_trivially_copyable_v<ReasoningIntensity>);

struct Weighed {
  std::vector<double> intensities;
  std::vector<double> weights;
};

Weighed weigh(const ReasoningIntensity& weighting,
              const std::vector<double>& losses,
              const std::vector<double>& reasoning,
              std::vector<std::uint8_t> has = {},
              std::int64_t step = 100) {
  has.resize(losses.size(), 1);
  Weighed out{std::vector<double>(losses.size(), -1.0), std::vector<double>(losses.size(), -1.0)};
  weighting.weigh({losses, reasoning, has, step}, out.intensities, out.weights);
  return out;
}

double sum(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0);
}

/// At most four roundings.
bool near(double got, double want) {
  return std::abs(got - want) <= 4.0 * std::numeric_limits<double>::epsilon() * std::abs(want);
}

}  // namespace

TEST_SUITE("loss/reasoning_intensity") {
  TEST_CASE("weigh: intensities are ratios of losses, weights their share after the clamp") {
    const auto got = weigh(ReasoningIntensity(), {2.0, 3.0, 24.0, 1.0}, {1.0, 6.0, 2.0, 1.0 - 1e-6});
    CHECK(near(got.intensities[0], 2.0 / 1.000001));
    CHECK(near(got.intensities[1], 3.0 / 6.000001));
    CHECK(near(got.intensities[2], 24.0 / 2.000001));  // beyond the ceiling
    CHECK(near(got.intensities[3], 1.0));
    const double total = 2.0 / 1.000001 + 3.0 / 6.000001 + 5.0 + 1.0;
    CHECK(near(got.weights[0], 2.0 / 1.000001 / total));
    CHECK(near(got.weights[1], 3.0 / 6.000001 / total));
    CHECK(near(got.weights[2], 5.0 / total));
    CHECK(near(got.weights[3], 1.0 / total));
  }

  TEST_CASE("weigh: a reasoning loss of zero stays finite and is cut at the ceiling") {
    for (const double l : {0.0, 5e-324, 1e-21, 1.0, 100.0}) {
      const auto got = weigh(ReasoningIntensity(), {l, 1.0}, {0.0, 1.0 - 1e-6});
      CAPTURE(l);
      CHECK(near(got.intensities[0], l / 1e-6));
      CHECK(near(got.weights[0], std::min(l / 1e-6, 5.0) / (std::min(l / 1e-6, 5.0) + 1.0)));
    }
  }

  TEST_CASE("weigh: the first hundred steps count every query the same and look at nothing else") {
    const ReasoningIntensity weighting;
    for (const std::int64_t step : {0, 1, 99}) {
      CHECK_FALSE(weighting.needs_reasoning(step));
      std::vector<double> intensities(2);
      std::vector<double> weights(2);
      const std::vector<double> losses{1.0, 7.0};
      weighting.weigh({losses, {}, {}, step}, intensities, weights);  // as without reasoning queries
      CHECK(intensities == std::vector<double>{1.0, 1.0});
      CHECK(weights == std::vector<double>{0.5, 0.5});
    }
    CHECK(weighting.needs_reasoning(100));
    CHECK(weighting.needs_reasoning(std::numeric_limits<std::int64_t>::max()));
    CHECK(ReasoningIntensity({.warmup_steps = 0}).needs_reasoning(0));
  }

  TEST_CASE("weigh: a query without a reasoning query has intensity 1 and its loss is not looked at") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto got = weigh(ReasoningIntensity(), {9.0, 3.0, 8.0}, {nan, 1.0 - 1e-6, nan}, {0, 1, 0});
    CHECK(got.intensities == std::vector<double>{1.0, 3.0, 1.0});
    CHECK(near(got.weights[0], 0.2));
    CHECK(near(got.weights[1], 0.6));
    CHECK(got.weights[2] == got.weights[0]);
  }

  TEST_CASE("weigh: equal intensities are InfoNCE to the bit, whatever they are") {
    for (const std::size_t size : {1U, 3U, 6U, 7U, 64U, 511U}) {
      for (const double l : {0.0, 1e-300, 0.3, 2.1, 77.0}) {
        const std::vector<double> losses(size, l);
        const auto got = weigh(ReasoningIntensity(), losses, std::vector<double>(size, 1.3));
        CAPTURE(size);
        CAPTURE(l);
        CHECK(got.weights == std::vector<double>(size, 1.0 / static_cast<double>(size)));
      }
    }
    // different intensities, all beyond the ceiling, or all unknown
    const std::vector<double> third(3, 1.0 / 3.0);
    CHECK(weigh(ReasoningIntensity(), {10.0, 20.0, 30.0}, {1.0, 1.0, 1.0}).weights == third);
    CHECK(weigh(ReasoningIntensity(), {10.0, 2.0, 3.0}, {0.0, 0.0, 0.0}, {0, 0, 0}).weights == third);
  }

  TEST_CASE("weigh: without clamp an intensity counts in full") {
    const ReasoningIntensity weighting({.mapping = Mapping::kNone});
    const auto got = weigh(weighting, {30.0, 10.0}, {1.0 - 1e-6, 1.0 - 1e-6});
    CHECK(near(got.weights[0], 0.75));
    CHECK(near(got.weights[1], 0.25));
  }

  TEST_CASE("weigh: without normalisation a weight is the mapped intensity") {
    const std::vector<double> losses{30.0, 2.0};
    const std::vector<double> reasoning{1.0 - 1e-6, 1.0 - 1e-6};
    const auto clamped = weigh(ReasoningIntensity({.normalization = Normalization::kNone}), losses, reasoning);
    CHECK(clamped.weights == std::vector<double>{5.0, clamped.intensities[1]});
    CHECK(near(clamped.weights[1], 2.0));
    const auto plain = weigh(
        ReasoningIntensity({.mapping = Mapping::kNone, .normalization = Normalization::kNone}), losses, reasoning);
    CHECK(plain.weights == plain.intensities);
    CHECK(near(plain.weights[0], 30.0));
  }

  TEST_CASE("weigh: another ceiling and eps are used as given") {
    const auto got = weigh(ReasoningIntensity({.ceiling = 2.0, .eps = 0.5}), {3.0, 0.5}, {0.5, 0.5});
    CHECK(got.intensities == std::vector<double>{3.0, 0.5});
    CHECK(got.weights == std::vector<double>{0.8, 0.2});
  }

  TEST_CASE("weigh: normalised weights sum to one and are in the order of the intensities") {
    std::vector<double> losses;
    std::vector<double> reasoning;
    for (int i = 0; i < 100; ++i) {
      losses.push_back(0.03 * i);
      reasoning.push_back(1.0);
    }
    const auto got = weigh(ReasoningIntensity(), losses, reasoning);
    CHECK(std::is_sorted(got.weights.begin(), got.weights.end()));
    CHECK(std::abs(sum(got.weights) - 1.0) <= 200.0 * std::numeric_limits<double>::epsilon());
  }

  TEST_CASE("ReasoningIntensity: the defaults are those of the paper, and options compare") {
    const ReasoningIntensity::Options options = ReasoningIntensity().options();
    CHECK(options.ceiling == 5.0);
    CHECK(options.eps == 1e-6);
    CHECK(options.warmup_steps == 100);
    CHECK(options.mapping == Mapping::kClamp);
    CHECK(options.normalization == Normalization::kL1);
    CHECK(options == ReasoningIntensity::Options{});
    CHECK_FALSE(options == ReasoningIntensity::Options{.ceiling = 4.0});
    CHECK(std::string(ReasoningIntensity::name) == "reasoning_intensity");
  }

  TEST_CASE("ReasoningIntensity: rejects options out of their range") {
    CHECK_THROWS_WITH_AS(ReasoningIntensity({.ceiling = 0.0}),
                         "loss::ReasoningIntensity: ceiling is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(ReasoningIntensity({.ceiling = std::numeric_limits<double>::infinity()}),
                         "loss::ReasoningIntensity: ceiling is inf, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(ReasoningIntensity({.eps = 0.0}),
                         "loss::ReasoningIntensity: eps is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_AS(ReasoningIntensity({.eps = std::numeric_limits<double>::quiet_NaN()}), re::ConfigError);
    CHECK_THROWS_WITH_AS(ReasoningIntensity({.warmup_steps = -1}),
                         "loss::ReasoningIntensity: warmup_steps is -1, expected a whole number >= 0",
                         re::ConfigError);
  }
  TEST_CASE("visit: names every option, in their order") {
    CHECK(test::named_options(ReasoningIntensity::Options{}) ==
          std::vector<std::string>{"ceiling 5", "eps 1e-06", "warmup_steps 100", "mapping 0", "normalization 0"});
    CHECK(test::named_options(ReasoningIntensity::Options{.ceiling = 2.0,
                                                          .eps = 0.5,
                                                          .warmup_steps = 3,
                                                          .mapping = Mapping::kNone,
                                                          .normalization = Normalization::kNone}) ==
          std::vector<std::string>{"ceiling 2", "eps 0.5", "warmup_steps 3", "mapping 1", "normalization 1"});
  }
}
