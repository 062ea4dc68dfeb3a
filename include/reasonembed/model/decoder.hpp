#pragma once
/// @file What the decoder-only families (Qwen, Llama) share in config.json and in the names of their tensors.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A decoder-only transformer as an encoder: RMS norms before each sub-layer, rotary positions, SwiGLU.
///
/// @tparam Sight       what a token sees: published language models are causal, some encoders made of them are not
/// @tparam Transforms  of queries and keys; the last is nn::Rope
template <nn::EncoderConfig Config, nn::Pooling Pool, nn::Visibility Sight, nn::HeadTransform... Transforms>
using DecoderEncoder =
    nn::Encoder<Config, nn::PreNormBlock<nn::RmsNorm, nn::Attention<Sight, Transforms...>, nn::SwiGlu>, Pool>;

/// Sizes that every decoder-only config.json must have.
[[nodiscard]] inline nn::EncoderConfig read_decoder_sizes(const io::JsonFields& config) {
  nn::EncoderConfig c;
  c.vocab = static_cast<int>(config.get_int("vocab_size", 1, 1 << 30));
  c.dim = static_cast<int>(config.get_int("hidden_size", 1, 1 << 20));
  c.layers = static_cast<int>(config.get_int("num_hidden_layers", 1, 1 << 16));
  c.heads = static_cast<int>(config.get_int("num_attention_heads", 1, 1 << 16));
  c.mlp_dim = static_cast<int>(config.get_int("intermediate_size", 1, 1 << 24));
  c.max_length = static_cast<int>(config.get_int("max_position_embeddings", 1, 1 << 24));
  return c;
}

/// @return  "head_dim", or hidden_size / num_attention_heads where the file does not say
[[nodiscard]] inline int read_head_dim(const io::JsonFields& config, const nn::EncoderConfig& sizes) {
  if (const auto head_dim = config.find_int("head_dim", 2, 1 << 16)) {
    return static_cast<int>(*head_dim);
  }
  if (sizes.dim % sizes.heads != 0) {
    throw ConfigError::invalid(config.where(),
                               "hidden_size",
                               std::to_string(sizes.dim),
                               "a multiple of num_attention_heads " + std::to_string(sizes.heads));
  }
  return sizes.dim / sizes.heads;
}

/// @throws ConfigError if a flag of config.json asks for what the library does not compute
inline void require_off(const io::JsonFields& config, std::string_view flag) {
  if (config.find_bool(flag).value_or(false)) {
    throw ConfigError::invalid(config.where(), flag, "true", "false");
  }
}

/// @return  whether a token sees nothing behind it: what language models do, unless config.json says otherwise
[[nodiscard]] inline bool is_causal(const io::JsonFields& config) {
  return config.find_bool("is_causal").value_or(true);
}
[[nodiscard]] inline bool is_bidirectional(const io::JsonFields& config) {
  return !is_causal(config);
}

namespace detail {
/// @throws ConfigError for a head of which only a part is rotated
inline void require_whole_heads(const io::JsonFields& fields, const std::string& prefix) {
  if (const auto part = fields.find_double("partial_rotary_factor"); part && *part != 1.0) {
    throw ConfigError::invalid(fields.where(), prefix + "partial_rotary_factor", io::Json(*part).dump(), "1");
  }
}

/// The scaling that `rope`, which config.json calls `name`, describes.
///
/// @throws ConfigError for a kind of scaling the library lacks: vectors would be silently wrong
inline nn::RopeScaling read_rope_scaling(const io::JsonFields& config,
                                         const io::JsonFields& rope,
                                         const std::string& name) {
  const char* key = rope.has("rope_type") ? "rope_type" : "type";  // the second is the older spelling
  const std::string type = rope.find_string(key).value_or("default");
  require_whole_heads(rope, name + ".");
  if (type == "default") {
    return {};
  }
  if (type != "llama3") {
    throw ConfigError::invalid(rope.where(), name + "." + key, type, "default or llama3");
  }
  nn::RopeScaling scaling;
  scaling.factor = rope.get_double("factor", 1.0);
  scaling.low_freq_factor = rope.get_double("low_freq_factor");
  scaling.high_freq_factor = rope.get_double("high_freq_factor");
  constexpr const char* kOriginal = "original_max_position_embeddings";
  const auto outside = config.find_int(kOriginal, 1, 1 << 24);
  const auto inside = outside ? outside : rope.find_int(kOriginal, 1, 1 << 24);
  scaling.original_max_length =
      static_cast<int>(inside ? *inside : config.get_int("max_position_embeddings", 1, 1 << 24));
  return scaling;
}
}  // namespace detail

