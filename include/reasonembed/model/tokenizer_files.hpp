#pragma once
/// @file Tokenizers from a Hugging Face directory.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/byte_tokenizer_json.hpp>
#include <reasonembed/model/post_processor_json.hpp>
#include <reasonembed/model/tiktoken_file.hpp>
#include <reasonembed/model/token_model_json.hpp>
#include <reasonembed/model/tokenizer_config.hpp>
#include <reasonembed/model/tokenizer_pipeline_json.hpp>
#include <reasonembed/model/vocab_merges.hpp>
#include <reasonembed/text/added_tokens.hpp>
#include <reasonembed/text/any_tokenizer.hpp>
#include <reasonembed/text/tokenizer_pipeline.hpp>
#include <reasonembed/text/vocabulary.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

using io::Json;
using io::JsonFields;

/// @throws ConfigError unless `part` of a tokenizer.json has the type `want`
inline void require_type(const JsonFields& file, std::string_view part, std::string_view want) {
  const std::optional<JsonFields> fields = file.find_object(part);
  const std::string got = fields ? io::in_quotes(fields->get_string("type")) : "missing";
  if (got != io::in_quotes(want)) {
    throw ConfigError::invalid(file.where(), std::string(part) + ".type", got, io::in_quotes(want));
  }
}

inline text::BertNormalizerOptions normalizer_options(const JsonFields& file) {
  require_type(file, "normalizer", "BertNormalizer");
  const JsonFields fields = file.get_object("normalizer");
  return {.clean_text = fields.get_bool("clean_text"),
          .handle_chinese_chars = fields.get_bool("handle_chinese_chars"),
          .strip_accents = fields.find_bool("strip_accents"),
          .lowercase = fields.get_bool("lowercase")};
}

/// The contents of "added_tokens".
///
/// @throws ConfigError for a token that WordPiece can't treat as its file demands
inline std::vector<std::string> added_tokens(const JsonFields& file, const text::Vocabulary& vocabulary) {
  std::vector<std::string> contents;
  if (!file.has("added_tokens")) {
    return contents;
  }
  for (const Json& entry : file.get_array("added_tokens")) {
    const std::string name = "added_tokens[" + std::to_string(contents.size()) + "]";
    if (!entry.is_object()) {
      throw DataError::invalid(file.where(), name, entry.dump(), "an object");
    }
    const JsonFields fields(entry, file.where() + ": " + name);
    const std::string& content = fields.get_string("content");
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
      if (fields.find_bool(flag).value_or(false)) {
        throw ConfigError::invalid(file.where(),
                                   name + "." + std::string(flag) + " of " + io::in_quotes(content),
                                   "true",
                                   "false, the only value supported");
      }
    }
    const std::int64_t id = fields.get_int("id", 0, std::numeric_limits<std::int32_t>::max());
    const std::int32_t known = vocabulary.find(content);
    if (known != id) {
      throw ConfigError::invalid(file.where(),
                                 name + ".id of " + io::in_quotes(content),
                                 std::to_string(id),
                                 known == text::Vocabulary::kMissing
                                     ? "a token that is in model.vocab too, the only kind supported"
                                     : std::to_string(known) + " as in model.vocab");
    }
    contents.push_back(content);
  }
  return contents;
}

/// The tokens around one text, from "post_processor".
struct Surroundings {
  std::string begin;
  std::string end;
};

/// The token of one "special_tokens" entry of a template. @throws ConfigError if it stands for anything but one token
inline std::string template_token(const JsonFields& processor, const std::string& name) {
  const std::vector<std::string> tokens = processor.get_object("special_tokens").get_object(name).get_strings("tokens");
  if (tokens.size() != 1) {
    throw ConfigError::invalid(processor.where(),
                               "post_processor.special_tokens." + name + ".tokens",
                               std::to_string(tokens.size()) + " tokens",
                               "1, the only number supported");
  }
  return tokens.front();
}

