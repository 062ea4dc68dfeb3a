#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/embedding.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/post_norm_block.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The BERT family [Devlin et al. 2019]: BERT, MiniLM, BGE, E5 and their relatives.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::Mean>
using BertEncoder = nn::Encoder<Config,
                                nn::PostNormBlock<nn::LayerNorm, nn::BidirectionalAttention<>, nn::GeluMlp>,
                                Pool,
                                nn::TokenPositionTypeEmbedding>;

namespace detail {
constexpr nn::EncoderConfig bert_sizes(int dim, int layers, int heads, int vocab = 30522) {
  return {.vocab = vocab,
          .dim = dim,
          .layers = layers,
          .heads = heads,
          .kv_heads = heads,
          .head_dim = dim / heads,
          .mlp_dim = 4 * dim,
          .max_length = 512,
          .type_vocab = 2,
          .qkv_bias = true,
          .linear_bias = true};
}
}  // namespace detail

inline constexpr nn::EncoderConfig kBertBase = detail::bert_sizes(768, 12, 12);    ///< uncased
inline constexpr nn::EncoderConfig kBertLarge = detail::bert_sizes(1024, 24, 16);  ///< uncased
inline constexpr nn::EncoderConfig kMiniLmL6 = detail::bert_sizes(384, 6, 12);     ///< all-MiniLM-L6-v2
inline constexpr nn::EncoderConfig kMiniLmL12 = detail::bert_sizes(384, 12, 12);   ///< all-MiniLM-L12-v2
inline constexpr nn::EncoderConfig kBgeSmallEn = kMiniLmL12;                       ///< bge-small-en-v1.5
inline constexpr nn::EncoderConfig kBgeBaseEn = kBertBase;                         ///< bge-base-en-v1.5
inline constexpr nn::EncoderConfig kBgeLargeEn = kBertLarge;                       ///< bge-large-en-v1.5
inline constexpr nn::EncoderConfig kE5Small = kMiniLmL12;                          ///< e5-small-v2
inline constexpr nn::EncoderConfig kE5Base = kBertBase;                            ///< e5-base-v2
inline constexpr nn::EncoderConfig kE5Large = kBertLarge;                          ///< e5-large-v2
/// multilingual-e5-small: a BERT with the vocabulary of XLM-R.
inline constexpr nn::EncoderConfig kMultilingualE5Small = detail::bert_sizes(384, 12, 12, 250037);

