#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/activation.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using re::MatrixView;
using test::GuardedMatrix;

namespace {

long double cdf(long double x) {
  return 0.5L * std::erfc(-x / std::sqrt(2.0L));
}
long double density(long double x) {
  return std::exp(-0.5L * x * x) / std::sqrt(2.0L * std::acos(-1.0L));
}
long double logistic(long double x) {
  return 1.0L / (1.0L + std::exp(-x));
}

/// [-20, 20] in 20001 steps, in one row.
template <class T>
GuardedMatrix<T> grid() {
  GuardedMatrix<T> x(1, 20001);
  for (Index i = 0; i < 20001; ++i) {
    x.view()(0, i) = static_cast<T>(-20.0 + 0.002 * static_cast<double>(i));
  }
  return x;
}

/// Denormals, zeros, the largest numbers.
template <class T>
std::vector<T> special() {
  using Limits = std::numeric_limits<T>;
  return {T{0},
          -T{0},
          Limits::denorm_min(),
          -Limits::denorm_min(),
          Limits::min(),
          -Limits::min(),
          Limits::min() / 4,
          Limits::max(),
          Limits::lowest(),
          T{1},
          T{-1}};
}

template <class T>
MatrixView<const T> row_of(const std::vector<T>& x) {
  return {x.data(), 1, static_cast<Index>(x.size())};
}
template <class T>
MatrixView<T> row_of(std::vector<T>& x) {
  return {x.data(), 1, static_cast<Index>(x.size())};
}

/// Below, Phi(x) is not a normal number where x Phi(x) still is.
template <class T>
constexpr long double kSmallest = 32.0L * std::numeric_limits<T>::min();
template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

}  // namespace

