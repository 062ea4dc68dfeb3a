#pragma once
/// @file The byte tokenizer as a tokenizer.json: byte-level BPE that merges nothing.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/text/byte_level.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The byte whose token pads: what a padding token is called, Hugging Face recognises in texts, and this one stands for
/// itself there, so that no text changes its ids.
inline constexpr std::string_view kBytePadding = "!";

namespace detail {

/// The visible character that stands for each byte in byte-level vocabularies.
inline std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    text::append_utf8(text::kByteCharacters[byte], characters[byte]);
  }
  return characters;
}

inline io::Json byte_vocabulary() {
  const text::ByteTokenizer tokenizer;
  io::Json vocabulary = io::Json::object();
  const std::array<std::string, 256> characters = byte_characters();
  for (std::size_t byte = 0; byte < characters.size(); ++byte) {
    vocabulary[characters[byte]] = byte;
  }
  for (const std::int32_t id : {text::ByteTokenizer::kBegin, text::ByteTokenizer::kEnd}) {
    vocabulary[std::string(tokenizer.token(id))] = id;
  }
  return vocabulary;
}

/// One side of a template: the text `sequence` between its special tokens.
inline void append_byte_template(const text::ByteTokenizer& tokenizer, const char* sequence, io::Json& pieces) {
  const auto special = [&](std::int32_t id) {
    return io::Json{{"SpecialToken", {{"id", tokenizer.token(id)}, {"type_id", 0}}}};
  };
  if (tokenizer.options().add_begin) {
    pieces.push_back(special(text::ByteTokenizer::kBegin));
  }
  pieces.push_back({{"Sequence", {{"id", sequence}, {"type_id", 0}}}});
  if (tokenizer.options().add_end) {
    pieces.push_back(special(text::ByteTokenizer::kEnd));
  }
}

inline io::Json byte_template(const text::ByteTokenizer& tokenizer) {
  io::Json single = io::Json::array();
  append_byte_template(tokenizer, "A", single);
  io::Json pair = single;
  append_byte_template(tokenizer, "B", pair);
  io::Json special = io::Json::object();
  for (const std::int32_t id : {text::ByteTokenizer::kBegin, text::ByteTokenizer::kEnd}) {
    const std::string name(tokenizer.token(id));
    special[name] = {{"id", name}, {"ids", io::Json::array({id})}, {"tokens", io::Json::array({name})}};
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

/// Which special tokens a post-processor puts around a text. @throws ConfigError unless it is one byte_template writes
inline text::ByteTokenizerOptions byte_template_options(const io::JsonFields& file) {
  const io::JsonFields processor = file.get_object("post_processor");
  const auto is = [&](const io::Json& wanted, const char* part) {
    const auto found = processor.json().find(part);
    return found != processor.json().end() && *found == wanted.at(part);
  };
  for (const bool add_begin : {false, true}) {
    for (const bool add_end : {false, true}) {
      const text::ByteTokenizerOptions options{.add_begin = add_begin, .add_end = add_end};
      const io::Json wanted = byte_template(text::ByteTokenizer(options));
      if (is(wanted, "type") && is(wanted, "single") && is(wanted, "special_tokens")) {
        return options;
      }
    }
  }
  throw ConfigError::invalid(
      file.where(), "post_processor", "another", "a template of the text between [BEGIN] and [END], or one of them");
}

}  // namespace detail

/// The byte tokenizer as Hugging Face `tokenizers` reads it: the same ids for every text.
///
/// The tokens at the begin and end stand in the template alone, not among the added tokens, because a text that spells
/// one must stay a text.
[[nodiscard]] inline io::Json byte_tokenizer_json(const text::ByteTokenizer& tokenizer) {
  const io::Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", io::Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", detail::byte_template(tokenizer)},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", detail::byte_vocabulary()},
            {"merges", io::Json::array()}}}};
}

/// Reads what byte_tokenizer_json writes, also after Hugging Face has written it anew: padding, truncation, decoder and
/// a padding token among the added tokens change no id.
///
/// @param file  a whole tokenizer.json
/// @throws      ConfigError naming the part that is not the byte tokenizer's, such as merges; DataError for a field of
///              the wrong type
[[nodiscard]] inline text::ByteTokenizer byte_tokenizer_from_json(const io::JsonFields& file) {
  const auto refuse = [&](const std::string& part, const std::string& got, const std::string& want) {
    throw ConfigError::invalid(file.where(), part, got, want + ", the only byte-level tokenizer supported");
  };
  const io::JsonFields model = file.get_object("model");
  if (const std::size_t merges = model.get_array("merges").size(); merges != 0) {
    refuse("model.merges", std::to_string(merges) + " merges", "none");
  }
  if (model.get_object("vocab").json() != detail::byte_vocabulary()) {
    refuse("model.vocab", "another", "the 256 bytes under their values, [BEGIN] 256 and [END] 257");
  }
  if (file.has("normalizer")) {
    refuse("normalizer", "present", "none");
  }
  const io::JsonFields pre_tokenizer = file.get_object("pre_tokenizer");
  if (const std::string& type = pre_tokenizer.get_string("type"); type != "ByteLevel") {
    refuse("pre_tokenizer.type", io::in_quotes(type), "\"ByteLevel\"");
  }
  if (pre_tokenizer.get_bool("add_prefix_space")) {
    refuse("pre_tokenizer.add_prefix_space", "true", "false");
  }
  if (file.has("added_tokens")) {
    for (const io::Json& entry : file.get_array("added_tokens")) {
      const io::JsonFields token(entry, file.where() + ": added_tokens");
      const std::string& content = token.get_string("content");
      // A byte that stands for itself has the same id as a token and as a text.
      const bool harmless = content.size() == 1 && content[0] >= 0x21 && content[0] <= 0x7E &&
                            token.get_int("id") == static_cast<unsigned char>(content[0]) &&
                            !token.find_bool("lstrip").value_or(false) && !token.find_bool("rstrip").value_or(false);
      if (!harmless) {
        refuse("added_tokens", io::in_quotes(content), "no token that texts could spell");
      }
    }
  }
  return text::ByteTokenizer(detail::byte_template_options(file));
}

}  // namespace reasonembed::model
