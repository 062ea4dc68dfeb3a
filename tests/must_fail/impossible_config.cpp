// expected-error: reasonembed::nn::Encoder: Config must be kDynamic, or have all sizes > 0, heads % kv_heads == 0
#include <reasonembed/model/qwen3.hpp>

namespace re = reasonembed;

constexpr re::nn::EncoderConfig changed() {
  re::nn::EncoderConfig config = re::model::kQwen3_0_6B;
#if MUST_FAIL
  config.kv_heads = 3;  // 16 query heads can't share 3
#else
  config.kv_heads = 4;
#endif
  return config;
}

int main() {
  const re::model::Qwen3Encoder<changed()> encoder;
  return encoder.dim() == 1024 ? 0 : 1;
}
