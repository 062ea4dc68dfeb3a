#include <reasonembed/simd/math.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace simd = reasonembed::simd;
using reasonembed::Index;
using test::ulps;

namespace {

template <class L>
using Math = simd::BatchMath<typename L::T, typename L::Arch>;

template <class L, class F>
typename L::T at(F f, typename L::T x) {
  return f(typename L::B(x)).get(0);
}

/// Calls check(x, f(x)) on a grid of [low, high].
template <class L, class F, class Check>
void on_grid(double low, double high, F f, Check check) {
  constexpr int kPoints = 10001;
  for (int i = 0; i < kPoints; ++i) {
    const auto x = static_cast<typename L::T>(low + (high - low) * i / (kPoints - 1));
    check(x, at<L>(f, x));
  }
}

long double cdf(long double x) {
  return 0.5L * std::erfc(-x / std::sqrt(2.0L));
}
long double density(long double x) {
  return std::exp(-0.5L * x * x) / std::sqrt(2.0L * std::acos(-1.0L));
}
long double logistic(long double x) {
  return 1.0L / (1.0L + std::exp(-x));
}

}  // namespace

// Bounds are those of the functions' documentation; accuracy_test.cpp has denser arguments.
TEST_SUITE("simd/math") {
  TEST_CASE("exp: is within 2 ulp from underflow to overflow") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const double low = std::log(static_cast<double>(std::numeric_limits<T>::denorm_min()));
      const double high = std::log(static_cast<double>(std::numeric_limits<T>::max()));
      double worst = 0.0;
      on_grid<L>(low, 0.999999 * high, Math<L>::exp, [&](T x, T y) {
        worst = std::max(worst, ulps(y, std::exp(static_cast<long double>(x))));
      });
      CHECK(worst <= 2.0);
    });
  }

  TEST_CASE("exp: is exact at 0, has the limits at infinities and keeps NaN") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const T infinity = std::numeric_limits<T>::infinity();
      CHECK(at<L>(Math<L>::exp, T{0}) == T{1});
      CHECK(at<L>(Math<L>::exp, -T{0}) == T{1});
      CHECK(at<L>(Math<L>::exp, std::numeric_limits<T>::denorm_min()) == T{1});
      CHECK(at<L>(Math<L>::exp, infinity) == infinity);
      CHECK(at<L>(Math<L>::exp, -infinity) == T{0});
      CHECK(at<L>(Math<L>::exp, std::numeric_limits<T>::max()) == infinity);
      CHECK(at<L>(Math<L>::exp, std::numeric_limits<T>::lowest()) == T{0});
      CHECK(std::isnan(at<L>(Math<L>::exp, std::numeric_limits<T>::quiet_NaN())));
      CHECK(at<L>(Math<L>::exp, T{-88}) > T{0});  // xsimd 8.1 flushes this to 0
    });
  }

  TEST_CASE("exp_of_sum: keeps the bits that the sum of its arguments loses") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using B = typename L::B;
      double worst = 0.0;
      for (int i = 0; i < 2000; ++i) {
        const auto high = static_cast<T>(-0.04 * i);
        const auto low = static_cast<T>(1e-3 * std::sin(i));
        const long double want = std::exp(static_cast<long double>(high) + static_cast<long double>(low));
        worst = std::max(worst, ulps(Math<L>::exp_of_sum(B(high), B(low)).get(0), want));
      }
      CHECK(worst <= 2.0);
    });
  }

  TEST_CASE("logistic: is within 3 ulp in both tails") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      double worst = 0.0;
      const auto value = [](typename L::B x) { return Math<L>::logistic(x).value; };
      const auto complement = [](typename L::B x) { return Math<L>::logistic(x).complement; };
      on_grid<L>(-80.0, 80.0, value, [&](T x, T y) { worst = std::max(worst, ulps(y, logistic(x))); });
      on_grid<L>(-80.0, 80.0, complement, [&](T x, T y) {
        worst = std::max(worst, ulps(y, logistic(-static_cast<long double>(x))));
      });
      CHECK(worst <= 3.0);
      const T infinity = std::numeric_limits<T>::infinity();
      CHECK(at<L>(value, T{0}) == T{0.5});
      CHECK(at<L>(value, infinity) == T{1});
      CHECK(at<L>(value, -infinity) == T{0});
      CHECK(at<L>(complement, infinity) == T{0});
      CHECK(std::isnan(at<L>(value, std::numeric_limits<T>::quiet_NaN())));
    });
  }

  TEST_CASE("normal: distribution function and density are within 6 and 3 ulp in both tails") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const double wide = std::is_same_v<T, float> ? 13.5 : 38.5;  // underflow included
      double worst_cdf = 0.0;
      double worst_density = 0.0;
      on_grid<L>(
          -wide,
          20.0,
          [](typename L::B x) { return Math<L>::normal(x).cdf; },
          [&](T x, T y) { worst_cdf = std::max(worst_cdf, ulps(y, cdf(x))); });
      on_grid<L>(
          -wide,
          wide,
          [](typename L::B x) { return Math<L>::normal(x).density; },
          [&](T x, T y) { worst_density = std::max(worst_density, ulps(y, density(x))); });
      CHECK(worst_cdf <= 6.0);
      CHECK(worst_density <= 3.0);
    });
  }

  TEST_CASE("normal: has the limits at infinities and keeps NaN") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto distribution = [](typename L::B x) { return Math<L>::normal(x).cdf; };
      const auto bell = [](typename L::B x) { return Math<L>::normal(x).density; };
      const T infinity = std::numeric_limits<T>::infinity();
      CHECK(at<L>(distribution, infinity) == T{1});
      CHECK(at<L>(distribution, -infinity) == T{0});
      CHECK(at<L>(distribution, T{0}) == T{0.5});
      CHECK(at<L>(distribution, std::numeric_limits<T>::denorm_min()) == T{0.5});
      CHECK(at<L>(bell, infinity) == T{0});
      CHECK(at<L>(bell, -infinity) == T{0});
      CHECK(std::isnan(at<L>(distribution, std::numeric_limits<T>::quiet_NaN())));
      CHECK(std::isnan(at<L>(bell, std::numeric_limits<T>::quiet_NaN())));
    });
  }
}
