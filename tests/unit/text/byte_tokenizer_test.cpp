#include <reasonembed/text/byte_tokenizer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using re::text::ByteTokenizer;
using re::text::Encoding;
using re::text::SpecialIds;

TEST_SUITE("text/byte_tokenizer") {
  TEST_CASE("encode: the id of a byte is its value and the end token closes the text") {
    CHECK(ByteTokenizer().encode("az") == Ids{'a', 'z', ByteTokenizer::kEnd});
    CHECK(ByteTokenizer().encode("\xC3\xA9") == Ids{0xC3, 0xA9, ByteTokenizer::kEnd});
    CHECK(ByteTokenizer().encode("") == Ids{ByteTokenizer::kEnd});
    CHECK(ByteTokenizer().encode(std::string_view("\0", 1)) == Ids{0, ByteTokenizer::kEnd});
  }

  TEST_CASE("encode: options choose the special tokens") {
    CHECK(ByteTokenizer({.add_begin = true, .add_end = true}).encode("a") == Ids{256, 'a', 257});
    CHECK(ByteTokenizer({.add_begin = true, .add_end = false}).encode("a") == Ids{256, 'a'});
    CHECK(ByteTokenizer({.add_begin = false, .add_end = false}).encode("") == Ids{});
  }

  TEST_CASE("encode: appends, cuts the content and counts what it cut") {
    re::text::TokenScratch scratch;
    Ids ids = {1};
    CHECK(ByteTokenizer().encode("abc", 3, scratch, ids) == Encoding{.tokens = 3, .truncated = 1});
    CHECK(ids == Ids{1, 'a', 'b', 257});
    CHECK(ByteTokenizer().encode("abc", 4, scratch, ids) == Encoding{.tokens = 4, .truncated = 0});
    CHECK(ByteTokenizer().encode("abc", 1, scratch, ids) == Encoding{.tokens = 1, .truncated = 3});
  }

  TEST_CASE("encode: refuses text that is not UTF-8 and leaves the ids alone") {
    re::text::TokenScratch scratch;
    Ids ids = {1};
    CHECK_THROWS_WITH_AS(ByteTokenizer().encode("abc\xFF", 9, scratch, ids),
                         "text::ByteTokenizer::encode: text is not UTF-8 at byte 3, expected UTF-8 text",
                         re::DataError);
    CHECK(ids == Ids{1});
  }

  TEST_CASE("encode: refuses a limit without room for the special tokens") {
    re::text::TokenScratch scratch;
    Ids ids;
    CHECK_THROWS_WITH_AS(ByteTokenizer().encode("a", 0, scratch, ids),
                         "text::ByteTokenizer::encode: max_tokens is 0, expected >= 1, the number of special tokens",
                         re::ConfigError);
  }

  TEST_CASE("token: gives every byte and both special tokens back") {
    const ByteTokenizer tokenizer;
    REQUIRE(tokenizer.vocab_size() == 258);
    std::string bytes;
    for (std::int32_t id = 0; id < 256; ++id) {
      REQUIRE(tokenizer.token(id).size() == 1);
      bytes += tokenizer.token(id);
    }
    for (int byte = 0; byte < 256; ++byte) {
      CHECK(static_cast<unsigned char>(bytes[static_cast<std::size_t>(byte)]) == byte);
    }
    CHECK(tokenizer.token(ByteTokenizer::kBegin) == "[BEGIN]");
    CHECK(tokenizer.token(ByteTokenizer::kEnd) == "[END]");
    CHECK_THROWS_WITH_AS(
        (void)tokenizer.token(258), "text::ByteTokenizer::token: id is 258, expected 0 to 257", re::ConfigError);
    CHECK_THROWS_AS((void)tokenizer.token(-1), re::ConfigError);
  }

  TEST_CASE("special_ids: follow the options") {
    CHECK(ByteTokenizer().special_ids() == SpecialIds{.end = 257});
    CHECK(ByteTokenizer({.add_begin = true, .add_end = false}).special_ids() == SpecialIds{.begin = 256});
  }
}
