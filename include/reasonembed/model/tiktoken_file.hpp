#pragma once
/// @file Tiktoken's rank files, as a tokenizer.json.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/base64.hpp>
#include <reasonembed/model/pre_tokenizer_json.hpp>
#include <reasonembed/model/tokenizer_config.hpp>
#include <reasonembed/model/vocab_merges.hpp>
#include <reasonembed/text/byte_level.hpp>
#include <reasonembed/text/byte_trie.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The tokens of a rank file by rank: one a line, its bytes in base64, a blank, its rank.
///
/// @throws DataError naming file and line: not that form, another rank than the line's, an empty token
inline std::vector<std::string> tiktoken_tokens(std::string_view content, std::string_view file) {
  std::vector<std::string> tokens;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view line = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
    const std::size_t number = tokens.size() + 1;
    const std::size_t blank = line.find(' ');
    std::int64_t rank = -1;
    if (blank != std::string_view::npos) {
      const std::string_view digits = line.substr(blank + 1);
      const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
      rank = error == std::errc() && last == digits.data() + digits.size() ? rank : -1;
    }
    if (rank != static_cast<std::int64_t>(tokens.size())) {
      throw DataError::at_line(file,
                               number,
                               "line",
                               io::in_quotes(line),
                               "a token in base64 and its rank, " + std::to_string(tokens.size()));
    }
    tokens.push_back(decode_base64(line.substr(0, blank), std::string(file) + ":" + std::to_string(number), "token"));
    if (tokens.back().empty()) {
      throw DataError::at_line(file, number, "token", "empty", "at least one byte");
    }
  }
  return tokens;
}

/// The merges that give tiktoken's tokens: for every token each way to cut it into two tokens, which has the rank of
/// the token; ways of one token by the ranks of their parts.
inline io::Json merges_from_ranks(const std::vector<std::string>& tokens, const std::vector<std::string>& spelled) {
  text::ByteTrie ranks;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    ranks.insert(tokens[i], static_cast<std::int32_t>(i));
  }
  io::Json merges = io::Json::array();
  std::vector<std::pair<std::int32_t, std::int32_t>> ways;
  for (const std::string_view token : tokens) {
    ways.clear();
    ranks.for_each_prefix(token, [&](std::size_t length, std::int32_t left) {
      const std::string_view rest = token.substr(length);
      const text::ByteTrie::Match right = ranks.longest_prefix(rest);
      if (!rest.empty() && right.length == rest.size()) {
        ways.emplace_back(left, right.value);
      }
    });
    std::sort(ways.begin(), ways.end());
    for (const auto& [left, right] : ways) {
      merges.push_back(
          io::Json::array({spelled[static_cast<std::size_t>(left)], spelled[static_cast<std::size_t>(right)]}));
    }
  }
  return merges;
}

/// The tokens before and behind a text that tokenizer_config.json asks for.
inline io::Json tiktoken_frame(const io::JsonFields& config, const io::Json& added) {
  io::Json single = io::Json::array();
  io::Json special = io::Json::object();
  const auto add = [&](const char* role) {
    const std::string token = token_of(config, role, "");
    const auto found =
        std::find_if(added.begin(), added.end(), [&](const io::Json& entry) { return entry["content"] == token; });
    if (found == added.end()) {
      throw ConfigError::invalid(
          config.where(), role, token.empty() ? "missing" : io::in_quotes(token), "a token of added_tokens_decoder");
    }
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    special[token] = {{"id", token}, {"ids", io::Json::array({(*found)["id"]})}, {"tokens", io::Json::array({token})}};
  };
  if (config.find_bool("add_bos_token").value_or(config.has("bos_token"))) {
    add("bos_token");
  }
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (config.find_bool("add_eos_token").value_or(false)) {
    add("eos_token");
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", single}, {"special_tokens", special}};
}

}  // namespace detail

/// The tokenizer.json of a tiktoken rank file with Llama 3's pattern, beside which tokenizer_config.json names the
/// special tokens (added_tokens_decoder) and says which of them stand around a text (add_bos_token, true where there is
/// a bos_token; add_eos_token, false).
///
/// @param path  the rank file, `tokenizer.model` in Llama 3's directories
/// @throws      IoError if one of the files is missing; DataError naming the line that is no token with its rank;
///              ConfigError naming a special token without an id
[[nodiscard]] inline io::Json tokenizer_json_from_tiktoken(const std::filesystem::path& path) {
  const std::vector<std::string> tokens = detail::tiktoken_tokens(io::read_text_file(path), path.string());
  const std::filesystem::path config_path = path.parent_path() / "tokenizer_config.json";
  const io::Json config_json = io::read_json(config_path);
  const io::JsonFields config(config_json, config_path.string());
  std::vector<std::string> spelled(tokens.size());
  io::Json vocabulary = io::Json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    text::append_byte_characters(tokens[i], spelled[i]);
    vocabulary[spelled[i]] = i;
  }
  if (vocabulary.size() != tokens.size()) {
    throw DataError::invalid(path.string(), "tokens", "given twice", "different tokens");
  }
  io::Json added = detail::added_tokens_of_config(config, vocabulary, false);
  const io::Json words = detail::byte_level_json(false, false);
  io::Json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"decoder", words}};
  tokenizer["normalizer"] = nullptr;
  tokenizer["pre_tokenizer"] = {{"type", "Sequence"},
                                {"pretokenizers", io::Json::array({detail::split_json(kLlama3Regex), words})}};
  tokenizer["post_processor"] = detail::tiktoken_frame(config, added);
  tokenizer["added_tokens"] = std::move(added);
  tokenizer["model"] =
      detail::byte_level_bpe_json(std::move(vocabulary), detail::merges_from_ranks(tokens, spelled), true);
  return tokenizer;
}

}  // namespace reasonembed::model
