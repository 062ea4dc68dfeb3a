#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/data/same_task_sampler.hpp>
#include <reasonembed/data/sampler.hpp>
#include <reasonembed/optim/adamw.hpp>
#include <reasonembed/optim/optimizer.hpp>
#include <reasonembed/optim/schedule.hpp>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// How a run goes about its steps: what changes the weights, how fast, and on which batches.
///
/// The default is the paper's: AdamW with linear decay after a warm-up, batches of one task each.
template <optim::Optimizer OptimizerType = optim::AdamW,
          optim::Schedule ScheduleType = optim::WarmupLinear,
          data::Sampler SamplerType = data::SameTaskSampler>
struct Recipe {
  using Optimizer = OptimizerType;
  using Schedule = ScheduleType;
  using Sampler = SamplerType;
};

/// The three parts of a Recipe.
///
/// | expression              | meaning                                |
/// |-------------------------|----------------------------------------|
/// | `typename R::Optimizer` | models optim::Optimizer                |
/// | `typename R::Schedule`  | models optim::Schedule                 |
/// | `typename R::Sampler`   | models data::Sampler                   |
template <class R>
concept TrainingRecipe = optim::Optimizer<typename R::Optimizer> && optim::Schedule<typename R::Schedule> &&
                         data::Sampler<typename R::Sampler>;

static_assert(TrainingRecipe<Recipe<>>);

}  // namespace reasonembed::train
