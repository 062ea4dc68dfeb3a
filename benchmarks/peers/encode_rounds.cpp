/// @file One side of benchmarks/peers/compare_encoders.py: loads all-MiniLM-L6-v2 once, then encodes a set of texts
/// each time that a line is written to it, so that peers take turns within one run.
///
///     encode_rounds MODEL_DIR THREADS float32|bfloat16|rounded|int8
///
/// rounds.hpp says what is answered. Texts are cut at 512 tokens.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include "rounds.hpp"

#include <cstdio>
#include <string>
#include <string_view>

namespace re = reasonembed;

namespace {

template <class B>
int serve(const char* directory, int threads, std::string_view precision) {
  using Model = re::model::TextEncoder<re::model::BertEncoder<>, B>;
  const Model model = Model::load(directory, {.threads = threads, .verify = re::model::Verify::kOff});
  benchmarks::answer(model, {.prompt = "", .max_tokens = 512}, threads, precision);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: encode_rounds MODEL_DIR THREADS float32|bfloat16|rounded|int8\n");
    return 2;
  }
  const std::string_view precision = arguments[3];
  const int threads = std::stoi(arguments[2]);
  if (precision == "float32") {
    return serve<re::backend::Cpu<float>>(arguments[1], threads, precision);
  }
  if (precision == "int8") {
    return serve<re::backend::Cpu<re::int8>>(arguments[1], threads, precision);
  }
  if (precision == "bfloat16") {
    return serve<re::backend::Cpu<re::bf16>>(arguments[1], threads, precision);
  }
  return serve<re::backend::Cpu<re::bf16, re::bf16>>(arguments[1], threads, precision);
}
