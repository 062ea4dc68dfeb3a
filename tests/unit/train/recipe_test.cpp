#include <reasonembed/train/recipe.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace re = reasonembed;
using re::train::Recipe;
using re::train::TrainingRecipe;

namespace {

/// Any type with the three names is a recipe, not only Recipe itself.
struct Own {
  using Optimizer = re::optim::AdamW;
  using Schedule = re::optim::WarmupCosine;
  using Sampler = re::data::SameTaskSampler;
};
struct WithoutSampler {
  using Optimizer = re::optim::AdamW;
  using Schedule = re::optim::WarmupLinear;
};
struct WithoutSchedule : Own {
  using Schedule = double;
};
struct WithoutOptimizer : Own {
  using Optimizer = re::optim::AdamWOptions;  // the options where the policy belongs
};

}  // namespace

TEST_SUITE("train/recipe") {
  TEST_CASE("Recipe: the default is AdamW, linear decay after a warm-up, and batches of one task") {
    CHECK(std::is_same_v<Recipe<>::Optimizer, re::optim::AdamW>);
    CHECK(std::is_same_v<Recipe<>::Schedule, re::optim::WarmupLinear>);
    CHECK(std::is_same_v<Recipe<>::Sampler, re::data::SameTaskSampler>);
    CHECK(std::is_same_v<Recipe<re::optim::AdamW, re::optim::Constant>::Schedule, re::optim::Constant>);
  }
  TEST_CASE("TrainingRecipe: takes any three parts that model their concepts, and nothing else") {
    CHECK(TrainingRecipe<Recipe<>>);
    CHECK(TrainingRecipe<Recipe<re::optim::AdamW, re::optim::WarmupConstant>>);
    CHECK(TrainingRecipe<Own>);
    CHECK_FALSE(TrainingRecipe<WithoutSampler>);
    CHECK_FALSE(TrainingRecipe<WithoutSchedule>);
    CHECK_FALSE(TrainingRecipe<WithoutOptimizer>);
    CHECK_FALSE(TrainingRecipe<int>);
  }
}
