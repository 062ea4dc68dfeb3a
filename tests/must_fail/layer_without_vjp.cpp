// expected-error: reasonembed::nn::Encoder: Block must be a DifferentiableLayer to be trained: give every layer
#include <reasonembed/model/bert.hpp>
#include <reasonembed/nn/encoder_node.hpp>

namespace re = reasonembed;

/// A feed-forward layer that serves well, and has no gradient.
class Frozen : public re::nn::GeluMlp {
 public:
  using GeluMlp::GeluMlp;
#if MUST_FAIL
  void vjp() const = delete;
#endif
};

int main() {
  using Encoder = re::nn::Encoder<re::nn::kDynamic,
                                  re::nn::PostNormBlock<re::nn::LayerNorm, re::nn::BidirectionalAttention<>, Frozen>,
                                  re::nn::Mean>;
  using B = re::backend::Cpu<float>;
  const Encoder encoder(re::model::kMiniLmL6);
  re::nn::WeightAllocator<B> allocator;
  const auto weights = encoder.allocate(allocator);
  re::autograd::Tape<float> tape;
  re::Arena arena;
  Encoder::Parameters<re::nn::GradientLeaf<float>> gradients;
  return re::nn::encoder_node<Encoder, B>(tape, encoder, weights, {}, arena, gradients).rows() == 0 ? 0 : 1;
}