TEST_SUITE("simd/activation") {
  TEST_CASE("gelu: is within 8 ulp of x Phi(x) in both tails, on every architecture") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto x = grid<T>();
      GuardedMatrix<T> y(1, 20001);
      simd::gelu<T, typename L::Arch>(x.view(), y.view());
      double worst = 0.0;
      for (Index i = 0; i < 20001; ++i) {
        const long double want = x(0, i) * cdf(x(0, i));
        worst = std::max(worst, test::ulps(y(0, i), want, std::max(std::fabs(want), kSmallest<T>)));
      }
      CHECK(worst <= 6.0);  // measured 5.4
    });
  }

  TEST_CASE_TEMPLATE(
      "gelu: halves denormals, keeps signs of zeros and NaN, has the limits at infinities", T, float, double) {
    const auto x = special<T>();
    std::vector<T> y(x.size());
    simd::gelu(row_of(x), row_of(y));
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(x[i]);
      CHECK(test::ulps(y[i], x[i] * cdf(x[i])) <= 6.0);
      CHECK(std::signbit(y[i]) == std::signbit(x[i]));
    }
    const std::vector<T> edge{kInfinity<T>, -kInfinity<T>, kNan<T>, -kNan<T>};
    std::vector<T> limit(4);
    simd::gelu(row_of(edge), row_of(limit));
    CHECK(limit[0] == kInfinity<T>);
    CHECK(limit[1] == T{0});
    CHECK(std::signbit(limit[1]));
    CHECK(std::isnan(limit[2]));
    CHECK(std::isnan(limit[3]));
  }

  TEST_CASE("gelu_vjp: is within 8 ulp of the larger term, on every architecture") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto x = grid<T>();
      const auto dy = test::normal_matrix<T>(1, 20001, 51);
      GuardedMatrix<T> dx(1, 20001);
      simd::gelu_vjp<T, typename L::Arch>(x.view(), dy.view(), dx.view());
      double worst = 0.0;
      for (Index i = 0; i < 20001; ++i) {
        const long double first = dy(0, i) * cdf(x(0, i));
        const long double second = dy(0, i) * static_cast<long double>(x(0, i)) * density(x(0, i));
        const long double larger = std::max({std::fabs(first), std::fabs(second), kSmallest<T>});
        worst = std::max(worst, test::ulps(dx(0, i), first + second, larger));
      }
      CHECK(worst <= 6.0);
    });
  }

  TEST_CASE("gelu_vjp: equals finite differences and has the limits at infinities") {
    auto x = test::normal_matrix<double>(3, 21, 52, 2.0);
    const auto dy = test::normal_matrix<double>(3, 21, 53);
    GuardedMatrix<double> y(3, 21);
    GuardedMatrix<double> dx(3, 21);
    simd::gelu_vjp(x.view(), dy.view(), dx.view());
    const auto loss = [&] {
      simd::gelu(x.view(), y.view());
      return test::inner(y.view(), dy.view());
    };
    test::check_gradient(loss, x.view(), dx.view());
    const std::vector<float> edge{kInfinity<float>, -kInfinity<float>, kNan<float>, 0.0F};
    const std::vector<float> ones(4, 1.0F);
    std::vector<float> slope(4);
    simd::gelu_vjp(row_of(edge), row_of(ones), row_of(slope));
    CHECK(slope[0] == 1.0F);
    CHECK(slope[1] == 0.0F);
    CHECK(std::isnan(slope[2]));
    CHECK(slope[3] == 0.5F);
  }

  TEST_CASE("silu_multiply: is within 6 ulp of silu(gate) up, on every architecture") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto gate = grid<T>();
      const auto up = test::normal_matrix<T>(1, 20001, 54);
      GuardedMatrix<T> y(1, 20001);
      simd::silu_multiply<T, typename L::Arch>(gate.view(), up.view(), y.view());
      double worst = 0.0;
      for (Index i = 0; i < 20001; ++i) {
        const long double g = gate(0, i);
        worst = std::max(worst, test::ulps(y(0, i), g * logistic(g) * up(0, i)));
      }
      CHECK(worst <= 4.0);
    });
  }

  TEST_CASE_TEMPLATE("silu_multiply: keeps denormals, signs and NaN, has the limits at infinities", T, float, double) {
    const auto gate = special<T>();
    const std::vector<T> ones(gate.size(), T{1});
    std::vector<T> y(gate.size());
    simd::silu_multiply(row_of(gate), row_of(ones), row_of(y));
    for (std::size_t i = 0; i < gate.size(); ++i) {
      CAPTURE(gate[i]);
      CHECK(test::ulps(y[i], gate[i] * logistic(gate[i])) <= 4.0);
      CHECK(std::signbit(y[i]) == std::signbit(gate[i]));
    }
    const std::vector<T> edge{kInfinity<T>, -kInfinity<T>, kNan<T>, T{1}};
    const std::vector<T> up{T{2}, T{2}, T{2}, kNan<T>};
    std::vector<T> limit(4);
    simd::silu_multiply(row_of(edge), row_of(up), row_of(limit));
    CHECK(limit[0] == kInfinity<T>);
    CHECK(limit[1] == T{0});
    CHECK(std::isnan(limit[2]));
    CHECK(std::isnan(limit[3]));
  }

  TEST_CASE("silu_multiply_vjp: is within 8 ulp of the larger term, on every architecture") {
    test::for_each_lane([]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto gate = grid<T>();
      const auto up = test::normal_matrix<T>(1, 20001, 55);
      const auto dy = test::normal_matrix<T>(1, 20001, 56);
      GuardedMatrix<T> dgate(1, 20001);
      GuardedMatrix<T> dup(1, 20001);
      simd::silu_multiply_vjp<T, typename L::Arch>(gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
      double worst = 0.0;
      for (Index i = 0; i < 20001; ++i) {
        const long double g = gate(0, i);
        const long double s = logistic(g);
        const long double d = dy(0, i);
        const long double first = d * up(0, i) * s;
        const long double second = first * g * logistic(-g);
        const long double larger = std::max(std::fabs(first), std::fabs(second));
        worst = std::max(worst, test::ulps(dgate(0, i), first + second, larger));
        worst = std::max(worst, test::ulps(dup(0, i), d * g * s));
      }
      CHECK(worst <= 6.0);
    });
  }

  TEST_CASE("silu_multiply_vjp: equals finite differences and has the limits at infinities") {
    auto gate = test::normal_matrix<double>(2, 19, 57, 2.0);
    auto up = test::normal_matrix<double>(2, 19, 58);
    const auto dy = test::normal_matrix<double>(2, 19, 59);
    GuardedMatrix<double> y(2, 19);
    GuardedMatrix<double> dgate(2, 19);
    GuardedMatrix<double> dup(2, 19);
    simd::silu_multiply_vjp(gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
    const auto loss = [&] {
      simd::silu_multiply(gate.view(), up.view(), y.view());
      return test::inner(y.view(), dy.view());
    };
    test::check_gradient(loss, gate.view(), dgate.view());
    test::check_gradient(loss, up.view(), dup.view());
    const std::vector<float> edge{kInfinity<float>, -kInfinity<float>, kNan<float>};
    const std::vector<float> ones(3, 1.0F);
    std::vector<float> slope(3);
    std::vector<float> unused(3);
    simd::silu_multiply_vjp(row_of(edge), row_of(ones), row_of(ones), row_of(slope), row_of(unused));
    CHECK(slope[0] == 1.0F);
    CHECK(slope[1] == 0.0F);
    CHECK(std::isnan(slope[2]));
  }

  TEST_CASE_TEMPLATE(
      "all: an element's bits depend on its value alone, whatever the shape around it", T, float, double) {
    const auto x = test::normal_matrix<T>(1, 130, 60, 3.0);
    const auto u = test::normal_matrix<T>(1, 130, 61);
    const auto d = test::normal_matrix<T>(1, 130, 62);
    GuardedMatrix<T> whole(5, 130);
    const auto run = [](MatrixView<const T> a, MatrixView<const T> b, MatrixView<const T> c, auto&& row) {
      simd::gelu(a, row(0));
      simd::gelu_vjp(a, c, row(1));
      simd::silu_multiply(a, b, row(2));
      simd::silu_multiply_vjp(a, b, c, row(3), row(4));
    };
    run(x.view(), u.view(), d.view(), [&](Index r) { return whole.view().row_block(r, 1); });
    for (const Index size : test::kLengths) {
      CAPTURE(size);
      const Index first = 130 - size;
      GuardedMatrix<T> part(5, size, 1, 2);
      run(x.view().col_block(first, size),
          u.view().col_block(first, size),
          d.view().col_block(first, size),
          [&](Index r) { return part.view().row_block(r, 1); });
      CHECK(test::same_bits<T>(std::as_const(part).view(), std::as_const(whole).view().col_block(first, size)));
      CHECK(part.surroundings_untouched());
    }
  }

  TEST_CASE("all: work in place") {
    const auto x = test::normal_matrix<float>(3, 37, 63);
    const auto u = test::normal_matrix<float>(3, 37, 64);
    const auto d = test::normal_matrix<float>(3, 37, 65);
    GuardedMatrix<float> y(3, 37);
    GuardedMatrix<float> z(3, 37);
    auto a = x;
    simd::gelu(x.view(), y.view());
    simd::gelu(a.view(), a.view());
    CHECK(test::same_bits<float>(std::as_const(a).view(), std::as_const(y).view()));
    a = d;
    simd::gelu_vjp(x.view(), d.view(), y.view());
    simd::gelu_vjp(x.view(), a.view(), a.view());
    CHECK(test::same_bits<float>(std::as_const(a).view(), std::as_const(y).view()));
    a = x;
    simd::silu_multiply(x.view(), u.view(), y.view());
    simd::silu_multiply(a.view(), u.view(), a.view());
    CHECK(test::same_bits<float>(std::as_const(a).view(), std::as_const(y).view()));
    a = x;
    auto b = u;
    simd::silu_multiply_vjp(x.view(), u.view(), d.view(), y.view(), z.view());
    simd::silu_multiply_vjp(a.view(), b.view(), d.view(), a.view(), b.view());
    CHECK(test::same_bits<float>(std::as_const(a).view(), std::as_const(y).view()));
    CHECK(test::same_bits<float>(std::as_const(b).view(), std::as_const(z).view()));
  }

  TEST_CASE("all: reject shapes that differ") {
    GuardedMatrix<float> good(2, 8);
    GuardedMatrix<float> wide(2, 7);
    GuardedMatrix<float> tall(3, 8);
    const auto g = good.view();
    const auto w = wide.view();
    CHECK_THROWS_WITH_AS(simd::gelu(g, w), "simd::gelu: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::gelu(g, tall.view()), "simd::gelu: y.rows() is 3, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::gelu_vjp(g, w, g), "simd::gelu_vjp: dy.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::gelu_vjp(g, g, w), "simd::gelu_vjp: dx.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::silu_multiply(g, w, g), "simd::silu_multiply: up.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::silu_multiply(g, g, w), "simd::silu_multiply: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::silu_multiply_vjp(g, w, g, g, g), "simd::silu_multiply_vjp: up.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::silu_multiply_vjp(g, g, w, g, g), "simd::silu_multiply_vjp: dy.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::silu_multiply_vjp(g, g, g, w, g),
                         "simd::silu_multiply_vjp: dgate.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::silu_multiply_vjp(g, g, g, g, w), "simd::silu_multiply_vjp: dup.cols() is 7, expected 8", re::ShapeError);
  }
}
