#include <reasonembed/text/any_tokenizer.hpp>
#include <reasonembed/text/tokenizer_pipeline.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using namespace re::text;
using Ids = std::vector<std::int32_t>;

namespace {

const std::vector<std::string> kTokens = {"<unk>",
                                          "a",
                                          "b",
                                          "ab",
                                          "\u2581",
                                          "\u2581"
                                          "a",
                                          "c",
                                          "<s>",
                                          "\u00E9"};

BytePairEncoding bpe(BytePairEncodingOptions options = {.unknown = "<unk>"}) {
  return BytePairEncoding(
      Vocabulary(kTokens), BpeMerges(std::vector<BpeMerge>{{1, 2, 3}, {4, 1, 5}}), std::move(options), "test");
}
Unigram unigram() {
  return Unigram(Vocabulary(kTokens), {0.0, -2.0, -2.0, -3.0, -2.0, -3.0, -2.0, -9.0, -2.0}, {}, "test");
}

TokenizerParts parts(std::vector<AddedToken> added = {}) {
  return {.added_tokens = std::move(added),
          .normalizer = NormalizerSequence({Lowercase()}),
          .pre_tokenizer = PreTokenizerSequence({WhitespaceSplit()}),
          .model = bpe(),
          .before = {},
          .behind = {},
          .source = nullptr};
}

std::string long_text(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    text += unit;
  }
  return text;
}

}  // namespace

