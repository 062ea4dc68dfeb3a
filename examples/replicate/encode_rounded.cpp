// `reasonembed encode --dtype bfloat16 --products bfloat16`.
#include "encode.hpp"

void replicate::encode_in_rounded_bfloat16(const EncodeOptions& options) {
  Encoding<re::backend::Cpu<re::bf16, re::bf16>>(options).run();
}
