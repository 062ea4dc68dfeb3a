#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/simd/dropout.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using simd::DropoutMask;
using test::GuardedMatrix;

namespace {

using Offsets = std::vector<std::int32_t>;

template <class T = float>
GuardedMatrix<T> ones(Index rows, Index cols) {
  GuardedMatrix<T> x(rows, cols);
  x.fill(T{1});
  return x;
}

template <class T = float>
GuardedMatrix<T> dropped(const GuardedMatrix<T>& x, const DropoutMask& mask, const Offsets& offsets) {
  GuardedMatrix<T> y(x.view().rows(), x.view().cols(), 3, 1);
  simd::dropout(x.view(), y.view(), mask, offsets);
  CHECK(y.surroundings_untouched());
  return y;
}

bool same(const GuardedMatrix<float>& a, const GuardedMatrix<float>& b) {
  return test::same_bits<float>(a.view(), b.view());
}

}  // namespace

TEST_SUITE("simd/dropout") {
  TEST_CASE_TEMPLATE("dropout: follows the words of Philox4x32 by site, sequence and element", T, float, double) {
    const DropoutMask mask{.rate = 0.3, .seed = 0x123456789ABCDEFULL, .site = 7, .first_sequence = (1ULL << 32) + 5};
    const Offsets offsets{0, 3, 3, 8};
    for (const Index width : {1, 3, 4, 5, 16, 17}) {
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(8, width, 151);
      const auto y = dropped(x, mask, offsets);
      for (std::size_t b = 0; b < 3; ++b) {
        for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
          for (Index d = 0; d < width; ++d) {
            const auto element = static_cast<std::uint32_t>((t - offsets[b]) * width + d);
            const auto words =
                re::Philox4x32::block({element / 64 * 16 + element % 16, 7, 5 + static_cast<std::uint32_t>(b), 1},
                                      {0x89ABCDEFU, 0x01234567U});
            const bool drop = words[element / 16 % 4] < 0.3 * 0x1p32;
            CHECK(y(t, d) == (drop ? T{0} : x(t, d) * static_cast<T>(1.0 / 0.7)));
          }
        }
      }
    }
  }

  TEST_CASE("dropout: drops the wanted share and keeps the mean") {
    const Index count = 400;
    const auto x = ones(count, count);
    for (const double rate : {0.1, 0.5, 0.9}) {
      CAPTURE(rate);
      const auto y = dropped(x, {.rate = rate, .seed = 3}, {0, static_cast<std::int32_t>(count)});
      double zeros = 0.0;
      double sum = 0.0;
      for (Index t = 0; t < count; ++t) {
        for (Index d = 0; d < count; ++d) {
          zeros += y(t, d) == 0.0F ? 1.0 : 0.0;
          sum += y(t, d);
        }
      }
      const double n = double(count * count);
      const double deviation = std::sqrt(rate * (1 - rate) / n);
      CHECK(std::fabs(zeros / n - rate) <= 4 * deviation);
      CHECK(std::fabs(sum / n - 1.0) <= 4 * deviation / (1 - rate) + 1e-6);
    }
  }

  TEST_CASE("dropout: a sequence's mask is the same alone, in any chunk and in place") {
    const auto x = test::normal_matrix<float>(20, 9, 152);
    const Offsets offsets{0, 4, 5, 13, 20};
    const DropoutMask mask{.rate = 0.4, .seed = 11, .site = 2, .first_sequence = 100};
    const auto together = dropped(x, mask, offsets);
    for (std::size_t b = 0; b < 4; ++b) {
      CAPTURE(b);
      const Index first = offsets[b];
      const Index length = offsets[b + 1] - first;
      auto alone = x;
      const auto rows = alone.view().row_block(first, length);
      DropoutMask shifted = mask;
      shifted.first_sequence += b;
      simd::dropout(rows, rows, shifted, Offsets{0, static_cast<std::int32_t>(length)});
      CHECK(test::same_bits<float>(rows, together.view().row_block(first, length)));
    }
  }

  TEST_CASE("dropout: seed, site and sequence change the mask, and the gradient has the same one") {
    const auto x = ones(6, 50);
    const DropoutMask mask{.rate = 0.5, .seed = 1, .site = 1, .first_sequence = 1};
    const auto y = dropped(x, mask, {0, 6});
    CHECK(same(dropped(x, mask, {0, 6}), y));
    CHECK_FALSE(same(dropped(x, {.rate = 0.5, .seed = 2, .site = 1, .first_sequence = 1}, {0, 6}), y));
    CHECK_FALSE(same(dropped(x, {.rate = 0.5, .seed = 1ULL << 32 | 1, .site = 1, .first_sequence = 1}, {0, 6}), y));
    CHECK_FALSE(same(dropped(x, {.rate = 0.5, .seed = 1, .site = 2, .first_sequence = 1}, {0, 6}), y));
    CHECK_FALSE(same(dropped(x, {.rate = 0.5, .seed = 1, .site = 1, .first_sequence = 2}, {0, 6}), y));
    const auto dy = test::normal_matrix<float>(6, 50, 153);
    const auto dx = dropped(dy, mask, {0, 6});
    for (Index t = 0; t < 6; ++t) {
      for (Index d = 0; d < 50; ++d) {
        CHECK(dx(t, d) == dy(t, d) * y(t, d));
      }
    }
  }

  TEST_CASE("dropout: rate 0 copies, and a dropped NaN is 0") {
    auto x = test::normal_matrix<float>(5, 11, 154);
    x.view()(2, 2) = std::numeric_limits<float>::quiet_NaN();
    CHECK(same(dropped(x, {.rate = 0.0, .seed = 9}, {0, 2, 5}), x));
    simd::dropout(x.view(), x.view(), {.rate = 0.0}, Offsets{0, 5});
    GuardedMatrix<float> poison(4, 64);
    poison.fill(std::numeric_limits<float>::quiet_NaN());
    const auto y = dropped(poison, {.rate = 0.5, .seed = 9}, {0, 4});
    const auto kept = dropped(ones(4, 64), {.rate = 0.5, .seed = 9}, {0, 4});
    for (Index t = 0; t < 4; ++t) {
      for (Index d = 0; d < 64; ++d) {
        CHECK(std::isnan(y(t, d)) == (kept(t, d) != 0.0F));
      }
    }
    GuardedMatrix<float> none(0, 3);
    simd::dropout(none.view(), none.view(), {.rate = 0.5}, Offsets{0});
  }

  TEST_CASE("dropout: rejects rates outside [0, 1), shapes that differ and sequences without end") {
    GuardedMatrix<float> x(2, 8);
    const auto v = x.view();
    CHECK_THROWS_WITH_AS(simd::dropout(v, v, {.rate = 1.0}, Offsets{0, 2}),
                         "simd::dropout: mask.rate is 1.000000, expected 0 <= rate < 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(simd::dropout(v, v, {.rate = -0.25}, Offsets{0, 2}),
                         "simd::dropout: mask.rate is -0.250000, expected 0 <= rate < 1",
                         re::ConfigError);
    CHECK_THROWS_AS(simd::dropout(v, v, {.rate = std::numeric_limits<double>::quiet_NaN()}, Offsets{0, 2}),
                    re::ConfigError);
    CHECK_THROWS_WITH_AS(simd::dropout(v, v.col_block(0, 7), {.rate = 0.5}, Offsets{0, 2}),
                         "simd::dropout: y.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::dropout(v, v, {.rate = 0.5}, Offsets{0, 1}),
                         "simd::dropout: offsets[1] is 1, expected 2",
                         re::ShapeError);
    // never read: the check comes before any work
    const re::MatrixView<float> huge(v.data(), 2, Index{1} << 34);
    CHECK_THROWS_WITH_AS(simd::dropout(huge, huge, {.rate = 0.5}, Offsets{0, 2}),
                         "simd::dropout: length of sequence 0 is 2, expected at most 2^34 elements",
                         re::ShapeError);
  }
}
