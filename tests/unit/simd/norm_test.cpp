#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/norm.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
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

template <class T>
constexpr double kEps = std::numeric_limits<T>::epsilon();

template <class T>
using Values = std::vector<T>;

/// Mean and biased variance of a row, in long double.
template <class T>
std::pair<long double, long double> moments(std::span<const T> row) {
  long double mean = 0.0L;
  for (const T v : row) {
    mean += v;
  }
  mean /= static_cast<long double>(row.size());
  long double variance = 0.0L;
  for (const T v : row) {
    variance += (v - mean) * (v - mean);
  }
  return {mean, variance / static_cast<long double>(row.size())};
}

template <class T>
long double mean_square(std::span<const T> row) {
  long double sum = 0.0L;
  for (const T v : row) {
    sum += static_cast<long double>(v) * v;
  }
  return sum / static_cast<long double>(row.size());
}

}  // namespace

TEST_SUITE("simd/norm") {
  TEST_CASE_TEMPLATE("layer_norm: equals the equation for every width", T, float, double) {
    for (const Index width : test::kLengths) {
      for (const double centre : {0.0, 30.0}) {
        if (width == 0) {
          continue;
        }
        CAPTURE(width);
        CAPTURE(centre);
        auto x = test::normal_matrix<T>(3, width, 91);
        for (Index t = 0; t < 3; ++t) {
          for (T& v : x.view().row(t)) {
            v += static_cast<T>(centre);
          }
        }
        const auto gain = test::normal_vector<T>(width, 92);
        const auto bias = test::normal_vector<T>(width, 93);
        GuardedMatrix<T> y(3, width, 2, 3);
        Values<T> mean(3);
        Values<T> inv_std(3);
        simd::layer_norm(x.view(), gain, bias, T{1e-3}, y.view(), mean, inv_std);
        CHECK(y.surroundings_untouched());
        for (Index t = 0; t < 3; ++t) {
          const auto at = static_cast<std::size_t>(t);
          const auto [m, variance] = moments<T>(x.view().row(t));
          const long double inverse = 1.0L / std::sqrt(variance + static_cast<long double>(T{1e-3}));
          // the mean errs by (width / 2 + 6) eps of the size of x, which moves all elements of the row alike
          const double off = (double(width) / 2 + 6) * kEps<T> * (centre + 4);
          CHECK(std::fabs(mean[at] - m) <= off);
          CHECK(std::fabs(inv_std[at] - inverse) <= inverse * ((double(width) + 12) * kEps<T> + off * off));
          for (Index d = 0; d < width; ++d) {
            const auto column = static_cast<std::size_t>(d);
            const long double normal = (x(t, d) - m) * inverse;
            const double size = std::fabs(double(normal * gain[column])) + std::fabs(double(bias[column]));
            const double bound =
                (double(width) + 16) * kEps<T> * size + 2 * off * double(inverse) * std::fabs(double(gain[column]));
            CHECK(std::fabs(y(t, d) - (normal * gain[column] + bias[column])) <= bound);
          }
        }
      }
    }
  }

  TEST_CASE("layer_norm: a constant row gives the bias, and no cancellation spoils a large mean") {
    const Values<float> gain{2.0F, 2.0F, 2.0F, 2.0F};
    const Values<float> bias{0.5F, -1.0F, 0.0F, 3.0F};
    GuardedMatrix<float> x(1, 4);
    x.fill(7.0F);
    GuardedMatrix<float> y(1, 4);
    simd::layer_norm(x.view(), gain, bias, 1e-12F, y.view());
    for (Index d = 0; d < 4; ++d) {
      CHECK(y(0, d) == bias[static_cast<std::size_t>(d)]);
    }
    for (Index d = 0; d < 4; ++d) {
      x.view()(0, d) = 1e6F + (d < 2 ? 1.0F : -1.0F);  // E[x^2] - E[x]^2 would be 0 or negative in float
    }
    simd::layer_norm(x.view(), gain, bias, 0.0F, y.view());
    CHECK(y(0, 0) == 2.5F);
    CHECK(y(0, 2) == -2.0F);
  }

  TEST_CASE("layer_norm_vjp: equals finite differences in x, gain and bias") {
    for (const Index width : {1, 2, 5, 8, 17, 35}) {
      CAPTURE(width);
      auto x = test::normal_matrix<double>(3, width, 94);
      auto gain = test::normal_vector<double>(width, 95);
      auto bias = test::normal_vector<double>(width, 96);
      const auto dy = test::normal_matrix<double>(3, width, 97);
      GuardedMatrix<double> y(3, width);
      GuardedMatrix<double> dx(3, width, 1, 2);
      Values<double> mean(3);
      Values<double> inv_std(3);
      Values<double> dgain(gain.size());
      Values<double> dbias(gain.size());
      const auto loss = [&] {
        simd::layer_norm(x.view(), gain, bias, 1e-2, y.view());
        return test::inner(y.view(), dy.view());
      };
      simd::layer_norm(x.view(), gain, bias, 1e-2, y.view(), mean, inv_std);
      simd::layer_norm_vjp(x.view(), gain, mean, inv_std, dy.view(), dx.view(), dgain, dbias);
      CHECK(dx.surroundings_untouched());
      test::check_gradient(loss, x.view(), dx.view());
      test::check_gradient(loss, gain, dgain);
      test::check_gradient(loss, bias, dbias);
    }
  }

  TEST_CASE_TEMPLATE("rms_norm: equals the equation for every width", T, float, double) {
    for (const Index width : test::kLengths) {
      if (width == 0) {
        continue;
      }
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(3, width, 101, 3.0);
      const auto gain = test::normal_vector<T>(width, 102);
      GuardedMatrix<T> y(3, width, 2, 3);
      Values<T> inv_rms(3);
      simd::rms_norm(x.view(), gain, T{1e-3}, y.view(), inv_rms);
      CHECK(y.surroundings_untouched());
      for (Index t = 0; t < 3; ++t) {
        const long double inverse =
            1.0L / std::sqrt(mean_square<T>(x.view().row(t)) + static_cast<long double>(T{1e-3}));
        // (width / 2 + 6) eps in the sum, half of that in its root, and 6 roundings more
        const double bound = (double(width) / 4 + 9) * kEps<T>;
        CHECK(std::fabs(inv_rms[static_cast<std::size_t>(t)] - inverse) <= bound * inverse);
        for (Index d = 0; d < width; ++d) {
          const long double want = x(t, d) * inverse * gain[static_cast<std::size_t>(d)];
          CHECK(std::fabs(y(t, d) - want) <= (bound + 2 * kEps<T>)*std::fabs(want));
        }
      }
    }
  }

  TEST_CASE("rms_norm_vjp: equals finite differences in x and gain") {
    for (const Index width : {1, 2, 5, 8, 17, 35}) {
      CAPTURE(width);
      auto x = test::normal_matrix<double>(3, width, 103);
      auto gain = test::normal_vector<double>(width, 104);
      const auto dy = test::normal_matrix<double>(3, width, 105);
      GuardedMatrix<double> y(3, width);
      GuardedMatrix<double> dx(3, width, 1, 2);
      Values<double> inv_rms(3);
      Values<double> dgain(gain.size());
      const auto loss = [&] {
        simd::rms_norm(x.view(), gain, 1e-2, y.view());
        return test::inner(y.view(), dy.view());
      };
      simd::rms_norm(x.view(), gain, 1e-2, y.view(), inv_rms);
      simd::rms_norm_vjp(x.view(), gain, inv_rms, dy.view(), dx.view(), dgain);
      CHECK(dx.surroundings_untouched());
      test::check_gradient(loss, x.view(), dx.view());
      test::check_gradient(loss, gain, dgain);
    }
  }

  TEST_CASE_TEMPLATE(
      "l2_normalize: gives unit length for every width, and scales tiny rows by 1e12", T, float, double) {
    for (const Index width : test::kLengths) {
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(3, width, 106, 4.0);
      GuardedMatrix<T> y(3, width, 2, 3);
      Values<T> inv_norm(3);
      simd::l2_normalize(x.view(), y.view(), inv_norm);
      CHECK(y.surroundings_untouched());
      for (Index t = 0; t < 3 && width > 0; ++t) {
        const long double norm = std::sqrt(mean_square<T>(x.view().row(t)) * static_cast<long double>(width));
        const double bound = (double(width) / 4 + 9) * kEps<T>;
        CHECK(std::fabs(inv_norm[static_cast<std::size_t>(t)] * norm - 1.0L) <= bound);
        for (Index d = 0; d < width; ++d) {
          CHECK(std::fabs(y(t, d) - x(t, d) / norm) <=
                bound * std::fabs(double(y(t, d))) + std::numeric_limits<T>::min());
        }
      }
    }
    GuardedMatrix<T> tiny(2, 3);
    tiny.view()(1, 1) = T{1e-15};
    GuardedMatrix<T> y(2, 3);
    Values<T> inv_norm(2);
    simd::l2_normalize(tiny.view(), y.view(), inv_norm);
    CHECK(y(0, 0) == T{0});
    CHECK(inv_norm[0] == T{1} / T{1e-12});
    CHECK(std::fabs(y(1, 1) - T{1e-3}) <= 2 * kEps<T> * 1e-3);
    tiny.view()(0, 0) = std::numeric_limits<T>::quiet_NaN();
    simd::l2_normalize(tiny.view(), y.view());
    CHECK(std::isnan(y(0, 1)));
    CHECK(y(1, 0) == T{0});
  }

  TEST_CASE("l2_normalize_vjp: equals finite differences, and the constant divisor of tiny rows") {
    for (const Index width : {1, 2, 5, 8, 17, 35}) {
      CAPTURE(width);
      auto x = test::normal_matrix<double>(3, width, 107);
      const auto dy = test::normal_matrix<double>(3, width, 108);
      GuardedMatrix<double> y(3, width);
      GuardedMatrix<double> dx(3, width, 1, 2);
      Values<double> inv_norm(3);
      const auto loss = [&] {
        simd::l2_normalize(x.view(), y.view());
        return test::inner(y.view(), dy.view());
      };
      simd::l2_normalize(x.view(), y.view(), inv_norm);
      simd::l2_normalize_vjp(y.view(), inv_norm, dy.view(), dx.view());
      CHECK(dx.surroundings_untouched());
      test::check_gradient(loss, x.view(), dx.view());
    }
    GuardedMatrix<double> zero(1, 2);
    GuardedMatrix<double> y(1, 2);
    GuardedMatrix<double> dx(1, 2);
    Values<double> inv_norm(1);
    const Values<double> dy{2.0, -3.0};
    simd::l2_normalize(zero.view(), y.view(), inv_norm);
    simd::l2_normalize_vjp(y.view(), inv_norm, MatrixView<const double>(dy.data(), 1, 2), dx.view());
    CHECK(dx(0, 0) == 2.0 * (1.0 / 1e-12));
    CHECK(dx(0, 1) == -3.0 * (1.0 / 1e-12));
  }

  TEST_CASE_TEMPLATE("all: a row's bits are the same alone, at any stride and in place", T, float, double) {
    for (const Index width : {1, 7, 16, 33, 65, 130}) {
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(4, width, 111);
      const auto gain = test::normal_vector<T>(width, 112);
      const auto bias = test::normal_vector<T>(width, 113);
      const auto same = [&](auto&& f) {
        GuardedMatrix<T> together(4, width, 3, 1);
        f(x.view(), together.view());
        auto in_place = x;
        f(in_place.view(), in_place.view());
        CHECK(test::same_bits<T>(std::as_const(in_place).view(), std::as_const(together).view()));
        for (Index t = 0; t < 4; ++t) {
          GuardedMatrix<T> alone(1, width, 0, t);
          f(x.view().row_block(t, 1), alone.view());
          CHECK(test::same_bits<T>(std::as_const(alone).view(), std::as_const(together).view().row_block(t, 1)));
        }
      };
      same([&](MatrixView<const T> a, MatrixView<T> b) { simd::layer_norm(a, gain, bias, T{1e-5}, b); });
      same([&](MatrixView<const T> a, MatrixView<T> b) { simd::rms_norm(a, gain, T{1e-5}, b); });
      same([&](MatrixView<const T> a, MatrixView<T> b) { simd::l2_normalize(a, b); });
    }
  }

  TEST_CASE("layer_norm_vjp and rms_norm_vjp: accumulate the gradients of parameters, and write dx over dy") {
    const auto x = test::normal_matrix<float>(3, 20, 114);
    const auto gain = test::normal_vector<float>(20, 115);
    const auto dy = test::normal_matrix<float>(3, 20, 116);
    const Values<float> mean(3, 0.1F);
    const Values<float> inverse(3, 0.9F);
    GuardedMatrix<float> dx(3, 20);
    Values<float> dgain(20);
    Values<float> dbias(20);
    simd::layer_norm_vjp(x.view(), gain, mean, inverse, dy.view(), dx.view(), dgain, dbias);
    auto over = dy;
    Values<float> dgain_twice(20);
    Values<float> dbias_twice(20);
    simd::layer_norm_vjp(x.view().row_block(0, 1),
                         gain,
                         std::span(mean).first(1),
                         std::span(inverse).first(1),
                         over.view().row_block(0, 1),
                         over.view().row_block(0, 1),
                         dgain_twice,
                         dbias_twice);
    simd::layer_norm_vjp(x.view().row_block(1, 2),
                         gain,
                         std::span(mean).first(2),
                         std::span(inverse).first(2),
                         over.view().row_block(1, 2),
                         over.view().row_block(1, 2),
                         dgain_twice,
                         dbias_twice);
    CHECK(test::same_bits<float>(std::as_const(over).view(), std::as_const(dx).view()));
    CHECK(test::same_bits<float>(dgain_twice, dgain));
    CHECK(test::same_bits<float>(dbias_twice, dbias));
    std::ranges::fill(dgain, 0.0F);
    std::ranges::fill(dgain_twice, 0.0F);
    simd::rms_norm_vjp(x.view(), gain, inverse, dy.view(), dx.view(), dgain);
    over = dy;
    simd::rms_norm_vjp(x.view().row_block(0, 1),
                       gain,
                       std::span(inverse).first(1),
                       over.view().row_block(0, 1),
                       over.view().row_block(0, 1),
                       dgain_twice);
    simd::rms_norm_vjp(x.view().row_block(1, 2),
                       gain,
                       std::span(inverse).first(2),
                       over.view().row_block(1, 2),
                       over.view().row_block(1, 2),
                       dgain_twice);
    CHECK(test::same_bits<float>(std::as_const(over).view(), std::as_const(dx).view()));
    CHECK(test::same_bits<float>(dgain_twice, dgain));
  }

  TEST_CASE("all: no rows give nothing") {
    const GuardedMatrix<float> x(0, 5);
    GuardedMatrix<float> y(0, 5);
    const Values<float> five(5, 1.0F);
    Values<float> sums(5, 2.0F);
    simd::layer_norm(x.view(), five, five, 1e-5F, y.view());
    simd::rms_norm(x.view(), five, 1e-5F, y.view());
    simd::l2_normalize(x.view(), y.view());
    simd::layer_norm_vjp(x.view(), five, {}, {}, x.view(), y.view(), sums, sums);
    simd::rms_norm_vjp(x.view(), five, {}, x.view(), y.view(), sums);
    simd::l2_normalize_vjp(x.view(), {}, x.view(), y.view());
    CHECK(sums == Values<float>(5, 2.0F));
  }

  TEST_CASE("all: reject shapes that do not fit") {
    GuardedMatrix<float> good(2, 8);
    GuardedMatrix<float> wide(2, 7);
    const auto g = good.view();
    const auto w = wide.view();
    Values<float> eight(8);
    Values<float> seven(7);
    Values<float> two(2);
    Values<float> one(1);
    CHECK_THROWS_WITH_AS(
        simd::layer_norm(g, seven, eight, 0.0F, g), "simd::layer_norm: gain.size() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::layer_norm(g, eight, seven, 0.0F, g), "simd::layer_norm: bias.size() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::layer_norm(g, eight, eight, 0.0F, w), "simd::layer_norm: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::layer_norm(g, eight, eight, 0.0F, g, one),
                         "simd::layer_norm: mean.size() is 1, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::layer_norm(g, eight, eight, 0.0F, g, two, one),
                         "simd::layer_norm: inv_std.size() is 1, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::layer_norm_vjp(g, eight, {}, two, g, g, eight, eight),
                         "simd::layer_norm_vjp: mean.size() is 0, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::layer_norm_vjp(g, eight, two, two, w, g, eight, eight),
                         "simd::layer_norm_vjp: dy.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::layer_norm_vjp(g, eight, two, two, g, g, eight, seven),
                         "simd::layer_norm_vjp: dbias.size() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rms_norm(g, seven, 0.0F, g), "simd::rms_norm: gain.size() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::rms_norm(g, eight, 0.0F, g, one), "simd::rms_norm: inv_rms.size() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rms_norm_vjp(g, eight, {}, g, g, eight),
                         "simd::rms_norm_vjp: inv_rms.size() is 0, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::rms_norm_vjp(g, eight, two, g, w, eight),
                         "simd::rms_norm_vjp: dx.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::l2_normalize(g, w), "simd::l2_normalize: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::l2_normalize(g, g, one), "simd::l2_normalize: inv_norm.size() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::l2_normalize_vjp(g, two, w, g), "simd::l2_normalize_vjp: dy.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::l2_normalize_vjp(g, {}, g, g),
                         "simd::l2_normalize_vjp: inv_norm.size() is 0, expected 2",
                         re::ShapeError);
  }
}
