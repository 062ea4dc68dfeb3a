#include <reasonembed/loss/weighting.hpp>

#include <doctest/doctest.h>

#include <support/named_options.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace loss = reasonembed::loss;
using loss::Uniform;
using loss::Weighting;
using loss::WeightingBatch;

namespace {

/// The smallest conforming type.
struct Archetype {
  struct Options {};
  static constexpr const char* name = "archetype";
  explicit Archetype(Options) {}
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  void weigh(const WeightingBatch&, std::span<double>, std::span<double>) const {}
};
struct WithoutName : Archetype {
  static constexpr int name = 0;
  using Archetype::Archetype;
};
struct WithoutOptions {
  [[maybe_unused]] static constexpr const char* name = "without options";
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  void weigh(const WeightingBatch&, std::span<double>, std::span<double>) const {}
};
struct VagueNeed : Archetype {
  using Archetype::Archetype;
  [[nodiscard]] int needs_reasoning(std::int64_t) const { return 0; }
};
struct MutableWeigh : Archetype {
  using Archetype::Archetype;
  void weigh(const WeightingBatch&, std::span<double>, std::span<double>) {}
};
struct SinglePrecision : Archetype {
  using Archetype::Archetype;
  void weigh(const WeightingBatch&, std::span<float>, std::span<float>) const {}
};

static_assert(Weighting<Archetype> && Weighting<Uniform>);
static_assert(!Weighting<WithoutName> && !Weighting<WithoutOptions> && !Weighting<VagueNeed>);
static_assert(!Weighting<MutableWeigh> && !Weighting<SinglePrecision> && !Weighting<int>);
static_assert(std::is_empty_v<Uniform> && std::is_trivially_copyable_v<Uniform>);

std::uint64_t bits(double x) {
  return std::bit_cast<std::uint64_t>(x);
}

}  // namespace

TEST_SUITE("loss/weighting") {
  TEST_CASE("normalize_l1: weights sum to one and keep their ratios") {
    std::vector<double> weights{1.0, 2.0, 5.0, 0.0};
    loss::normalize_l1(weights);
    CHECK(weights == std::vector<double>{0.125, 0.25, 0.625, 0.0});
    for (const std::size_t size : {1U, 2U, 7U, 64U, 1000U}) {
      std::vector<double> rising(size);
      std::iota(rising.begin(), rising.end(), 3.7);
      const double ratio = rising.back() / rising.front();
      loss::normalize_l1(rising);
      CAPTURE(size);
      // every element and every partial sum, at most 1, is off by at most one rounding
      const double bound = 2.0 * static_cast<double>(size) * std::numeric_limits<double>::epsilon();
      CHECK(std::abs(std::accumulate(rising.begin(), rising.end(), 0.0) - 1.0) <= bound);
      CHECK(std::abs(rising.back() / rising.front() - ratio) <= 4.0 * ratio * std::numeric_limits<double>::epsilon());
    }
  }

  TEST_CASE("normalize_l1: equal weights become 1 / B to the bit, whatever their value") {
    for (const std::size_t size : {1U, 2U, 3U, 5U, 6U, 7U, 10U, 49U, 64U, 512U, 1023U}) {
      const double want = 1.0 / static_cast<double>(size);
      for (const double value : {0.0, 5e-324, 1e-300, 1e-6, 0.1, 1.0 / 3.0, 0.7, 1.0, 1.1, 5.0, 31716520.0, 1e300}) {
        std::vector<double> weights(size, value);
        loss::normalize_l1(weights);
        CAPTURE(size);
        CAPTURE(value);
        CHECK(std::all_of(weights.begin(), weights.end(), [&](double w) { return bits(w) == bits(want); }));
      }
    }
  }

  TEST_CASE("normalize_l1: does not depend on a common factor of two, and stays finite at the ends of the range") {
    const std::vector<double> weights{0.3, 1.7, 0.9};
    std::vector<double> plain = weights;
    loss::normalize_l1(plain);
    for (const double factor : {0x1p-900, 0x1p900}) {
      std::vector<double> scaled = weights;
      for (double& weight : scaled) {
        weight *= factor;
      }
      loss::normalize_l1(scaled);
      CHECK(scaled == plain);
    }
    std::vector<double> huge(4, std::numeric_limits<double>::max());  // their sum overflows
    loss::normalize_l1(huge);
    CHECK(huge == std::vector<double>(4, 0.25));
  }

  TEST_CASE("normalize_l1: does nothing without weights") {
    std::vector<double> none;
    loss::normalize_l1(none);
    CHECK(none.empty());
  }

  TEST_CASE("Uniform: gives every query the same weight and intensity 1, whatever the losses") {
    const std::vector<double> losses{0.0, 3.0, 100.0};
    std::vector<double> intensities(3, -1.0);
    std::vector<double> weights(3, -1.0);
    const Uniform uniform;
    CHECK_FALSE(uniform.needs_reasoning(0));
    CHECK_FALSE(uniform.needs_reasoning(1'000'000'000'000));
    uniform.weigh({losses, {}, {}, 7}, intensities, weights);
    CHECK(intensities == std::vector<double>(3, 1.0));
    CHECK(weights == std::vector<double>(3, 1.0 / 3.0));
    CHECK(std::string(Uniform::name) == "uniform");
    CHECK(Uniform::Options{} == Uniform::Options{});
  }
  TEST_CASE("Uniform: has no option to name") {
    CHECK(test::named_options(Uniform::Options{}).empty());
  }
}
