#include <reasonembed/optim/adamw.hpp>
#include <reasonembed/simd/norm.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/simd/rotary.hpp>

#include <doctest/doctest.h>

#include <support/lanes.hpp>
#include <support/numeric.hpp>
#include <support/worst_error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace re = reasonembed;
namespace simd = re::simd;
using re::Index;
using re::Matrix;
using re::MatrixView;
using test::Wide;
using test::WorstError;

namespace {

constexpr Index kWidths[] = {1, 7, 16, 33, 384, 1024};

/// Rows whose numbers are about `scale`, some of them 30 times as large as the rest, as activations have them.
template <class T>
std::vector<T> row_of(Index width, std::uint64_t seed, double scale) {
  std::vector<T> row = test::normal_vector<T>(width, seed, scale);
  for (std::size_t i = 5; i < row.size(); i += 97) {
    row[i] *= T{30};
  }
  return row;
}

template <class T>
MatrixView<const T> as_row(const std::vector<T>& values) {
  return MatrixView<const T>(values.data(), 1, static_cast<Index>(values.size()));
}
template <class T>
MatrixView<T> as_row(std::vector<T>& values) {
  return MatrixView<T>(values.data(), 1, static_cast<Index>(values.size()));
}

long double sum_of_squares(const auto& row, long double centre = 0.0L) {
  long double sum = 0.0L;
  for (const auto x : row) {
    sum += (x - centre) * (x - centre);
  }
  return sum;
}

/// Calls check(row, width) for rows of many widths and magnitudes.
template <class T, class Check>
void for_rows(double smallest, double largest, const Check& check) {
  for (const Index width : kWidths) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const double share = static_cast<double>(seed - 1) / 19.0;
      check(row_of<T>(width, seed, smallest * std::pow(largest / smallest, share)), width);
    }
  }
}

}  // namespace

