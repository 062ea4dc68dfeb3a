#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/loss/weighting.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::loss {

/// From intensity to weight: kClamp cuts at `ceiling`, kNone leaves it.
enum class Mapping : std::uint8_t { kClamp, kNone };

/// kL1 makes the weights of a global batch sum to 1; kNone leaves them, and the loss grows with the batch.
enum class Normalization : std::uint8_t { kL1, kNone };

struct ReasoningIntensityOptions {
  double ceiling = 5.0;                              ///< kappa, > 0: the largest weight before normalisation
  double eps = 1e-6;                                 ///< added to l', > 0, nats
  std::int64_t warmup_steps = 100;                   ///< first steps, in which every query counts the same; >= 0
  Mapping mapping = Mapping::kClamp;                 ///< what becomes of large intensities
  Normalization normalization = Normalization::kL1;  ///< what the weights of a batch sum to
  bool operator==(const ReasoningIntensityOptions&) const = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("ceiling", ceiling);
    f("eps", eps);
    f("warmup_steps", warmup_steps);
    f("mapping", mapping);
    f("normalization", normalization);
  }
};

/// Redapter: a query counts by how much its loss falls once it is rewritten with its reasoning.
///
///   r_i = l_i / (l'_i + eps),   w_i = clamp(r_i, 0, kappa) / sum_j clamp(r_j, 0, kappa)        [arXiv 2510.08252]
///
/// In the first `warmup_steps` steps, and for all r_i alike at any later one, it is Uniform to the bit. A query without
/// a reasoning query has intensity 1: rewriting gains nothing as far as is known.
///
/// Models: Weighting.
class ReasoningIntensity {
 public:
  using Options = ReasoningIntensityOptions;
  static constexpr const char* name = "reasoning_intensity";

  /// @throws ConfigError naming the option that is out of its range
  explicit ReasoningIntensity(Options options = {}) : options_(options) {
    const auto require = [](bool possible, const char* option, const std::string& got, const char* want) {
      if (!possible) {
        throw ConfigError::invalid("loss::ReasoningIntensity", option, got, want);
      }
    };
    const auto positive = [](double x) { return x > 0.0 && std::isfinite(x); };
    require(positive(options_.ceiling), "ceiling", std::to_string(options_.ceiling), "a number > 0");
    require(positive(options_.eps), "eps", std::to_string(options_.eps), "a number > 0");
    require(options_.warmup_steps >= 0, "warmup_steps", std::to_string(options_.warmup_steps), "a whole number >= 0");
  }

  [[nodiscard]] const Options& options() const { return options_; }
  /// @param step  optimiser steps taken so far; a resumed run passes the step it resumes at
  [[nodiscard]] bool needs_reasoning(std::int64_t step) const { return step >= options_.warmup_steps; }

  void weigh(const WeightingBatch& batch, std::span<double> intensities, std::span<double> weights) const {
    if (!needs_reasoning(batch.step)) {
      Uniform().weigh(batch, intensities, weights);
      return;
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const bool known = batch.has_reasoning[i] != 0;
      intensities[i] = known ? batch.losses[i] / (batch.reasoning_losses[i] + options_.eps) : 1.0;
      const bool clamped = options_.mapping == Mapping::kClamp;
      weights[i] = clamped ? std::clamp(intensities[i], 0.0, options_.ceiling) : intensities[i];
    }
    if (options_.normalization == Normalization::kL1) {
      normalize_l1(weights);
    }
  }

 private:
  Options options_;
};

static_assert(Weighting<ReasoningIntensity>);

}  // namespace reasonembed::loss
