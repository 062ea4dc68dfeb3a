#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/decoder.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/rope.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The Llama family from its first release to 3.3 [Touvron et al. 2023; Grattafiori et al. 2024]. From 3.1 on its
/// rotary frequencies are scaled, which config.json says and every nn::Rope computes.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::LastToken>
using LlamaEncoder = DecoderEncoder<Config, Pool, nn::Visibility::kCausal, nn::Rope>;

/// The same seeing the whole text: config.json says `"is_causal": false`.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::Mean>
using BidirectionalLlamaEncoder = DecoderEncoder<Config, Pool, nn::Visibility::kBidirectional, nn::Rope>;

namespace detail {
constexpr nn::EncoderConfig llama3_sizes(int dim, int layers, int heads, int mlp_dim, int max_length = 131072) {
  return {.vocab = 128256,
          .dim = dim,
          .layers = layers,
          .heads = heads,
          .kv_heads = 8,
          .head_dim = dim / heads,
          .mlp_dim = mlp_dim,
          .max_length = max_length};
}
}  // namespace detail

inline constexpr nn::EncoderConfig kLlama3_8B = detail::llama3_sizes(4096, 32, 32, 14336, 8192);
inline constexpr nn::EncoderConfig kLlama3_1_8B = detail::llama3_sizes(4096, 32, 32, 14336);
inline constexpr nn::EncoderConfig kLlama3_1_70B = detail::llama3_sizes(8192, 80, 64, 28672);
inline constexpr nn::EncoderConfig kLlama3_2_1B = detail::llama3_sizes(2048, 16, 32, 8192);
inline constexpr nn::EncoderConfig kLlama3_2_3B = detail::llama3_sizes(3072, 28, 24, 8192);

namespace detail {
inline nn::EncoderConfig read_llama_config(const io::JsonFields& config) {
  nn::EncoderConfig c = read_decoder_sizes(config);
  c.kv_heads = static_cast<int>(config.find_int("num_key_value_heads", 1, 1 << 16).value_or(c.heads));
  c.head_dim = read_head_dim(config, c);
  c.linear_bias = config.find_bool("mlp_bias").value_or(false);
  c.qkv_bias = config.find_bool("attention_bias").value_or(false);
  return c;
}

inline nn::EncoderOptions read_llama_options(const io::JsonFields& config) {
  const bool attention_bias = config.find_bool("attention_bias").value_or(false);  // of all four projections
  if (attention_bias != config.find_bool("mlp_bias").value_or(false)) {
    throw ConfigError::invalid(config.where(),
                               "mlp_bias",
                               attention_bias ? "false" : "true",
                               std::string(attention_bias ? "true" : "false") + ", as attention_bias");
  }
  return read_decoder_options(config, 10000.0);  // the first releases don't write theta
}

inline io::Json write_llama_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  require_only_choice("llama", "linear_bias", int{config.linear_bias}, int{config.qkv_bias});
  io::Json json = decoder_config_json(config, options, "llama", "LlamaModel");
  json["attention_bias"] = config.qkv_bias;
  json["mlp_bias"] = config.linear_bias;
  return json;
}

inline bool writes_llama(const nn::EncoderConfig& config) {
  return config.qkv_bias == config.linear_bias;
}
}  // namespace detail

/// How checkpoints of the Llama family are read and written.
[[nodiscard]] inline Family llama_family() {
  return {.model_type = "llama",
          .architecture = LlamaEncoder<>::architecture(),
          .optional_prefix = "model.",
          .read_config = detail::read_llama_config,
          .read_options = detail::read_llama_options,
          .tensor_name = decoder_tensor_name,
          .ignores = decoder_ignores,
          .write_config = detail::write_llama_config,
          .describes = is_causal,
          .writes = detail::writes_llama};
}

/// The same seeing the whole text.
[[nodiscard]] inline Family bidirectional_llama_family() {
  return bidirectional_family<detail::write_llama_config>(llama_family(), BidirectionalLlamaEncoder<>::architecture());
}

}  // namespace reasonembed::model