/// {"type": "BertProcessing", "cls": [token, id], "sep": [token, id]}
inline Surroundings surroundings_of_pair(const JsonFields& processor) {
  const auto token = [&](std::string_view name) {
    const Json& pair = processor.get_array(name);
    if (pair.size() != 2 || !pair[0].is_string()) {
      throw DataError::invalid(processor.where(), "post_processor." + std::string(name), pair.dump(), "[token, id]");
    }
    return pair[0].get<std::string>();
  };
  return {token("cls"), token("sep")};
}

/// {"type": "TemplateProcessing", "single": [special token, text, special token], ..}
inline Surroundings surroundings_of_template(const JsonFields& processor) {
  const Json& single = processor.get_array("single");
  std::vector<std::string> names;
  std::string shape;
  for (const Json& element : single) {
    if (element.contains("SpecialToken")) {
      shape += "S";
      names.push_back(JsonFields(element, processor.where()).get_object("SpecialToken").get_string("id"));
    } else {
      shape += element.contains("Sequence") ? "A" : "?";
    }
  }
  if (shape != "SAS") {
    throw ConfigError::invalid(
        processor.where(), "post_processor.single", single.dump(), "a special token, the text, a special token");
  }
  return {template_token(processor, names[0]), template_token(processor, names[1])};
}

inline Surroundings surroundings(const JsonFields& file) {
  std::string type = "missing";
  if (file.has("post_processor")) {
    const JsonFields processor = file.get_object("post_processor");
    type = processor.get_string("type");
    if (type == "BertProcessing") {
      return surroundings_of_pair(processor);
    }
    if (type == "TemplateProcessing") {
      return surroundings_of_template(processor);
    }
    type = io::in_quotes(type);
  }
  throw ConfigError::invalid(file.where(), "post_processor.type", type, "\"TemplateProcessing\" or \"BertProcessing\"");
}

/// @param file  a whole tokenizer.json
inline text::WordPiece word_piece_from(const JsonFields& file) {
  require_type(file, "model", "WordPiece");
  require_type(file, "pre_tokenizer", "BertPreTokenizer");
  const JsonFields model = file.get_object("model");
  text::Vocabulary vocabulary = vocabulary_of(model);
  text::WordPieceOptions options{
      .normalizer = normalizer_options(file),
      .unknown = model.get_string("unk_token"),
      .continuing_prefix = model.get_string("continuing_subword_prefix"),
      .max_chars_per_word = static_cast<Index>(model.get_int("max_input_chars_per_word", 1))};
  const Surroundings around = surroundings(file);
  options.begin = around.begin;
  options.end = around.end;
  options.special_tokens = added_tokens(file, vocabulary);
  return text::WordPiece(std::move(vocabulary), std::move(options), file.where());
}

/// What tokenizer_config.json says about a vocab.txt.
inline text::WordPieceOptions options_from_config(const std::filesystem::path& path) {
  const Json json = io::read_json(path);
  const JsonFields config(json, path.string());
  if (!config.find_bool("do_basic_tokenize").value_or(true)) {
    throw ConfigError::invalid(config.where(), "do_basic_tokenize", "false", "true, the only value supported");
  }
  if (const auto names = config.find_strings("never_split"); names && !names->empty()) {
    throw ConfigError::invalid(
        config.where(), "never_split", std::to_string(names->size()) + " words", "none, the only number supported");
  }
  text::WordPieceOptions options;
  options.normalizer.lowercase = config.find_bool("do_lower_case").value_or(true);
  options.normalizer.strip_accents = config.find_bool("strip_accents");
  options.normalizer.handle_chinese_chars = config.find_bool("tokenize_chinese_chars").value_or(true);
  options.unknown = token_of(config, "unk_token", options.unknown);
  options.begin = token_of(config, "cls_token", options.begin);
  options.end = token_of(config, "sep_token", options.end);
  options.special_tokens = {options.unknown,
                            options.begin,
                            options.end,
                            token_of(config, "pad_token", "[PAD]"),
                            token_of(config, "mask_token", "[MASK]")};
  if (const auto added = config.find_object("added_tokens_decoder")) {
    for (const auto& [id, entry] : added->json().items()) {
      const std::string& content = added->get_object(id).get_string("content");
      if (std::find(options.special_tokens.begin(), options.special_tokens.end(), content) ==
          options.special_tokens.end()) {
        throw ConfigError::invalid(config.where(),
                                   "added_tokens_decoder." + id,
                                   io::in_quotes(content),
                                   "one of the five special tokens, or a tokenizer.json that describes it");
      }
    }
  }
  return options;
}

