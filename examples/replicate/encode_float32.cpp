// `reasonembed encode --dtype float32`.
#include "encode.hpp"

void replicate::encode_in_float32(const EncodeOptions& options) {
  Encoding<re::backend::Cpu<float>>(options).run();
}
