// `reasonembed encode --dtype int8`.
#include <reasonembed/core/int8.hpp>

#include "encode.hpp"

void replicate::encode_in_int8(const EncodeOptions& options) {
  Encoding<re::backend::Cpu<re::int8>>(options).run();
}
