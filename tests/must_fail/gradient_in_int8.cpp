// expected-error: reasonembed::nn::Kernels: Backend must not quantise what is differentiated
#include <reasonembed/model/bert.hpp>
#include <reasonembed/nn/encoder_node.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Store = re::int8;
#else
using Store = float;
#endif

int main() {
  using B = re::backend::Cpu<Store>;
  using Encoder = re::model::BertEncoder<>;
  const Encoder encoder(re::model::kMiniLmL6);
  re::nn::WeightAllocator<B> allocator;
  const auto weights = encoder.allocate(allocator);
  re::autograd::Tape<float> tape;
  re::Arena arena;
  Encoder::Parameters<re::nn::GradientLeaf<float>> gradients;
  return re::nn::encoder_node<Encoder, B>(tape, encoder, weights, {}, arena, gradients).rows() == 0 ? 0 : 1;
}
