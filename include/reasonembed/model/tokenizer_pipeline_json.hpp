#pragma once
/// @file Any tokenizer.json as a pipeline of its parts.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/normalizer_json.hpp>
#include <reasonembed/model/post_processor_json.hpp>
#include <reasonembed/model/pre_tokenizer_json.hpp>
#include <reasonembed/model/token_model_json.hpp>
#include <reasonembed/text/added_tokens.hpp>
#include <reasonembed/text/tokenizer_pipeline.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// @param file  a whole tokenizer.json
inline std::vector<text::AddedToken> all_added_tokens(const io::JsonFields& file) {
  std::vector<text::AddedToken> tokens;
  if (!file.has("added_tokens")) {
    return tokens;
  }
  for (const io::Json& entry : file.get_array("added_tokens")) {
    const io::JsonFields fields(entry, file.where() + ": added_tokens[" + std::to_string(tokens.size()) + "]");
    const auto flag = [&](const char* name) { return fields.find_bool(name).value_or(false); };
    const bool special = flag("special");
    tokens.push_back(
        {.content = fields.get_string("content"),
         .id = static_cast<std::int32_t>(fields.get_int("id", 0, std::numeric_limits<std::int32_t>::max())),
         .single_word = flag("single_word"),
         .lstrip = flag("lstrip"),
         .rstrip = flag("rstrip"),
         .normalized = fields.get_bool("normalized"),
         .special = special});
  }
  return tokens;
}

}  // namespace detail

/// Assembles the tokenizer that a tokenizer.json describes, with the token ids of Hugging Face `tokenizers`.
///
/// "truncation", "padding" and "decoder" are not used: the caller says where a text is cut, no padding exists, and
/// nothing is decoded.
///
/// @param file    a whole tokenizer.json
/// @param source  the files, to be written again when the tokenizer is saved; may be null
/// @throws        ConfigError naming the part that is not supported, DataError for a field that is missing, of the
///                wrong type or out of range
[[nodiscard]] inline text::TokenizerPipeline tokenizer_pipeline_from_json(
    const io::JsonFields& file, std::shared_ptr<const text::TokenizerSource> source = nullptr) {
  detail::TextFrame frame = detail::text_frame_of(file);
  text::TokenizerParts parts{.added_tokens = detail::all_added_tokens(file),
                             .normalizer = detail::normalizer_of(file),
                             .pre_tokenizer = detail::pre_tokenizer_of(file),
                             .model = detail::token_model_of(file),
                             .before = std::move(frame.before),
                             .behind = std::move(frame.behind),
                             .source = std::move(source)};
  return text::TokenizerPipeline(std::move(parts), file.where());
}

}  // namespace reasonembed::model
