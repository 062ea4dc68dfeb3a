// expected-error: does not satisfy 'TokenMixer'|satisfaction of .TokenMixer<Mixer>. .with Mixer = .*SwiGlu
#include <reasonembed/model/qwen3.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Mixer = re::nn::SwiGlu;  // tokens don't see each other in it
#else
using Mixer = re::nn::CausalAttention<re::nn::Rope>;
#endif

int main() {
  using Block = re::nn::PreNormBlock<re::nn::RmsNorm, Mixer, re::nn::SwiGlu>;
  return static_cast<int>(sizeof(Block)) == 0 ? 1 : 0;
}
