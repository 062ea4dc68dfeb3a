#pragma once
/// @file The Mistral family, as a program of one's own adds it: the example of docs/add_a_model.md.
#include <reasonembed/model/decoder.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <algorithm>
#include <cstdint>

namespace mistral {

namespace re = reasonembed;

// 1. What it is made of.
using Block = re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::Rope>, re::nn::SwiGlu>;
template <re::nn::EncoderConfig Config = re::nn::kDynamic, re::nn::Pooling Pool = re::nn::LastToken>
using Encoder = re::nn::Encoder<Config, Block, Pool>;

// 2. The integers of published sizes, for those who want them static.
inline constexpr re::nn::EncoderConfig k7B{.vocab = 32000,
                                           .dim = 4096,
                                           .layers = 32,
                                           .heads = 32,
                                           .kv_heads = 8,
                                           .head_dim = 128,
                                           .mlp_dim = 14336,
                                           .max_length = 4096};

// 3. How its config.json and its tensors spell it.
inline re::nn::EncoderConfig read_config(const re::io::JsonFields& config) {
  re::nn::EncoderConfig c = re::model::read_decoder_sizes(config);
  c.kv_heads = static_cast<int>(config.get_int("num_key_value_heads", 1, c.heads));
  c.head_dim = re::model::read_head_dim(config, c);
  // Attention slides over a window; up to its length that is the attention the library has.
  c.max_length = static_cast<int>(
      std::min<std::int64_t>(c.max_length, config.find_int("sliding_window", 1, c.max_length).value_or(c.max_length)));
  return c;
}

inline re::nn::EncoderOptions read_options(const re::io::JsonFields& config) {
  return re::model::read_decoder_options(config, 10000.0);
}

inline re::io::Json write_config(const re::nn::EncoderConfig& config, const re::nn::EncoderOptions& options) {
  re::model::require_only_choice("mistral", "qkv_bias", int{config.qkv_bias}, 0);
  re::model::require_only_choice("mistral", "linear_bias", int{config.linear_bias}, 0);
  re::io::Json json = re::model::decoder_config_json(config, options, "mistral", "MistralModel");
  json["sliding_window"] = config.max_length;
  return json;
}

inline re::model::Family family() {
  return {.model_type = "mistral",
          .architecture = Encoder<>::architecture(),
          .optional_prefix = "model.",
          .read_config = read_config,
          .read_options = read_options,
          .tensor_name = re::model::decoder_tensor_name,
          .ignores = re::model::decoder_ignores,
          .write_config = write_config};
}

}  // namespace mistral
