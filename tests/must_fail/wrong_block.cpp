// expected-error: does not satisfy 'TransformerBlock'|satisfaction of .TransformerBlock<Block>. .with Block = .*SwiGlu
#include <reasonembed/model/qwen3.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Block = re::nn::SwiGlu;  // a part of a block
#else
using Block = re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::Rope>, re::nn::SwiGlu>;
#endif

int main() {
  using Encoder = re::nn::Encoder<re::nn::kDynamic, Block, re::nn::LastToken>;
  return static_cast<int>(sizeof(Encoder)) == 0 ? 1 : 0;
}
