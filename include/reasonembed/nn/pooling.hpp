#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>

#include <cstdint>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The mean over a sequence's tokens, special tokens included [Reimers & Gurevych 2019].
///
///   y_b = mean_{t in b} x_t
///
/// Models: Pooling.
struct Mean {
  static constexpr const char* name = "mean";

  template <class B>
  void pool(Context<B>& context, MatrixView<const typename B::Scalar> x, MatrixView<typename B::Scalar> y) const {
    Kernels<B>::mean_pool(x, context.batch.offsets, y);
  }
  template <class B>
  void pool_vjp(Context<B>& context, MatrixView<const typename B::Scalar> dy, MatrixView<typename B::Scalar> dx) const {
    Kernels<B>::mean_pool_vjp(dy, context.batch.offsets, dx);
  }
};

/// One token of each sequence: the first or the last.
///
/// Models: RowPooling.
template <bool First>
struct OneToken {
  static constexpr const char* name = First ? "cls" : "lasttoken";

  template <class B>
  void pool(Context<B>& context, MatrixView<const typename B::Scalar> x, MatrixView<typename B::Scalar> y) const {
    const ArenaScope scope(context.arena);
    Kernels<B>::select_rows(x, rows(context), y);
  }
  template <class B>
  void pool_vjp(Context<B>& context, MatrixView<const typename B::Scalar> dy, MatrixView<typename B::Scalar> dx) const {
    const ArenaScope scope(context.arena);
    Kernels<B>::select_rows_vjp(dy, rows(context), dx);
  }

  /// @return  (B) the token of each sequence, in the context's arena
  template <class B>
  [[nodiscard]] static std::span<const std::int32_t> rows(Context<B>& context) {
    const Index count = context.batch.sequence_count();
    const std::span<std::int32_t> rows = context.arena.template allocate<std::int32_t>(count);
    for (Index b = 0; b < count; ++b) {
      rows[b] = First ? context.batch.offsets[b] : context.batch.offsets[b + 1] - 1;
    }
    return rows;
  }
};

/// The first token's state: BERT's [CLS].
using Cls = OneToken<true>;
/// The last token's state, which a causal model has seen everything with.
using LastToken = OneToken<false>;

static_assert(Pooling<Mean>);
static_assert(RowPooling<Cls>);
static_assert(RowPooling<LastToken>);

}  // namespace reasonembed::nn
