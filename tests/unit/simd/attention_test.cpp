#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/attention.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using re::MatrixView;
using simd::AttentionShape;
using test::GuardedMatrix;

namespace {

using Offsets = std::vector<std::int32_t>;

Offsets offsets_of(const std::vector<Index>& lengths) {
  Offsets offsets{0};
  for (const Index length : lengths) {
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(length));
  }
  return offsets;
}

/// q, k and v as column blocks of one fused matrix, as a projection leaves them.
template <class T>
struct Qkv {
  GuardedMatrix<T> fused;
  AttentionShape shape;

  Qkv(const AttentionShape& of, Index tokens, std::uint64_t seed, double scale = 1.0)
      : fused(test::normal_matrix<T>(tokens, (of.heads + 2 * of.kv_heads) * of.head_dim, seed, scale)), shape(of) {}
  MatrixView<const T> q() const { return fused.view().col_block(0, shape.heads * shape.head_dim); }
  MatrixView<const T> k() const {
    return fused.view().col_block(shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
  }
  MatrixView<const T> v() const {
    return fused.view().col_block((shape.heads + shape.kv_heads) * shape.head_dim, shape.kv_heads * shape.head_dim);
  }
};

template <class T>
struct Result {
  GuardedMatrix<T> out;
  std::vector<T> log_sum_exp;
};

template <class T>
Result<T> attend(const Qkv<T>& x, const Offsets& offsets, double scale, bool with_log_sum_exp = true) {
  re::Arena arena;
  const Index tokens = x.fused.view().rows();
  Result<T> result{GuardedMatrix<T>(tokens, x.shape.heads * x.shape.head_dim, 2, 1),
                   std::vector<T>(with_log_sum_exp ? static_cast<std::size_t>(tokens * x.shape.heads) : 0)};
  simd::attention(x.shape,
                  x.q(),
                  x.k(),
                  x.v(),
                  offsets,
                  static_cast<T>(scale),
                  result.out.view(),
                  std::span<T>(result.log_sum_exp),
                  arena);
  CHECK(result.out.surroundings_untouched());
  CHECK(arena.used() == 0);
  return result;
}

/// Compares with the equation in double.
///
/// Bound: a score is a sum of E products, so it errs by E eps times the sum S of their sizes; a weight errs by that
/// factor, exp and its sum add some 10 + L / 16 eps; the output is a mean of L values of size V. Together
/// (2 E S + 2 L + 20) eps V; the log-sum-exp errs by (E S + L + 10) eps.
template <class T>
void check_against_reference(const Qkv<T>& x, const Offsets& offsets, double scale) {
  const Result<T> result = attend(x, offsets, scale);
  const AttentionShape& shape = x.shape;
  const Index dim = shape.head_dim;
  const double eps = std::numeric_limits<T>::epsilon();
  double worst = 0.0;
  double worst_log_sum = 0.0;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (Index h = 0; h < shape.heads; ++h) {
      const Index kv = h / (shape.heads / shape.kv_heads);
      for (Index i = offsets[b]; i < offsets[b + 1]; ++i) {
        const Index end = shape.causal ? i + 1 : offsets[b + 1];
        const Index length = end - offsets[b];
        std::vector<double> weight(static_cast<std::size_t>(length));
        double largest_sum = 0.0;
        for (Index j = 0; j < length; ++j) {
          double score = 0.0;
          double sizes = 0.0;
          for (Index c = 0; c < dim; ++c) {
            const double product = double(x.q()(i, h * dim + c)) * x.k()(offsets[b] + j, kv * dim + c);
            score += product;
            sizes += std::fabs(product);
          }
          weight[static_cast<std::size_t>(j)] = scale * score;
          largest_sum = std::max(largest_sum, std::fabs(scale) * sizes);
        }
        const double top = *std::max_element(weight.begin(), weight.end());
        double total = 0.0;
        for (double& w : weight) {
          w = std::exp(w - top);
          total += w;
        }
        const double log_sum_bound = (double(dim) * largest_sum + double(length) + 10 + std::fabs(top)) * eps;
        const double log_sum = result.log_sum_exp[static_cast<std::size_t>(i * shape.heads + h)];
        worst_log_sum = std::max(worst_log_sum, std::fabs(log_sum - (top + std::log(total))) / log_sum_bound);
        for (Index c = 0; c < dim; ++c) {
          double want = 0.0;
          double size = 0.0;
          for (Index j = 0; j < length; ++j) {
            const double value = x.v()(offsets[b] + j, kv * dim + c);
            want += weight[static_cast<std::size_t>(j)] / total * value;
            size = std::max(size, std::fabs(value));
          }
          const double bound = (2 * double(dim) * largest_sum + 2 * double(length) + 20) * eps * size;
          worst = std::max(worst, std::fabs(double(result.out(i, h * dim + c)) - want) / bound);
        }
      }
    }
  }
  CHECK(worst <= 1.0);
  CHECK(worst_log_sum <= 1.0);
}

}  // namespace

