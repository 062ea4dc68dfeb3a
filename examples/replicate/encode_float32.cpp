// `reasonembed encode --dtype float32`.
#include "commands.hpp"
#include "encode.hpp"

void replicate::encode_in_float32(const EncodeOptions& options) {
  Encoding<re::backend::Cpu<float>>(options).run();
}

void replicate::add_encode(CLI::App& app) {
  register_encode(app);
}
