#include <reasonembed/text/vocabulary.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::Vocabulary;
using Strings = std::vector<std::string>;

namespace {

std::uint64_t hash_of(std::string_view text) {
  return Vocabulary::extend_hash(Vocabulary::kEmptyHash, text);
}

}  // namespace

TEST_SUITE("text/vocabulary") {
  TEST_CASE("find: gives the place of every token and nothing else") {
    const Vocabulary vocabulary(Strings{"[PAD]", "a", "##a", "\xC3\xA9", "aa"});
    CHECK(vocabulary.size() == 5);
    CHECK(vocabulary.find("[PAD]") == 0);
    CHECK(vocabulary.find("a") == 1);
    CHECK(vocabulary.find("##a") == 2);
    CHECK(vocabulary.find("\xC3\xA9") == 3);
    CHECK(vocabulary.find("aa") == 4);
    for (const std::string_view other : {"", "A", "##", "aaa", "[PAD", "\xC3"}) {
      CHECK(vocabulary.find(other) == Vocabulary::kMissing);
    }
    CHECK(vocabulary.longest() == 5);
  }

  TEST_CASE("find: equals a map over random tokens at sizes around powers of two") {
    std::mt19937 random(5);
    for (const std::size_t size : {1, 2, 3, 7, 8, 9, 255, 256, 257, 3000}) {
      CAPTURE(size);
      std::unordered_map<std::string, std::int32_t> expected;
      Strings tokens;
      while (tokens.size() < size) {
        std::string token;
        for (unsigned i = 0; i < 1 + random() % 6; ++i) {
          token += static_cast<char>('a' + random() % 6);
        }
        if (expected.emplace(token, static_cast<std::int32_t>(tokens.size())).second) {
          tokens.push_back(token);
        }
      }
      const Vocabulary vocabulary(tokens);
      for (const auto& [token, id] : expected) {
        CHECK(vocabulary.find(token) == id);
        CHECK(vocabulary.token(id) == token);
        const bool longer = expected.count(token + "a") != 0;
        CHECK((vocabulary.find(token + "a") != Vocabulary::kMissing) == longer);
      }
    }
  }

  TEST_CASE("find: a head and a tail are one token wherever it is cut") {
    const Vocabulary vocabulary(Strings{"##abc", "abc", "##"});
    for (std::size_t cut = 0; cut <= 5; ++cut) {
      const std::string_view token = "##abc";
      CHECK(vocabulary.find(hash_of(token), token.substr(0, cut), token.substr(cut)) == 0);
    }
    CHECK(vocabulary.find(hash_of("##"), "##", "") == 2);
    CHECK(vocabulary.find(hash_of("##ab"), "##", "ab") == Vocabulary::kMissing);
  }

  TEST_CASE("extend_hash: byte by byte equals all at once, and FNV-1a's published values") {
    CHECK(hash_of("") == 0xCBF29CE484222325ULL);
    CHECK(hash_of("a") == 0xAF63DC4C8601EC8CULL);
    CHECK(hash_of("foobar") == 0x85944171F73967E8ULL);
    std::uint64_t hash = Vocabulary::kEmptyHash;
    for (const char byte : std::string_view("foobar")) {
      hash = Vocabulary::extend_hash(hash, byte);
    }
    CHECK(hash == hash_of("foobar"));
  }

  TEST_CASE("Vocabulary: an empty one finds nothing") {
    const Vocabulary vocabulary(Strings{});
    CHECK(vocabulary.size() == 0);
    CHECK(vocabulary.longest() == 0);
    CHECK(vocabulary.find("a") == Vocabulary::kMissing);
    CHECK(vocabulary.find("") == Vocabulary::kMissing);
  }

  TEST_CASE("Vocabulary: copies and moves keep their tokens") {
    Vocabulary first(Strings{"x", "y"});
    const Vocabulary copy = first;
    const Vocabulary moved = std::move(first);
    CHECK(copy.find("y") == 1);
    CHECK(moved.token(0) == "x");
  }

  TEST_CASE("token: refuses an id that is none") {
    const Vocabulary vocabulary(Strings{"x", "y"});
    CHECK_THROWS_WITH_AS(
        (void)vocabulary.token(2), "text::Vocabulary::token: id is 2, expected 0 to 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)vocabulary.token(-1), "text::Vocabulary::token: id is -1, expected 0 to 1", re::ConfigError);
  }

  TEST_CASE("Vocabulary: refuses duplicates, empty tokens and bytes that are not UTF-8") {
    CHECK_THROWS_WITH_AS(Vocabulary(Strings{"a", "b", "a"}, "t.json"),
                         "t.json: token 2 is \"a\", which is also token 0, expected different tokens",
                         re::DataError);
    CHECK_THROWS_WITH_AS(Vocabulary(Strings{"a", ""}),
                         "text::Vocabulary: token 1 is empty, expected a token: ids leave no holes",
                         re::DataError);
    CHECK_THROWS_WITH_AS(Vocabulary(Strings{"a\xFF"}),
                         "text::Vocabulary: token 0 is not UTF-8 at byte 1, expected UTF-8 text",
                         re::DataError);
  }

  TEST_CASE("from_lines: line n holds id n - 1, with or without an end of the last line") {
    for (const std::string_view content : {"[PAD]\na\n##b", "[PAD]\na\n##b\n", "[PAD]\r\na\r\n##b\r\n"}) {
      CAPTURE(content);
      const Vocabulary vocabulary = Vocabulary::from_lines(content, "vocab.txt");
      REQUIRE(vocabulary.size() == 3);
      CHECK(vocabulary.token(0) == "[PAD]");
      CHECK(vocabulary.token(1) == "a");
      CHECK(vocabulary.token(2) == "##b");
    }
    CHECK(Vocabulary::from_lines("", "vocab.txt").size() == 0);
  }

  TEST_CASE("from_lines: names file and line of a hole, a duplicate and broken bytes") {
    CHECK_THROWS_WITH_AS((void)Vocabulary::from_lines("a\n\nb\n", "d/vocab.txt"),
                         "d/vocab.txt:2: token is empty, expected a token: ids leave no holes",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)Vocabulary::from_lines("a\nb\n\n", "d/vocab.txt"),
                         "d/vocab.txt:3: token is empty, expected a token: ids leave no holes",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)Vocabulary::from_lines("a\r\n\r\n", "v"),
                         "v:2: token is empty, expected a token: ids leave no holes",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)Vocabulary::from_lines("a\nb\nc\nb\n", "v"),
                         "v:4: token is \"b\", which is also line 2, expected different tokens",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)Vocabulary::from_lines("a\nb\xC3\n", "v"),
                         "v:2: token is not UTF-8 at byte 1, expected UTF-8 text",
                         re::DataError);
  }

  TEST_CASE("from_lines: blanks and other white space are part of a token") {
    const Vocabulary vocabulary = Vocabulary::from_lines("a\n a\na \n\xE2\x80\xA8\n", "v");
    CHECK(vocabulary.size() == 4);
    CHECK(vocabulary.find(" a") == 1);
    CHECK(vocabulary.find("a ") == 2);
    CHECK(vocabulary.find("\xE2\x80\xA8") == 3);
  }
}