TEST_SUITE("simd/attention") {
  TEST_CASE_TEMPLATE("attention: equals the equation for lengths around registers and blocks", T, float, double) {
    for (const bool causal : {false, true}) {
      for (const Index length : {1, 2, 3, 7, 15, 16, 17, 47, 48, 49, 63, 64, 65, 127, 130, 200}) {
        CAPTURE(causal);
        CAPTURE(length);
        const AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 5, .causal = causal};
        check_against_reference(Qkv<T>(shape, length, 11), offsets_of({length}), 1.0 / std::sqrt(5.0));
      }
    }
  }

  TEST_CASE_TEMPLATE("attention: equals the equation for every head layout", T, float, double) {
    for (const bool causal : {false, true}) {
      for (const AttentionShape& shape : {AttentionShape{1, 1, 1, causal},
                                          AttentionShape{3, 3, 16, causal},
                                          AttentionShape{4, 2, 17, causal},
                                          AttentionShape{6, 1, 32, causal},
                                          AttentionShape{2, 2, 64, causal},
                                          AttentionShape{4, 2, 128, causal}}) {
        CAPTURE(causal);
        CAPTURE(shape.heads);
        CAPTURE(shape.head_dim);
        check_against_reference(Qkv<T>(shape, 90, 12), offsets_of({20, 1, 69}), 0.3);
      }
    }
  }

  TEST_CASE_TEMPLATE("attention: scores beyond the range of exp do not overflow", T, float, double) {
    const AttentionShape shape{.heads = 2, .kv_heads = 2, .head_dim = 8};
    for (const double scale : {100.0, -100.0, 0.0}) {
      CAPTURE(scale);
      check_against_reference(Qkv<T>(shape, 33, 13, 3.0), offsets_of({33}), scale);
    }
  }

  TEST_CASE_TEMPLATE("attention: a token's bits are the same alone, in any batch and in any order", T, float, double) {
    for (const bool causal : {false, true}) {
      const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 24, .causal = causal};
      const std::vector<Index> lengths{5, 70, 1, 33, 130};
      const Qkv<T> batch(shape, 239, 14);
      const Offsets offsets = offsets_of(lengths);
      const Result<T> together = attend(batch, offsets, 0.2);
      const std::vector<std::size_t> order{4, 0, 3, 2, 1};
      Qkv<T> shuffled(shape, 239, 0);
      std::vector<Index> shuffled_lengths;
      Index row = 0;
      for (const std::size_t b : order) {
        shuffled_lengths.push_back(lengths[b]);
        for (Index t = offsets[b]; t < offsets[b + 1]; ++t, ++row) {
          std::ranges::copy(batch.fused.view().row(t), shuffled.fused.view().row(row).begin());
        }
      }
      const Result<T> reordered = attend(shuffled, offsets_of(shuffled_lengths), 0.2);
      row = 0;
      for (const std::size_t b : order) {
        CAPTURE(causal);
        CAPTURE(b);
        Qkv<T> alone(shape, lengths[b], 0);
        for (Index t = 0; t < lengths[b]; ++t) {
          std::ranges::copy(batch.fused.view().row(offsets[b] + t), alone.fused.view().row(t).begin());
        }
        const Result<T> single = attend(alone, offsets_of({lengths[b]}), 0.2);
        const auto of_batch = together.out.view().row_block(offsets[b], lengths[b]);
        CHECK(test::same_bits<T>(single.out.view(), of_batch));
        CHECK(test::same_bits<T>(reordered.out.view().row_block(row, lengths[b]), of_batch));
        const auto values = static_cast<std::size_t>(lengths[b] * shape.heads);
        const auto from = static_cast<std::size_t>(offsets[b] * shape.heads);
        CHECK(test::same_bits<T>(single.log_sum_exp, std::span<const T>(together.log_sum_exp).subspan(from, values)));
        row += lengths[b];
      }
    }
  }

  TEST_CASE_TEMPLATE("attention: strides do not change bits", T, float, double) {
    const AttentionShape shape{.heads = 3, .kv_heads = 1, .head_dim = 20, .causal = true};
    const Qkv<T> fused(shape, 71, 15);
    const auto offsets = offsets_of({71});
    const Result<T> strided = attend(fused, offsets, 0.25);
    const auto copy = [](MatrixView<const T> from) {
      GuardedMatrix<T> to(from.rows(), from.cols());
      for (Index t = 0; t < from.rows(); ++t) {
        std::ranges::copy(from.row(t), to.view().row(t).begin());
      }
      return to;
    };
    const auto q = copy(fused.q());
    const auto k = copy(fused.k());
    const auto v = copy(fused.v());
    GuardedMatrix<T> out(71, 60);
    re::Arena arena;
    simd::attention(shape, q.view(), k.view(), v.view(), offsets, T{0.25}, out.view(), std::span<T>(), arena);
    CHECK(test::same_bits<T>(std::as_const(out).view(), strided.out.view()));
  }

  TEST_CASE("attention: a causal token does not see later ones, not even NaN in other blocks") {
    const AttentionShape shape{.heads = 1, .kv_heads = 1, .head_dim = 8, .causal = true};
    Qkv<float> x(shape, 150, 16);
    const Result<float> before = attend(x, offsets_of({150}), 0.4);
    for (Index t = 100; t < 150; ++t) {
      for (float& value : x.fused.view().row(t)) {
        value *= -3.0F;
      }
    }
    const Result<float> after = attend(x, offsets_of({150}), 0.4);
    CHECK(test::same_bits<float>(after.out.view().row_block(0, 100), before.out.view().row_block(0, 100)));
    CHECK_FALSE(test::same_bits<float>(after.out.view().row(100), before.out.view().row(100)));
    for (float& value : x.fused.view().row(149)) {
      value = std::numeric_limits<float>::quiet_NaN();
    }
    const Result<float> poisoned = attend(x, offsets_of({150}), 0.4);
    CHECK(test::same_bits<float>(poisoned.out.view().row_block(0, 128), after.out.view().row_block(0, 128)));
    CHECK(std::isnan(poisoned.out(149, 0)));
  }

  TEST_CASE("attention: NaN stays in its sequence and its head") {
    const AttentionShape shape{.heads = 2, .kv_heads = 2, .head_dim = 4};
    Qkv<float> x(shape, 30, 17);
    const Result<float> clean = attend(x, offsets_of({10, 20}), 0.5);
    x.fused.view()(12, 8) = std::numeric_limits<float>::quiet_NaN();  // a key of head 0, second sequence
    const Result<float> poisoned = attend(x, offsets_of({10, 20}), 0.5);
    CHECK(test::same_bits<float>(poisoned.out.view().row_block(0, 10), clean.out.view().row_block(0, 10)));
    for (Index t = 10; t < 30; ++t) {
      CHECK(std::isnan(poisoned.out(t, 0)));
      CHECK(poisoned.out(t, 4) == clean.out(t, 4));
      CHECK(std::isnan(poisoned.log_sum_exp[static_cast<std::size_t>(2 * t)]));
    }
  }

  TEST_CASE("attention: the log-sum-exp may be left out, and empty sequences, no tokens and no width are fine") {
    const AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 6};
    const Qkv<float> x(shape, 12, 18);
    const Result<float> with = attend(x, offsets_of({5, 0, 7}), 0.5);
    const Result<float> without = attend(x, offsets_of({5, 0, 7}), 0.5, false);
    CHECK(test::same_bits<float>(without.out.view(), with.out.view()));
    const Result<float> joined = attend(x, offsets_of({0, 5, 7, 0}), 0.5);
    CHECK(test::same_bits<float>(joined.out.view(), with.out.view()));
    CHECK(attend(Qkv<float>(shape, 0, 1), Offsets{0}, 0.5).out.view().rows() == 0);
    CHECK(attend(Qkv<float>(shape, 0, 1), Offsets{0, 0}, 0.5).out.view().rows() == 0);
    const AttentionShape no_width{.heads = 2, .kv_heads = 1, .head_dim = 0};
    const Result<float> counted = attend(Qkv<float>(no_width, 3, 1), offsets_of({3}), 0.5);
    CHECK(counted.log_sum_exp[0] == doctest::Approx(std::log(3.0)).epsilon(1e-6));
  }

  TEST_CASE("attention: a large enough arena stays as it is") {
    const AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 32};
    const Qkv<float> x(shape, 100, 19);
    const auto offsets = offsets_of({40, 60});
    re::Arena arena;
    GuardedMatrix<float> out(100, 64);
    const auto call = [&] {
      simd::attention(shape, x.q(), x.k(), x.v(), offsets, 0.1F, out.view(), std::span<float>(), arena);
    };
    call();
    const std::size_t capacity = arena.capacity();
    const std::size_t peak = arena.peak();
    call();
    CHECK(arena.capacity() == capacity);
    CHECK(arena.peak() == peak);
    CHECK(peak < (std::size_t{4} << 20));
  }

  TEST_CASE_TEMPLATE("attention_rows: has the bits of attention, for any token and any block", T, float, double) {
    const Offsets offsets = offsets_of({1, 7, 16, 17, 64, 65, 128, 300, 1000});
    for (const bool causal : {false, true}) {
      for (const AttentionShape& shape : {AttentionShape{2, 2, 8, causal}, AttentionShape{6, 2, 20, causal}}) {
        const Qkv<T> x(shape, offsets.back(), 3);
        const Result<T> whole = attend(x, offsets, 0.3, false);
        re::Arena arena;
        for (const double place : {0.0, 0.3, 0.99, 1.0}) {
          CAPTURE(causal);
          CAPTURE(place);
          std::vector<std::int32_t> rows;
          for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            const int length = offsets[b + 1] - offsets[b];
            rows.push_back(offsets[b] + std::min(length - 1, static_cast<int>(place * length)));
          }
          GuardedMatrix<T> out(static_cast<Index>(rows.size()), shape.heads * shape.head_dim, 2, 1);
          simd::attention_rows(shape, x.q(), x.k(), x.v(), offsets, rows, static_cast<T>(0.3), out.view(), arena);
          CHECK(out.surroundings_untouched());
          CHECK(arena.used() == 0);
          for (std::size_t b = 0; b < rows.size(); ++b) {
            const auto got = out.view().row(static_cast<Index>(b));
            const auto want = whole.out.view().row(rows[b]);
            REQUIRE(std::memcmp(got.data(), want.data(), got.size_bytes()) == 0);
          }
        }
      }
    }
  }
  TEST_CASE("attention_rows: no sequences are fine; rows that are none of their sequence are refused") {
    const AttentionShape shape{2, 1, 4, true};
    const Qkv<float> x(shape, 5, 3);
    GuardedMatrix<float> out(2, 8, 2, 1);
    re::Arena arena;
    const auto run = [&](const Offsets& offsets, const std::vector<std::int32_t>& rows, Index count) {
      simd::attention_rows(shape, x.q(), x.k(), x.v(), offsets, rows, 1.0F, out.view().row_block(0, count), arena);
    };
    CHECK_NOTHROW(run({0, 3, 5}, {0, 4}, 2));
    CHECK_THROWS_WITH_AS(
        run({0, 3, 5}, {3, 4}, 2), "simd::attention_rows: rows[0] is 3, expected 0 <= row < 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run({0, 3, 5}, {0, 2}, 2), "simd::attention_rows: rows[1] is 2, expected 3 <= row < 5", re::ShapeError);
    CHECK_THROWS_AS(run({0, 0, 5}, {0, 4}, 2), re::ShapeError);  // an empty sequence has no row
    CHECK_THROWS_WITH_AS(run({0, 3, 5}, {0}, 1), "simd::attention_rows: rows.size() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run({0, 3, 5}, {0, 4}, 1), "simd::attention_rows: out.rows() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_AS(run({0, 3, 4}, {0, 3}, 2), re::ShapeError);
    const Qkv<float> none(shape, 0, 3);
    simd::attention_rows(shape,
                         none.q(),
                         none.k(),
                         none.v(),
                         Offsets{0},
                         std::span<const std::int32_t>(),
                         1.0F,
                         out.view().row_block(0, 0),
                         arena);
  }
  TEST_CASE("attention: rejects shapes that do not fit") {
    const AttentionShape good{.heads = 4, .kv_heads = 2, .head_dim = 3};
    const Qkv<float> x(good, 6, 20);
    GuardedMatrix<float> out(6, 12);
    std::vector<float> log_sum_exp(24);
    re::Arena arena;
    const auto call = [&](const AttentionShape& shape,
                          MatrixView<const float> q,
                          MatrixView<const float> k,
                          MatrixView<const float> v,
                          const Offsets& offsets,
                          MatrixView<float> y,
                          std::size_t size) {
      simd::attention(shape, q, k, v, offsets, 1.0F, y, std::span<float>(log_sum_exp).first(size), arena);
    };
    const auto fine = offsets_of({6});
    CHECK_NOTHROW(call(good, x.q(), x.k(), x.v(), fine, out.view(), 24));
    const char* heads = ", expected positive numbers of heads, the first a multiple of the second, and head_dim >= 0";
    for (const auto& [shape, text] : {std::pair{AttentionShape{4, 3, 3}, "(4, 3, 3)"},
                                      std::pair{AttentionShape{0, 1, 3}, "(0, 1, 3)"},
                                      std::pair{AttentionShape{4, 0, 3}, "(4, 0, 3)"},
                                      std::pair{AttentionShape{4, 2, -1}, "(4, 2, -1)"}}) {
      const std::string message = std::string("simd::attention: (heads, kv_heads, head_dim) is ") + text + heads;
      CHECK_THROWS_WITH_AS(call(shape, x.q(), x.k(), x.v(), fine, out.view(), 24), message.c_str(), re::ShapeError);
    }
    CHECK_THROWS_WITH_AS(call(good, x.k(), x.k(), x.v(), fine, out.view(), 24),
                         "simd::attention: q.cols() is 6, expected 12",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k().row_block(0, 5), x.v(), fine, out.view(), 24),
                         "simd::attention: k.rows() is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.q(), x.v(), fine, out.view(), 24),
                         "simd::attention: k.cols() is 12, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v().row_block(0, 5), fine, out.view(), 24),
                         "simd::attention: v.rows() is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.q(), fine, out.view(), 24),
                         "simd::attention: v.cols() is 12, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), fine, out.view().row_block(0, 5), 24),
                         "simd::attention: out.rows() is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), fine, out.view().col_block(0, 11), 24),
                         "simd::attention: out.cols() is 11, expected 12",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), offsets_of({5}), out.view(), 24),
                         "simd::attention: offsets[1] is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), {0, 7, 6}, out.view(), 24),
                         "simd::attention: offsets[2] is 6, expected at least 7",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), {}, out.view(), 24),
                         "simd::attention: offsets.size() is 0, expected at least 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(good, x.q(), x.k(), x.v(), fine, out.view(), 23),
                         "simd::attention: log_sum_exp.size() is 23, expected 24",
                         re::ShapeError);
  }

  TEST_CASE("attention: with rounded operands it stays within their rounding, and depends on its sequence alone") {
    for (const bool causal : {false, true}) {
      for (const Index dim : {5, 32, 64, 130}) {
        CAPTURE(causal);
        CAPTURE(dim);
        const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = dim, .causal = causal};
        const Offsets offsets = offsets_of({1, 2, 47, 0, 200});
        const Qkv<float> x(shape, 250, 21);
        const float scale = 1.0F / std::sqrt(static_cast<float>(dim));
        re::Arena arena;
        const auto exact = attend(x, offsets, scale, false);
        GuardedMatrix<float> got(250, 4 * dim);
        simd::attention<float, simd::Bf16Pair>(shape, x.q(), x.k(), x.v(), offsets, scale, got.view(), {}, arena);
        // A score is off by 2^-8 of the sum of its products' sizes, at most |q| |k| scale, here below 12; the weights
        // and values by 2^-8 each. In the mean of values below 5 this is 0.5, and as signs vary a tenth of it.
        float worst = 0;
        for (Index t = 0; t < 250; ++t) {
          for (Index c = 0; c < 4 * dim; ++c) {
            worst = std::max(worst, std::fabs(got(t, c) - exact.out(t, c)));
          }
        }
        CHECK(worst > 0.0F);
        CHECK(worst < 0.05F);
        const Qkv<float> whole(shape, 250, 21);
        GuardedMatrix<float> alone(200, 4 * dim, 7);
        const Offsets last = offsets_of({200});
        simd::attention<float, simd::Bf16Pair>(shape,
                                               whole.q().row_block(50, 200),
                                               whole.k().row_block(50, 200),
                                               whole.v().row_block(50, 200),
                                               last,
                                               scale,
                                               alone.view(),
                                               {},
                                               arena);
        CHECK(alone.surroundings_untouched());
        for (Index t = 0; t < 200; ++t) {
          REQUIRE(std::equal(alone.view().row(t).begin(), alone.view().row(t).end(), got.view().row(t + 50).begin()));
        }
      }
    }
  }
}
