#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/reduce.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

namespace {

template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr double kEps = std::numeric_limits<T>::epsilon();

}  // namespace

TEST_SUITE("simd/reduce") {
  TEST_CASE_TEMPLATE("dot and sum: are within their bound, for every length", T, float, double) {
    for (const Index size : test::kLengths) {
      CAPTURE(size);
      const auto x = test::normal_vector<T>(size, 81);
      const auto y = test::normal_vector<T>(size, 82);
      double want = 0.0;
      double sizes = 0.0;
      double want_sum = 0.0;
      double sum_sizes = 0.0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        want += double(x[i]) * double(y[i]);
        sizes += std::fabs(double(x[i]) * double(y[i]));
        want_sum += double(x[i]);
        sum_sizes += std::fabs(double(x[i]));
      }
      // with two lanes, the narrowest register, size / 2 roundings and 6 more; the reference in double may err as much
      const double factor = (double(size) / 2 + 6) * kEps<T> + double(size) * kEps<double>;
      CHECK(std::fabs(simd::dot(std::span(x), std::span(y)) - want) <= factor * sizes);
      CHECK(std::fabs(simd::sum(std::span(x)) - want_sum) <= factor * sum_sizes);
    }
  }

  TEST_CASE_TEMPLATE("all: bits do not depend on alignment, and nothing around is read", T, float, double) {
    for (const Index size : test::kLengths) {
      const auto x = test::normal_vector<T>(size, 83);
      for (const Index offset : {0, 1, 5, 15}) {
        CAPTURE(size);
        CAPTURE(offset);
        GuardedMatrix<T> moved(1, size, 0, offset);
        std::ranges::copy(x, moved.view().data());
        const std::span<const T> row = std::as_const(moved).view().row(0);
        CHECK(simd::dot(row, row) == simd::dot(std::span(x), std::span(x)));
        CHECK(simd::sum(row) == simd::sum(std::span(x)));
        CHECK(simd::all_finite(row));
        if (size > 0) {
          CHECK(simd::log_sum_exp(row) == simd::log_sum_exp(std::span(x)));
          GuardedMatrix<T> y(1, size, 0, offset);
          std::vector<T> want(x.size());
          simd::softmax(row, y.view().row(0));
          simd::softmax(x, std::span(want));
          CHECK(test::same_bits<T>(y.view().row(0), want));
          CHECK(y.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("log_sum_exp and softmax: equal the equations, however large the elements", T, float, double) {
    for (const Index size : test::kLengths) {
      for (const double shift : {0.0, 1000.0, -1000.0}) {
        if (size == 0) {
          continue;
        }
        CAPTURE(size);
        CAPTURE(shift);
        auto x = test::normal_vector<T>(size, 84, 5.0);
        for (T& v : x) {
          v += static_cast<T>(shift);
        }
        const long double top = *std::ranges::max_element(x);
        long double total = 0.0L;
        for (const T v : x) {
          total += std::exp(v - top);
        }
        std::vector<T> y(x.size());
        simd::softmax(x, std::span(y));
        for (std::size_t i = 0; i < x.size(); ++i) {
          // exp 2 ulp, the difference in its argument none (it is exact or the result is smaller by far), the sum
          // size / 2 + 6 eps, the division 2
          const long double want = std::exp(x[i] - top) / total;
          CHECK(std::fabs(y[i] - want) <= (double(size) / 2 + 40) * kEps<T> * want + std::numeric_limits<T>::min());
        }
        const long double want = top + std::log(total);
        CHECK(std::fabs(simd::log_sum_exp(std::span(x)) - want) <=
              kEps<T> * (double(size) / 2 + 10 + std::fabs(double(want))));
      }
    }
  }

  TEST_CASE_TEMPLATE("log_sum_exp: has its limits where elements are infinite", T, float, double) {
    const auto of = [](std::vector<T> x) { return simd::log_sum_exp(std::span(x)); };
    CHECK(of({}) == -kInfinity<T>);
    CHECK(of({-kInfinity<T>, -kInfinity<T>}) == -kInfinity<T>);
    CHECK(of({T{1}, kInfinity<T>}) == kInfinity<T>);
    CHECK(of({-kInfinity<T>, T{3}}) == T{3});
    CHECK(std::isnan(of({T{1}, kNan<T>})));
    CHECK(std::isnan(of({kNan<T>, T{1}, kInfinity<T>})));
  }

  TEST_CASE("softmax: works in place, passes NaN on and takes nothing") {
    auto x = test::normal_vector<float>(37, 85);
    std::vector<float> y(37);
    simd::softmax(x, std::span(y));
    simd::softmax(x, std::span(x));
    CHECK(test::same_bits<float>(x, y));
    x[36] = kNan<float>;
    simd::softmax(x, std::span(y));
    CHECK(std::ranges::all_of(y, [](float v) { return std::isnan(v); }));
    std::vector<float> nothing;
    CHECK_NOTHROW(simd::softmax(nothing, std::span(nothing)));
  }

  TEST_CASE_TEMPLATE("first_non_finite: finds the first NaN or infinity anywhere", T, float, double) {
    std::vector<T> x(10000, std::numeric_limits<T>::max());
    x[17] = std::numeric_limits<T>::lowest();
    x[18] = std::numeric_limits<T>::denorm_min();
    CHECK(simd::first_non_finite(std::span(x)) == -1);
    CHECK(simd::all_finite(std::span(x)));
    for (const Index at : {0, 1, 4095, 4096, 4100, 9999}) {
      for (const T bad : {kNan<T>, -kNan<T>, kInfinity<T>, -kInfinity<T>}) {
        CAPTURE(at);
        auto spoiled = x;
        spoiled[static_cast<std::size_t>(at)] = bad;
        spoiled.back() = kNan<T>;
        CHECK(simd::first_non_finite(std::span(spoiled)) == at);
        CHECK_FALSE(simd::all_finite(std::span(spoiled)));
      }
    }
    CHECK(simd::first_non_finite(std::span<const T>()) == -1);
  }

  TEST_CASE("first_non_finite: finds NaN and infinity in bf16, by any of their patterns") {
    std::vector<re::bf16> x(10000, re::bf16(1.0F));
    x[7] = re::bf16::from_bits(0x7F7F);  // the largest number
    x[8] = re::bf16::from_bits(0x0001);  // the smallest
    const auto find = [&] { return simd::first_non_finite(std::span<const re::bf16>(x)); };
    CHECK(find() == -1);
    CHECK(simd::first_non_finite(std::span<const re::bf16>()) == -1);
    for (const std::size_t at : {9999, 5000, 4096, 4095, 1, 0}) {
      for (const unsigned pattern : {0x7F80U, 0xFF80U, 0x7FC0U, 0xFFFFU, 0x7F81U}) {
        x[at] = re::bf16::from_bits(static_cast<std::uint16_t>(pattern));
        CHECK(find() == static_cast<Index>(at));
      }
    }
  }
  TEST_CASE_TEMPLATE("first_not_below: finds each value that reaches its bound or is not finite", T, float, double) {
    for (const Index size : {0, 1, 7, 8, 15, 16, 17, 33, 100}) {
      CAPTURE(size);
      std::vector<T> x(static_cast<std::size_t>(size));
      std::vector<T> bounds(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<T>(i);
        bounds[i] = static_cast<T>(i + 1);
      }
      const auto find = [&](Index from) {
        return simd::first_not_below(std::span<const T>(x), std::span<const T>(bounds), from);
      };
      CHECK(find(0) == -1);
      CHECK(find(size) == -1);
      for (Index at = 0; at < size; ++at) {
        T& value = x[static_cast<std::size_t>(at)];
        const T before = value;
        for (const T reached : {bounds[static_cast<std::size_t>(at)], T{1000}, kNan<T>, kInfinity<T>, -kInfinity<T>}) {
          value = reached;
          REQUIRE(find(0) == at);
          REQUIRE(find(at) == at);
          REQUIRE(find(at + 1) == -1);
        }
        value = std::numeric_limits<T>::lowest();
        REQUIRE(find(0) == -1);
        value = before;
      }
    }
  }
  TEST_CASE("first_not_below: without a bound everything reaches it, with an infinite one no number does") {
    const std::vector<float> x = {1.0F, -2.0F, std::numeric_limits<float>::max()};
    const std::vector<float> none(3, -kInfinity<float>);
    const std::vector<float> all(3, kInfinity<float>);
    CHECK(simd::first_not_below(std::span<const float>(x), std::span<const float>(none), 1) == 1);
    CHECK(simd::first_not_below(std::span<const float>(x), std::span<const float>(all)) == -1);
    CHECK_THROWS_WITH_AS((void)simd::first_not_below(std::span<const float>(x), std::span(all).subspan(1)),
                         "simd::first_not_below: bounds.size() is 2, expected 3",
                         re::ShapeError);
  }
  TEST_CASE("dot and softmax: reject lengths that differ") {
    std::vector<float> x(3);
    std::vector<float> y(4);
    CHECK_THROWS_WITH_AS(
        (void)simd::dot(std::span(x), std::span(y)), "simd::dot: y.size() is 4, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::softmax(x, std::span(y)), "simd::softmax: y.size() is 4, expected 3", re::ShapeError);
  }
}
