#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/attention_vjp.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <algorithm>
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
using simd::AttentionShape;
using test::GuardedMatrix;

namespace {

using Offsets = std::vector<std::int32_t>;

/// The column blocks q, k, v of one (T, (H + 2 H_kv) E) matrix.
template <class T>
struct Blocks {
  MatrixView<T> q;
  MatrixView<T> k;
  MatrixView<T> v;
};
template <class T>
Blocks<T> blocks(const AttentionShape& shape, MatrixView<T> fused) {
  const Index queries = shape.heads * shape.head_dim;
  const Index keys = shape.kv_heads * shape.head_dim;
  return {fused.col_block(0, queries), fused.col_block(queries, keys), fused.col_block(queries + keys, keys)};
}

template <class T, class Format = T>
GuardedMatrix<T> forward(const AttentionShape& shape,
                         MatrixView<const T> fused,
                         const Offsets& offsets,
                         T scale,
                         std::vector<T>& log_sum_exp) {
  re::Arena arena;
  log_sum_exp.resize(static_cast<std::size_t>(fused.rows() * shape.heads));
  GuardedMatrix<T> out(fused.rows(), shape.heads * shape.head_dim, 1, 2);
  const auto x = blocks(shape, fused);
  simd::attention<T, Format>(shape, x.q, x.k, x.v, offsets, scale, out.view(), std::span<T>(log_sum_exp), arena);
  return out;
}

/// @return  the gradient of sum(d_out * out) by the kernels, as one fused matrix that held NaN before
template <class T, class Format = T>
GuardedMatrix<T> gradient(const AttentionShape& shape,
                          MatrixView<const T> fused,
                          const Offsets& offsets,
                          T scale,
                          MatrixView<const T> d_out) {
  re::Arena arena;
  std::vector<T> log_sum_exp;
  const GuardedMatrix<T> out = forward<T, Format>(shape, fused, offsets, scale, log_sum_exp);
  GuardedMatrix<T> d_fused(fused.rows(), fused.cols(), 4, 3);
  d_fused.fill(std::numeric_limits<T>::quiet_NaN());
  const auto x = blocks(shape, fused);
  const auto dx = blocks(shape, d_fused.view());
  simd::attention_vjp<T, Format>(shape,
                                 x.q,
                                 x.k,
                                 x.v,
                                 offsets,
                                 scale,
                                 out.view(),
                                 std::span<const T>(log_sum_exp),
                                 d_out,
                                 dx.q,
                                 dx.k,
                                 dx.v,
                                 arena);
  CHECK(d_fused.surroundings_untouched());
  CHECK(arena.used() == 0);
  return d_fused;
}

void check_by_differences(const AttentionShape& shape, const Offsets& offsets, std::uint64_t seed) {
  const Index tokens = offsets.back();
  auto x = test::normal_matrix<double>(tokens, (shape.heads + 2 * shape.kv_heads) * shape.head_dim, seed);
  const auto d_out = test::normal_matrix<double>(tokens, shape.heads * shape.head_dim, seed + 1);
  const double scale = 0.7;
  const auto analytic = gradient<double>(shape, std::as_const(x).view(), offsets, scale, d_out.view());
  std::vector<double> unused;
  const auto loss = [&] {
    const auto out = forward<double>(shape, std::as_const(x).view(), offsets, scale, unused);
    return test::inner(out.view(), d_out.view());
  };
  test::check_gradient(loss, x.view(), analytic.view());
}

}  // namespace

