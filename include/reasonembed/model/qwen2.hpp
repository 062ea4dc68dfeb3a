#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/decoder.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/rope.hpp>

#include <optional>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The dense Qwen2 and Qwen2.5 families [Yang et al. 2024]: queries, keys and values carry a bias.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::LastToken>
using Qwen2Encoder = DecoderEncoder<Config, Pool, nn::Visibility::kCausal, nn::Rope>;

/// The same seeing the whole text, as gte-Qwen2 does: config.json says `"is_causal": false`.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::LastToken>
using BidirectionalQwen2Encoder = DecoderEncoder<Config, Pool, nn::Visibility::kBidirectional, nn::Rope>;

namespace detail {
/// What the sizes differ by; `head_dim` is 64 in the smallest alone.
constexpr nn::EncoderConfig qwen2_sizes(nn::EncoderConfig differs) {
  differs.vocab = differs.vocab == 0 ? 151936 : differs.vocab;
  differs.head_dim = differs.head_dim == 0 ? 128 : differs.head_dim;
  differs.max_length = differs.max_length == 0 ? 131072 : differs.max_length;
  differs.qkv_bias = true;
  return differs;
}
}  // namespace detail

// The language models before instruction tuning; a tuned one may be shorter, and loads through kDynamic.
inline constexpr nn::EncoderConfig kQwen2_0_5B =
    detail::qwen2_sizes({.dim = 896, .layers = 24, .heads = 14, .kv_heads = 2, .head_dim = 64, .mlp_dim = 4864});
inline constexpr nn::EncoderConfig kQwen2_1_5B =
    detail::qwen2_sizes({.dim = 1536, .layers = 28, .heads = 12, .kv_heads = 2, .mlp_dim = 8960});
inline constexpr nn::EncoderConfig kQwen2_7B =
    detail::qwen2_sizes({.vocab = 152064, .dim = 3584, .layers = 28, .heads = 28, .kv_heads = 4, .mlp_dim = 18944});
inline constexpr nn::EncoderConfig kQwen2_72B =
    detail::qwen2_sizes({.vocab = 152064, .dim = 8192, .layers = 80, .heads = 64, .kv_heads = 8, .mlp_dim = 29568});
inline constexpr nn::EncoderConfig kQwen2_5_0_5B = detail::qwen2_sizes(
    {.dim = 896, .layers = 24, .heads = 14, .kv_heads = 2, .head_dim = 64, .mlp_dim = 4864, .max_length = 32768});
inline constexpr nn::EncoderConfig kQwen2_5_1_5B = kQwen2_1_5B;
inline constexpr nn::EncoderConfig kQwen2_5_3B =
    detail::qwen2_sizes({.dim = 2048, .layers = 36, .heads = 16, .kv_heads = 2, .mlp_dim = 11008, .max_length = 32768});
inline constexpr nn::EncoderConfig kQwen2_5_7B = kQwen2_7B;
inline constexpr nn::EncoderConfig kQwen2_5_14B =
    detail::qwen2_sizes({.vocab = 152064, .dim = 5120, .layers = 48, .heads = 40, .kv_heads = 8, .mlp_dim = 13824});
inline constexpr nn::EncoderConfig kQwen2_5_32B =
    detail::qwen2_sizes({.vocab = 152064, .dim = 5120, .layers = 64, .heads = 40, .kv_heads = 8, .mlp_dim = 27648});
inline constexpr nn::EncoderConfig kQwen2_5_72B = kQwen2_72B;

namespace detail {
inline nn::EncoderConfig read_qwen2_config(const io::JsonFields& config) {
  nn::EncoderConfig c = read_decoder_sizes(config);
  c.kv_heads = static_cast<int>(config.get_int("num_key_value_heads", 1, 1 << 16));
  c.head_dim = read_head_dim(config, c);
  c.qkv_bias = true;
  return c;
}

inline nn::EncoderOptions read_qwen2_options(const io::JsonFields& config) {
  return read_decoder_options(config, std::nullopt);
}

inline io::Json write_qwen2_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  require_only_choice("qwen2", "qkv_bias", int{config.qkv_bias}, 1);
  require_only_choice("qwen2", "linear_bias", int{config.linear_bias}, 0);
  io::Json json = decoder_config_json(config, options, "qwen2", "Qwen2Model");
  json["use_sliding_window"] = false;
  return json;
}

inline bool writes_qwen2(const nn::EncoderConfig& config) {
  return config.qkv_bias && !config.linear_bias;
}
}  // namespace detail

/// How checkpoints of the dense Qwen2 and Qwen2.5 families are read and written.
[[nodiscard]] inline Family qwen2_family() {
  return {.model_type = "qwen2",
          .architecture = Qwen2Encoder<>::architecture(),
          .optional_prefix = "model.",
          .read_config = detail::read_qwen2_config,
          .read_options = detail::read_qwen2_options,
          .tensor_name = decoder_tensor_name,
          .ignores = decoder_ignores,
          .write_config = detail::write_qwen2_config,
          .describes = is_causal,
          .writes = detail::writes_qwen2};
}

/// The same seeing the whole text.
[[nodiscard]] inline Family bidirectional_qwen2_family() {
  return bidirectional_family<detail::write_qwen2_config>(qwen2_family(), BidirectionalQwen2Encoder<>::architecture());
}

}  // namespace reasonembed::model