// Bounds and measured errors are the table of docs/accuracy.md, which says how to print it.
TEST_SUITE("simd/accuracy_rows") {
  TEST_CASE("rms_norm: is within its bound for rows of up to 1024 numbers") {
    WorstError worst("rms_norm", "D <= 1024", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      for_rows<T>(1e-10, 1e10, [&](const std::vector<T>& x, Index width) {
        const std::vector<T> gain = test::normal_vector<T>(width, 3);
        const T eps(1e-6);
        std::vector<T> y(x.size());
        simd::rms_norm<T, typename L::Arch>(as_row(x), gain, eps, as_row(y));
        const long double root = std::sqrt(sum_of_squares(x) / static_cast<long double>(width) + eps);
        for (std::size_t i = 0; i < x.size(); ++i) {
          worst.see(y[i], static_cast<long double>(x[i]) * gain[i] / root);
        }
      });
    });
  }

  TEST_CASE("layer_norm: is within its bound of the larger term for rows of up to 1024 numbers") {
    WorstError worst("layer_norm", "D <= 1024, of the largest of y, bias and scaled mean of abs(x)", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      for_rows<T>(1e-10, 1e10, [&](const std::vector<T>& x, Index width) {
        const std::vector<T> gain = test::normal_vector<T>(width, 3);
        const std::vector<T> bias = test::normal_vector<T>(width, 4);
        const T eps(1e-6);
        std::vector<T> y(x.size());
        simd::layer_norm<T, typename L::Arch>(as_row(x), gain, bias, eps, as_row(y));
        const long double mean = std::accumulate(x.begin(), x.end(), 0.0L) / static_cast<long double>(width);
        long double size = 0.0L;  // the mean is as exact as its terms are
        for (const T v : x) {
          size += std::fabs(static_cast<long double>(v)) / static_cast<long double>(width);
        }
        const long double root = std::sqrt(sum_of_squares(x, mean) / static_cast<long double>(width) + eps);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const long double scaled = gain[i] / root;
          const long double term =
              std::max({std::fabs((x[i] - mean) * scaled), std::fabs(size * scaled), std::fabs(1.0L * bias[i])});
          worst.see(y[i], (x[i] - mean) * scaled + bias[i], term);
        }
      });
    });
  }

  TEST_CASE("l2_normalize: is within its bound where squares neither underflow nor overflow") {
    WorstError worst("l2_normalize", "D <= 1024, length 1e-12 to 1e18", 6.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      for_rows<T>(1e-11, 1e15, [&](const std::vector<T>& x, Index /*width*/) {
        std::vector<T> y(x.size());
        simd::l2_normalize<T, typename L::Arch>(as_row(x), as_row(y));
        const long double length = std::sqrt(sum_of_squares(x));
        if (length >= 1e-12L) {
          for (std::size_t i = 0; i < x.size(); ++i) {
            worst.see(y[i], x[i] / length);
          }
        }
      });
    });
  }

  TEST_CASE("norms: a row with NaN or an infinity has NaN, a row of zeros stays finite") {
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      using Arch = typename L::Arch;
      const std::vector<T> ones(33, T{1});
      std::vector<T> y(33);
      for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
        std::vector<T> x(33, T{1});
        x[32] = bad;
        simd::rms_norm<T, Arch>(as_row(x), ones, T(1e-6), as_row(y));
        CHECK(std::isnan(y[32]));
        simd::layer_norm<T, Arch>(as_row(x), ones, ones, T(1e-6), as_row(y));
        CHECK(std::isnan(y[32]));
        simd::l2_normalize<T, Arch>(as_row(x), as_row(y));
        CHECK(std::isnan(y[32]));
      }
      const std::vector<T> zeros(33);
      simd::rms_norm<T, Arch>(as_row(zeros), ones, T(1e-6), as_row(y));
      CHECK(std::all_of(y.begin(), y.end(), [](T v) { return v == 0; }));
      simd::layer_norm<T, Arch>(as_row(zeros), ones, ones, T(1e-6), as_row(y));
      CHECK(std::all_of(y.begin(), y.end(), [](T v) { return v == 1; }));
      simd::l2_normalize<T, Arch>(as_row(zeros), as_row(y));
      CHECK(std::all_of(y.begin(), y.end(), [](T v) { return v == 0; }));
    });
  }

  TEST_CASE("softmax: is within its bound, which grows with the distance from the largest") {
    WorstError near("softmax", "D <= 1024, x within 1 of the largest", 6.0);
    WorstError far("softmax", "D <= 1024, x within 16 of the largest", 14.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      const auto measure = [](WorstError& worst, double spread) {
        for (const Index width : kWidths) {
          for (std::uint64_t seed = 1; seed <= 40; ++seed) {
            re::RandomStream stream(seed);
            std::vector<T> x(static_cast<std::size_t>(width));
            for (T& v : x) {
              v = static_cast<T>(3.0 - spread * static_cast<double>(stream.next_u32()) * 0x1p-32);
            }
            std::vector<T> y(x.size());
            simd::softmax<T, typename L::Arch>(x, std::span<T>(y));
            long double sum = 0.0L;
            for (const T v : x) {
              sum += std::exp(static_cast<long double>(v));
            }
            for (std::size_t i = 0; i < x.size(); ++i) {
              worst.see(y[i], std::exp(static_cast<long double>(x[i])) / sum);
            }
          }
        }
      };
      measure(near, 1.0);
      measure(far, 16.0);
    });
  }

  TEST_CASE("log_sum_exp: is within its bound of the largest element, or of 1") {
    WorstError worst("log_sum_exp", "D <= 1024, of max(1, largest, result)", 3.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      for_rows<T>(1e-6, 1e3, [&](const std::vector<T>& x, Index /*width*/) {
        const long double top = *std::max_element(x.begin(), x.end());
        long double sum = 0.0L;
        for (const T v : x) {
          sum += std::exp(v - top);
        }
        const long double want = top + std::log(sum);
        worst.see(simd::log_sum_exp<const T, typename L::Arch>(std::span<const T>(x)),
                  want,
                  std::max({1.0L, std::fabs(top), std::fabs(want)}));
      });
    });
  }

  TEST_CASE("rotary_table: cosine and sine are those of the angle in float") {
    WorstError worst("rotary_table", "positions below 40,960, of the angle in float", 1.0);
    const auto measure = [&]<class T>(T /*type*/) {
      constexpr Index kTokens = 40960;
      std::vector<float> frequencies;
      for (int i = 0; i < 8; ++i) {
        frequencies.push_back(std::pow(1e6F, -static_cast<float>(i) / 8.0F));
      }
      Matrix<T> cosine(kTokens, 8);
      Matrix<T> sine(kTokens, 8);
      const std::vector<std::int32_t> offsets{0, static_cast<std::int32_t>(kTokens)};
      simd::rotary_table<T>(offsets, frequencies, cosine.view(), sine.view());
      for (Index t = 0; t < kTokens; t += t < 512 ? 1 : 37) {
        for (Index i = 0; i < 8; ++i) {
          const float angle = static_cast<float>(t) * frequencies[static_cast<std::size_t>(i)];
          worst.see(cosine(t, i), std::cos(static_cast<long double>(angle)));
          worst.see(sine(t, i), std::sin(static_cast<long double>(angle)));
        }
      }
    };
    measure(0.0F);
    measure(0.0);
  }

  TEST_CASE("rotate: is within its bound of the larger term") {
    WorstError worst("rotate, rotate_vjp", "of the larger term", 2.0);
    test::for_each_lane([&]<class L>(L /*lane*/) {
      using T = typename L::T;
      constexpr Index kTokens = 500;
      constexpr Index kHalf = 33;
      Matrix<T> cosine(kTokens, kHalf);
      Matrix<T> sine(kTokens, kHalf);
      const std::vector<float> frequencies(kHalf, 0.37F);
      const std::vector<std::int32_t> offsets{0, static_cast<std::int32_t>(kTokens)};
      simd::rotary_table<T>(offsets, frequencies, cosine.view(), sine.view());
      const auto x = test::normal_matrix<T>(kTokens, 2 * kHalf, 5);
      Matrix<T> turned(kTokens, 2 * kHalf);
      Matrix<T> back(kTokens, 2 * kHalf);
      simd::rotate<T, typename L::Arch>(x.view(), cosine.view(), sine.view(), turned.view());
      simd::rotate_vjp<T, typename L::Arch>(x.view(), cosine.view(), sine.view(), back.view());
      for (Index t = 0; t < kTokens; ++t) {
        for (Index i = 0; i < kHalf; ++i) {
          const long double a = x(t, i);
          const long double b = x(t, i + kHalf);
          const long double c = cosine(t, i);
          const long double s = sine(t, i);
          const auto larger = [](long double p, long double q) { return std::max(std::fabs(p), std::fabs(q)); };
          worst.see(turned(t, i), a * c - b * s, larger(a * c, b * s));
          worst.see(turned(t, i + kHalf), b * c + a * s, larger(b * c, a * s));
          worst.see(back(t, i), a * c + b * s, larger(a * c, b * s));
          worst.see(back(t, i + kHalf), b * c - a * s, larger(b * c, a * s));
        }
      }
    });
  }

  TEST_CASE("AdamW: one step is within its bounds of the larger term") {
    WorstError worst_first("AdamW, m", "of the larger term", 3.0);
    WorstError worst_second("AdamW, v", "normal results", 2.5);
    WorstError worst_value("AdamW, x", "of the larger term, given m and v", 5.0);
    const auto measure = [&]<class T>(T /*type*/) {
      constexpr Index kSize = 4001;
      const re::optim::AdamW adamw({.lr = 1e-2, .weight_decay = 0.1});
      const auto& options = adamw.options();
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const double scale = std::pow(10.0, static_cast<double>(seed) - 6.0);
        std::vector<T> x = test::normal_vector<T>(kSize, seed);
        std::vector<T> g = test::normal_vector<T>(kSize, seed + 20, scale);
        const std::vector<re::nn::ParameterSlice<T>> parameters{{"w", as_row(x), re::nn::ParameterKind::kWeight}};
        const std::vector<re::nn::ParameterSlice<T>> gradients{{"w", as_row(g), re::nn::ParameterKind::kWeight}};
        auto state = adamw.init(parameters);
        for (int step = 1; step <= 5; ++step) {
          const std::vector<T> old_x = x;
          const std::vector<T> old_m(state.first_moment.span().begin(), state.first_moment.span().end());
          const std::vector<T> old_v(state.second_moment.span().begin(), state.second_moment.span().end());
          adamw.step(state, parameters, gradients, options.lr);
          // The constants of a step are rounded to T once.
          const long double to_first = static_cast<T>(1.0 - options.beta1);
          const long double beta2 = static_cast<T>(options.beta2);
          const long double to_second = static_cast<T>(1.0 - options.beta2);
          const long double keep = static_cast<T>(1.0 - options.lr * options.weight_decay);
          const long double size = static_cast<T>(options.lr / (1.0 - std::pow(options.beta1, step)));
          const long double correction = static_cast<T>(std::sqrt(1.0 - std::pow(options.beta2, step)));
          const long double eps = static_cast<T>(options.eps);
          for (std::size_t i = 0; i < x.size(); ++i) {
            const long double m = state.first_moment.data()[i];
            const long double v = state.second_moment.data()[i];
            const long double change = to_first * (static_cast<long double>(g[i]) - old_m[i]);
            worst_first.see(state.first_moment.data()[i],
                            old_m[i] + change,
                            std::max(std::fabs(change), std::fabs(1.0L * old_m[i])));
            worst_second.see(state.second_moment.data()[i],
                             beta2 * old_v[i] + to_second * static_cast<long double>(g[i]) * g[i]);
            const long double update = size * m / (std::sqrt(v) / correction + eps);
            const long double kept = keep * old_x[i];
            worst_value.see(x[i], kept - update, std::max(std::fabs(kept), std::fabs(update)));
          }
          std::transform(g.begin(), g.end(), g.begin(), [](T value) { return T(0.7) * value; });
        }
      }
    };
    measure(0.0F);
    measure(0.0);
  }
}
