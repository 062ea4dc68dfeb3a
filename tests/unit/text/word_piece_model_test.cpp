#include <reasonembed/text/word_piece_model.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::Vocabulary;
using re::text::WordPieceModel;
using re::text::WordPieceModelOptions;
using Ids = std::vector<std::int32_t>;

namespace {

const std::vector<std::string> kTokens = {"[UNK]", "un", "##able", "##a", "unable", "\u00E9", "##\u00E9", "a"};

Ids encoded(const WordPieceModel& model, std::string_view word) {
  re::text::TokenScratch scratch;
  Ids ids;
  model.encode_word(word, scratch, [&](std::int32_t id) { ids.push_back(id); });
  return ids;
}

}  // namespace

TEST_SUITE("text/word_piece_model") {
  TEST_CASE("encode_word: takes the longest piece from the start") {
    const WordPieceModel model{Vocabulary(kTokens)};
    CHECK(encoded(model, "unable") == Ids{4});
    CHECK(encoded(model, "una") == Ids{1, 3});
    CHECK(encoded(model, "ununable") == Ids{0});
    CHECK(encoded(model, "aable") == Ids{7, 2});
    CHECK(encoded(model, "\u00E9\u00E9") == Ids{5, 6});
    CHECK(encoded(model, "x") == Ids{0});
    CHECK(encoded(model, "ax") == Ids{0});
    CHECK(encoded(model, "").empty());
    CHECK(model.unknown_id() == 0);
    CHECK(model.vocabulary().size() == 8);
  }

  TEST_CASE("encode_word: a word with too many characters is unknown") {
    const WordPieceModel model(Vocabulary(kTokens), {.max_chars_per_word = 3});
    CHECK(encoded(model, "aaa") == Ids{7, 3, 3});
    CHECK(encoded(model, "aaaa") == Ids{0});
    CHECK(encoded(model, "\u00E9\u00E9\u00E9") == Ids{5, 6, 6});  // characters, not bytes
    CHECK(encoded(model, "\u00E9\u00E9\u00E9\u00E9") == Ids{0});
  }

  TEST_CASE("encode_word: the prefix may be another one, or none") {
    const std::vector<std::string> tokens = {"?", "a", "@a", "b"};
    CHECK(encoded(WordPieceModel(Vocabulary(tokens), {.unknown = "?", .continuing_prefix = "@"}), "aa") == Ids{1, 2});
    CHECK(encoded(WordPieceModel(Vocabulary(tokens), {.unknown = "?", .continuing_prefix = ""}), "ab") == Ids{1, 3});
  }

  TEST_CASE("WordPieceModel: names what is impossible") {
    CHECK_THROWS_WITH_AS(WordPieceModel(Vocabulary(kTokens), {.max_chars_per_word = 0}, "file"),
                         "file: max_chars_per_word is 0, expected >= 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(WordPieceModel(Vocabulary(kTokens), {.unknown = "<unk>"}, "file"),
                         "file: special token \"<unk>\" is missing, expected a token of the vocabulary",
                         re::ConfigError);
  }
}
