// expected-error: does not satisfy 'TrainingRecipe'|satisfaction of .TrainingRecipe<.*R(ecipeType)? = Swapped
#include <reasonembed/train/recipe.hpp>

namespace re = reasonembed;

struct Swapped {  // the optimiser where the schedule belongs, and the other way round
  using Optimizer = re::optim::WarmupLinear;
  using Schedule = re::optim::AdamW;
  using Sampler = re::data::SameTaskSampler;
};

#if MUST_FAIL
using Chosen = Swapped;
#else
using Chosen = re::train::Recipe<re::optim::AdamW, re::optim::Constant>;
#endif

template <re::train::TrainingRecipe R>
int parts() {
  return 3;
}

int main() {
  return parts<Chosen>() - 3;
}
