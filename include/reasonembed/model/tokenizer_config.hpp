#pragma once
/// @file The tokens that a tokenizer_config.json names.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The roles of special tokens, as Hugging Face calls them.
inline constexpr std::array<std::string_view, 7> kTokenRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

namespace detail {

/// A token of tokenizer_config.json: a string, or an object with its content.
inline std::string token_of(const io::JsonFields& config, std::string_view name, const std::string& otherwise) {
  if (!config.has(name)) {
    return otherwise;
  }
  return config.json().at(std::string(name)).is_object() ? config.get_object(name).get_string("content")
                                                         : config.get_string(name);
}

inline io::Json added_token_json(const std::string& content, const io::Json& id, bool lstrip) {
  return {{"id", id},
          {"content", content},
          {"single_word", false},
          {"lstrip", lstrip},
          {"rstrip", false},
          {"normalized", false},
          {"special", true}};
}

/// "added_tokens" of a tokenizer.json from "added_tokens_decoder", by id; without one, from the roles of special
/// tokens.
///
/// @param vocabulary   {token: id}
/// @param mask_lstrip  a mask that only its role names takes the blanks before it along
/// @throws             ConfigError for a special token that neither the decoder nor the vocabulary holds
inline io::Json added_tokens_of_config(const io::JsonFields& config, const io::Json& vocabulary, bool mask_lstrip) {
  std::vector<std::pair<std::int64_t, io::Json>> tokens;
  std::vector<std::string> contents;
  if (const auto decoder = config.find_object("added_tokens_decoder")) {
    for (const auto& [key, entry] : decoder->json().items()) {
      std::int64_t id = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size() || id < 0) {
        throw DataError::invalid(config.where(), "added_tokens_decoder", io::in_quotes(key), "ids");
      }
      contents.push_back(decoder->get_object(key).get_string("content"));
      io::Json token = entry;
      token["id"] = id;
      tokens.emplace_back(id, std::move(token));
    }
  }
  for (const std::string_view role : kTokenRoles) {
    const std::string content = token_of(config, role, "");
    if (content.empty() || std::find(contents.begin(), contents.end(), content) != contents.end()) {
      continue;
    }
    const auto id = vocabulary.find(content);
    if (id == vocabulary.end() || !id->is_number_integer()) {
      throw ConfigError::invalid(
          config.where(), role, io::in_quotes(content), "a token of added_tokens_decoder or of the vocabulary");
    }
    contents.push_back(content);
    tokens.emplace_back(id->get<std::int64_t>(), added_token_json(content, *id, mask_lstrip && role == "mask_token"));
  }
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  io::Json added = io::Json::array();
  for (auto& [id, token] : tokens) {
    added.push_back(std::move(token));
  }
  return added;
}

}  // namespace detail

}  // namespace reasonembed::model
