#include <reasonembed/model/tiktoken_file.hpp>
#include <reasonembed/model/tokenizer_files.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using Ids = std::vector<std::int32_t>;

namespace {

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k < bytes.size() + 1 ? kAlphabet[(bits >> (18 - 6 * k)) & 63U] : '=';
    }
  }
  return text;
}

/// All bytes, and these tokens behind them.
std::vector<std::string> tokens_with(const std::vector<std::string>& more) {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.emplace_back(1, static_cast<char>(byte));
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

std::string rank_file(const std::vector<std::string>& tokens) {
  std::string content;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    content += base64(tokens[i]) + " " + std::to_string(i) + "\n";
  }
  return content;
}

/// Tiktoken's own definition: a word that is a token is one; otherwise the neighbours that make the token of the lowest
/// rank are joined until none do.
Ids by_ranks(const std::vector<std::string>& tokens, const std::string& word) {
  std::map<std::string, std::int32_t> ranks;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    ranks[tokens[i]] = static_cast<std::int32_t>(i);
  }
  std::vector<std::string> parts;
  for (const char byte : word) {
    parts.emplace_back(1, byte);
  }
  if (ranks.contains(word)) {
    parts = {word};
  }
  while (true) {
    std::size_t best = parts.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::string joined = parts[i] + parts[i + 1];
      if (ranks.contains(joined) && (best == parts.size() || ranks[joined] < ranks[parts[best] + parts[best + 1]])) {
        best = i;
      }
    }
    if (best == parts.size()) {
      break;
    }
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Ids ids;
  for (const std::string& part : parts) {
    ids.push_back(ranks.at(part));
  }
  return ids;
}

constexpr std::string_view kConfig =
    R"({"bos_token": "<|b|>", "eos_token": "<|e|>", "added_tokens_decoder": {
        "262": {"content": "<|b|>", "normalized": false, "special": true},
        "263": {"content": "<|e|>", "normalized": false, "special": true}}})";
const std::vector<std::string> kMore = {"ab", "bc", "abc", "abcd", " a", "\xC3\xA9"};

}  // namespace

TEST_SUITE("model/tiktoken_file") {
  TEST_CASE("read_tokenizer: ranks give tiktoken's ids, with Llama 3's words and the first special token") {
    const test::Scratch scratch;
    const std::vector<std::string> tokens = tokens_with(kMore);
    scratch.write("tokenizer.model", rank_file(tokens));
    scratch.write("tokenizer_config.json", kConfig);
    const re::text::AnyTokenizer t = re::model::read_tokenizer(scratch.path());
    CHECK(t.vocab_size() == 264);
    CHECK(t.special_ids().begin == 262);
    CHECK(t.special_ids().end == re::text::SpecialIds::kNone);
    CHECK(t.encode("") == Ids{262});
    CHECK(t.encode("abcd abc") == Ids{262, 259, ' ', 258});
    CHECK(t.encode("\u00E9") == Ids{262, 261});
    CHECK(t.encode("a<|e|>") == Ids{262, 'a', 263});
    CHECK(t.encode(std::string("\0", 1)) == Ids{262, 0});
  }

  TEST_CASE("tokenizer_json_from_tiktoken: agrees with tiktoken's definition on all short words") {
    const test::Scratch scratch;
    const std::vector<std::string> tokens =
        tokens_with({"ab", "bc", "abc", "ca", "cab", "bca", "aa", "aab", "cc", "abca"});
    scratch.write("ranks.tiktoken", rank_file(tokens));
    scratch.write("tokenizer_config.json", "{}");
    const re::text::AnyTokenizer t = re::model::read_tokenizer(scratch / "ranks.tiktoken");
    for (int code = 0; code < 2187; ++code) {
      std::string word;
      for (int rest = code, i = 0; i < 7; ++i, rest /= 3) {
        word += static_cast<char>('a' + rest % 3);
      }
      CAPTURE(word);
      CHECK(t.encode(word) == by_ranks(tokens, word));
    }
  }

  TEST_CASE("tokenizer_json_from_tiktoken: the configuration says what stands around a text") {
    const test::Scratch scratch;
    scratch.write("tokenizer.model", rank_file(tokens_with(kMore)));
    const auto encode_with = [&](const char* flags) {
      std::string config(kConfig);
      config.insert(1, flags);
      scratch.write("tokenizer_config.json", config);
      return re::model::read_tokenizer(scratch.path()).encode("a");
    };
    CHECK(encode_with(R"("add_bos_token": false,)") == Ids{'a'});
    CHECK(encode_with(R"("add_eos_token": true,)") == Ids{262, 'a', 263});
    CHECK(encode_with(R"("add_bos_token": false, "add_eos_token": true,)") == Ids{'a', 263});
  }

  TEST_CASE("tiktoken_tokens: reads bytes, with or without the last end of a line") {
    using re::model::detail::tiktoken_tokens;
    CHECK(tiktoken_tokens("", "f").empty());
    CHECK(tiktoken_tokens("YQ== 0", "f") == std::vector<std::string>{"a"});
    CHECK(tiktoken_tokens("YQ== 0\nAA== 1\n", "f") == std::vector<std::string>{"a", std::string(1, '\0')});
  }

  TEST_CASE("tiktoken_tokens: names the line that is no token with its rank") {
    const auto refused = [](std::string_view content, const std::string& message) {
      CHECK_THROWS_WITH_AS(
          (void)re::model::detail::tiktoken_tokens(content, "f"), ("f:" + message).c_str(), re::DataError);
    };
    refused("YQ== 0\nYg==\n", "2: line is \"Yg==\", expected a token in base64 and its rank, 1");
    refused("YQ== 1\n", "1: line is \"YQ== 1\", expected a token in base64 and its rank, 0");
    refused("YQ== 0x\n", "1: line is \"YQ== 0x\", expected a token in base64 and its rank, 0");
    refused("\n", "1: line is \"\", expected a token in base64 and its rank, 0");
    refused("\x0A\x0E<unk>", "1: line is \"\", expected a token in base64 and its rank, 0");
    refused("YQ= 0\n", "1: token is 3 characters, expected base64");
    refused(" 0\n", "1: token is empty, expected at least one byte");
  }

  TEST_CASE("tokenizer_json_from_tiktoken: names what is missing or given twice") {
    const test::Scratch scratch;
    const std::string path = scratch.write("tokenizer.model", "YQ== 0\nYQ== 1\n").string();
    CHECK_THROWS_WITH_AS(
        (void)re::model::tokenizer_json_from_tiktoken(path),
        (scratch.path().string() + "/tokenizer_config.json: file is missing, expected a readable file").c_str(),
        re::IoError);
    scratch.write("tokenizer_config.json", "{}");
    CHECK_THROWS_WITH_AS((void)re::model::tokenizer_json_from_tiktoken(path),
                         (path + ": tokens is given twice, expected different tokens").c_str(),
                         re::DataError);
    scratch.write("tokenizer.model", "YQ== 0\n");
    scratch.write("tokenizer_config.json", R"({"add_bos_token": true})");
    CHECK_THROWS_WITH_AS((void)re::model::tokenizer_json_from_tiktoken(path),
                         (scratch.path().string() +
                          "/tokenizer_config.json: bos_token is missing, expected a token of added_tokens_decoder")
                             .c_str(),
                         re::ConfigError);
  }
}
