#pragma once
/// @file Tokenizers into a Hugging Face directory.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/byte_tokenizer_json.hpp>
#include <reasonembed/model/tokenizer_config.hpp>
#include <reasonembed/text/added_tokens.hpp>
#include <reasonembed/text/any_tokenizer.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/text/tokenizer_pipeline.hpp>
#include <reasonembed/text/vocabulary.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

inline io::Json added_tokens_json(const text::WordPiece& tokenizer) {
  io::Json added = io::Json::array();
  for (const std::string& content : tokenizer.options().special_tokens) {
    added.push_back({{"id", tokenizer.vocabulary().find(content)},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  return added;
}

/// [CLS] text [SEP], and for pairs [CLS] text [SEP] text [SEP].
inline io::Json word_piece_template(const text::WordPiece& tokenizer) {
  const auto special = [](const std::string& name, int type) {
    return io::Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return io::Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const std::string& begin = tokenizer.options().begin;
  const std::string& end = tokenizer.options().end;
  io::Json single = io::Json::array({special(begin, 0), sequence("A", 0), special(end, 0)});
  io::Json pair = single;
  pair.push_back(sequence("B", 1));
  pair.push_back(special(end, 1));
  io::Json tokens = io::Json::object();
  for (const std::string& name : {begin, end}) {
    tokens[name] = {{"id", name},
                    {"ids", io::Json::array({tokenizer.vocabulary().find(name)})},
                    {"tokens", io::Json::array({name})}};
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

inline io::Json vocabulary_json(const text::Vocabulary& vocabulary) {
  io::Json tokens = io::Json::object();
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    tokens[std::string(vocabulary.token(id))] = id;
  }
  return tokens;
}

inline io::Json strip_accents_json(const text::BertNormalizerOptions& normalizer) {
  return normalizer.strip_accents ? io::Json(*normalizer.strip_accents) : io::Json();
}

/// The lines of vocab.txt, or nothing if a token holds the end of a line.
inline std::optional<std::string> vocabulary_lines(const text::Vocabulary& vocabulary) {
  std::string lines;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view token = vocabulary.token(id);
    if (token.find('\n') != std::string_view::npos || token.back() == '\r') {
      return std::nullopt;
    }
    lines.append(token).push_back('\n');
  }
  return lines;
}

/// The special tokens by the role Hugging Face knows them in.
///
/// Only tokens that the tokenizer recognises in texts are named: Hugging Face recognises each that it is told of.
inline io::Json token_roles(const text::WordPiece& tokenizer) {
  const text::WordPieceOptions& options = tokenizer.options();
  const auto recognised = [&](const std::string& token) {
    return std::find(options.special_tokens.begin(), options.special_tokens.end(), token) !=
           options.special_tokens.end();
  };
  io::Json roles = io::Json::object();
  const auto name = [&](const char* role, const std::string& token) {
    if (recognised(token)) {
      roles[role] = token;
    }
  };
  name("unk_token", options.unknown);
  name("cls_token", options.begin);
  name("sep_token", options.end);
  name("mask_token", "[MASK]");
  name("pad_token", "[PAD]");
  if (!roles.contains("pad_token") && !options.special_tokens.empty()) {
    roles["pad_token"] = options.special_tokens.front();  // masked, so that any token will do
  }
  return roles;
}

/// tokenizer_config.json and special_tokens_map.json.
///
/// The class that follows tokenizer.json to the letter is named: BertTokenizer rebuilds some of its parts.
inline void write_tokenizer_config(const std::filesystem::path& directory,
                                   io::Json config,
                                   const io::Json& roles,
                                   Index max_tokens) {
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["model_max_length"] = max_tokens;
  config["model_input_names"] = io::Json::array({"input_ids", "attention_mask"});
  config["padding_side"] = "right";
  config["truncation_side"] = "right";
  config["clean_up_tokenization_spaces"] = false;
  config.update(roles);
  io::write_json(directory / "tokenizer_config.json", config);
  io::write_json(directory / "special_tokens_map.json", roles);
}

/// The special tokens of a pipeline by the role that the tokenizer_config.json it was read with gave them.
///
/// Only tokens that the tokenizer recognises in texts are named: Hugging Face recognises each that it is told of.
inline io::Json token_roles(const text::TokenizerParts& parts) {
  const auto find = [&](const std::string& content) {
    return std::find_if(parts.added_tokens.begin(), parts.added_tokens.end(), [&](const text::AddedToken& token) {
      return token.special && token.content == content;
    });
  };
  io::Json roles = io::Json::object();
  if (!parts.source->config.empty()) {
    const io::Json json = io::parse_json(parts.source->config, "tokenizer_config.json");
    const io::JsonFields config(json, "tokenizer_config.json");
    for (const std::string_view role : kTokenRoles) {
      if (const std::string token = token_of(config, role, ""); find(token) != parts.added_tokens.end()) {
        roles[std::string(role)] = token;
      }
    }
  }
  if (!roles.contains("pad_token")) {  // masked, so that any token will do
    const auto special = std::find_if(parts.added_tokens.begin(),
                                      parts.added_tokens.end(),
                                      [](const text::AddedToken& token) { return token.special; });
    if (special != parts.added_tokens.end()) {
      roles["pad_token"] = special->content;
    }
  }
  return roles;
}

/// Writes the tokenizer.json that a pipeline was read from, byte for byte.
///
/// @throws ConfigError if it was not read from a file
inline void write_pipeline(const std::filesystem::path& directory,
                           const text::TokenizerPipeline& tokenizer,
                           Index max_tokens) {
  const text::TokenizerParts& parts = tokenizer.parts();
  if (parts.source == nullptr) {
    throw ConfigError::invalid(directory.string(), "source of the tokenizer", "missing", "one read by read_tokenizer");
  }
  io::write_file_atomically(directory / "tokenizer.json", parts.source->tokenizer);
  write_tokenizer_config(directory, io::Json::object(), token_roles(parts), max_tokens);
}

}  // namespace detail

/// A WordPiece tokenizer as Hugging Face `tokenizers` reads it: the same ids for every text.
[[nodiscard]] inline io::Json word_piece_json(const text::WordPiece& tokenizer) {
  const text::WordPieceOptions& options = tokenizer.options();
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", detail::added_tokens_json(tokenizer)},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", options.normalizer.clean_text},
            {"handle_chinese_chars", options.normalizer.handle_chinese_chars},
            {"strip_accents", detail::strip_accents_json(options.normalizer)},
            {"lowercase", options.normalizer.lowercase}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", detail::word_piece_template(tokenizer)},
          {"decoder", {{"type", "WordPiece"}, {"prefix", options.continuing_prefix}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", options.unknown},
            {"continuing_subword_prefix", options.continuing_prefix},
            {"max_input_chars_per_word", options.max_chars_per_word},
            {"vocab", detail::vocabulary_json(tokenizer.vocabulary())}}}};
}

/// Writes what `read_tokenizer` and Hugging Face's AutoTokenizer read: tokenizer.json, tokenizer_config.json,
/// special_tokens_map.json, and for WordPiece vocab.txt (unless a token holds the end of a line). A pipeline's
/// tokenizer.json is the one it was read from.
///
/// @param directory   exists
/// @param max_tokens  where Hugging Face cuts a text, special tokens included
/// @throws            IoError if a file can't be written; ConfigError for a pipeline that was not read from a file
/// @note  Hugging Face pads with one of the tokens; the mask hides which.
inline void write_tokenizer(const std::filesystem::path& directory,
                            const text::AnyTokenizer& tokenizer,
                            Index max_tokens) {
  if (const auto* bytes = tokenizer.get_if<text::ByteTokenizer>()) {
    io::write_json(directory / "tokenizer.json", byte_tokenizer_json(*bytes));
    detail::write_tokenizer_config(directory, io::Json::object(), {{"pad_token", kBytePadding}}, max_tokens);
    return;
  }
  if (const auto* pipeline = tokenizer.get_if<text::TokenizerPipeline>()) {
    detail::write_pipeline(directory, *pipeline, max_tokens);
    return;
  }
  const text::WordPiece& word_piece = *tokenizer.get_if<text::WordPiece>();
  io::write_json(directory / "tokenizer.json", word_piece_json(word_piece));
  if (const std::optional<std::string> lines = detail::vocabulary_lines(word_piece.vocabulary())) {
    io::write_file_atomically(directory / "vocab.txt", *lines);
  }
  const text::BertNormalizerOptions& normalizer = word_piece.options().normalizer;
  detail::write_tokenizer_config(directory,
                                 {{"do_lower_case", normalizer.lowercase},
                                  {"strip_accents", detail::strip_accents_json(normalizer)},
                                  {"tokenize_chinese_chars", normalizer.handle_chinese_chars}},
                                 detail::token_roles(word_piece),
                                 max_tokens);
}

}  // namespace reasonembed::model
