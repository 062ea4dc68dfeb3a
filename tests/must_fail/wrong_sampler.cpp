// expected-error: does not satisfy 'Sampler'|satisfaction of .{1,3}Sampler<S>
#include <reasonembed/data/same_task_sampler.hpp>
#include <reasonembed/data/sampler.hpp>

namespace re = reasonembed;

/// Gives batches, but can't say where it stands: a run that is killed could not be resumed.
class Forgetful : public re::data::SameTaskSampler {
 public:
  using SameTaskSampler::SameTaskSampler;
  re::data::SamplerState state() const = delete;
};

#if MUST_FAIL
using Chosen = Forgetful;
#else
using Chosen = re::data::SameTaskSampler;
#endif

template <re::data::Sampler S>
re::Index batches(const re::data::TrainingRows& rows) {
  return S(rows, {}).epoch_batches();
}

int main() {
  re::data::TrainingRows rows;
  rows.datasets.emplace_back("task");
  rows.datasets.back().add({.query = "q", .pos = {"p"}, .batch_size = 1});
  return static_cast<int>(batches<Chosen>(rows)) - 1;
}
