#pragma once
/// @file Byte-level BPE from vocab.json, merges.txt and tokenizer_config.json, as a tokenizer.json.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/pre_tokenizer_json.hpp>
#include <reasonembed/model/tokenizer_config.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The merges of merges.txt: one a line, two tokens with a blank between; lines of the file's version are no merges.
///
/// @throws DataError naming file and line
inline io::Json merges_json(std::string_view content, std::string_view file) {
  io::Json merges = io::Json::array();
  for (std::size_t line = 1; !content.empty(); ++line) {
    const std::size_t end = content.find('\n');
    std::string_view merge = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
    if (merge.ends_with('\r')) {
      merge.remove_suffix(1);
    }
    const std::size_t blank = merge.find(' ');
    if (merge.starts_with("#version") || (merge.empty() && content.empty())) {
      continue;
    }
    if (blank == std::string_view::npos || blank == 0 || blank + 1 == merge.size() ||
        merge.find(' ', blank + 1) != std::string_view::npos ||
        io::find_invalid_utf8(merge) != std::string_view::npos) {
      throw DataError::at_line(file, line, "merge", io::in_quotes(merge), "two tokens with a blank between");
    }
    merges.push_back(std::string(merge));
  }
  return merges;
}

inline io::Json byte_level_json(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", false}, {"use_regex", use_regex}};
}

inline io::Json split_json(std::string_view regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

inline io::Json byte_level_bpe_json(io::Json vocabulary, io::Json merges, bool ignore_merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", ignore_merges},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

/// "RobertaProcessing" with the tokens that tokenizer_config.json names.
inline io::Json roberta_processor_json(const io::JsonFields& config,
                                       const io::Json& vocabulary,
                                       bool add_prefix_space) {
  const auto pair = [&](const char* role, const char* otherwise) {
    const std::string token = token_of(config, role, otherwise);
    const auto id = vocabulary.find(token);
    if (id == vocabulary.end()) {
      throw ConfigError::invalid(config.where(), role, io::in_quotes(token), "a token of vocab.json");
    }
    return io::Json::array({token, *id});
  };
  return {{"type", "RobertaProcessing"},
          {"sep", pair("sep_token", "</s>")},
          {"cls", pair("cls_token", "<s>")},
          {"trim_offsets", true},
          {"add_prefix_space", add_prefix_space}};
}

}  // namespace detail

/// The tokenizer.json that Hugging Face makes of a directory with vocab.json, merges.txt and tokenizer_config.json, for
/// the classes GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer (Qwen2, Qwen2.5 and Qwen3).
///
/// @throws IoError if one of the files is missing; ConfigError naming a class or a setting that is not supported;
///         DataError for broken content
[[nodiscard]] inline io::Json tokenizer_json_from_merges(const std::filesystem::path& directory) {
  const std::filesystem::path config_path = directory / "tokenizer_config.json";
  const io::Json config_json = io::read_json(config_path);
  const io::JsonFields config(config_json, config_path.string());
  std::string kind = config.get_string("tokenizer_class");
  if (kind.ends_with("Fast")) {
    kind.resize(kind.size() - 4);
  }
  const bool qwen = kind == "Qwen2Tokenizer";
  const bool roberta = kind == "RobertaTokenizer";
  if (!qwen && !roberta && kind != "GPT2Tokenizer") {
    throw ConfigError::invalid(config.where(),
                               "tokenizer_class",
                               io::in_quotes(kind),
                               "GPT2Tokenizer, RobertaTokenizer or Qwen2Tokenizer beside a vocab.json");
  }
  const std::filesystem::path merges_path = directory / "merges.txt";
  io::Json vocabulary = io::read_json(directory / "vocab.json");
  io::Json merges = detail::merges_json(io::read_text_file(merges_path), merges_path.string());
  const bool add_prefix_space = !qwen && config.find_bool("add_prefix_space").value_or(false);
  const io::Json words = detail::byte_level_json(add_prefix_space, !qwen);
  io::Json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"decoder", words}};
  tokenizer["added_tokens"] = detail::added_tokens_of_config(config, vocabulary, roberta);
  tokenizer["normalizer"] = qwen ? io::Json{{"type", "NFC"}} : io::Json();
  tokenizer["pre_tokenizer"] =
      qwen
          ? io::Json{{"type", "Sequence"}, {"pretokenizers", io::Json::array({detail::split_json(kQwen2Regex), words})}}
          : words;
  tokenizer["post_processor"] = roberta ? detail::roberta_processor_json(config, vocabulary, add_prefix_space) : words;
  tokenizer["model"] = detail::byte_level_bpe_json(std::move(vocabulary), std::move(merges), false);
  return tokenizer;
}

}  // namespace reasonembed::model
