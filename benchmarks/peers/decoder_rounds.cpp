/// @file One side of benchmarks/peers/compare_decoders.py: a decoder of the sizes of Qwen3-0.6B with random weights.
///
///     decoder_rounds THREADS bfloat16|rounded|int8 LAYERS TEXTS TOKENS
///
/// Encodes TEXTS texts of TOKENS tokens each time that a line is written to it, so that peers take turns within one
/// run; the answer is a line with the seconds it took. The vocabulary is bytes: a table's rows are looked up, not
/// multiplied, so its size costs no time.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;

namespace {

struct Work {
  int threads;
  int layers;
  int texts;
  int tokens;
};

template <class B>
int serve(const Work& work) {
  using Encoder = re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::LastToken>;
  using Model = re::model::TextEncoder<Encoder, B>;
  const re::text::ByteTokenizer tokenizer;
  re::nn::EncoderConfig sizes = re::model::kQwen3_0_6B;
  sizes.vocab = static_cast<int>(tokenizer.vocab_size());
  sizes.layers = work.layers;
  const Encoder encoder(sizes, {.norm_eps = 1e-6, .rope_theta = 1e6});
  auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  const Model model(encoder, std::move(weights), tokenizer, {}, {}, {.threads = work.threads});
  const std::size_t special = tokenizer.encode("w").size() - 1;
  const std::string text(static_cast<std::size_t>(work.tokens) - special, 'w');
  const std::vector<std::string_view> texts(static_cast<std::size_t>(work.texts), text);
  re::Matrix<float> out(work.texts, model.dim());
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    const re::Index tokens = model.encode(model.document_role(), texts, out.view());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%.9f %td\n", seconds.count(), tokens);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::fprintf(stderr, "usage: decoder_rounds THREADS bfloat16|rounded|int8 LAYERS TEXTS TOKENS\n");
    return 2;
  }
  const std::string_view precision = arguments[2];
  const Work work{std::stoi(arguments[1]), std::stoi(arguments[3]), std::stoi(arguments[4]), std::stoi(arguments[5])};
  if (precision == "int8") {
    return serve<re::backend::Cpu<re::int8>>(work);
  }
  if (precision == "rounded") {
    return serve<re::backend::Cpu<re::bf16, re::bf16>>(work);
  }
  return serve<re::backend::Cpu<re::bf16>>(work);
}
