#include <reasonembed/core/random.hpp>
#include <reasonembed/optim/clip_gradient_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::optim::clip_gradient_norm;
using re::optim::gradient_norm;

namespace {

template <class T>
std::vector<T> random_vector(std::size_t size, std::uint64_t seed, double scale = 1.0) {
  re::RandomStream random(seed);
  std::vector<T> x(size);
  for (T& value : x) {
    value = static_cast<T>(scale * random.normal());
  }
  return x;
}

template <class T>
double reference(std::span<const T> x) {
  long double sum = 0.0L;
  for (const T value : x) {
    sum += static_cast<long double>(value) * static_cast<long double>(value);
  }
  return static_cast<double>(std::sqrt(sum));
}

}  // namespace

TEST_SUITE("optim/clip_gradient_norm") {
  TEST_CASE_TEMPLATE("gradient_norm: equals the sum in long double at every length", T, float, double) {
    for (std::size_t size = 0; size < 70; ++size) {
      for (const std::size_t offset : {0U, 1U, 5U}) {  // misaligned starts
        const std::vector<T> memory = random_vector<T>(size + offset, size);
        const std::span<const T> x = std::span<const T>(memory).subspan(offset);
        CAPTURE(size);
        const double want = reference(x);
        // n / 16 additions and four folds, each off by half an epsilon, halved by the root
        CHECK(std::abs(gradient_norm(x) - want) <= 10.0 * std::numeric_limits<double>::epsilon() * want);
      }
    }
  }

  TEST_CASE("gradient_norm: neither overflows nor underflows in float") {
    CHECK(gradient_norm(std::span<const float>(std::vector<float>{3e38F, 0.0F})) == static_cast<double>(3e38F));
    CHECK(gradient_norm(std::span<const float>(std::vector<float>{0.0F, 1e-38F})) == static_cast<double>(1e-38F));
    const std::vector<float> equal(1U << 20U, 0.1F);  // float sums of squares would be off in the third digit
    const double want = static_cast<double>(0.1F) * 1024.0;
    CHECK(std::abs(gradient_norm(std::span<const float>(equal)) - want) <= 1e-11 * want);
  }

  TEST_CASE_TEMPLATE("clip_gradient_norm: shortens what is longer and returns the length before", T, float, double) {
    for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 100U}) {
      CAPTURE(size);
      const std::vector<T> before = random_vector<T>(size, 3, 10.0);
      std::vector<T> x = before;
      const double norm = clip_gradient_norm(std::span<T>(x), 0.5);
      CHECK(norm == gradient_norm(std::span<const T>(before)));
      const auto factor = static_cast<T>(0.5 / (norm + 1e-6));
      for (std::size_t i = 0; i < size; ++i) {
        CHECK(x[i] == factor * before[i]);
      }
      CHECK(gradient_norm(std::span<const T>(x)) <=
            0.5 * (1.0 + static_cast<double>(std::numeric_limits<T>::epsilon())));
    }
  }

  TEST_CASE("clip_gradient_norm: leaves the bits of what is not longer") {
    const std::vector<float> before = random_vector<float>(33, 4);
    const double norm = gradient_norm(std::span<const float>(before));
    for (const double bound : {norm + 2e-6, 2.0 * norm, 1e30, std::numeric_limits<double>::infinity()}) {
      std::vector<float> x = before;
      CHECK(clip_gradient_norm(std::span<float>(x), bound) == norm);
      CHECK(x == before);
    }
    std::vector<float> zeros(5);
    CHECK(clip_gradient_norm(std::span<float>(zeros), 1.0) == 0.0);
    CHECK(zeros == std::vector<float>(5));
    CHECK(clip_gradient_norm(std::span<float>(), 1.0) == 0.0);
  }

  TEST_CASE("clip_gradient_norm: the small term of the denominator is there") {
    std::vector<double> x{3.0, 4.0};
    CHECK(clip_gradient_norm(std::span<double>(x), 5.0) == 5.0);
    CHECK(x == std::vector<double>{3.0 * (5.0 / 5.000001), 4.0 * (5.0 / 5.000001)});
  }

  TEST_CASE("clip_gradient_norm: reports a length that is not finite and changes nothing") {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const std::size_t place : {0U, 15U, 16U, 39U}) {
        std::vector<float> x(40, 2.0F);
        x[place] = bad;
        CHECK_FALSE(std::isfinite(clip_gradient_norm(std::span<float>(x), 1.0)));
        x[place] = 2.0F;
        CHECK(x == std::vector<float>(40, 2.0F));
      }
    }
    std::vector<double> huge{1e200, 1.0};  // finite, but its square is not
    CHECK(std::isinf(clip_gradient_norm(std::span<double>(huge), 1.0)));
    CHECK(huge[0] == 1e200);
  }

  TEST_CASE("clip_gradient_norm: rejects a bound that is not positive") {
    std::vector<float> x{1.0F};
    CHECK_THROWS_WITH_AS(clip_gradient_norm(std::span<float>(x), 0.0),
                         "optim::clip_gradient_norm: max_norm is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_AS(clip_gradient_norm(std::span<float>(x), -1.0), re::ConfigError);
    CHECK_THROWS_AS(clip_gradient_norm(std::span<float>(x), std::nan("")), re::ConfigError);
    CHECK(x[0] == 1.0F);
  }
}
