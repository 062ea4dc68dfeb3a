#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/pooling.hpp>

#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The XLM-RoBERTa family [Conneau et al. 2020]: XLM-R, multilingual E5, BGE-M3. BERT's layers; the first token's
/// position is padding_idx + 1, which is `position_offset` of its configurations.
///
/// Hugging Face gives a `<pad>` that a text spells out the padding's position; here it is a token as any other.
template <nn::EncoderConfig Config = nn::kDynamic, nn::Pooling Pool = nn::Mean>
using XlmRobertaEncoder = BertEncoder<Config, Pool>;

namespace detail {
constexpr nn::EncoderConfig xlm_roberta_sizes(int dim, int layers, int heads, int max_length = 512) {
  nn::EncoderConfig config = bert_sizes(dim, layers, heads, 250002);
  config.max_length = max_length;
  config.type_vocab = 1;
  config.position_offset = 2;
  return config;
}
}  // namespace detail

inline constexpr nn::EncoderConfig kXlmRobertaBase = detail::xlm_roberta_sizes(768, 12, 12);
inline constexpr nn::EncoderConfig kXlmRobertaLarge = detail::xlm_roberta_sizes(1024, 24, 16);
inline constexpr nn::EncoderConfig kMultilingualE5Base = kXlmRobertaBase;
inline constexpr nn::EncoderConfig kMultilingualE5Large = kXlmRobertaLarge;
inline constexpr nn::EncoderConfig kBgeM3 = detail::xlm_roberta_sizes(1024, 24, 16, 8192);

namespace detail {
inline nn::EncoderConfig read_xlm_roberta_config(const io::JsonFields& config) {
  nn::EncoderConfig c = read_bert_config(config);
  c.position_offset = static_cast<int>(config.find_int("pad_token_id", 0, 1 << 20).value_or(1)) + 1;
  if (c.max_length <= c.position_offset) {
    throw ConfigError::invalid(config.where(),
                               "max_position_embeddings",
                               std::to_string(c.max_length),
                               "more than pad_token_id + 1 = " + std::to_string(c.position_offset));
  }
  c.max_length -= c.position_offset;
  return c;
}

inline bool xlm_roberta_ignores(std::string_view tensor) {
  return tensor.starts_with("pooler.") || tensor.starts_with("lm_head.") || tensor == "embeddings.position_ids";
}

inline io::Json write_xlm_roberta_config(const nn::EncoderConfig& config, const nn::EncoderOptions& options) {
  io::Json json = bert_config_json(config, options, "xlm-roberta", "XLMRobertaModel");
  json["pad_token_id"] = config.position_offset - 1;
  return json;
}

inline bool writes_xlm_roberta(const nn::EncoderConfig& config) {
  return config.position_offset > 0;
}
}  // namespace detail

/// How checkpoints of the XLM-RoBERTa family are read and written.
[[nodiscard]] inline Family xlm_roberta_family() {
  return {.model_type = "xlm-roberta",
          .architecture = XlmRobertaEncoder<>::architecture(),
          .optional_prefix = "roberta.",
          .read_config = detail::read_xlm_roberta_config,
          .read_options = detail::read_bert_options,
          .tensor_name = detail::bert_tensor_name,
          .ignores = detail::xlm_roberta_ignores,
          .write_config = detail::write_xlm_roberta_config,
          .zero_tensors = detail::bert_zero_tensors,
          .writes = detail::writes_xlm_roberta};
}

}  // namespace reasonembed::model
