/// @file No kernel allocates once its arena has its size. The one file of this program that counts allocations.
#include <reasonembed/core/arena.hpp>
#include <reasonembed/simd/activation.hpp>
#include <reasonembed/simd/attention.hpp>
#include <reasonembed/simd/attention_vjp.hpp>
#include <reasonembed/simd/dropout.hpp>
#include <reasonembed/simd/elementwise.hpp>
#include <reasonembed/simd/embedding.hpp>
#include <reasonembed/simd/norm.hpp>
#include <reasonembed/simd/pooling.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/simd/rotary.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/numeric.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

TEST_SUITE("simd/allocation") {
  TEST_CASE("attention and attention_vjp: allocate nothing once the arena has its size") {
    const simd::AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 16, .causal = true};
    const auto x = test::normal_matrix<float>(150, 128, 161);
    const auto d_out = test::normal_matrix<float>(150, 64, 162);
    const auto q = x.view().col_block(0, 64);
    const auto k = x.view().col_block(64, 32);
    const auto v = x.view().col_block(96, 32);
    GuardedMatrix<float> out(150, 64);
    GuardedMatrix<float> dx(150, 128);
    std::vector<float> log_sum_exp(600);
    const std::vector<std::int32_t> offsets{0, 100, 150};
    re::Arena arena;
    const auto step = [&] {
      simd::attention(shape, q, k, v, offsets, 0.25F, out.view(), std::span(log_sum_exp), arena);
      simd::attention_vjp(shape,
                          q,
                          k,
                          v,
                          offsets,
                          0.25F,
                          out.view(),
                          std::span<const float>(log_sum_exp),
                          d_out.view(),
                          dx.view().col_block(0, 64),
                          dx.view().col_block(64, 32),
                          dx.view().col_block(96, 32),
                          arena);
    };
    step();
    step();  // the arena has joined its slabs
    const std::size_t capacity = arena.capacity();
    CHECK(test::count_allocations(step) == 0);
    CHECK(arena.capacity() == capacity);
  }

  TEST_CASE("all other kernels: allocate nothing, for very many sequences too") {
    constexpr Index kTokens = 1200000;  // offsets whose names in messages would not fit a small string
    std::vector<float> memory(static_cast<std::size_t>(2 * kTokens), 1.0F);
    const re::MatrixView<float> x(memory.data(), kTokens, 2);
    std::vector<float> pair(2, 1.0F);
    std::vector<float> token(static_cast<std::size_t>(kTokens), 1.0F);
    const re::MatrixView<float> half(token.data(), kTokens, 1);
    std::vector<std::int32_t> offsets(static_cast<std::size_t>(kTokens) + 1);
    for (std::size_t b = 0; b < offsets.size(); ++b) {
      offsets[b] = static_cast<std::int32_t>(b);
    }
    const std::span<const std::int32_t> ids = std::span(offsets).first(static_cast<std::size_t>(kTokens));
    const std::vector<float> frequency(1, 1.0F);
    const auto everything = [&] {
      simd::gelu(x, x);
      simd::gelu_vjp(x, x, x);
      simd::silu_multiply(x, x, x);
      simd::add(x, x, x);
      simd::column_sums(x, std::span(pair));
      simd::layer_norm(x, pair, pair, 1e-5F, x, token, token);
      simd::layer_norm_vjp(x, pair, token, token, x, x, pair, pair);
      simd::rms_norm(x, pair, 1e-5F, x);
      simd::l2_normalize(x, x);
      simd::rotary_table(offsets, frequency, half, half);
      simd::rotate(x, half, half, x);
      simd::dropout(x, x, {.rate = 0.1, .seed = 1}, offsets);
      simd::embedding_accumulate(ids, x, x);
      simd::mean_pool(x, offsets, x);
      simd::mean_pool_vjp(x, offsets, x);
      simd::select_rows(x, ids, x);
      simd::softmax(std::span<const float>(token), std::span(token));
      (void)simd::log_sum_exp(std::span(token));
      (void)simd::all_finite(std::span(token));
    };
    CHECK(test::count_allocations(everything) == 0);
  }
}
