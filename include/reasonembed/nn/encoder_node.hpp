#pragma once
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/packed_batch.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Records a whole encoder as one node of a tape: token ids in, embeddings out, parameter gradients on the way back.
/// So a loss of any kind is plain tape code from embeddings on, without a vjp of its own.
///
/// @param encoder    nn::Encoder, alive until the tape's backward
/// @param weights    of the encoder, unchanged until then
/// @param batch      its spans must stay alive and unchanged until then
/// @param arena      holds activations; must not be rewound below where it stands now until then
/// @param gradients  accumulate when the tape runs backward
/// @return           (B, D) embeddings
/// @throws           as Encoder::forward
template <class Encoder, NeuralKernels B>
[[nodiscard]] autograd::Var<typename B::Scalar> encoder_node(
    autograd::Tape<typename B::Scalar>& tape,
    const Encoder& encoder,
    const typename Encoder::template Parameters<WeightLeaf<B>>& weights,
    const PackedBatch& batch,
    Arena& arena,
    typename Encoder::template Parameters<GradientLeaf<typename B::Scalar>>& gradients,
    const DropoutState& dropout = {}) {
  using S = typename B::Scalar;
  using Saved = typename Encoder::template Saved<B>;
  // Both are plain views, so the arena may hold them: a closure on a tape must need no destructor.
  struct Pass {
    Context<B> context;
    Saved saved;
  };
  static_assert(std::is_trivially_destructible_v<Pass>);
  void* memory = arena.allocate<std::byte>(static_cast<Index>(sizeof(Pass))).data();
  auto* pass = new (memory) Pass{{.arena = arena, .batch = batch, .dropout = dropout}, {}};
  return tape.custom(
      batch.sequence_count(),
      encoder.dim(),
      std::span<const autograd::Var<S>>(),
      [&](MatrixView<S> embeddings) { encoder.forward(pass->context, weights, embeddings, pass->saved); },
      [pass, &encoder, &weights, &gradients](MatrixView<const S>, MatrixView<const S> d_embeddings) {
        encoder.vjp(pass->context, weights, pass->saved, d_embeddings, gradients);
      });
}

}  // namespace reasonembed::nn
