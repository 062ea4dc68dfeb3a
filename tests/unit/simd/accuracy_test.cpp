#include <reasonembed/simd/activation.hpp>
#include <reasonembed/simd/elementwise.hpp>
#include <reasonembed/simd/math.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>
#include <support/worst_error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

namespace simd = reasonembed::simd;
using reasonembed::Index;
using reasonembed::Matrix;
using reasonembed::MatrixView;
using test::dense_arguments;
using test::Wide;
using test::WorstError;

namespace {

template <class L>
using Math = simd::BatchMath<typename L::T, typename L::Arch>;

/// Where the exponential of T is a normal number.
template <class T>
double lowest_normal_exponent() {
  return std::log(static_cast<double>(std::numeric_limits<T>::min()));
}
template <class T>
double highest_exponent() {
  return 0.999999 * std::log(static_cast<double>(std::numeric_limits<T>::max()));
}
/// Where Phi(-x) of T is a normal number.
template <class T>
double normal_tail() {
  return std::is_same_v<T, float> ? 12.9 : 37.5;
}

template <class W>
W logistic(W x) {
  return W{1} / (W{1} + std::exp(-x));
}
template <class W>
W cdf(W x) {
  return std::erfc(-x / std::sqrt(W{2})) / W{2};
}
template <class W>
W density(W x) {
  return std::exp(-x * x / W{2}) / std::sqrt(W{2} * std::acos(W{-1}));
}

/// Gives see(x, f(x)) for all arguments, a register at a time.
template <class L, class F, class See>
void for_arguments(const std::vector<typename L::T>& arguments, const F& f, const See& see) {
  using T = typename L::T;
  std::vector<T> results(arguments.size());
  simd::for_each_lanes<T, typename L::Arch>(static_cast<Index>(arguments.size()), [&](auto lanes) {
    lanes.store(results.data(), f(lanes.load(arguments.data())));
  });
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    see(arguments[i], results[i]);
  }
}

/// As above, for a kernel f(MatrixView x, MatrixView y).
template <class T, class F, class See>
void for_elements(const std::vector<T>& arguments, const F& f, const See& see) {
  std::vector<T> results(arguments.size());
  const auto size = static_cast<Index>(arguments.size());
  f(MatrixView<const T>(arguments.data(), 1, size), MatrixView<T>(results.data(), 1, size));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    see(arguments[i], results[i]);
  }
}

/// A second operand for each argument: numbers of both signs of about 1.
template <class T>
std::vector<T> partners(std::size_t count) {
  return test::normal_vector<T>(static_cast<Index>(count), 7);
}

template <class T>
MatrixView<const T> as_row(const std::vector<T>& values) {
  return MatrixView<const T>(values.data(), 1, static_cast<Index>(values.size()));
}
template <class T>
MatrixView<T> as_row(std::vector<T>& values) {
  return MatrixView<T>(values.data(), 1, static_cast<Index>(values.size()));
}

}  // namespace

