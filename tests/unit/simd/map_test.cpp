#include <reasonembed/simd/map.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

TEST_SUITE("simd/map") {
  TEST_CASE("for_each_lanes: visits every element once, in order") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      for (const Index size : test::kLengths) {
        CAPTURE(size);
        std::vector<int> visits(static_cast<std::size_t>(size));
        Index next = 0;
        simd::for_each_lanes<typename L::T, typename L::Arch>(size, [&](auto lanes) {
          CHECK(lanes.index == next);
          Index count = L::Ops::kWidth;
          if constexpr (requires { lanes.count; }) {
            count = lanes.count;
          }
          for (Index i = 0; i < count; ++i) {
            ++visits[static_cast<std::size_t>(next + i)];
          }
          next += count;
        });
        CHECK(next == size);
        CHECK(std::ranges::all_of(visits, [](int n) { return n == 1; }));
      }
    });
  }

  TEST_CASE("sum_lanes: is the sum to within its bound, for every length") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      for (const Index size : test::kLengths) {
        CAPTURE(size);
        const auto x = test::normal_vector<T>(size, 41);
        const auto [sum, squares] = simd::sum_lanes<T, typename L::Arch, 2>(size, [&](auto lanes, auto& sums) {
          const auto v = lanes.load(x.data());
          sums[0] = sums[0] + v;
          sums[1] = L::Ops::fma(v, v, sums[1]);
        });
        long double want = 0.0L;
        long double want_squares = 0.0L;
        long double sizes = 0.0L;
        for (const T v : x) {
          want += v;
          want_squares += static_cast<long double>(v) * v;
          sizes += std::fabs(v);
        }
        // each element passes at most size / kWidth + 6 roundings
        const long double factor =
            (static_cast<long double>(size) / L::Ops::kWidth + 6) * std::numeric_limits<T>::epsilon();
        CHECK(std::fabs(sum - want) <= factor * sizes);
        CHECK(std::fabs(squares - want_squares) <= factor * want_squares);
      }
    });
  }

  TEST_CASE("sum_lanes: bits depend neither on alignment nor on what lies behind the end") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto sum_of = [](const T* x, Index size) {
        return simd::sum_lanes<T, typename L::Arch, 1>(
            size, [&](auto lanes, auto& sums) { sums[0] = sums[0] + typename L::B(T{1}) / lanes.load(x); })[0];
      };
      for (const Index size : test::kLengths) {
        const auto x = test::normal_vector<T>(size, 42);
        const T want = sum_of(x.data(), size);
        CHECK(std::isfinite(want));  // the lanes without an element hold 1 / 0 and are left out
        for (const Index offset : {1, 2, 3, 7}) {
          CAPTURE(size);
          CAPTURE(offset);
          GuardedMatrix<T> moved(1, size, 0, offset);
          std::ranges::copy(x, moved.view().data());
          CHECK(sum_of(moved.view().data(), size) == want);
        }
      }
    });
  }

  TEST_CASE("map: an element's bits depend neither on its place nor on the length of its row") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using B = typename L::B;
      const auto f = [](B a, B b) { return L::Ops::fma(a, b, B(T{1}) / (a + B(T{3}))); };
      const auto a = test::normal_matrix<T>(1, 130, 43);
      const auto b = test::normal_matrix<T>(1, 130, 44);
      GuardedMatrix<T> whole(1, 130);
      simd::map<typename L::Arch>(whole.view(), f, a.view(), b.view());
      for (const Index size : test::kLengths) {
        for (const Index first : {0, 1, 5}) {
          if (first + size > 130) {
            continue;
          }
          CAPTURE(size);
          CAPTURE(first);
          GuardedMatrix<T> part(1, size, 0, first);
          simd::map<typename L::Arch>(part.view(), f, a.view().col_block(first, size), b.view().col_block(first, size));
          CHECK(test::same_bits<T>(std::as_const(part).view(), std::as_const(whole).view().col_block(first, size)));
          CHECK(part.surroundings_untouched());
        }
      }
    });
  }

  TEST_CASE("map: takes contiguous and strided operands together, and nothing at all") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      using B = typename L::B;
      for (const Index gap : {0, 2}) {
        const auto x = test::normal_matrix<T>(5, 9, 45, 1.0, gap);
        GuardedMatrix<T> y(5, 9, 0, 1);
        simd::map<typename L::Arch>(y.view(), [](B v) { return v + v; }, x.view());
        for (Index t = 0; t < 5; ++t) {
          for (Index d = 0; d < 9; ++d) {
            CHECK(y(t, d) == 2 * x(t, d));
          }
        }
        CHECK(y.surroundings_untouched());
      }
      simd::map<typename L::Arch>(re::MatrixView<T>(), [](B v) { return v; }, re::MatrixView<T>());
    });
  }
}
