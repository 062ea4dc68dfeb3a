#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/row_selection.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::nn::Context;
using re::nn::EncoderConfig;

using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
using Cpu16 = re::backend::Cpu<re::bf16>;
using Rounded16 = re::backend::Cpu<re::bf16, re::bf16>;
using Quantized = re::backend::Cpu<re::int8>;

namespace {

/// The same pooling, which does not say which rows it reads: so the whole last block is computed.
template <class Pool>
struct Silent {
  static constexpr const char* name = Pool::name;
  template <class B>
  void pool(Context<B>& context, MatrixView<const typename B::Scalar> x, MatrixView<typename B::Scalar> y) const {
    Pool().pool(context, x, y);
  }
  template <class B>
  void pool_vjp(Context<B>& context, MatrixView<const typename B::Scalar> dy, MatrixView<typename B::Scalar> dx) const {
    Pool().pool_vjp(context, dy, dx);
  }
};
static_assert(re::nn::Pooling<Silent<re::nn::Cls>> && !re::nn::RowPooling<Silent<re::nn::Cls>>);
static_assert(!re::nn::RowPooling<re::nn::Mean>);

/// A mixer of a user's own, which knows nothing of rows: each token gets the sum of its sequence so far.
class RunningSum {
 public:
  template <class Leaf>
  struct Parameters {};
  template <class B>
  struct Saved {};
  [[nodiscard]] static std::string architecture() { return "running_sum"; }
  RunningSum(const EncoderConfig&, const re::nn::EncoderOptions&) {}
  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator&) const {
    return {};
  }
  template <class P, class F>
  static void visit(P&, const std::string&, F&&) {}
  template <class P, class F>
  static void visit_weights(P&, F&&) {}
  template <class B>
  void prepare(Context<B>&) const {}
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<re::nn::WeightLeaf<B>>&,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save&) const {
    for (Index b = 0; b < context.batch.sequence_count(); ++b) {
      for (Index t = context.batch.offsets[b]; t < context.batch.offsets[b + 1]; ++t) {
        for (Index d = 0; d < x.cols(); ++d) {
          y(t, d) = x(t, d) + (t == context.batch.offsets[b] ? 0 : y(t - 1, d));
        }
      }
    }
  }
};
template <class Pool>
using OfAUser =
    re::nn::Encoder<re::nn::kDynamic, re::nn::PreNormBlock<re::nn::RmsNorm, RunningSum, re::nn::SwiGlu>, Pool>;
template <class Pool>
using Qwen3 = re::model::Qwen3Encoder<re::nn::kDynamic, Pool>;
template <class Pool>
using Llama = re::model::LlamaEncoder<re::nn::kDynamic, Pool>;
template <class Pool>
using Seeing = re::model::BidirectionalQwen3Encoder<re::nn::kDynamic, Pool>;
template <class Pool>
using Bert = re::model::BertEncoder<re::nn::kDynamic, Pool>;

EncoderConfig sizes(int layers) {
  return {.vocab = 50,
          .dim = 52,  // no multiple of a register
          .layers = layers,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 18,
          .mlp_dim = 67,
          .max_length = 700,
          .type_vocab = 2,
          .qkv_bias = true,
          .linear_bias = true};
}

struct Batch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> offsets{0};
};

Batch batch_of(const std::vector<int>& lengths) {
  Batch batch;
  for (const int length : lengths) {
    for (int i = 0; i < length; ++i) {
      batch.tokens.push_back(static_cast<std::int32_t>((i * 7 + length) % 50));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.tokens.size()));
  }
  return batch;
}

template <class B, class Encoder, class Weights>
Matrix<typename B::Scalar> serve(const Encoder& encoder,
                                 const Weights& weights,
                                 const Batch& batch,
                                 const re::nn::DropoutState& dropout = {}) {
  re::Arena arena;
  Context<B> context{.arena = arena, .batch = {batch.tokens, batch.offsets}, .dropout = dropout};
  Matrix<typename B::Scalar> embeddings(context.batch.sequence_count(), encoder.dim());
  re::nn::Nothing nothing;
  encoder.forward(context, weights, embeddings.view(), nothing);
  CHECK(arena.used() == 0);
  return embeddings;
}

const std::vector<int> kLengths = {1, 2, 15, 16, 17, 63, 64, 65, 130, 257, 1, 300};

/// Pooled rows alone against the whole of the last block, in one batch and each text alone.
template <class B, template <class> class Encoder, class Pool>
void check_same_bits(int layers, bool normalize) {
  CAPTURE(Encoder<Pool>::architecture());
  CAPTURE(Pool::name);
  CAPTURE(layers);
  const re::nn::EncoderOptions options{.normalize = normalize};
  const Encoder<Pool> selecting(sizes(layers), options);
  const Encoder<Silent<Pool>> whole(sizes(layers), options);
  const auto weights = re::model::random_weights<B>(selecting, 3, 0.2, re::model::Residency::kServe);
  const auto same_weights = re::model::random_weights<B>(whole, 3, 0.2, re::model::Residency::kServe);
  const Matrix<typename B::Scalar> got = serve<B>(selecting, weights, batch_of(kLengths));
  CHECK(test::same_bits_of(got, serve<B>(whole, same_weights, batch_of(kLengths))));
  for (std::size_t i = 0; i < kLengths.size(); ++i) {
    const auto alone = serve<B>(selecting, weights, batch_of({kLengths[i]}));
    REQUIRE(std::equal(alone.flat().begin(), alone.flat().end(), got.row(static_cast<Index>(i)).begin()));
  }
}

