#include <reasonembed/text/byte_pair_encoding.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::BpeMerge;
using re::text::BpeMerges;
using re::text::BytePairEncoding;
using re::text::BytePairEncodingOptions;
using re::text::Vocabulary;
using Ids = std::vector<std::int32_t>;

namespace {

/// A model of these tokens; each merge is {left, right}, and the result is their text.
BytePairEncoding model(const std::vector<std::string>& tokens,
                       const std::vector<std::pair<std::string, std::string>>& pairs = {},
                       BytePairEncodingOptions options = {}) {
  Vocabulary vocabulary(tokens);
  std::vector<BpeMerge> merges;
  for (const auto& [left, right] : pairs) {
    const std::string result =
        left +
        right.substr(right.size() < options.continuing_prefix.size() ? right.size() : options.continuing_prefix.size());
    REQUIRE(vocabulary.find(left) >= 0);
    REQUIRE(vocabulary.find(right) >= 0);
    REQUIRE(vocabulary.find(result) >= 0);
    merges.push_back({vocabulary.find(left), vocabulary.find(right), vocabulary.find(result)});
  }
  return BytePairEncoding(std::move(vocabulary), BpeMerges(merges), std::move(options), "test");
}

Ids encoded(const BytePairEncoding& model, std::string_view word) {
  re::text::TokenScratch scratch;
  Ids ids;
  for (int i = 0; i < 2; ++i) {  // a state left behind in the scratch would show
    ids.clear();
    model.encode_word(word, scratch, [&](std::int32_t id) { ids.push_back(id); });
  }
  return ids;
}

}  // namespace

TEST_SUITE("text/byte_pair_encoding") {
  TEST_CASE("encode_word: merges the characters of a word") {
    const BytePairEncoding bpe =
        model({"a", "b", "c", "ab", "abc", "\u00E9", "b\u00E9"}, {{"a", "b"}, {"ab", "c"}, {"b", "\u00E9"}});
    CHECK(encoded(bpe, "a") == Ids{0});
    CHECK(encoded(bpe, "abc") == Ids{4});
    CHECK(encoded(bpe, "cab") == Ids{2, 3});
    CHECK(encoded(bpe, "b\u00E9") == Ids{6});
    CHECK(encoded(bpe, "ab\u00E9") == Ids{3, 5});
  }

  TEST_CASE("encode_word: a token that no merge leads to is not found, unless merges are ignored") {
    const std::vector<std::string> tokens = {"a", "b", "c", "ab", "abc"};
    CHECK(encoded(model(tokens, {{"a", "b"}}), "abc") == Ids{3, 2});
    const BytePairEncoding ignoring = model(tokens, {{"a", "b"}}, {.ignore_merges = true});
    CHECK(encoded(ignoring, "abc") == Ids{4});
    CHECK(encoded(ignoring, "abca") == Ids{3, 2, 0});
  }

  TEST_CASE("encode_word: an unknown character vanishes without an unknown token") {
    const BytePairEncoding bpe = model({"a", "b", "ab"}, {{"a", "b"}});
    CHECK(bpe.unknown_id() == Vocabulary::kMissing);
    CHECK(encoded(bpe, "x").empty());
    CHECK(encoded(bpe, "axb") == Ids{2});  // the reference merges over the gap
  }

  TEST_CASE("encode_word: unknown characters become the unknown token, alone or together") {
    const std::vector<std::string> tokens = {"?", "a"};
    const BytePairEncoding apart = model(tokens, {}, {.unknown = "?"});
    CHECK(apart.unknown_id() == 0);
    CHECK(encoded(apart, "xya") == Ids{0, 0, 1});
    CHECK(encoded(apart, "a\u00E9\u5B57") == Ids{1, 0, 0});
    const BytePairEncoding fused = model(tokens, {}, {.unknown = "?", .fuse_unknown = true});
    CHECK(encoded(fused, "xya") == Ids{0, 1});
    CHECK(encoded(fused, "xyaxy") == Ids{0, 1, 0});
  }

  TEST_CASE("encode_word: bytes spell unknown characters, all of them or none") {
    const BytePairEncoding bpe =
        model({"?", "a", "<0xC3>", "<0xA9>", "<0x78>"}, {}, {.unknown = "?", .byte_fallback = true});
    CHECK(encoded(bpe, "a\u00E9x") == Ids{1, 2, 3, 4});
    CHECK(encoded(bpe, "\u00E8") == Ids{0});
    CHECK(encoded(bpe, "\u00E8\u00E9a") == Ids{2, 3, 0, 1});  // bytes pass an unknown character that waits
  }

  TEST_CASE("encode_word: prefix and suffix mark where a character stands") {
    const BytePairEncodingOptions options{.continuing_prefix = "##", .end_suffix = "</w>"};
    const BytePairEncoding bpe = model({"a", "##b", "##b</w>", "a</w>", "a##b", "ab"}, {{"a", "##b"}}, options);
    CHECK(encoded(bpe, "a") == Ids{3});
    CHECK(encoded(bpe, "ab") == Ids{0, 2});
    CHECK(encoded(bpe, "abb") == Ids{5, 2});
    CHECK(encoded(bpe, "b").empty());
  }

  TEST_CASE("BytePairEncoding: refuses an unknown token that the vocabulary lacks") {
    CHECK_THROWS_WITH_AS(model({"a"}, {}, {.unknown = "<unk>"}),
                         "test: unknown token \"<unk>\" is missing, expected a token of the vocabulary",
                         re::ConfigError);
  }

  TEST_CASE("encode_word: characters around the table of frequent ones are found alike") {
    std::vector<std::string> tokens;
    Ids expected;
    std::string word;
    for (char32_t c = 0x170; c < 0x190; ++c) {
      std::string character;
      re::text::append_utf8(c, character);
      word += character;
      expected.push_back(static_cast<std::int32_t>(tokens.size()));
      tokens.push_back(character);
    }
    CHECK(encoded(model(tokens), word) == expected);
  }
}
