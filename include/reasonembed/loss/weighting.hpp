#pragma once
/// @file How much each query of a contrastive batch counts.
#include <reasonembed/config.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::loss {

/// What a weighting sees of a global batch of B queries.
struct WeightingBatch {
  std::span<const double> losses = {};  ///< (B) l_i, nats, >= 0
  std::span<const double> reasoning_losses =
      {};  ///< (B) l'_i, unspecified without a reasoning query; empty if not needed
  std::span<const std::uint8_t> has_reasoning = {};  ///< (B) not 0 where l'_i is known; empty if not needed
  std::int64_t step = 0;                             ///< optimiser steps taken so far
};

/// Weighs the queries of a batch; Contrastive takes it as its parameter.
///
/// Valid expressions, for `const W w`, `const WeightingBatch& batch`, `std::int64_t step` >= 0:
///
/// | expression                            | result       | meaning |
/// |---------------------------------------|--------------|---------|
/// | `typename W::Options`                 |              | run-time aggregate with defaults; `W` is made from it |
/// | `W::name`                             | const char*  | what logs and checkpoints call it |
/// | `w.needs_reasoning(step)`             | bool         | whether l' is wanted: reasoning queries are encoded |
/// | `w.weigh(batch, intensities, weights)`| void         | writes both, (B): how much reasoning a query needs (1 if |
/// |                                       |              | not measured), and its finite factor in the loss |
///
/// Semantics: `weigh` sees the whole global batch at once, is deterministic and does not throw; the weights are
/// constants of the loss, no gradient flows through them.
template <class W>
concept Weighting =
    std::default_initializable<typename W::Options> && std::constructible_from<W, typename W::Options> &&
    requires(const W w, const WeightingBatch& batch, std::int64_t step, std::span<double> out) {
      { W::name } -> std::convertible_to<const char*>;
      { w.needs_reasoning(step) } -> std::same_as<bool>;
      { w.weigh(batch, out, out) } -> std::same_as<void>;
    };

/// Scales weights so that they sum to 1.
///
///   w_i = (r_i / m) / sum_j (r_j / m),   m = max_j r_j
///
/// Divided by the largest first, equal weights are exactly 1 and their sum exactly B, so that they become the 1 / B of
/// Uniform to the bit whatever their common value was. Where all are 0, none needs more than another: also 1 / B.
///
/// @param weights  (B) finite, >= 0
/// @note  O(B), no allocation; summed in ascending order
inline void normalize_l1(std::span<double> weights) {
  if (weights.empty()) {
    return;
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) {
    weight = largest > 0.0 ? weight / largest : 1.0;
    sum += weight;
  }
  for (double& weight : weights) {
    weight /= sum;
  }
}

struct UniformOptions {
  bool operator==(const UniformOptions&) const = default;

  template <class F>
  void visit(F&& /*f*/) const {}
};

/// Every query counts the same, 1 / B: the loss is InfoNCE [van den Oord et al. 2018, eq. 4].
///
/// Models: Weighting.
class Uniform {
 public:
  using Options = UniformOptions;
  static constexpr const char* name = "uniform";

  explicit Uniform(Options /*options*/ = {}) {}

  [[nodiscard]] bool needs_reasoning(std::int64_t /*step*/) const { return false; }
  void weigh(const WeightingBatch& /*batch*/, std::span<double> intensities, std::span<double> weights) const {
    std::fill(intensities.begin(), intensities.end(), 1.0);
    std::fill(weights.begin(), weights.end(), 1.0);
    normalize_l1(weights);
  }
};

static_assert(Weighting<Uniform>);

}  // namespace reasonembed::loss