// Bounds and measured errors are the table of docs/accuracy.md, which says how to print it.
TEST_SUITE("simd/accuracy") {
  TEST_CASE("exp: is within its bound over all results, at infinities and NaN") {
    WorstError worst("exp", "all x", 2.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> arguments = dense_arguments<T>(-1.1 * highest_exponent<T>() - 20.0, highest_exponent<T>());
      for (const T x : test::extreme_arguments<T>()) {
        arguments.push_back(x);
      }
      for_arguments<L>(arguments, Math<L>::exp, [&](T x, T y) {
        worst.see(y, x > T{1000} ? std::numeric_limits<long double>::infinity() : std::exp(static_cast<Wide<T>>(x)));
      });
    });
  }

  TEST_CASE("exp_of_sum: is within its bound of the exact sum") {
    WorstError worst("exp_of_sum", "abs(low) < 1, normal results", 2.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto low = [](T high) { return static_cast<T>(0.99) * std::sin(T{1000} * high); };
      for (const T high : dense_arguments<T>(lowest_normal_exponent<T>() + 1.0, highest_exponent<T>() - 1.0)) {
        const T got = Math<L>::exp_of_sum(typename L::B(high), typename L::B(low(high))).get(0);
        worst.see(got, std::exp(static_cast<long double>(high) + static_cast<long double>(low(high))));
      }
    });
  }

  TEST_CASE("logistic: both sides are within their bound where they are normal numbers") {
    WorstError worst("logistic, 1 - logistic", "normal results", 3.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> arguments = dense_arguments<T>(lowest_normal_exponent<T>(), -lowest_normal_exponent<T>());
      arguments.push_back(std::numeric_limits<T>::quiet_NaN());
      for (const T infinity : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
        arguments.push_back(infinity);
      }
      const auto value = [](typename L::B x) { return Math<L>::logistic(x).value; };
      const auto complement = [](typename L::B x) { return Math<L>::logistic(x).complement; };
      for_arguments<L>(arguments, value, [&](T x, T y) { worst.see(y, logistic(static_cast<Wide<T>>(x))); });
      for_arguments<L>(arguments, complement, [&](T x, T y) { worst.see(y, logistic(-static_cast<Wide<T>>(x))); });
    });
  }

  TEST_CASE("normal: distribution function and density are within their bounds where they are normal numbers") {
    WorstError worst_cdf("Phi", "normal results", 6.0);
    WorstError worst_density("Phi'", "normal results", 3.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> arguments = dense_arguments<T>(-normal_tail<T>(), normal_tail<T>());
      for (const T x : test::extreme_arguments<T>()) {
        arguments.push_back(x);
      }
      const auto distribution = [](typename L::B x) { return Math<L>::normal(x).cdf; };
      const auto bell = [](typename L::B x) { return Math<L>::normal(x).density; };
      for_arguments<L>(arguments, distribution, [&](T x, T y) { worst_cdf.see(y, cdf(static_cast<Wide<T>>(x))); });
      for_arguments<L>(arguments, bell, [&](T x, T y) { worst_density.see(y, density(static_cast<Wide<T>>(x))); });
    });
  }

  TEST_CASE("gelu: is within its bound where Phi is a normal number") {
    WorstError worst("gelu", "Phi(x) normal", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> arguments = dense_arguments<T>(-normal_tail<T>(), std::numeric_limits<T>::max());
      const std::vector<T> narrow = dense_arguments<T>(-normal_tail<T>(), normal_tail<T>());
      arguments.insert(arguments.end(), narrow.begin(), narrow.end());
      arguments.push_back(std::numeric_limits<T>::infinity());
      arguments.push_back(std::numeric_limits<T>::quiet_NaN());
      const auto kernel = [](auto x, auto y) { simd::gelu<T, typename L::Arch>(x, y); };
      for_elements(arguments, kernel, [&](T x, T y) {
        const auto wide = static_cast<Wide<T>>(x);
        worst.see(y, wide * cdf(wide));
      });
    });
  }

  TEST_CASE("gelu: underflows gradually, to -0 at -infinity") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> arguments = dense_arguments<T>(-3.0 * normal_tail<T>(), -normal_tail<T>());
      arguments.push_back(-std::numeric_limits<T>::infinity());
      arguments.push_back(std::numeric_limits<T>::lowest());
      const auto kernel = [](auto x, auto y) { simd::gelu<T, typename L::Arch>(x, y); };
      bool bounded = true;
      for_elements(arguments, kernel, [&](T x, T y) {
        const auto wide = static_cast<long double>(x);
        const long double want = std::isinf(x) || x < T{-1000} ? -0.0L : wide * cdf(wide);
        // Phi is subnormal: two of the smallest numbers times |x|
        const long double most = 80.0L * static_cast<long double>(std::numeric_limits<T>::denorm_min());
        const bool close = std::fabs(static_cast<long double>(y) - want) <= most || test::ulps(y, want) <= 6.0;
        bounded = bounded && close && std::signbit(y);
      });
      CHECK(bounded);
    });
  }

  TEST_CASE("gelu_vjp: is within its bound of the larger term") {
    WorstError worst("gelu_vjp", "Phi(x) normal, of the larger term", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      const std::vector<T> x = dense_arguments<T>(-normal_tail<T>(), normal_tail<T>());
      const std::vector<T> dy = partners<T>(x.size());
      std::vector<T> dx(x.size());
      simd::gelu_vjp<T, typename L::Arch>(as_row(x), as_row(dy), as_row(dx));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto v = static_cast<Wide<T>>(x[i]);
        const Wide<T> first = dy[i] * cdf(v);
        const Wide<T> second = dy[i] * v * density(v);
        worst.see(dx[i], first + second, std::max(std::fabs(first), std::fabs(second)));
      }
    });
  }

  TEST_CASE("silu_multiply: is within its bound where the logistic function is normal") {
    WorstError worst("silu_multiply", "logistic(gate) normal, normal results", 4.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      std::vector<T> gate = dense_arguments<T>(lowest_normal_exponent<T>(), 0.1 * std::numeric_limits<T>::max());
      const std::vector<T> narrow = dense_arguments<T>(lowest_normal_exponent<T>(), 100.0);
      gate.insert(gate.end(), narrow.begin(), narrow.end());
      gate.push_back(std::numeric_limits<T>::quiet_NaN());
      const std::vector<T> up = partners<T>(gate.size());
      std::vector<T> y(gate.size());
      simd::silu_multiply<T, typename L::Arch>(as_row(gate), as_row(up), as_row(y));
      for (std::size_t i = 0; i < gate.size(); ++i) {
        const auto g = static_cast<Wide<T>>(gate[i]);
        const Wide<T> silu = g * logistic(g);
        const Wide<T> want = silu * up[i];
        if (std::isnan(g) || std::min(std::fabs(want), std::fabs(silu)) >= std::numeric_limits<T>::min()) {
          worst.see(y[i], want);
        }
      }
    });
  }

  TEST_CASE("silu_multiply_vjp: both gradients are within their bounds of the larger term") {
    WorstError worst_up("silu_multiply_vjp, dup", "logistic(gate) normal", 4.0);
    WorstError worst_gate("silu_multiply_vjp, dgate", "logistic(gate) normal, of the larger term", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      const std::vector<T> gate = dense_arguments<T>(0.95 * lowest_normal_exponent<T>(), 80.0);
      const std::vector<T> up = partners<T>(gate.size());
      const std::vector<T> dy(gate.size(), T{0.75});
      std::vector<T> dgate(gate.size());
      std::vector<T> dup(gate.size());
      simd::silu_multiply_vjp<T, typename L::Arch>(as_row(gate), as_row(up), as_row(dy), as_row(dgate), as_row(dup));
      for (std::size_t i = 0; i < gate.size(); ++i) {
        const auto g = static_cast<Wide<T>>(gate[i]);
        const Wide<T> s = logistic(g);
        const Wide<T> d = static_cast<Wide<T>>(dy[i]);
        worst_up.see(dup[i], d * g * s);
        const Wide<T> first = d * up[i] * s;
        const Wide<T> second = first * g * logistic(-g);
        worst_gate.see(dgate[i], first + second, std::max(std::fabs(first), std::fabs(second)));
      }
    });
  }

  TEST_CASE("add, accumulate, scale, multiply: are rounded correctly") {
    WorstError worst("add, accumulate, scale, multiply", "all numbers", 0.5);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Arch = typename L::Arch;
      const std::vector<T> x = dense_arguments<T>(std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
      std::vector<T> y = partners<T>(x.size());
      std::vector<T> out(x.size());
      const auto wide = [](T value) { return static_cast<long double>(value); };
      simd::add<T, Arch>(as_row(x), as_row(y), as_row(out));
      for (std::size_t i = 0; i < x.size(); ++i) {
        worst.see(out[i], wide(x[i]) + wide(y[i]));
      }
      simd::multiply<T, Arch>(as_row(x), as_row(y), as_row(out));
      const auto in_range = [](long double value) { return std::fabs(value) <= std::numeric_limits<T>::max(); };
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (in_range(wide(x[i]) * wide(y[i]))) {
          worst.see(out[i], wide(x[i]) * wide(y[i]));
        }
      }
      simd::scale<T, Arch>(as_row(x), T(0.3), as_row(out));
      for (std::size_t i = 0; i < x.size(); ++i) {
        worst.see(out[i], wide(x[i]) * wide(T(0.3)));
      }
      simd::accumulate<T, Arch>(as_row(x), as_row(y));
      const std::vector<T> before = partners<T>(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        worst.see(y[i], wide(x[i]) + wide(before[i]));
      }
    });
  }
}
