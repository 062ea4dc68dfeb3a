// expected-error: does not satisfy 'Optimizer'|satisfaction of .Optimizer<O>. .with O = Momentum
#include <reasonembed/optim/adamw.hpp>

#include <vector>
namespace re = reasonembed;
struct MomentumOptions {
  double lr = 0.1;
};
struct Momentum {  // keeps its moments in itself, where they are out of reach of a checkpoint
  using Options = MomentumOptions;
  static constexpr const char* name = "momentum";
  explicit Momentum(Options) {}
  [[nodiscard]] double lr() const { return 0.1; }
  void step(const std::vector<re::nn::ParameterSlice<float>>&, const std::vector<re::nn::ParameterSlice<float>>&) {}
};
#if MUST_FAIL
using Choice = Momentum;
#else
using Choice = re::optim::AdamW;
#endif
template <re::optim::Optimizer O>
int train(const O& optimizer) {
  return optimizer.lr() > 0.0 ? 0 : 1;
}
int main() {
  return train(Choice(Choice::Options{}));
}
