#pragma once
/// @file Largest errors in ulp over dense sets of arguments, checked against what docs/accuracy.md promises and printed
/// as its rows.
#include <reasonembed/core/view.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace test {

/// A type in which a reference for T has no error worth mentioning.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

/// One row of the table of errors: a function, where it is measured, and the bound it is documented with.
///
/// When it goes, it checks the bound; with REASONEMBED_PRINT_ERRORS in the environment it prints the row too.
class WorstError {
 public:
  WorstError(const char* function, const char* range, double bound)
      : function_(function), range_(range), bound_(bound) {}
  WorstError(const WorstError&) = delete;
  WorstError& operator=(const WorstError&) = delete;
  ~WorstError() noexcept(false) {  // doctest may be told to throw
    CAPTURE(function_);
    CAPTURE(float_);
    CAPTURE(double_);
    CHECK(float_ <= bound_);
    CHECK(double_ <= bound_);
    CHECK(seen_ > 0);
    if (std::getenv("REASONEMBED_PRINT_ERRORS") != nullptr) {
      std::printf("| %s | %s | %.4g | %.2f | %.2f |\n", function_.c_str(), range_, bound_, float_, double_);
    }
  }

  /// @param want       of the function without rounding
  /// @param magnitude  whose last place is the unit
  template <class T>
  void see(T got, long double want, long double magnitude) {
    double& worst = std::is_same_v<T, float> ? float_ : double_;
    worst = std::max(worst, ulps(got, want, magnitude));
    ++seen_;
  }
  template <class T>
  void see(T got, long double want) {
    see(got, want, want);
  }

 private:
  std::string function_;
  const char* range_;
  double bound_;
  double float_ = 0.0;
  double double_ = 0.0;
  long seen_ = 0;
};

/// Numbers of [low, high]: evenly spaced ones, patterns of bits evenly spaced over all patterns (every magnitude of
/// both signs, subnormal ones too), the neighbours of every power of two, and both zeros.
template <class T>
[[nodiscard]] std::vector<T> dense_arguments(double low, double high) {
  using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  constexpr int kPoints = 20000;
  std::vector<T> arguments;
  const auto keep = [&](T x) {
    if (x >= static_cast<T>(low) && x <= static_cast<T>(high)) {
      arguments.push_back(x);
    }
  };
  for (int i = 0; i <= kPoints; ++i) {
    const double share = static_cast<double>(i) / kPoints;
    keep(static_cast<T>(low * (1.0 - share) + high * share));
  }
  constexpr Bits kStep = std::numeric_limits<Bits>::max() / kPoints | 1U;
  for (Bits i = 0; i < kPoints; ++i) {
    keep(std::bit_cast<T>(i * kStep));
  }
  for (int e = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
       e < std::numeric_limits<T>::max_exponent;
       ++e) {
    const T power = std::ldexp(T{1}, e);
    for (const T x : {power, std::nextafter(power, T{0}), std::nextafter(power, T{2} * power)}) {
      keep(x);
      keep(-x);
    }
  }
  keep(T{0});
  keep(-T{0});
  return arguments;
}

/// @return  +-infinity, NaN and the largest numbers
template <class T>
[[nodiscard]] std::vector<T> extreme_arguments() {
  using Limits = std::numeric_limits<T>;
  return {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::lowest()};
}

}  // namespace test
