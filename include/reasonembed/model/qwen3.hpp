#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/decoder.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rope.hpp>

#include <optional>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The dense Qwen3 family [Yang et al. 2025]: the backbone of ReasonEmbed and of Qwen3-Embedding.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::LastToken>
using Qwen3Encoder = DecoderEncoder<Config, Pool, nn::Visibility::kCausal, nn::QkNorm, nn::Rope>;

/// The same seeing the whole text: config.json says `"is_causal": false`.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::Mean>
using BidirectionalQwen3Encoder = DecoderEncoder<Config, Pool, nn::Visibility::kBidirectional, nn::QkNorm, nn::Rope>;

namespace detail {
constexpr nn::EncoderConfig qwen3_sizes(
    int dim, int layers, int heads, int mlp_dim, int vocab = 151936, int max_length = 40960) {
  return {.vocab = vocab,
          .dim = dim,
          .layers = layers,
          .heads = heads,
          .kv_heads = 8,
          .head_dim = 128,
          .mlp_dim = mlp_dim,
          .max_length = max_length};
}
}  // namespace detail

inline constexpr nn::EncoderConfig kQwen3_0_6B = detail::qwen3_sizes(1024, 28, 16, 3072);
inline constexpr nn::EncoderConfig kQwen3_1_7B = detail::qwen3_sizes(2048, 28, 16, 6144);
inline constexpr nn::EncoderConfig kQwen3_4B = detail::qwen3_sizes(2560, 36, 32, 9728);
inline constexpr nn::EncoderConfig kQwen3_8B = detail::qwen3_sizes(4096, 36, 32, 12288);
inline constexpr nn::EncoderConfig kQwen3_14B = detail::qwen3_sizes(5120, 40, 40, 17408);
inline constexpr nn::EncoderConfig kQwen3_32B = detail::qwen3_sizes(5120, 64, 64, 25600);
inline constexpr nn::EncoderConfig kQwen3Embedding_0_6B = detail::qwen3_sizes(1024, 28, 16, 3072, 151669, 32768);
inline constexpr nn::EncoderConfig kQwen3Embedding_4B = detail::qwen3_sizes(2560, 36, 32, 9728, 151665);
inline constexpr nn::EncoderConfig kQwen3Embedding_8B = detail::qwen3_sizes(4096, 36, 32, 12288, 151665);

namespace detail {
inline nn::EncoderConfig read_qwen3_config(const io::JsonFields& config) {
  nn::EncoderConfig c = read_decoder_sizes(config);
  c.kv_heads = static_cast<int>(config.get_int("num_key_value_heads", 1, 1 << 16));
  c.head_dim = static_cast<int>(config.get_int("head_dim", 2, 1 << 16));
  return c;
}

inline nn::EncoderOptions read_qwen3_options(const io::JsonFields& config) {
  require_off(config, "attention_bias");
  return read_decoder_options(config, std::nullopt);
}

inline io::Json write_qwen3_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  require_only_choice("qwen3", "qkv_bias", int{config.qkv_bias}, 0);
  require_only_choice("qwen3", "linear_bias", int{config.linear_bias}, 0);
  io::Json json = decoder_config_json(config, options, "qwen3", "Qwen3Model");
  json["attention_bias"] = false;
  json["use_sliding_window"] = false;
  return json;
}
}  // namespace detail

/// How checkpoints of the dense Qwen3 family are read and written.
[[nodiscard]] inline Family qwen3_family() {
  return {.model_type = "qwen3",
          .architecture = Qwen3Encoder<>::architecture(),
          .optional_prefix = "model.",
          .read_config = detail::read_qwen3_config,
          .read_options = detail::read_qwen3_options,
          .tensor_name = decoder_tensor_name,
          .ignores = decoder_ignores,
          .write_config = detail::write_qwen3_config,
          .describes = is_causal};
}

/// The same seeing the whole text.
[[nodiscard]] inline Family bidirectional_qwen3_family() {
  return bidirectional_family<detail::write_qwen3_config>(qwen3_family(), BidirectionalQwen3Encoder<>::architecture());
}

}  // namespace reasonembed::model