/// Theta and scaling, as `rope_theta` and `rope_scaling` or, in newer files, as `rope_parameters`.
///
/// @param theta  where the file does not say; nothing refuses such a file
inline void read_rope(const io::JsonFields& config, std::optional<double> theta, nn::EncoderOptions& options) {
  detail::require_whole_heads(config, "");
  std::optional<nn::RopeScaling> found;
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const auto rope = config.find_object(name);
    if (!rope) {
      continue;
    }
    const nn::RopeScaling scaling = detail::read_rope_scaling(config, *rope, name);
    if (found && !(*found == scaling)) {
      throw ConfigError::invalid(config.where(), name, "another scaling", "that of rope_parameters");
    }
    found = scaling;
  }
  options.rope_scaling = found.value_or(nn::RopeScaling());
  const auto parameters = config.find_object("rope_parameters");
  const auto nested = parameters ? parameters->find_double("rope_theta") : std::nullopt;
  const auto said = nested ? nested : theta ? config.find_double("rope_theta") : config.get_double("rope_theta");
  options.rope_theta = said ? *said : *theta;
}

/// @param theta  as read_rope
[[nodiscard]] inline nn::EncoderOptions read_decoder_options(const io::JsonFields& config,
                                                             std::optional<double> theta) {
  const std::string& activation = config.get_string("hidden_act");
  if (activation != "silu") {
    throw ConfigError::invalid(config.where(), "hidden_act", activation, "silu");
  }
  require_off(config, "use_sliding_window");
  nn::EncoderOptions options;
  options.norm_eps = config.get_double("rms_norm_eps");
  read_rope(config, theta, options);
  return options;
}

/// The checkpoint's name of a parameter, in the words of Qwen and Llama.
[[nodiscard]] inline std::string decoder_tensor_name(const std::string& parameter) {
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

/// A language model's head, and the buffer of frequencies that old exports hold in every layer.
[[nodiscard]] inline bool decoder_ignores(std::string_view tensor) {
  return tensor == "lm_head.weight" || tensor.ends_with(".rotary_emb.inv_freq");
}

/// config.json without what is a family's own. Dropout after sub-layers is no field of these families and does not
/// change a vector: the reader trains without it.
[[nodiscard]] inline io::Json decoder_config_json(const nn::EncoderConfig& config,
                                                  const nn::EncoderOptions& options,
                                                  std::string_view model_type,
                                                  std::string_view architecture) {
  require_only_choice(model_type, "type_vocab", config.type_vocab, 0);
  io::Json json = {{"model_type", model_type},
                   {"architectures", io::Json::array({architecture})},
                   {"vocab_size", config.vocab},
                   {"hidden_size", config.dim},
                   {"num_hidden_layers", config.layers},
                   {"num_attention_heads", config.heads},
                   {"num_key_value_heads", config.kv_heads},
                   {"head_dim", config.head_dim},
                   {"intermediate_size", config.mlp_dim},
                   {"max_position_embeddings", config.max_length},
                   {"hidden_act", "silu"},
                   {"attention_dropout", 0.0},
                   {"tie_word_embeddings", true},
                   {"rope_scaling", nullptr},
                   {"rope_theta", options.rope_theta},
                   {"rms_norm_eps", options.norm_eps}};
  if (const nn::RopeScaling& scaling = options.rope_scaling; scaling.enabled()) {
    json["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", scaling.factor},
                            {"low_freq_factor", scaling.low_freq_factor},
                            {"high_freq_factor", scaling.high_freq_factor},
                            {"original_max_position_embeddings", scaling.original_max_length}};
  }
  return json;
}

namespace detail {
/// What `Write` writes, and that a token sees the whole text.
template <auto Write>
io::Json bidirectional_config_json(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  io::Json json = Write(config, options);
  json["is_causal"] = false;
  return json;
}

}  // namespace detail

/// The family of encoders that were made of `causal` language models by letting a token see the whole text, as
/// config.json says by `"is_causal": false`.
///
/// @tparam Write  write_config of `causal`
template <auto Write>
[[nodiscard]] Family bidirectional_family(Family causal, std::string architecture) {
  causal.architecture = std::move(architecture);
  causal.write_config = detail::bidirectional_config_json<Write>;
  causal.describes = is_bidirectional;
  return causal;
}

}  // namespace reasonembed::model
