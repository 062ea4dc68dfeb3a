#include <reasonembed/simd/batch.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace simd = reasonembed::simd;
using reasonembed::Index;

namespace {

template <class Arch>
inline constexpr bool kFusesInHardware = false;
#if defined(__AVX512F__)
template <>
inline constexpr bool kFusesInHardware<xsimd::avx512bw> = true;
#endif
#if defined(__FMA__)
template <>
inline constexpr bool kFusesInHardware<xsimd::fma3<xsimd::avx2>> = true;
#endif
#if defined(__aarch64__)
template <>
inline constexpr bool kFusesInHardware<xsimd::neon64> = true;
#endif

template <class T>
std::array<T, 16> stored(auto batch) {
  std::array<T, 16> lanes{};
  batch.store_unaligned(lanes.data());
  return lanes;
}

}  // namespace

TEST_SUITE("simd/batch") {
  TEST_CASE("load_first and store_first: touch the first elements and nothing else") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      const T nan = std::numeric_limits<T>::quiet_NaN();
      for (Index count = 0; count <= Ops::kWidth; ++count) {
        CAPTURE(count);
        std::vector<T> exact(static_cast<std::size_t>(count));  // exact size: the address sanitizer sees a read beyond
        for (Index i = 0; i < count; ++i) {
          exact[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
        }
        const auto loaded = stored<T>(Ops::load_first(exact.data(), count));
        for (Index i = 0; i < Ops::kWidth; ++i) {
          CHECK(loaded[static_cast<std::size_t>(i)] == (i < count ? static_cast<T>(i + 1) : T{0}));
        }
        std::vector<T> target(static_cast<std::size_t>(Ops::kWidth) + 2, nan);
        Ops::store_first(target.data() + 1, typename L::B(T{7}), count);
        for (Index i = 0; i < Ops::kWidth + 2; ++i) {
          const T value = target[static_cast<std::size_t>(i)];
          CHECK((i >= 1 && i <= count ? value == T{7} : std::isnan(value)));
        }
      }
    });
  }

  TEST_CASE("blend_first: takes the first lanes of one and the rest of the other") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      for (Index count = 0; count <= Ops::kWidth; ++count) {
        const auto lanes = stored<T>(Ops::blend_first(B(T{1}), B(std::numeric_limits<T>::quiet_NaN()), count));
        for (Index i = 0; i < Ops::kWidth; ++i) {
          CHECK((i < count ? lanes[static_cast<std::size_t>(i)] == T{1}
                           : std::isnan(lanes[static_cast<std::size_t>(i)])));
        }
      }
    });
  }

  TEST_CASE("fma: rounds once where the hardware does, twice elsewhere") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      CHECK(Ops::kFused == kFusesInHardware<typename L::Arch>);
      const auto a = test::normal_vector<T>(64, 1);
      const auto b = test::normal_vector<T>(64, 2);
      const auto c = test::normal_vector<T>(64, 3);
      for (Index i = 0; i + Ops::kWidth <= 64; i += Ops::kWidth) {
        const B x = Ops::load(a.data() + i);
        const B y = Ops::load(b.data() + i);
        const B z = Ops::load(c.data() + i);
        const auto sum = stored<T>(Ops::fma(x, y, z));
        const auto difference = stored<T>(Ops::negated_fma(x, y, z));
        for (Index k = 0; k < Ops::kWidth; ++k) {
          const auto at = static_cast<std::size_t>(i + k);
          const volatile T product = a[at] * b[at];  // volatile: rounded, whatever the compiler's contraction is
          CHECK(sum[static_cast<std::size_t>(k)] ==
                (Ops::kFused ? std::fma(a[at], b[at], c[at]) : static_cast<T>(product + c[at])));
          CHECK(difference[static_cast<std::size_t>(k)] ==
                (Ops::kFused ? std::fma(-a[at], b[at], c[at]) : static_cast<T>(c[at] - product)));
        }
      }
    });
  }

  TEST_CASE("at_least and at_most: bound numbers and keep NaN") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      const T infinity = std::numeric_limits<T>::infinity();
      CHECK(Ops::at_least(B(T{-3}), B(T{-2})).get(0) == T{-2});
      CHECK(Ops::at_least(B(T{3}), B(T{-2})).get(0) == T{3});
      CHECK(Ops::at_least(B(-infinity), B(T{-2})).get(0) == T{-2});
      CHECK(Ops::at_most(B(T{3}), B(T{2})).get(0) == T{2});
      CHECK(Ops::at_most(B(infinity), B(T{2})).get(0) == T{2});
      CHECK(Ops::at_most(B(T{1}), B(T{2})).get(0) == T{1});
      CHECK(std::isnan(Ops::at_least(B(std::numeric_limits<T>::quiet_NaN()), B(T{2})).get(0)));
      CHECK(std::isnan(Ops::at_most(B(std::numeric_limits<T>::quiet_NaN()), B(T{2})).get(0)));
    });
  }

  TEST_CASE("round_product: goes to the nearest integer, ties to even") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      for (const double x : {0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49, 1e6 + 0.75, -1e6 - 0.25, 1074.0}) {
        CAPTURE(x);
        CHECK(Ops::round_product(B(static_cast<T>(x)), B(T{1})).get(0) == static_cast<T>(std::nearbyint(x)));
        CHECK(Ops::round_product(B(static_cast<T>(x)), B(T{2})).get(0) == static_cast<T>(std::nearbyint(2 * x)));
      }
    });
  }

  TEST_CASE("scale_by_power_of_two: equals ldexp from the smallest to the largest number") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      const int span = std::numeric_limits<T>::max_exponent + 60;
      for (int n = -span; n <= span; ++n) {
        for (const T x : {T{1}, T{-1.25}, T{1} + std::numeric_limits<T>::epsilon()}) {
          CAPTURE(n);
          CHECK(Ops::scale_by_power_of_two(B(x), B(static_cast<T>(n))).get(0) == std::ldexp(x, n));
        }
      }
    });
  }

  TEST_CASE("high_half: has an exact square and an exact rest") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      using B = typename L::B;
      for (const T x : test::normal_vector<T>(200, 5, 10.0)) {
        const T high = Ops::high_half(B(x)).get(0);
        CHECK(static_cast<long double>(high) * high == static_cast<long double>(high * high));
        CHECK(std::fabs(x - high) <= std::fabs(x) * static_cast<T>(std::is_same_v<T, float> ? 0x1p-11 : 0x1p-25));
      }
    });
  }

  TEST_CASE("sum and max: fold halves onto each other") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Ops = typename L::Ops;
      auto lanes = test::normal_vector<T>(16, 7);
      const auto batch = Ops::load(lanes.data());
      T top = lanes[0];
      for (Index i = 1; i < Ops::kWidth; ++i) {
        top = std::max(top, lanes[static_cast<std::size_t>(i)]);
      }
      CHECK(Ops::max(batch) == top);
      for (Index half = Ops::kWidth / 2; half > 0; half /= 2) {
        for (Index i = 0; i < half; ++i) {
          lanes[static_cast<std::size_t>(i)] += lanes[static_cast<std::size_t>(i + half)];
        }
      }
      CHECK(Ops::sum(batch) == lanes[0]);
    });
  }
}