TEST_SUITE("simd/attention_vjp") {
  TEST_CASE("attention_vjp: equals finite differences in q, k and v") {
    for (const bool causal : {false, true}) {
      for (const AttentionShape& shape :
           {AttentionShape{1, 1, 1, causal}, AttentionShape{2, 2, 3, causal}, AttentionShape{4, 2, 2, causal}}) {
        for (const Offsets& offsets : {Offsets{0, 1}, Offsets{0, 2}, Offsets{0, 5, 5, 8}, Offsets{0, 17}}) {
          CAPTURE(causal);
          CAPTURE(shape.heads);
          CAPTURE(offsets.back());
          check_by_differences(shape, offsets, 31);
        }
      }
    }
  }

  TEST_CASE("attention_vjp: equals finite differences across blocks of queries") {
    for (const bool causal : {false, true}) {
      CAPTURE(causal);
      check_by_differences({.heads = 2, .kv_heads = 1, .head_dim = 1, .causal = causal}, {0, 66}, 32);
    }
  }

  TEST_CASE("attention_vjp: float is within rounding of double") {
    for (const bool causal : {false, true}) {
      const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 33, .causal = causal};
      const Offsets offsets{0, 40, 170};
      const auto x = test::normal_matrix<float>(170, 264, 33);
      const auto d_out = test::normal_matrix<float>(170, 132, 34);
      GuardedMatrix<double> wide_x(170, 264);
      GuardedMatrix<double> wide_d(170, 132);
      for (Index t = 0; t < 170; ++t) {
        std::ranges::copy(x.view().row(t), wide_x.view().row(t).begin());
        std::ranges::copy(d_out.view().row(t), wide_d.view().row(t).begin());
      }
      const float scale = 0.25F;
      const auto narrow = gradient<float>(shape, x.view(), offsets, scale, d_out.view());
      const auto wide = gradient<double>(shape, std::as_const(wide_x).view(), offsets, scale, wide_d.view());
      double difference = 0.0;
      double size = 0.0;
      for (Index t = 0; t < 170; ++t) {
        for (Index c = 0; c < 264; ++c) {
          difference += std::pow(narrow(t, c) - wide(t, c), 2);
          size += std::pow(wide(t, c), 2);
        }
      }
      // a score errs by some sqrt(33) eps of its size 1.4, a sum over up to 130 tokens and 2 heads by some sqrt(260)
      // eps: 30 eps of the norm leave room for both
      CHECK(std::sqrt(difference) <= 30 * std::numeric_limits<float>::epsilon() * std::sqrt(size));
    }
  }

  TEST_CASE_TEMPLATE("attention_vjp: a token's bits are the same alone and in a batch", T, float, double) {
    for (const bool causal : {false, true}) {
      const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 9, .causal = causal};
      const Offsets offsets{0, 3, 73, 74, 140};
      const auto x = test::normal_matrix<T>(140, 72, 35);
      const auto d_out = test::normal_matrix<T>(140, 36, 36);
      const auto together = gradient<T>(shape, x.view(), offsets, T{0.3}, d_out.view());
      for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
        CAPTURE(causal);
        CAPTURE(b);
        const Index first = offsets[b];
        const Index length = offsets[b + 1] - first;
        const auto alone = gradient<T>(shape,
                                       x.view().row_block(first, length),
                                       {0, offsets[b + 1] - offsets[b]},
                                       T{0.3},
                                       d_out.view().row_block(first, length));
        CHECK(test::same_bits<T>(alone.view(), together.view().row_block(first, length)));
      }
    }
  }

  TEST_CASE("attention_vjp: the gradient of a group of heads is the sum over the group") {
    const AttentionShape grouped{.heads = 4, .kv_heads = 2, .head_dim = 4};
    const AttentionShape single{.heads = 4, .kv_heads = 4, .head_dim = 4};
    const auto x = test::normal_matrix<double>(11, 32, 37);
    const auto d_out = test::normal_matrix<double>(11, 16, 38);
    GuardedMatrix<double> repeated(11, 48);  // each key and value head once for each query head
    const auto column_of = [](Index c) {
      return c < 16 ? c : c < 32 ? 16 + (c - 16) / 8 * 4 + c % 4 : 24 + (c - 32) / 8 * 4 + c % 4;
    };
    for (Index t = 0; t < 11; ++t) {
      for (Index c = 0; c < 48; ++c) {
        repeated.view()(t, c) = x(t, column_of(c));
      }
    }
    const auto dx = gradient<double>(grouped, x.view(), {0, 11}, 0.5, d_out.view());
    const auto d_repeated = gradient<double>(single, std::as_const(repeated).view(), {0, 11}, 0.5, d_out.view());
    GuardedMatrix<double> summed(11, 32);
    for (Index t = 0; t < 11; ++t) {
      for (Index c = 0; c < 48; ++c) {
        summed.view()(t, column_of(c)) += d_repeated(t, c);
      }
      for (Index c = 0; c < 32; ++c) {
        CHECK(std::fabs(dx(t, c) - summed(t, c)) <= 1e-13);  // sums of some 40 terms of size 1
      }
    }
  }

  TEST_CASE("attention_vjp: in bf16, gradients are those of float within what rounding does") {
    for (const bool causal : {false, true}) {
      for (const Index group : {1, 2}) {
        const AttentionShape shape{.heads = 2 * group, .kv_heads = 2, .head_dim = 16, .causal = causal};
        const Index width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
        const Offsets offsets{0, 5, 5, 75, 200};
        const auto fused = test::normal_matrix<float>(200, width, 41);
        const auto d_out = test::normal_matrix<float>(200, shape.heads * shape.head_dim, 42);
        const auto exact = gradient<float>(shape, fused.view(), offsets, 0.25F, d_out.view());
        const auto rounded = gradient<float, simd::Bf16Pair>(shape, fused.view(), offsets, 0.25F, d_out.view());
        double difference = 0.0;
        double size = 0.0;
        for (Index t = 0; t < 200; ++t) {
          for (Index c = 0; c < width; ++c) {
            difference += std::pow(double{rounded(t, c)} - double{exact(t, c)}, 2);
            size += std::pow(double{exact(t, c)}, 2);
          }
        }
        CHECK(std::sqrt(difference / size) < 0.01);  // four roundings of 2^-9 in a row
        CHECK(difference > 0.0);
      }
    }
  }

  TEST_CASE("attention_vjp: in bf16 too, a sequence's bits are those it has alone") {
    const AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 12, .causal = true};
    const auto fused = test::normal_matrix<float>(130, 48, 43);
    const auto d_out = test::normal_matrix<float>(130, 24, 44);
    const auto all = gradient<float, simd::Bf16Pair>(shape, fused.view(), {0, 3, 70, 130}, 0.3F, d_out.view());
    const auto alone = gradient<float, simd::Bf16Pair>(
        shape, MatrixView<const float>(fused.view()).row_block(3, 67), {0, 67}, 0.3F, d_out.view().row_block(3, 67));
    CHECK(test::same_bits<float>(alone.view(), all.view().row_block(3, 67)));
  }

  TEST_CASE("attention_vjp: no tokens give no gradients") {
    const AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 3};
    const GuardedMatrix<float> x(0, 12);
    const GuardedMatrix<float> d_out(0, 6);
    CHECK(gradient<float>(shape, x.view(), {0}, 1.0F, d_out.view()).view().rows() == 0);
    CHECK(gradient<float>(shape, x.view(), {0, 0, 0}, 1.0F, d_out.view()).view().rows() == 0);
  }

  TEST_CASE("attention_vjp: rejects shapes that do not fit") {
    const AttentionShape good{.heads = 4, .kv_heads = 2, .head_dim = 3};
    const auto fused = test::normal_matrix<float>(6, 24, 39);
    const auto x = blocks(good, fused.view());
    GuardedMatrix<float> d_fused(6, 24);
    const auto dx = blocks(good, d_fused.view());
    const GuardedMatrix<float> out(6, 12);
    std::vector<float> log_sum_exp(24);
    re::Arena arena;
    const auto call = [&](MatrixView<const float> v,
                          MatrixView<const float> y,
                          std::size_t size,
                          MatrixView<const float> dy,
                          MatrixView<float> dq,
                          MatrixView<float> dk,
                          MatrixView<float> dv) {
      const Offsets offsets{0, 6};
      simd::attention_vjp(
          good, x.q, x.k, v, offsets, 1.0F, y, std::span<const float>(log_sum_exp).first(size), dy, dq, dk, dv, arena);
    };
    const auto y = out.view();
    CHECK_NOTHROW(call(x.v, y, 24, y, dx.q, dx.k, dx.v));
    CHECK_THROWS_WITH_AS(
        call(x.q, y, 24, y, dx.q, dx.k, dx.v), "simd::attention_vjp: v.cols() is 12, expected 6", re::ShapeError);
    CHECK_THROWS_WITH_AS(call(x.v, y.row_block(0, 5), 24, y, dx.q, dx.k, dx.v),
                         "simd::attention_vjp: out.rows() is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(x.v, y, 0, y, dx.q, dx.k, dx.v),
                         "simd::attention_vjp: log_sum_exp.size() is 0, expected 24",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(call(x.v, y, 24, y.col_block(0, 6), dx.q, dx.k, dx.v),
                         "simd::attention_vjp: d_out.cols() is 6, expected 12",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        call(x.v, y, 24, y, dx.k, dx.k, dx.v), "simd::attention_vjp: dq.cols() is 6, expected 12", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        call(x.v, y, 24, y, dx.q, dx.q, dx.v), "simd::attention_vjp: dk.cols() is 12, expected 6", re::ShapeError);
    CHECK_THROWS_WITH_AS(call(x.v, y, 24, y, dx.q, dx.k, dx.v.row_block(0, 1)),
                         "simd::attention_vjp: dv.rows() is 1, expected 6",
                         re::ShapeError);
  }
}