inline text::WordPiece word_piece_from_vocab_txt(const std::filesystem::path& path) {
  const std::filesystem::path config = path.parent_path() / "tokenizer_config.json";
  text::Vocabulary vocabulary = text::Vocabulary::from_lines(io::read_text_file(path), path.string());
  text::WordPieceOptions options =
      std::filesystem::exists(config) ? options_from_config(config) : text::WordPieceOptions();
  return text::WordPiece(std::move(vocabulary), std::move(options), path.string());
}

/// @return  the file that describes the tokenizer of `directory`, or `directory` itself if it is no directory
inline std::filesystem::path tokenizer_path(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) {
    return directory;
  }
  for (const char* name : {"tokenizer.json", "vocab.txt"}) {
    if (std::filesystem::exists(directory / name)) {
      return directory / name;
    }
  }
  throw IoError::failed(directory.string(), "tokenizer", "missing", "tokenizer.json or vocab.txt");
}

}  // namespace detail

/// Loads BERT's tokenizer from a Hugging Face directory: from tokenizer.json, or if there is none from vocab.txt and,
/// where it exists, tokenizer_config.json.
///
/// "truncation", "padding" and "decoder" of a tokenizer.json are not used: the caller says where a text is cut, no
/// padding exists, and nothing is decoded.
///
/// @param directory  or the path of one of the two files
/// @throws           IoError if neither file is there or can be read; DataError naming the file and field or line for
///                   broken content; ConfigError naming the part for a tokenizer that is not BERT's WordPiece (other
///                   model, normaliser, pre-tokenizer or post-processor) or lacks a special token
[[nodiscard]] inline text::WordPiece read_word_piece(const std::filesystem::path& directory) {
  const std::filesystem::path path = detail::tokenizer_path(directory);
  if (path.extension() != ".json") {
    return detail::word_piece_from_vocab_txt(path);
  }
  const io::Json json = io::read_json(path);
  return detail::word_piece_from(io::JsonFields(json, path.string()));
}

