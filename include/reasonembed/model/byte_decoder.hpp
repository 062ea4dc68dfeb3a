#pragma once
/// @file A causal decoder over bytes, to be trained from nothing.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>

#include <cstdint>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A Qwen3-shaped encoder of any size: causal attention, the vector of the last token.
using Qwen3 = TextEncoder<Qwen3Encoder<>, backend::Cpu<float>>;

/// The sizes of random_byte_decoder: 0.5 million parameters.
inline constexpr nn::EncoderConfig kByteDecoder{.vocab = 258,
                                                .dim = 128,
                                                .layers = 2,
                                                .heads = 4,
                                                .kv_heads = 2,
                                                .head_dim = 32,
                                                .mlp_dim = 384,
                                                .max_length = 1024};

/// A small Qwen3 over bytes with random weights: needs no download and knows nothing, until it is trained. A text ends
/// with the token [END], whose vector is that of the text.
///
/// @tparam B      a parameter, so that the encoder is compiled where this is called and nowhere else
/// @param seed    the weights are a function of it alone
/// @param config  sizes; `vocab` at least 258
template <nn::NeuralKernels B = backend::Cpu<float>>
[[nodiscard]] TextEncoder<Qwen3Encoder<>, B> random_byte_decoder(std::uint64_t seed,
                                                                 TextEncoderOptions options = {},
                                                                 const nn::EncoderConfig& config = kByteDecoder) {
  const Qwen3Encoder<> encoder(config, {.rope_theta = 10000.0});
  auto weights = random_weights<B>(encoder, seed, 0.02, options.residency);
  return {encoder, std::move(weights), text::ByteTokenizer(), Role{}, Role{}, options};
}

}  // namespace reasonembed::model