template <class B, template <class> class Encoder>
void check_poolings() {
  check_same_bits<B, Encoder, re::nn::LastToken>(2, true);
  check_same_bits<B, Encoder, re::nn::Cls>(2, true);
  check_same_bits<B, Encoder, re::nn::LastToken>(1, false);
  check_same_bits<B, Encoder, re::nn::Cls>(1, false);
}

}  // namespace

TEST_SUITE("nn/row_selection") {
  TEST_CASE_TEMPLATE(
      "Qwen3: pooled tokens alone have the bits of the whole", B, Cpu32, Cpu16, Rounded16, Quantized, Cpu64) {
    check_poolings<B, Qwen3>();
  }
  TEST_CASE_TEMPLATE("Qwen3 seeing the whole text: the same", B, Cpu32, Rounded16) {
    check_poolings<B, Seeing>();
  }
  TEST_CASE_TEMPLATE("Llama: the same", B, Cpu32, Cpu16, Rounded16) {
    check_poolings<B, Llama>();
  }
  TEST_CASE_TEMPLATE("BERT: the same", B, Cpu32, Cpu16, Rounded16, Quantized, Cpu64) {
    check_poolings<B, Bert>();
  }
  TEST_CASE("mix_rows: a mixer that knows nothing of rows computes them all") {
    check_same_bits<Cpu32, OfAUser, re::nn::LastToken>(2, true);
    check_same_bits<Cpu32, OfAUser, re::nn::Cls>(1, false);
  }
  TEST_CASE("forward: while dropout is active, its masks are those of the whole batch") {
    const re::nn::EncoderOptions options{.dropout = 0.3};
    const Qwen3<re::nn::LastToken> selecting(sizes(2), options);
    const Qwen3<Silent<re::nn::LastToken>> whole(sizes(2), options);
    const auto weights = re::model::random_weights<Cpu32>(selecting, 3, 0.2);
    const auto same_weights = re::model::random_weights<Cpu32>(whole, 3, 0.2);
    const re::nn::DropoutState dropout{.training = true, .seed = 5};
    const Batch batch = batch_of({3, 40, 1});
    const auto got = serve<Cpu32>(selecting, weights, batch, dropout);
    CHECK(test::same_bits_of(got, serve<Cpu32>(whole, same_weights, batch, dropout)));
    CHECK_FALSE(test::same_bits_of(got, serve<Cpu32>(whole, same_weights, batch)));
  }
  TEST_CASE("forward: no sequences give no vectors, and what an encoder without blocks embeds is pooled") {
    const Bert<re::nn::Cls> encoder(sizes(1), {});
    const auto weights = re::model::random_weights<Cpu32>(encoder, 3);
    CHECK(serve<Cpu32>(encoder, weights, Batch{}).rows() == 0);
    auto no_blocks = re::model::random_weights<Cpu32>(encoder, 3);
    no_blocks.blocks.clear();
    CHECK(serve<Cpu32>(encoder, no_blocks, batch_of({2, 5})).rows() == 2);
  }
  TEST_CASE("forward: NaN in a token that is not pooled reaches the pooled one where it is seen, and nowhere else") {
    const Qwen3<re::nn::Cls> first(sizes(1), {});
    const Qwen3<re::nn::LastToken> last(sizes(1), {});
    auto weights = re::model::random_weights<Cpu32>(first, 3, 0.2);
    auto same_weights = re::model::random_weights<Cpu32>(last, 3, 0.2);
    weights.embedding.token.view()(49, 0) = std::numeric_limits<float>::quiet_NaN();
    same_weights.embedding.token.view()(49, 0) = std::numeric_limits<float>::quiet_NaN();
    Batch batch = batch_of({130, 4});
    std::replace(batch.tokens.begin(), batch.tokens.end(), 49, 1);
    batch.tokens[100] = 49;
    const auto seen = serve<Cpu32>(last, same_weights, batch);
    CHECK(std::isnan(seen(0, 0)));
    CHECK_FALSE(std::isnan(seen(1, 0)));
    const auto unseen = serve<Cpu32>(first, weights, batch);  // token 0 sees itself alone
    CHECK_FALSE(std::isnan(unseen(0, 0)));
    CHECK_FALSE(std::isnan(unseen(1, 0)));
  }
  TEST_CASE("RowSelection: is a batch of one-token sequences in the same arena") {
    re::Arena arena;
    const Batch batch = batch_of({3, 1, 4});
    Context<Cpu32> context{.arena = arena, .batch = {batch.tokens, batch.offsets}};
    const std::vector<std::int32_t> rows = {2, 3, 7};
    re::nn::RowSelection<Cpu32> selection(context, rows);
    CHECK(selection.context.token_count() == 3);
    CHECK(selection.context.batch.sequence_count() == 3);
    CHECK_NOTHROW(selection.context.batch.validate(1));
    CHECK(&selection.context.arena == &arena);
    CHECK(std::equal(rows.begin(), rows.end(), selection.rows.begin()));
  }
}
