#pragma once
/// @file What a trainer asks of a loss on the embeddings of a batch.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/loss/contrastive.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::loss {

/// The evaluation of a BatchLoss on embeddings of type T; see BatchLoss.
template <class L, class T>
concept BatchLossFor = requires(const L l,
                                MatrixView<const T> embeddings,
                                const ReasoningQueries<T>& reasoning,
                                std::int64_t step,
                                MatrixView<T> gradient,
                                Arena& arena) {
  { l.evaluate(embeddings, embeddings, reasoning, step, gradient, gradient, arena) } -> std::same_as<ContrastiveResult>;
};

/// A loss of the embeddings of a global batch, with its gradient.
///
/// Valid expressions, for `const L l`, T in {float, double}, `MatrixView<const T> q` (B, D), `d` (B G, D),
/// `const ReasoningQueries<T>& r`, `std::int64_t step` >= 0, `MatrixView<T> dq` (B, D), `dd` (B G, D), `Arena& arena`:
///
/// | expression                                 | result            | meaning |
/// |--------------------------------------------|-------------------|---------|
/// | `typename L::Options`                      |                   | run-time aggregate with defaults; makes an `L` |
/// | `L::name()`                                | std::string       | what logs and checkpoints call it |
/// | `l.needs_reasoning(step)`                  | bool              | whether reasoning queries are encoded |
/// | `l.evaluate(q, d, r, step, dq, dd, arena)` | ContrastiveResult | overwrites dq, dd; its spans lie in `arena` |
///
/// Semantics: a function of its arguments alone, to the bit; NonFiniteError for embeddings that are no numbers.
template <class L>
concept BatchLoss = std::default_initializable<typename L::Options> &&
                    std::constructible_from<L, typename L::Options> && requires(const L l, std::int64_t step) {
                      { L::name() } -> std::same_as<std::string>;
                      { l.needs_reasoning(step) } -> std::same_as<bool>;
                    } && BatchLossFor<L, float> && BatchLossFor<L, double>;

static_assert(BatchLoss<Contrastive<Uniform>>);
static_assert(BatchLoss<Contrastive<ReasoningIntensity>>);

}  // namespace reasonembed::loss