namespace detail {
inline nn::EncoderConfig read_bert_config(const io::JsonFields& config) {
  nn::EncoderConfig c;
  c.vocab = static_cast<int>(config.get_int("vocab_size", 1, 1 << 30));
  c.dim = static_cast<int>(config.get_int("hidden_size", 1, 1 << 20));
  c.layers = static_cast<int>(config.get_int("num_hidden_layers", 1, 1 << 16));
  c.heads = static_cast<int>(config.get_int("num_attention_heads", 1, 1 << 16));
  c.kv_heads = c.heads;
  if (c.dim % c.heads != 0) {
    throw ConfigError::invalid(config.where(),
                               "hidden_size",
                               std::to_string(c.dim),
                               "a multiple of num_attention_heads " + std::to_string(c.heads));
  }
  c.head_dim = c.dim / c.heads;
  c.mlp_dim = static_cast<int>(config.get_int("intermediate_size", 1, 1 << 24));
  c.max_length = static_cast<int>(config.get_int("max_position_embeddings", 1, 1 << 24));
  c.type_vocab = static_cast<int>(config.get_int("type_vocab_size", 0, 1 << 16));
  c.qkv_bias = true;
  c.linear_bias = true;
  return c;
}

inline nn::EncoderOptions read_bert_options(const io::JsonFields& config) {
  const std::string& activation = config.get_string("hidden_act");
  if (activation != "gelu") {
    throw ConfigError::invalid(config.where(), "hidden_act", activation, "gelu");
  }
  const std::string positions = config.find_string("position_embedding_type").value_or("absolute");
  if (positions != "absolute") {
    throw ConfigError::invalid(config.where(), "position_embedding_type", positions, "absolute");
  }
  nn::EncoderOptions options;
  options.norm_eps = config.get_double("layer_norm_eps");
  options.dropout = config.find_double("hidden_dropout_prob").value_or(0.0);
  return options;
}

inline std::string bert_tensor_name(const std::string& parameter) {
  static constexpr ModuleName kModules[] = {{"embedding.token", "embeddings.word_embeddings"},
                                            {"embedding.position", "embeddings.position_embeddings"},
                                            {"embedding.type", "embeddings.token_type_embeddings"},
                                            {"embedding.norm", "embeddings.LayerNorm"},
                                            {"attention.q", "attention.self.query"},
                                            {"attention.k", "attention.self.key"},
                                            {"attention.v", "attention.self.value"},
                                            {"attention.output", "attention.output.dense"},
                                            {"attention_norm", "attention.output.LayerNorm"},
                                            {"mlp.up", "intermediate.dense"},
                                            {"mlp.down", "output.dense"},
                                            {"mlp_norm", "output.LayerNorm"}};
  return translate_parameter(parameter, "encoder.layer.", kModules);
}

inline bool bert_ignores(std::string_view tensor) {
  return tensor.starts_with("pooler.") || tensor.starts_with("cls.") || tensor == "embeddings.position_ids";
}

/// Hugging Face's BERT always has token types: an encoder without them is written with one, whose row is zero.
inline io::Json bert_config_json(const nn::EncoderConfig& config,
                                 const nn::EncoderOptions& options,
                                 std::string_view model_type,
                                 std::string_view architecture) {
  require_only_choice(model_type, "kv_heads", config.kv_heads, config.heads);
  require_only_choice(model_type, "heads * head_dim", config.heads * config.head_dim, config.dim);
  require_only_choice(model_type, "qkv_bias", int{config.qkv_bias}, 1);
  require_only_choice(model_type, "linear_bias", int{config.linear_bias}, 1);
  return {{"model_type", model_type},
          {"architectures", io::Json::array({architecture})},
          {"vocab_size", config.vocab},
          {"hidden_size", config.dim},
          {"num_hidden_layers", config.layers},
          {"num_attention_heads", config.heads},
          {"intermediate_size", config.mlp_dim},
          {"max_position_embeddings", config.position_offset + config.max_length},
          {"type_vocab_size", config.type_vocab == 0 ? 1 : config.type_vocab},
          {"hidden_act", "gelu"},
          {"position_embedding_type", "absolute"},
          {"layer_norm_eps", options.norm_eps},
          {"hidden_dropout_prob", options.dropout},
          {"attention_probs_dropout_prob", 0.0}};
}

inline io::Json write_bert_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  require_only_choice("bert", "position_offset", config.position_offset, 0);
  return bert_config_json(config, options, "bert", "BertModel");
}

inline bool writes_bert(const nn::EncoderConfig& config) {
  return config.position_offset == 0;
}

inline std::vector<ZeroTensor> bert_zero_tensors(const nn::EncoderConfig& config) {
  if (config.type_vocab > 0) {
    return {};
  }
  return {{"embeddings.token_type_embeddings.weight", 1, config.dim}};
}
}  // namespace detail

/// How checkpoints of the BERT family are read and written.
[[nodiscard]] inline Family bert_family() {
  return {.model_type = "bert",
          .architecture = BertEncoder<>::architecture(),
          .optional_prefix = "bert.",
          .read_config = detail::read_bert_config,
          .read_options = detail::read_bert_options,
          .tensor_name = detail::bert_tensor_name,
          .ignores = detail::bert_ignores,
          .write_config = detail::write_bert_config,
          .zero_tensors = detail::bert_zero_tensors,
          .writes = detail::writes_bert};
}

}  // namespace reasonembed::model
