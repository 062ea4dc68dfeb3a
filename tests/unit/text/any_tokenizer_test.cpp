#include <reasonembed/text/any_tokenizer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::AnyTokenizer;
using re::text::ByteTokenizer;
using re::text::WordPiece;
using Ids = std::vector<std::int32_t>;

namespace {

WordPiece word_piece() {
  const std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "salt", "##y"};
  return WordPiece(re::text::Vocabulary(tokens, "test"), {}, "test");
}

/// Everything one tokenizer says about a text, said by the other too.
template <class T>
void check_same(const AnyTokenizer& any, const T& own, std::string_view text) {
  CAPTURE(text);
  CHECK(any.encode(text) == own.encode(text));
  CHECK(any.vocab_size() == own.vocab_size());
  CHECK(any.special_ids() == own.special_ids());
  for (const re::Index limit : {re::Index{2}, re::Index{3}, re::text::kNoTokenLimit}) {
    re::text::TokenScratch scratch;
    Ids got = {7};
    Ids want = {7};
    CHECK(any.encode(text, limit, scratch, got) == own.encode(text, limit, scratch, want));
    CHECK(got == want);
  }
  for (const std::int32_t id : own.encode(text)) {
    CHECK(any.token(id) == own.token(id));
  }
}

}  // namespace

TEST_SUITE("text/any_tokenizer") {
  TEST_CASE("encode: does what the tokenizer it was made of does") {
    for (const std::string_view text : {"", "salty", "salt SALT pepper", "\xC3\xA9"}) {
      check_same(AnyTokenizer(word_piece()), word_piece(), text);
      check_same(AnyTokenizer(ByteTokenizer()), ByteTokenizer(), text);
      const ByteTokenizer both({.add_begin = true});
      check_same(AnyTokenizer(both), both, text);
    }
  }
  TEST_CASE("encode: knows the tokens") {
    CHECK(AnyTokenizer(word_piece()).encode("salty") == Ids{2, 5, 6, 3});
    CHECK(AnyTokenizer(ByteTokenizer()).encode("ab") == Ids{'a', 'b', ByteTokenizer::kEnd});
  }
  TEST_CASE("constructor: every tokenizer is one, and it copies and moves as a value") {
    const AnyTokenizer a = word_piece();
    AnyTokenizer b = a;
    CHECK(b.encode("salt") == a.encode("salt"));
    b = ByteTokenizer();
    CHECK(b.vocab_size() == 258);
    CHECK(a.vocab_size() == 7);
    const AnyTokenizer c = std::move(b);
    CHECK(c.encode("x") == Ids{'x', ByteTokenizer::kEnd});
  }
  TEST_CASE("encode: errors pass through") {
    CHECK_THROWS_WITH_AS((void)AnyTokenizer(ByteTokenizer()).encode("\xFF"),
                         "text::ByteTokenizer::encode: text is not UTF-8 at byte 0, expected UTF-8 text",
                         re::DataError);
    re::text::TokenScratch scratch;
    Ids ids;
    CHECK_THROWS_WITH_AS(AnyTokenizer(word_piece()).encode("salt", 1, scratch, ids),
                         "text::WordPiece::encode: max_tokens is 1, expected >= 2, the number of special tokens",
                         re::ConfigError);
    CHECK(ids.empty());
  }
  TEST_CASE("get_if: gives the tokenizer of the type that is there, and no other") {
    const AnyTokenizer bytes = ByteTokenizer({.add_begin = true});
    REQUIRE(bytes.get_if<ByteTokenizer>() != nullptr);
    CHECK(bytes.get_if<ByteTokenizer>()->options().add_begin);
    CHECK(bytes.get_if<WordPiece>() == nullptr);
    const AnyTokenizer words = word_piece();
    REQUIRE(words.get_if<WordPiece>() != nullptr);
    CHECK(words.get_if<WordPiece>()->vocab_size() == 7);
    CHECK(words.get_if<ByteTokenizer>() == nullptr);
  }
}