namespace detail {

/// @return  true for a tokenizer.json that text::WordPiece follows to the letter; others go through a pipeline
inline bool describes_word_piece(const JsonFields& file) {
  const auto type_of = [&](std::string_view part) {
    const std::optional<JsonFields> fields = file.find_object(part);
    return fields ? fields->find_string("type").value_or("") : std::string();
  };
  const std::string processor = type_of("post_processor");
  if (type_of("model") != "WordPiece" || type_of("normalizer") != "BertNormalizer" ||
      type_of("pre_tokenizer") != "BertPreTokenizer" ||
      (processor != "TemplateProcessing" && processor != "BertProcessing")) {
    return false;
  }
  // A template may name a token and give another id; the id counts.
  const TextFrame frame = text_frame_of(file);
  const JsonFields vocabulary = file.get_object("model").get_object("vocab");
  const auto has_id = [&](const std::string& token, std::int32_t id) {
    return vocabulary.has(token) && vocabulary.json()[token] == id;
  };
  if (frame.before.size() != 1 || frame.behind.size() != 1) {
    return false;
  }
  const Surroundings around = surroundings(file);
  const std::vector<text::AddedToken> added = all_added_tokens(file);
  return has_id(around.begin, frame.before[0]) && has_id(around.end, frame.behind[0]) &&
         std::all_of(added.begin(), added.end(), [&](const text::AddedToken& token) {
           return !token.single_word && !token.lstrip && !token.rstrip && !token.normalized &&
                  has_id(token.content, token.id);
         });
}

/// @return  true for a tokenizer.json with the vocabulary of text::ByteTokenizer, which merges nothing
inline bool describes_bytes(const JsonFields& file) {
  const std::optional<JsonFields> model = file.find_object("model");
  return model && model->find_string("type") == "BPE" && model->has("merges") && model->has("vocab") &&
         model->json()["merges"].empty() && model->json()["vocab"] == byte_vocabulary();
}

/// @return  the file that read_tokenizer begins with, or `directory` itself if it is no directory
inline std::filesystem::path any_tokenizer_path(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) {
    return directory;
  }
  for (const char* name : {"tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model"}) {
    if (std::filesystem::exists(directory / name)) {
      return directory / name;
    }
  }
  throw IoError::failed(directory.string(),
                        "tokenizer",
                        "missing",
                        "tokenizer.json, vocab.json with merges.txt, vocab.txt or tokenizer.model");
}

/// The tokenizer_config.json beside a tokenizer's file, empty if there is none.
inline std::string config_beside(const std::filesystem::path& path) {
  const std::filesystem::path config = path.parent_path() / "tokenizer_config.json";
  return std::filesystem::exists(config) ? io::read_text_file(config) : std::string();
}

}  // namespace detail

/// Loads whichever tokenizer a Hugging Face directory holds, with the token ids of Hugging Face `tokenizers`:
///
/// | file                     | tokenizer                                                                       |
/// |--------------------------|---------------------------------------------------------------------------------|
/// | tokenizer.json           | BPE, Unigram or WordPiece with every normaliser, pre-tokenizer and              |
/// |                          | post-processor of docs/file_formats.md; the byte tokenizer of `write_tokenizer` |
/// | vocab.json, merges.txt   | byte-level BPE of the class in tokenizer_config.json: GPT-2, RoBERTa, Qwen      |
/// | vocab.txt                | BERT's WordPiece                                                                |
/// | tokenizer.model          | tiktoken ranks as Llama 3 ships them, special tokens from tokenizer_config.json |
///
/// The first of them that is there is read. "truncation", "padding" and "decoder" are not used.
///
/// @param directory  or the path of one of the files
/// @throws           IoError if no file is there or one can't be read; DataError naming the file and field or line for
///                   broken content; ConfigError naming the part that is not supported
[[nodiscard]] inline text::AnyTokenizer read_tokenizer(const std::filesystem::path& directory) {
  const std::filesystem::path path = detail::any_tokenizer_path(directory);
  const std::string name = path.filename().string();
  auto source = std::make_shared<text::TokenizerSource>();
  source->config = detail::config_beside(path);
  io::Json json;
  if (name == "vocab.json" || name == "merges.txt") {
    json = tokenizer_json_from_merges(path.parent_path());
    source->tokenizer = io::dump_json(json) + "\n";
  } else if (path.extension() == ".model" || path.extension() == ".tiktoken") {
    json = tokenizer_json_from_tiktoken(path);
    source->tokenizer = io::dump_json(json) + "\n";
  } else if (path.extension() == ".json") {
    source->tokenizer = io::read_text_file(path);
    json = io::parse_json(source->tokenizer, path.string());
  } else {
    return detail::word_piece_from_vocab_txt(path);
  }
  const io::JsonFields file(json, path.string());
  if (detail::describes_bytes(file)) {
    return byte_tokenizer_from_json(file);
  }
  if (detail::describes_word_piece(file)) {
    return detail::word_piece_from(file);
  }
  return tokenizer_pipeline_from_json(file, std::move(source));
}

}  // namespace reasonembed::model
