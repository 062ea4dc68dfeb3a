#pragma once
/// @file The options of a training run.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/loss/batch_loss.hpp>
#include <reasonembed/train/gradient_cache.hpp>
#include <reasonembed/train/recipe.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// What happens when a loss or a gradient is NaN or infinite.
enum class NonFiniteSteps : std::uint8_t {
  kStop,  ///< NonFiniteError; weights, moments and the checkpoint are those of the step before
  kSkip,  ///< the batch is passed over and counted; NonFiniteError after 10 in a row
};

/// What happens to a checkpoint that is there when a run starts.
enum class Resume : std::uint8_t {
  kAuto,     ///< the run goes on from it, or starts if there is none
  kNever,    ///< the run starts, and its first checkpoint replaces the old one
  kRequire,  ///< the run goes on from it; IoError if there is none
};

/// Where a run keeps what it takes to go on after a kill.
struct CheckpointOptions {
  std::filesystem::path directory = {};  ///< made or replaced in one step; empty: no checkpoints
  std::int64_t every = 100;              ///< optimiser steps between two of them, >= 1; one more at the end
  Resume resume = Resume::kAuto;
};

/// The options of a Trainer. The defaults are those of the paper (arXiv 2510.08252) for a full fine-tuning.
template <loss::BatchLoss Loss, TrainingRecipe Recipe>
struct TrainerOptions {
  typename Loss::Options loss = {};
  typename Recipe::Optimizer::Options optimizer = {};
  typename Recipe::Schedule::Options schedule = {};
  typename Recipe::Sampler::Options sampler = {};  ///< its seed is replaced by the one below
  GradientCacheOptions cache = {};
  std::int64_t epochs = 1;     ///< visits of the rows, >= 1
  std::int64_t max_steps = 0;  ///< > 0: optimiser steps of the run, whatever `epochs`
  double clip_norm = 1.0;      ///< longest gradient, > 0; infinity does not clip
  Index query_tokens = 512;    ///< see ContrastiveGradientOptions
  Index document_tokens = 512;
  bool dropout = true;
  std::string adapter =
      {};  ///< name of the model's adapter to train, its weights being frozen; empty: train the weights
  NonFiniteSteps non_finite = NonFiniteSteps::kStop;
  std::uint64_t seed = 42;  ///< of batches and dropout
  CheckpointOptions checkpoint = {};
};

}  // namespace reasonembed::train
