// expected-error: does not satisfy 'Normalization'|satisfaction of .Normalization<Norm>. .with Norm = .*SwiGlu
#include <reasonembed/model/qwen3.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Norm = re::nn::SwiGlu;  // made from an EncoderConfig, where a norm is made from a width
#else
using Norm = re::nn::RmsNorm;
#endif

int main() {
  using Block = re::nn::PreNormBlock<Norm, re::nn::CausalAttention<re::nn::Rope>, re::nn::SwiGlu>;
  return static_cast<int>(sizeof(Block)) == 0 ? 1 : 0;
}
