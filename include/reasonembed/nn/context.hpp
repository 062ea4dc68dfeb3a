#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/packed_batch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
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

template <backend::Backend B>
class Adapter;  // nn/adapter.hpp
template <class S>
struct AdapterGradients;

/// Activations that only the gradient of a weight would need: where the weight is frozen, the next block reuses them.
enum class PassingSlot : std::uint8_t {
  kBlock,     ///< the input of a block's sub-layer
  kSubLayer,  ///< what a sub-layer hands to its last projection
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
  const Adapter<B>* adapter = nullptr;  ///< low-rank updates to be added; a pass that saves trains them
  AdapterGradients<Scalar>* adapter_gradients = nullptr;  ///< where vjp accumulates; needed if there is an adapter
  std::array<std::span<Scalar>, 2> passing{};             ///< by PassingSlot

  [[nodiscard]] Index token_count() const { return batch.token_count(); }
  /// @return  the same pass with other memory: for a vjp whose forward shall keep its own to itself
  [[nodiscard]] Context with_arena(Arena& memory) const {
    return {memory, batch, rotary, dropout, adapter, adapter_gradients, {}};
  }
  /// @return  (T, cols) uninitialised activations
  [[nodiscard]] MatrixView<Scalar> activations(Index cols) { return arena.matrix<Scalar>(token_count(), cols); }
  /// @return  (T, cols) uninitialised activations, which the next call for the slot gives away again
  [[nodiscard]] MatrixView<Scalar> passing_activations(PassingSlot slot, Index cols) {
    std::span<Scalar>& memory = passing[static_cast<std::size_t>(slot)];
    if (memory.size() < static_cast<std::size_t>(token_count() * cols)) {
      memory = arena.allocate<Scalar>(token_count() * cols);
    }
    return {memory.data(), token_count(), cols};
  }
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
