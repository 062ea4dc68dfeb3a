#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/packed_batch.hpp>

#include <cstdint>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Cosine and sine of every token's rotary angles, computed once a pass and shared by all blocks.
template <class S>
struct RotaryTables {
  MatrixView<const S> cosine;  ///< (T, head_dim / 2)
  MatrixView<const S> sine;    ///< (T, head_dim / 2)
};

/// Where dropout masks come from: a mask is a function of (seed, site, sequence, element), never of the batch around
/// it, so a replayed chunk draws the same mask.
struct DropoutState {
  bool training = false;        ///< false: dropout is the identity
  std::uint64_t seed = 0;       ///< changes every step
  std::uint32_t next_site = 0;  ///< counts the dropout calls of a pass
};

/// What a layer is given besides its operands: memory, the batch, and what all blocks share.
///
/// One context serves one pass of one thread; a vjp uses the context of its forward.
template <backend::Backend B>
struct Context {
  using Backend = B;
  using Scalar = typename B::Scalar;

  Arena& arena;
  PackedBatch batch;
  RotaryTables<Scalar> rotary{};
  DropoutState dropout{};

  [[nodiscard]] Index token_count() const { return batch.token_count(); }
  /// @return  (T, cols) uninitialised activations
  [[nodiscard]] MatrixView<Scalar> activations(Index cols) { return arena.matrix<Scalar>(token_count(), cols); }
};

/// Passed in the place of a layer's `Saved` when gradients are off: nothing is kept, and no code for it exists.
struct Nothing {};

template <class Saved>
inline constexpr bool kSaves = !std::is_same_v<std::remove_cvref_t<Saved>, Nothing>;

/// Frees scratch at the end of a forward, except when a backward will need it.
template <class Saved>
class ForwardScope {
 public:
  explicit ForwardScope(Arena& arena) : scope_(arena) {
    if constexpr (kSaves<Saved>) {
      scope_.keep();
    }
  }

 private:
  ArenaScope scope_;
};

}  // namespace reasonembed::nn
