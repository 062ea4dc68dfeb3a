/// @file One side of benchmarks/peers/compare_decoders.py: a decoder of the sizes of Qwen3-0.6B with random weights.
///
///     decoder_rounds save MODEL_DIR LAYERS
///     decoder_rounds MODEL_DIR THREADS bfloat16|rounded|int8
///
/// The first writes it in the layout of Hugging Face, for peers to read too; the second loads it and encodes texts each
/// time that a line is written to it; rounds.hpp says what is answered. The vocabulary is bytes: a table's rows are
/// looked up, not multiplied, so its size costs no time.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>

#include "rounds.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace re = reasonembed;

namespace {

using Encoder = re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::LastToken>;

int save(const char* directory, int layers) {
  using B = re::backend::Cpu<re::bf16>;
  const re::text::ByteTokenizer tokenizer;
  re::nn::EncoderConfig sizes = re::model::kQwen3_0_6B;
  sizes.vocab = static_cast<int>(tokenizer.vocab_size());
  sizes.layers = layers;
  const Encoder encoder(sizes, {.norm_eps = 1e-6, .rope_theta = 1e6});
  auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  re::model::TextEncoder<Encoder, B>(encoder, std::move(weights), tokenizer, {}, {}).save(directory);
  return 0;
}

template <class B>
int serve(const char* directory, int threads, std::string_view precision) {
  using Model = re::model::TextEncoder<Encoder, B>;
  const Model model = Model::load(directory, {.threads = threads, .verify = re::model::Verify::kOff});
  benchmarks::answer(model, {.prompt = "", .max_tokens = 8192}, threads, precision);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr,
                 "usage: decoder_rounds save MODEL_DIR LAYERS\n"
                 "       decoder_rounds MODEL_DIR THREADS bfloat16|rounded|int8\n");
    return 2;
  }
  if (std::string_view(arguments[1]) == "save") {
    return save(arguments[2], std::stoi(arguments[3]));
  }
  const std::string_view precision = arguments[3];
  const int threads = std::stoi(arguments[2]);
  if (precision == "int8") {
    return serve<re::backend::Cpu<re::int8>>(arguments[1], threads, precision);
  }
  if (precision == "rounded") {
    return serve<re::backend::Cpu<re::bf16, re::bf16>>(arguments[1], threads, precision);
  }
  return serve<re::backend::Cpu<re::bf16>>(arguments[1], threads, precision);
}
