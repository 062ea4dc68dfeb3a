#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>

#include <cstdint>
#include <numeric>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Some tokens of a batch, each as a sequence of its own: once a pooling reads one token of a sequence, all that
/// follows the attention of the last block is computed for these alone.
template <backend::Backend B>
struct RowSelection {
  std::span<const std::int32_t> rows;  ///< (B) in the batch they are taken from, one a sequence
  Context<B> context;                  ///< of the rows: token_count() is B

  /// @param from  the context of the whole batch, whose arena takes the offsets
  /// @pre         dropout is not active: its masks belong to the positions of the whole batch
  RowSelection(Context<B>& from, std::span<const std::int32_t> selected)
      : rows(selected), context{.arena = from.arena, .batch = alone(from, selected), .adapter = from.adapter} {
    REASONEMBED_ASSERT(!from.dropout.training);
  }

 private:
  static PackedBatch alone(Context<B>& from, std::span<const std::int32_t> selected) {
    const std::span<std::int32_t> offsets =
        from.arena.template allocate<std::int32_t>(static_cast<Index>(selected.size()) + 1);
    std::iota(offsets.begin(), offsets.end(), 0);
    // ids are read by the embedding alone, so any B of them will do
    return {.tokens = from.batch.tokens.first(selected.size()), .offsets = offsets};
  }
};

/// The selected rows of what a mixer makes of x.
///
/// A mixer that can spare itself the other rows says so: `m.forward_rows(context, selection, weights, x, y)`, with the
/// bits of forward. Any other computes them all.
///
/// @param x  (T, D)
/// @param y  (B, D), overwritten
template <class B, class Mixer, class P>
void mix_rows(Context<B>& context,
              RowSelection<B>& selection,
              const Mixer& mixer,
              const P& parameters,
              MatrixView<const typename B::Scalar> x,
              MatrixView<typename B::Scalar> y) {
  if constexpr (requires { mixer.forward_rows(context, selection, parameters, x, y); }) {
    mixer.forward_rows(context, selection, parameters, x, y);
  } else {
    const ArenaScope scope(context.arena);
    Nothing nothing;
    const auto all = context.activations(y.cols());  // (T, D)
    mixer.forward(context, parameters, x, all, nothing);
    Kernels<B>::select_rows(all, selection.rows, y);
  }
}

}  // namespace reasonembed::nn
