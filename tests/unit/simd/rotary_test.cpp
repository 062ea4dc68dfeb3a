#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/rotary.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using re::MatrixView;
using test::GuardedMatrix;

namespace {

using Offsets = std::vector<std::int32_t>;

std::vector<float> frequencies(Index half, double theta = 10000.0) {
  std::vector<float> f(static_cast<std::size_t>(half));
  for (Index i = 0; i < half; ++i) {
    f[static_cast<std::size_t>(i)] = static_cast<float>(std::pow(theta, -double(i) / double(half)));
  }
  return f;
}

template <class T>
struct Tables {
  GuardedMatrix<T> cosine;
  GuardedMatrix<T> sine;
};
template <class T>
Tables<T> tables(const Offsets& offsets, const std::vector<float>& f) {
  const auto half = static_cast<Index>(f.size());
  Tables<T> result{GuardedMatrix<T>(offsets.back(), half, 1, 2), GuardedMatrix<T>(offsets.back(), half, 0, 1)};
  simd::rotary_table(offsets, f, result.cosine.view(), result.sine.view());
  CHECK(result.cosine.surroundings_untouched());
  CHECK(result.sine.surroundings_untouched());
  return result;
}

}  // namespace

TEST_SUITE("simd/rotary") {
  TEST_CASE_TEMPLATE(
      "rotary_table: holds cosine and sine of the angle in float, by position in the sequence", T, float, double) {
    const Offsets offsets{0, 3, 3, 10, 15, 16};
    const auto f = frequencies(5);
    const auto table = tables<T>(offsets, f);
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
      for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
        for (Index i = 0; i < 5; ++i) {
          const float angle = static_cast<float>(t - offsets[b]) * f[static_cast<std::size_t>(i)];
          CHECK(table.cosine(t, i) == static_cast<T>(std::cos(double(angle))));
          CHECK(table.sine(t, i) == static_cast<T>(std::sin(double(angle))));
        }
      }
    }
    CHECK(table.cosine(10, 0) == T{1});  // every sequence begins at position 0
    CHECK(table.sine(10, 0) == T{0});
  }

  TEST_CASE("rotary_table: angles of far positions are rounded to float, as published checkpoints have them") {
    const auto table = tables<double>({0, 40001}, {0.1F});
    const float rounded = 40000.0F * 0.1F;
    CHECK(double(rounded) != 40000.0 * double(0.1F));
    CHECK(table.cosine(40000, 0) == std::cos(double(rounded)));
  }

  TEST_CASE_TEMPLATE("rotate: turns the halves of every head, for every width", T, float, double) {
    for (const Index half : {1, 2, 7, 8, 16, 17, 32, 64}) {
      for (const Index heads : {1, 3}) {
        CAPTURE(half);
        CAPTURE(heads);
        const Offsets offsets{0, 4, 9};
        const auto table = tables<T>(offsets, frequencies(half));
        const auto x = test::normal_matrix<T>(9, heads * 2 * half, 121);
        GuardedMatrix<T> y(9, heads * 2 * half, 2, 1);
        simd::rotate(x.view(), table.cosine.view(), table.sine.view(), y.view());
        CHECK(y.surroundings_untouched());
        for (Index t = 0; t < 9; ++t) {
          for (Index first = 0; first < heads * 2 * half; first += 2 * half) {
            for (Index i = 0; i < half; ++i) {
              const long double c = table.cosine(t, i);
              const long double s = table.sine(t, i);
              const long double a = x(t, first + i);
              const long double b = x(t, first + half + i);
              const double bound = 1.5 * std::numeric_limits<T>::epsilon() * double(std::fabs(a) + std::fabs(b));
              CHECK(std::fabs(y(t, first + i) - (a * c - b * s)) <= bound);
              CHECK(std::fabs(y(t, first + half + i) - (b * c + a * s)) <= bound);
            }
          }
        }
      }
    }
  }

  TEST_CASE("rotate: keeps the products of queries and keys when both move along") {
    const auto f = frequencies(8);
    const auto table = tables<double>({0, 20}, f);
    const auto vectors = test::normal_matrix<double>(2, 16, 122);
    const auto product_at = [&](Index q_position, Index k_position) {
      GuardedMatrix<double> q(1, 16);
      GuardedMatrix<double> k(1, 16);
      const auto row = [&](const GuardedMatrix<double>& m, Index t) { return m.view().row_block(t, 1); };
      simd::rotate(row(vectors, 0), row(table.cosine, q_position), row(table.sine, q_position), q.view());
      simd::rotate(row(vectors, 1), row(table.cosine, k_position), row(table.sine, k_position), k.view());
      return test::inner(q.view(), k.view());
    };
    // angles are floats: they err by 20 * 2^-24 at the most, the product by 16 times that
    CHECK(std::fabs(product_at(3, 1) - product_at(19, 17)) <= 1e-4);
    CHECK(std::fabs(product_at(3, 1) - product_at(3, 2)) > 1e-2);
  }

  TEST_CASE_TEMPLATE("rotate: works in place, and a row's bits are the same alone", T, float, double) {
    const auto table = tables<T>({0, 6}, frequencies(19));
    const auto x = test::normal_matrix<T>(6, 76, 123);
    GuardedMatrix<T> y(6, 76);
    simd::rotate(x.view(), table.cosine.view(), table.sine.view(), y.view());
    auto in_place = x;
    simd::rotate(in_place.view(), table.cosine.view(), table.sine.view(), in_place.view());
    CHECK(test::same_bits<T>(std::as_const(in_place).view(), std::as_const(y).view()));
    for (Index t = 0; t < 6; ++t) {
      GuardedMatrix<T> alone(1, 76, 0, t);
      simd::rotate(x.view().row_block(t, 1),
                   table.cosine.view().row_block(t, 1),
                   table.sine.view().row_block(t, 1),
                   alone.view());
      CHECK(test::same_bits<T>(std::as_const(alone).view(), std::as_const(y).view().row_block(t, 1)));
    }
  }

  TEST_CASE("rotate_vjp: equals finite differences and undoes the rotation, in place too") {
    const auto table = tables<double>({0, 2, 5}, frequencies(3));
    auto x = test::normal_matrix<double>(5, 12, 124);
    const auto dy = test::normal_matrix<double>(5, 12, 125);
    GuardedMatrix<double> y(5, 12);
    GuardedMatrix<double> dx(5, 12, 1, 2);
    const auto loss = [&] {
      simd::rotate(x.view(), table.cosine.view(), table.sine.view(), y.view());
      return test::inner(y.view(), dy.view());
    };
    simd::rotate_vjp(dy.view(), table.cosine.view(), table.sine.view(), dx.view());
    CHECK(dx.surroundings_untouched());
    test::check_gradient(loss, x.view(), dx.view());
    simd::rotate(x.view(), table.cosine.view(), table.sine.view(), y.view());
    simd::rotate_vjp(y.view(), table.cosine.view(), table.sine.view(), y.view());
    for (Index t = 0; t < 5; ++t) {
      for (Index d = 0; d < 12; ++d) {
        CHECK(std::fabs(y(t, d) - x(t, d)) <= 1e-15 * 8);  // two rotations of numbers of size 3
      }
    }
  }

  TEST_CASE("all: no tokens, no heads and no frequencies are fine") {
    GuardedMatrix<float> none(0, 4);
    simd::rotary_table(Offsets{0}, frequencies(4), none.view(), none.view());
    simd::rotary_table(Offsets{0, 0}, frequencies(4), none.view(), none.view());
    simd::rotate(none.view().col_block(0, 0), none.view(), none.view(), none.view().col_block(0, 0));
    GuardedMatrix<float> empty(3, 0);
    simd::rotary_table(Offsets{0, 3}, {}, empty.view(), empty.view());
    simd::rotate(empty.view(), empty.view(), empty.view(), empty.view());
  }

  TEST_CASE("all: reject shapes that do not fit") {
    GuardedMatrix<float> table(3, 4);
    GuardedMatrix<float> narrow(3, 3);
    GuardedMatrix<float> x(3, 16);
    const auto f = frequencies(4);
    const auto t = table.view();
    const auto n = narrow.view();
    CHECK_THROWS_WITH_AS(simd::rotary_table(Offsets{0, 3}, f, n, t),
                         "simd::rotary_table: cosine.cols() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rotary_table(Offsets{0, 3}, f, t, n), "simd::rotary_table: sine.cols() is 3, expected 4", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rotary_table(Offsets{0, 2}, f, t, t), "simd::rotary_table: offsets[1] is 2, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rotary_table(Offsets{1, 3}, f, t, t), "simd::rotary_table: offsets[0] is 1, expected 0", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rotate(x.view().col_block(0, 12), t, t, x.view().col_block(0, 12)),
                         "simd::rotate: x.cols() is 12, expected a multiple of 2 * cosine.cols() = 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rotate(x.view(), t, n, x.view()), "simd::rotate: sine.cols() is 3, expected 4", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rotate(x.view(), t.row_block(0, 2), t.row_block(0, 2), x.view()),
                         "simd::rotate: cosine.rows() is 2, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rotate(x.view(), t, t, x.view().col_block(0, 8)),
                         "simd::rotate: y.cols() is 8, expected 16",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rotate_vjp(x.view(), t, t, x.view().row_block(0, 2)),
                         "simd::rotate_vjp: dx.rows() is 2, expected 3",
                         re::ShapeError);
    GuardedMatrix<float> empty(3, 0);
    CHECK_THROWS_WITH_AS(simd::rotate(x.view(), empty.view(), empty.view(), x.view()),
                         "simd::rotate: x.cols() is 16, expected a multiple of 2 * cosine.cols() = 0",
                         re::ShapeError);
  }
}
