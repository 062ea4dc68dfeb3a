#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <cmath>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The integers of a transformer encoder. As a template argument they are static sizes; `kDynamic` takes them from
/// config.json at run time through the same code. Floats are run-time `EncoderOptions`, so that a sweep instantiates
/// nothing.
struct EncoderConfig {
  int vocab = 0;             ///< V, rows of the token table
  int dim = 0;               ///< D, width of the residual stream
  int layers = 0;            ///< L, blocks
  int heads = 0;             ///< H, query heads
  int kv_heads = 0;          ///< key and value heads; divides heads (grouped-query attention)
  int head_dim = 0;          ///< width of one head; heads * head_dim may differ from dim
  int mlp_dim = 0;           ///< F, inner width of the feed-forward layer
  int max_length = 0;        ///< most tokens of one sequence, special tokens included
  int type_vocab = 0;        ///< rows of the token-type table; 0 where the model has none
  bool qkv_bias = false;     ///< query, key and value projections carry a bias
  bool linear_bias = false;  ///< every other projection carries a bias
  int position_offset = 0;   ///< row of the position table for a first token; rows before it are there and never read

  [[nodiscard]] constexpr bool valid() const {
    return vocab > 0 && dim > 0 && layers > 0 && heads > 0 && kv_heads > 0 && heads % kv_heads == 0 && head_dim > 0 &&
           head_dim % 2 == 0 && mlp_dim > 0 && max_length > 0 && type_vocab >= 0 && position_offset >= 0;
  }
  [[nodiscard]] constexpr int query_dim() const { return heads * head_dim; }
  [[nodiscard]] constexpr int kv_dim() const { return kv_heads * head_dim; }
  constexpr bool operator==(const EncoderConfig&) const = default;
};

/// Sizes are read from config.json at run time.
inline constexpr EncoderConfig kDynamic{};

/// How rotary frequencies are slowed for texts longer than those of pretraining [Grattafiori et al. 2024, Llama 3.1].
///
/// A frequency f turns n = original_max_length f / (2 pi) times in a text of the original length. Those with
/// n > high_freq_factor stay, those with n < low_freq_factor are divided by `factor`, those between are blended.
struct RopeScaling {
  double factor = 1.0;            ///< what slow frequencies are divided by
  double low_freq_factor = 1.0;   ///< turns below which a frequency is slow
  double high_freq_factor = 4.0;  ///< turns above which it stays
  int original_max_length = 0;    ///< tokens in pretraining; 0 scales nothing

  [[nodiscard]] constexpr bool enabled() const { return original_max_length > 0; }
  constexpr bool operator==(const RopeScaling&) const = default;
};

/// The run-time numbers of an encoder.
struct EncoderOptions {
  double norm_eps = 1e-6;       ///< added to the variance or mean square; same unit as x^2
  double rope_theta = 10000.0;  ///< base of the rotary frequencies
  double dropout = 0.0;         ///< probability of a zero after each sub-layer; only while training
  bool normalize = true;        ///< L2-normalise the pooled vectors
  RopeScaling rope_scaling{};   ///< of the rotary frequencies
};

/// @throws ConfigError naming the option that no encoder can have
inline void require_options(const EncoderOptions& options) {
  const auto require = [](bool possible, const char* name, double got, const char* want) {
    if (!possible) {
      throw ConfigError::invalid("nn::Encoder", name, std::to_string(got), want);
    }
  };
  require(options.norm_eps >= 0.0 && std::isfinite(options.norm_eps), "norm_eps", options.norm_eps, "a number >= 0");
  require(
      options.rope_theta > 0.0 && std::isfinite(options.rope_theta), "rope_theta", options.rope_theta, "a number > 0");
  require(options.dropout >= 0.0 && options.dropout < 1.0, "dropout", options.dropout, "0 <= dropout < 1");
  const RopeScaling& scaling = options.rope_scaling;
  if (scaling.enabled()) {
    require(
        scaling.factor >= 1.0 && std::isfinite(scaling.factor), "rope_scaling.factor", scaling.factor, "a number >= 1");
    require(scaling.low_freq_factor > 0.0 && std::isfinite(scaling.low_freq_factor),
            "rope_scaling.low_freq_factor",
            scaling.low_freq_factor,
            "a number > 0");
    require(scaling.high_freq_factor > scaling.low_freq_factor && std::isfinite(scaling.high_freq_factor),
            "rope_scaling.high_freq_factor",
            scaling.high_freq_factor,
            "a number > low_freq_factor");
  }
}

/// @throws ConfigError naming the field, if `config` can't describe an encoder or differs from the static `expected`
inline void require_config(const EncoderConfig& config, const EncoderConfig& expected) {
  struct Field {
    const char* name;
    int got;
    int want;
  };
  const Field fields[] = {{"vocab", config.vocab, expected.vocab},
                          {"dim", config.dim, expected.dim},
                          {"layers", config.layers, expected.layers},
                          {"heads", config.heads, expected.heads},
                          {"kv_heads", config.kv_heads, expected.kv_heads},
                          {"head_dim", config.head_dim, expected.head_dim},
                          {"mlp_dim", config.mlp_dim, expected.mlp_dim},
                          {"max_length", config.max_length, expected.max_length},
                          {"type_vocab", config.type_vocab, expected.type_vocab},
                          {"qkv_bias", config.qkv_bias, expected.qkv_bias},
                          {"linear_bias", config.linear_bias, expected.linear_bias},
                          {"position_offset", config.position_offset, expected.position_offset}};
  for (const Field& field : fields) {
    if (!(expected == kDynamic) && field.got != field.want) {
      throw ConfigError::invalid("nn::Encoder", field.name, std::to_string(field.got), std::to_string(field.want));
    }
    if (field.got < 0 || (field.got == 0 && &field < &fields[8])) {
      throw ConfigError::invalid("nn::Encoder", field.name, std::to_string(field.got), "a positive number");
    }
  }
  if (config.heads % config.kv_heads != 0) {
    throw ConfigError::invalid("nn::Encoder",
                               "heads",
                               std::to_string(config.heads),
                               "a multiple of kv_heads " + std::to_string(config.kv_heads));
  }
  if (config.head_dim % 2 != 0) {
    throw ConfigError::invalid("nn::Encoder", "head_dim", std::to_string(config.head_dim), "an even number");
  }
}

}  // namespace reasonembed::nn