TEST_SUITE("text/tokenizer_pipeline") {
  TEST_CASE("encode: a text passes normaliser, pre-tokenizer and model") {
    const TokenizerPipeline t(parts());
    CHECK(t.encode("") == Ids{});
    CHECK(t.encode("  ") == Ids{});
    CHECK(t.encode("AB a") == Ids{3, 1});
    CHECK(t.encode("abx \u00C9") == Ids{3, 0, 8});
  }

  TEST_CASE("encode: special tokens stand around every text, the empty one too") {
    TokenizerParts p = parts();
    p.before = {7, 0};
    p.behind = {2};
    const TokenizerPipeline t(std::move(p));
    CHECK(t.encode("") == Ids{7, 0, 2});
    CHECK(t.encode("a") == Ids{7, 0, 1, 2});
    CHECK(t.special_ids() == SpecialIds{.unknown = 0, .begin = 7, .end = 2});
    CHECK(TokenizerPipeline(parts()).special_ids() == SpecialIds{.unknown = 0});
  }

  TEST_CASE("encode: cuts the content, keeps the special tokens, counts the rest") {
    TokenizerParts p = parts();
    p.before = {7};
    p.behind = {2};
    const TokenizerPipeline t(std::move(p));
    TokenScratch scratch;
    for (const re::Index limit : {2, 3, 4, 5, 6, 7}) {
      Ids ids = {99};
      const re::Index kept = std::min<re::Index>(limit, 6);
      CHECK(t.encode("a b c ab", limit, scratch, ids) == Encoding{kept, 6 - kept});
      const Ids whole = {7, 1, 2, 6, 3, 2};
      Ids expected = {99};
      expected.insert(expected.end(), whole.begin(), whole.begin() + kept - 1);
      expected.push_back(2);
      CHECK(ids == expected);
    }
    Ids ids = {99};
    CHECK_THROWS_WITH_AS(
        t.encode("a", 1, scratch, ids),
        "text::TokenizerPipeline::encode: max_tokens is 1, expected >= 2, the number of special tokens",
        re::ConfigError);
    CHECK(ids == Ids{99});
  }

  TEST_CASE("encode: refuses what is not UTF-8 and leaves the ids alone") {
    const TokenizerPipeline t(parts());
    TokenScratch scratch;
    Ids ids = {99};
    CHECK_THROWS_WITH_AS(t.encode("ab\xFF", kNoTokenLimit, scratch, ids),
                         "text::TokenizerPipeline::encode: text is not UTF-8 at byte 2, expected UTF-8 text",
                         re::DataError);
    CHECK(ids == Ids{99});
  }

  TEST_CASE("encode: added tokens are cut out of the raw or the normalised text") {
    const TokenizerPipeline t(parts(
        {{.content = "<s>", .id = 7}, {.content = "C", .id = 9}, {.content = "XY", .id = 10, .normalized = true}}));
    CHECK(t.vocab_size() == 11);
    CHECK(t.token(9) == "C");
    CHECK(t.token(10) == "XY");
    CHECK(t.token(8) == "\u00E9");
    CHECK(t.encode("a<s>b") == Ids{1, 7, 2});
    CHECK(t.encode("aC c") == Ids{1, 9, 6});
    CHECK(t.encode("xyXYxY") == Ids{10, 10, 10});
    CHECK(t.encode("<S>") == Ids{0, 0, 0});  // the raw text spells it otherwise
  }

  TEST_CASE("encode: what begins the text is told from what follows a token") {
    TokenizerParts p = parts({{.content = "<s>", .id = 7}});
    p.normalizer = NormalizerSequence();
    p.pre_tokenizer = PreTokenizerSequence({Metaspace{.scheme = Metaspace::Scheme::kFirst}});
    const TokenizerPipeline t(p);
    CHECK(t.encode("a") == Ids{5});
    CHECK(t.encode("<s>a") == Ids{7, 1});
    CHECK(t.encode("a<s>a") == Ids{5, 7, 1});
    p.normalizer = NormalizerSequence({Strip()});
    CHECK(TokenizerPipeline(p).encode(" a") == Ids{1});  // the reference takes the place in the raw text
    CHECK(TokenizerPipeline(p).encode("a ") == Ids{5});
  }

  TEST_CASE("encode: every kind of model") {
    TokenizerParts p = parts();
    p.model = unigram();
    CHECK(TokenizerPipeline(p).encode("ab xxa") == Ids{3, 0, 1});
    p.model = WordPieceModel(Vocabulary(kTokens), {.unknown = "<unk>", .continuing_prefix = ""}, "test");
    CHECK(TokenizerPipeline(p).encode("abc x") == Ids{3, 6, 0});
    CHECK(TokenizerPipeline(p).special_ids().unknown == 0);
  }

  TEST_CASE("TokenizerPipeline: refuses ids that the reference would not give") {
    CHECK_THROWS_WITH_AS(TokenizerPipeline(parts({{.content = "<s>", .id = 3}}), "file"),
                         "file: id of added token \"<s>\" is 3, expected 7, as in the vocabulary",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(TokenizerPipeline(parts({{.content = "<x>", .id = 10}}), "file"),
                         "file: id of added token \"<x>\" is 10, expected 9, the next free one",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(TokenizerPipeline(parts({{.content = "<x>", .id = 9}, {.content = "<y>", .id = 9}}), "file"),
                         "file: id of added token \"<y>\" is 9, expected 10, the next free one",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(TokenizerPipeline(parts({{.content = "<x>", .id = 9}, {.content = "<x>", .id = 10}}), "file"),
                         "file: added token \"<x>\" is given twice, expected different tokens",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(TokenizerPipeline(parts({{.content = "", .id = 9}}), "file"),
                         "file: added token is empty, expected at least one character",
                         re::ConfigError);
    TokenizerParts p = parts();
    p.behind = {9};
    CHECK_THROWS_WITH_AS(
        TokenizerPipeline(std::move(p), "file"), "file: special token id is 9, expected 0 to 8", re::ConfigError);
  }

  TEST_CASE("token: names an id that is none") {
    const TokenizerPipeline t(parts());
    CHECK_THROWS_WITH_AS((void)t.token(9), "text::TokenizerPipeline::token: id is 9, expected 0 to 8", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)t.token(-1), "text::TokenizerPipeline::token: id is -1, expected 0 to 8", re::ConfigError);
  }

  TEST_CASE("AnyTokenizer: does what the pipeline it was made of does") {
    const TokenizerPipeline own(parts({{.content = "<x>", .id = 9}}));
    const AnyTokenizer any(own);
    REQUIRE(any.get_if<TokenizerPipeline>() != nullptr);
    CHECK(any.get_if<WordPiece>() == nullptr);
    for (const std::string_view text : {"", "ab <x> c", "\u00E9"}) {
      CHECK(any.encode(text) == own.encode(text));
    }
    CHECK(any.vocab_size() == own.vocab_size());
    CHECK(any.token(9) == "<x>");
    CHECK(any.special_ids() == own.special_ids());
  }

  TEST_CASE("TokenizerPipeline: copies and moves keep their tokens") {
    TokenizerPipeline t(parts({{.content = "<x>", .id = 9}}));
    const TokenizerPipeline copy = t;
    const TokenizerPipeline moved = std::move(t);
    CHECK(copy.encode("a<x>") == Ids{1, 9});
    CHECK(moved.encode("a<x>") == Ids{1, 9});
  }

  TEST_CASE("encode: is const and safe from many threads") {
    TokenizerParts p = parts({{.content = "<x>", .id = 9}});
    p.normalizer = NormalizerSequence({NormalizationForm{}, Lowercase()});
    const TokenizerPipeline t(std::move(p));
    const std::string text = long_text("Ab e\u0301 <x>c", 2000);
    const Ids expected = t.encode(text);
    std::vector<Ids> results(4);
    std::vector<std::thread> threads;
    for (Ids& ids : results) {
      threads.emplace_back([&t, &text, &ids] {
        for (int i = 0; i < 20; ++i) {
          ids = t.encode(text);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const Ids& ids : results) {
      CHECK(ids == expected);
    }
  }

  TEST_CASE("encode: a megabyte of one thing takes no longer than its length asks for") {
    TokenizerParts p = parts({{.content = "<x>", .id = 9, .lstrip = true, .rstrip = true}});
    p.normalizer = NormalizerSequence({NormalizationForm{}, BertNormalizer(), Strip(), CharacterMap()});
    p.pre_tokenizer =
        PreTokenizerSequence({PatternSplit{.pattern = TiktokenPattern{1}}, Metaspace{}, Digits{true}, Punctuation{}});
    const TokenizerPipeline by_merges(p);
    p.model = unigram();
    const TokenizerPipeline by_paths(std::move(p));
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string_view unit : {"a", "ab", " ", "\u0301", "e\u0301", "\n", "<x>", "<", "7", "\u4E2D", "<x> "}) {
      const std::string text = long_text(unit, 1000000);
      CAPTURE(unit);
      CHECK_NOTHROW((void)by_merges.encode(text));
      CHECK_NOTHROW((void)by_paths.encode(text));
    }
    // 22 texts of a megabyte: quadratic work would be 1e12 steps for each.
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(120));
  }
}
