#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The dense Qwen3 family [Yang et al. 2025]: the backbone of ReasonEmbed and of Qwen3-Embedding.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::LastToken>
using Qwen3Encoder =
    nn::Encoder<Config, nn::PreNormBlock<nn::RmsNorm, nn::CausalAttention<nn::QkNorm, nn::Rope>, nn::SwiGlu>, Pool>;

inline constexpr nn::EncoderConfig kQwen3_0_6B{.vocab = 151936,
                                               .dim = 1024,
                                               .layers = 28,
                                               .heads = 16,
                                               .kv_heads = 8,
                                               .head_dim = 128,
                                               .mlp_dim = 3072,
                                               .max_length = 40960};
inline constexpr nn::EncoderConfig kQwen3_4B{.vocab = 151936,
                                             .dim = 2560,
                                             .layers = 36,
                                             .heads = 32,
                                             .kv_heads = 8,
                                             .head_dim = 128,
                                             .mlp_dim = 9728,
                                             .max_length = 40960};

namespace detail {
inline nn::EncoderConfig read_qwen3_config(const io::JsonFields& config) {
  nn::EncoderConfig c;
  c.vocab = static_cast<int>(config.get_int("vocab_size", 1, 1 << 30));
  c.dim = static_cast<int>(config.get_int("hidden_size", 1, 1 << 20));
  c.layers = static_cast<int>(config.get_int("num_hidden_layers", 1, 1 << 16));
  c.heads = static_cast<int>(config.get_int("num_attention_heads", 1, 1 << 16));
  c.kv_heads = static_cast<int>(config.get_int("num_key_value_heads", 1, 1 << 16));
  c.head_dim = static_cast<int>(config.get_int("head_dim", 2, 1 << 16));
  c.mlp_dim = static_cast<int>(config.get_int("intermediate_size", 1, 1 << 24));
  c.max_length = static_cast<int>(config.get_int("max_position_embeddings", 1, 1 << 24));
  c.qkv_bias = config.find_bool("attention_bias").value_or(false);
  return c;
}

/// @throws ConfigError for a scaled rotary embedding: vectors would be silently wrong beyond the original length
inline void require_plain_rope(const io::JsonFields& rope, const std::string& name) {
  for (const char* key : {"rope_type", "type"}) {
    const std::string type = rope.find_string(key).value_or("default");
    if (type != "default") {
      throw ConfigError::invalid(rope.where(), name + "." + key, type, "default");
    }
  }
}

inline nn::EncoderOptions read_qwen3_options(const io::JsonFields& config) {
  const std::string& activation = config.get_string("hidden_act");
  if (activation != "silu") {
    throw ConfigError::invalid(config.where(), "hidden_act", activation, "silu");
  }
  if (config.find_bool("use_sliding_window").value_or(false)) {
    throw ConfigError::invalid(config.where(), "use_sliding_window", "true", "false");
  }
  if (config.find_bool("attention_bias").value_or(false)) {
    throw ConfigError::invalid(config.where(), "attention_bias", "true", "false");
  }
  nn::EncoderOptions options;
  options.norm_eps = config.get_double("rms_norm_eps");
  if (const auto scaling = config.find_object("rope_scaling")) {
    require_plain_rope(*scaling, "rope_scaling");
  }
  if (const auto rope = config.find_object("rope_parameters")) {  // transformers 5 writes it this way
    require_plain_rope(*rope, "rope_parameters");
    options.rope_theta = rope->get_double("rope_theta");
  } else {
    options.rope_theta = config.get_double("rope_theta");
  }
  return options;
}

inline std::string qwen3_tensor_name(const std::string& parameter) {
  static constexpr ModuleName kModules[] = {{"embedding.token", "embed_tokens"},
                                            {"attention_norm", "input_layernorm"},
                                            {"attention.q", "self_attn.q_proj"},
                                            {"attention.k", "self_attn.k_proj"},
                                            {"attention.v", "self_attn.v_proj"},
                                            {"attention.q_norm", "self_attn.q_norm"},
                                            {"attention.k_norm", "self_attn.k_norm"},
                                            {"attention.output", "self_attn.o_proj"},
                                            {"mlp_norm", "post_attention_layernorm"},
                                            {"mlp.gate", "mlp.gate_proj"},
                                            {"mlp.up", "mlp.up_proj"},
                                            {"mlp.down", "mlp.down_proj"},
                                            {"final_norm", "norm"}};
  return translate_parameter(parameter, "layers.", kModules);
}

inline bool qwen3_ignores(std::string_view tensor) {
  return tensor == "lm_head.weight";
}

/// Dropout after sub-layers is no field of the family and does not change a vector: the reader trains without it.
inline io::Json write_qwen3_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  require_only_choice("qwen3", "type_vocab", config.type_vocab, 0);
  require_only_choice("qwen3", "qkv_bias", int{config.qkv_bias}, 0);
  require_only_choice("qwen3", "linear_bias", int{config.linear_bias}, 0);
  return {{"model_type", "qwen3"},
          {"architectures", io::Json::array({"Qwen3Model"})},
          {"vocab_size", config.vocab},
          {"hidden_size", config.dim},
          {"num_hidden_layers", config.layers},
          {"num_attention_heads", config.heads},
          {"num_key_value_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"intermediate_size", config.mlp_dim},
          {"max_position_embeddings", config.max_length},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"use_sliding_window", false},
          {"tie_word_embeddings", true},
          {"rope_scaling", nullptr},
          {"rope_theta", options.rope_theta},
          {"rms_norm_eps", options.norm_eps}};
}

inline std::vector<ZeroTensor> qwen3_zero_tensors(const nn::EncoderConfig&) {
  return {};
}
}  // namespace detail

/// How checkpoints of the dense Qwen3 family are read and written.
[[nodiscard]] inline Family qwen3_family() {
  return {.model_type = "qwen3",
          .architecture = Qwen3Encoder<>::architecture(),
          .optional_prefix = "model.",
          .read_config = detail::read_qwen3_config,
          .read_options = detail::read_qwen3_options,
          .tensor_name = detail::qwen3_tensor_name,
          .ignores = detail::qwen3_ignores,
          .write_config = detail::write_qwen3_config,
          .zero_tensors = detail::qwen3_zero_tensors};
}

}  // namespace reasonembed::model
