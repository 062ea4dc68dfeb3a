#include <reasonembed/text/tokenizer_pipeline.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using Strings = std::vector<std::string>;
using re::text::Encoding;
using re::text::Vocabulary;
using re::text::WordPiece;
using re::text::WordPieceOptions;

namespace {

constexpr std::int32_t kUnknown = 1;
constexpr std::int32_t kBegin = 2;
constexpr std::int32_t kEnd = 3;

/// The special tokens with ids 0 to 4, then `words` from 5 on.
WordPiece tokenizer(const Strings& words, WordPieceOptions options = {}) {
  Strings tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  tokens.insert(tokens.end(), words.begin(), words.end());
  return WordPiece(Vocabulary(tokens), std::move(options));
}

/// The tokens of the content, written out.
Strings pieces(const WordPiece& word_piece, std::string_view text) {
  const Ids ids = word_piece.encode(text);
  REQUIRE(ids.size() >= 2);
  REQUIRE(ids.front() == kBegin);
  REQUIRE(ids.back() == kEnd);
  Strings tokens;
  for (std::size_t i = 1; i + 1 < ids.size(); ++i) {
    tokens.emplace_back(word_piece.token(ids[i]));
  }
  return tokens;
}

/// WordPiece of one ASCII word by the book: a map, and the longest substring first.
Strings reference(const std::map<std::string, int>& vocabulary, const std::string& word) {
  Strings found;
  for (std::size_t start = 0; start < word.size();) {
    std::size_t end = word.size();
    for (; end > start; --end) {
      const std::string piece = (start > 0 ? "##" : "") + word.substr(start, end - start);
      if (vocabulary.count(piece) != 0) {
        found.push_back(piece);
        break;
      }
    }
    if (end == start) {
      return {"[UNK]"};
    }
    start = end;
  }
  return found;
}

}  // namespace

TEST_SUITE("text/word_piece") {
  TEST_CASE("encode: takes the longest piece each time") {
    const WordPiece t = tokenizer({"un", "unaff", "##aff", "##able", "##ab", "##le", "##a", "able"});
    CHECK(pieces(t, "unaffable") == Strings{"unaff", "##able"});
    CHECK(pieces(t, "unable") == Strings{"un", "##able"});
    CHECK(pieces(t, "unaab") == Strings{"un", "##a", "##ab"});
    CHECK(pieces(t, "able un") == Strings{"able", "un"});
  }

  TEST_CASE("encode: a word that can't be cut is one unknown token, nothing of it remains") {
    const WordPiece t = tokenizer({"a", "##b", "c"});
    CHECK(pieces(t, "abx") == Strings{"[UNK]"});
    CHECK(pieces(t, "ba") == Strings{"[UNK]"});  // "b" begins no word
    CHECK(pieces(t, "ab bad c") == Strings{"a", "##b", "[UNK]", "c"});
    CHECK(pieces(t, "\u00DF") == Strings{"[UNK]"});
  }

  TEST_CASE("encode: greedy search does not step back") {
    const WordPiece t = tokenizer({"ab", "a", "##bc"});
    CHECK(pieces(t, "abc") == Strings{"[UNK]"});  // a ##bc would fit, the longest first piece is ab
  }

  TEST_CASE("encode: empty and blank texts have the special tokens only") {
    const WordPiece t = tokenizer({"a"});
    for (const std::string_view text : {"", " ", "\t\n", "\u3000", "\u0301", "\u200B"}) {
      CHECK(t.encode(text) == Ids{kBegin, kEnd});
    }
  }

  TEST_CASE("encode: pieces end between characters") {
    const WordPiece t = tokenizer({"\u03B1", "##\u03B2", "##\u03B2\u03B3", "\u4F60"});
    CHECK(pieces(t, "\u03B1\u03B2") == Strings{"\u03B1", "##\u03B2"});
    CHECK(pieces(t, "\u0391\u0392\u0393") == Strings{"\u03B1", "##\u03B2\u03B3"});
    CHECK(pieces(t, "\u4F60\u4F60") == Strings{"\u4F60", "\u4F60"});
  }

  TEST_CASE("encode: a word longer than max_chars_per_word characters is unknown") {
    const WordPiece t = tokenizer({"a", "##a", "\u03B1", "##\u03B1"});
    CHECK(pieces(t, std::string(100, 'a')).size() == 100);
    CHECK(pieces(t, std::string(101, 'a')) == Strings{"[UNK]"});
    std::string greek;  // 100 characters, 200 bytes
    for (int i = 0; i < 100; ++i) {
      greek += "\u03B1";
    }
    CHECK(pieces(t, greek).size() == 100);
    CHECK(pieces(t, greek + "a") == Strings{"[UNK]"});
    const WordPiece shorter = tokenizer({"a", "##a"}, {.max_chars_per_word = 3});
    CHECK(pieces(shorter, "aaa aaaa") == Strings{"a", "##a", "##a", "[UNK]"});
  }

  TEST_CASE("encode: special tokens in the text are themselves, before normalisation") {
    const WordPiece t = tokenizer({"a", "b", "[", "]", "sep"});
    CHECK(pieces(t, "a[SEP]b") == Strings{"a", "[SEP]", "b"});
    CHECK(pieces(t, "[CLS] [MASK][PAD]") == Strings{"[CLS]", "[MASK]", "[PAD]"});
    CHECK(pieces(t, "[sep]") == Strings{"[", "sep", "]"});
    CHECK(pieces(t, "a [UNK]") == Strings{"a", "[UNK]"});
  }

  TEST_CASE("encode: without a list of special tokens they are text") {
    WordPieceOptions options;
    options.special_tokens.clear();
    const WordPiece t = tokenizer({"[", "]", "sep"}, options);
    CHECK(pieces(t, "[SEP]") == Strings{"[", "sep", "]"});
  }

  TEST_CASE("encode: names, prefix and normaliser are options") {
    const WordPiece t(Vocabulary(Strings{"<unk>", "<s>", "</s>", "A", "@@b"}),
                      {.normalizer = {.lowercase = false},
                       .unknown = "<unk>",
                       .begin = "<s>",
                       .end = "</s>",
                       .special_tokens = {"</s>"},
                       .continuing_prefix = "@@"});
    CHECK(t.encode("Ab a </s>") == Ids{1, 3, 4, 0, 2, 2});
    CHECK(t.special_ids() == re::text::SpecialIds{.unknown = 0, .begin = 1, .end = 2});
    CHECK(t.options().continuing_prefix == "@@");
  }

  TEST_CASE("encode: an empty prefix makes every token a piece") {
    const WordPiece t = tokenizer({"a", "ab", "c"}, {.continuing_prefix = ""});
    CHECK(pieces(t, "abca") == Strings{"ab", "c", "a"});
  }

  TEST_CASE("encode: the limit cuts the content's end and the loss is counted") {
    const WordPiece t = tokenizer({"a", "b", "##c"});
    re::text::TokenScratch scratch;
    Ids ids = {42};
    CHECK(t.encode("a b bc a", 5, scratch, ids) == Encoding{.tokens = 5, .truncated = 2});  // a b b | ##c a
    CHECK(ids == Ids{42, kBegin, 5, 6, 6, kEnd});
    ids.clear();
    CHECK(t.encode("a b bc a", 7, scratch, ids) == Encoding{.tokens = 7, .truncated = 0});
    CHECK(t.encode("a b bc a", re::text::kNoTokenLimit, scratch, ids) == Encoding{.tokens = 7, .truncated = 0});
    ids.clear();
    CHECK(t.encode("a b", 2, scratch, ids) == Encoding{.tokens = 2, .truncated = 2});
    CHECK(ids == Ids{kBegin, kEnd});
    CHECK(t.encode("", 2, scratch, ids) == Encoding{.tokens = 2, .truncated = 0});
  }

  TEST_CASE("encode: at every limit the ids are the first of the whole text, and nothing goes uncounted") {
    const WordPiece t = tokenizer({"a", "b", "##c", ".", "\u4F60"});
    const std::string text = "abc bcc. zz [SEP] \u4F60\u4F60 a.b.c [CLS]\u00C1";
    const Ids whole = t.encode(text);
    const auto length = static_cast<re::Index>(whole.size());
    REQUIRE(length > 15);
    re::text::TokenScratch scratch;
    for (re::Index limit = 2; limit < length + 3; ++limit) {
      CAPTURE(limit);
      const re::Index kept = std::min(limit, length);
      Ids expected(whole.begin(), whole.begin() + kept - 1);
      expected.push_back(kEnd);
      Ids ids;
      CHECK(t.encode(text, limit, scratch, ids) == Encoding{kept, length - kept});
      CHECK(ids == expected);
    }
  }

  TEST_CASE("encode: a refused text leaves the scratch as good as new") {
    const WordPiece t = tokenizer({"a", "##b"});
    re::text::TokenScratch scratch;
    Ids ids;
    CHECK_THROWS_AS(t.encode("ab \u302E\xFF", 9, scratch, ids), re::DataError);
    CHECK_THROWS_AS(t.encode("ab", 0, scratch, ids), re::ConfigError);
    t.encode("ab", 9, scratch, ids);
    CHECK(ids == t.encode("ab"));
  }

  TEST_CASE("tokenize: packs several texts and cuts each by itself") {
    const WordPiece t = tokenizer({"a", "b", "##c"});
    const re::text::TokenizedTexts packed = re::text::tokenize(t, Strings{"a bc", "", "b a b a"}, 4);
    CHECK(packed.ids == Ids{kBegin, 5, 6, kEnd, kBegin, kEnd, kBegin, 6, 5, kEnd});
    CHECK(packed.offsets == Ids{0, 4, 6, 10});
    CHECK(packed.truncated == std::vector<re::Index>{1, 0, 2});
  }

  TEST_CASE("encode: refuses a limit below two and leaves the ids alone") {
    const WordPiece t = tokenizer({"a"});
    re::text::TokenScratch scratch;
    Ids ids = {42};
    CHECK_THROWS_WITH_AS(t.encode("a", 1, scratch, ids),
                         "text::WordPiece::encode: max_tokens is 1, expected >= 2, the number of special tokens",
                         re::ConfigError);
    CHECK(ids == Ids{42});
  }

  TEST_CASE("encode: refuses text that is not UTF-8 by its offset and leaves the ids alone") {
    const WordPiece t = tokenizer({"a"});
    re::text::TokenScratch scratch;
    Ids ids = {42};
    CHECK_THROWS_WITH_AS(t.encode("aaaaaaaaaaaa \xE2\x82", 9, scratch, ids),
                         "text::WordPiece::encode: text is not UTF-8 at byte 13, expected UTF-8 text",
                         re::DataError);
    CHECK(ids == Ids{42});
    CHECK_THROWS_AS((void)t.encode("\xFF"), re::DataError);
  }

  TEST_CASE("encode: equals the definition on random words over random vocabularies") {
    std::mt19937 random(11);
    const auto word = [&](unsigned longest) {
      std::string letters;
      for (unsigned i = 0; i < 1 + random() % longest; ++i) {
        letters += static_cast<char>('a' + random() % 3);
      }
      return letters;
    };
    for (int round = 0; round < 30; ++round) {
      std::map<std::string, int> vocabulary;
      for (int i = 0; i < 25; ++i) {
        vocabulary.emplace((random() % 2 != 0 ? "##" : "") + word(4), 0);
      }
      Strings tokens;
      for (const auto& [token, ignored] : vocabulary) {
        tokens.push_back(token);
      }
      const WordPiece t = tokenizer(tokens);
      for (int i = 0; i < 100; ++i) {
        const std::string text = word(12);
        CAPTURE(text);
        CHECK(pieces(t, text) == reference(vocabulary, text));
      }
    }
  }

  TEST_CASE("encode: a text's ids are those of its words") {
    const WordPiece t = tokenizer({"a", "##b", "c", ".", "##c"});
    const Strings words = {"ab", "c", ".", "abc", "zz"};
    std::mt19937 random(3);
    for (int round = 0; round < 50; ++round) {
      std::string text;
      Strings expected;
      for (unsigned i = 0; i < random() % 10; ++i) {
        const std::string& word = words[random() % words.size()];
        text += word + " ";
        const Strings of_word = pieces(t, word);
        expected.insert(expected.end(), of_word.begin(), of_word.end());
      }
      CHECK(pieces(t, text) == expected);
    }
  }

  TEST_CASE("encode: allocates nothing once its buffers have grown") {
    const WordPiece t = tokenizer({"a", "##b", "\u4F60", "[", "]", "e"});
    std::string text;
    for (int i = 0; i < 300; ++i) {
      text += "ab\u00C9 \u4F60[SEP]zzz a\u302E\u1B44 " + std::string(120, 'a') + "\n";
    }
    re::text::TokenScratch scratch;
    Ids ids;
    const Encoding first = t.encode(text, re::text::kNoTokenLimit, scratch, ids);
    ids.clear();
    Encoding second;
    CHECK(test::count_allocations([&] { second = t.encode(text, re::text::kNoTokenLimit, scratch, ids); }) == 0);
    CHECK(first == second);
    ids.clear();
    CHECK(test::count_allocations([&] { t.encode("shorter ab", 128, scratch, ids); }) == 0);
    CHECK(test::count_allocations([] { delete new int(1); }) == 1);  // the counter counts
  }

  TEST_CASE("encode: hostile megabytes take linear time") {  // quadratic ones would take minutes
    const WordPiece t = tokenizer({"a", "##a", "##aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "[", "b"});
    const auto repeated = [](std::string_view piece) {
      std::string text;
      while (text.size() < (std::size_t{1} << 20)) {
        text += piece;
      }
      return text;
    };
    re::text::TokenScratch scratch;
    for (const std::string& piece : Strings{"a",
                                            " ",
                                            "\u0301",
                                            "\u302E\u1B44",
                                            "[",
                                            "[SEP",
                                            "[SEP]",
                                            ".",
                                            "\u4F60",
                                            "\u200D",
                                            std::string(99, 'a') + " ",
                                            std::string(99, 'a') + "b "}) {
      CAPTURE(piece);
      const std::string text = repeated(piece);
      Ids ids;
      const Encoding encoding = t.encode(text, 256, scratch, ids);
      CHECK(encoding.tokens == static_cast<re::Index>(ids.size()));
      CHECK(encoding.tokens <= 256);
    }
  }

  TEST_CASE("encode: two threads get what one gets") {
    const WordPiece t = tokenizer({"a", "##b", "c", "\u4F60"});
    const Strings texts = {"ab c", "c \u4F60\u4F60 a", "[SEP] ab", "unknown", "\u00C1b"};
    std::vector<Ids> expected;
    for (const std::string& text : texts) {
      expected.push_back(t.encode(text));
    }
    std::vector<int> wrong(2);
    std::vector<std::thread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        re::text::TokenScratch scratch;
        Ids ids;
        for (int round = 0; round < 200; ++round) {
          for (std::size_t i = 0; i < texts.size(); ++i) {
            ids.clear();
            t.encode(texts[i], re::text::kNoTokenLimit, scratch, ids);
            count += ids != expected[i];
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(wrong == std::vector<int>{0, 0});
  }

  TEST_CASE("WordPiece: copies and moves encode as the original") {
    WordPiece first = tokenizer({"a", "##b"});
    const WordPiece copy = first;
    const WordPiece moved = std::move(first);
    CHECK(pieces(copy, "ab [SEP]") == Strings{"a", "##b", "[SEP]"});
    CHECK(pieces(moved, "ab [SEP]") == Strings{"a", "##b", "[SEP]"});
    CHECK(moved.vocab_size() == 7);
    CHECK(moved.vocabulary().find("##b") == 6);
  }

  TEST_CASE("WordPiece: names the special token that the vocabulary lacks") {
    const Strings all = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (const std::string& missing : all) {
      Strings tokens = all;
      tokens.erase(std::find(tokens.begin(), tokens.end(), missing));
      const std::string message =
          "vocab.txt: special token \"" + missing + "\" is missing, expected a token of the vocabulary";
      CHECK_THROWS_WITH_AS(WordPiece(Vocabulary(tokens), {}, "vocab.txt"), message.c_str(), re::ConfigError);
    }
  }

  TEST_CASE("WordPiece: refuses words of no characters") {
    CHECK_THROWS_WITH_AS(tokenizer({}, {.max_chars_per_word = 0}),
                         "text::WordPiece: max_chars_per_word is 0, expected >= 1",
                         re::ConfigError);
  }

  TEST_CASE("token: gives every token and refuses what is none") {
    const WordPiece t = tokenizer({"a"});
    CHECK(t.token(kUnknown) == "[UNK]");
    CHECK(t.token(5) == "a");
    CHECK_THROWS_AS((void)t.token(6), re::ConfigError);
  }
}

// Here, because only one file of a program may count allocations.
TEST_SUITE("text/tokenizer_pipeline") {
  TEST_CASE("encode: allocates nothing after the first long text, with any part") {
    using namespace re::text;
    const std::vector<std::string> tokens = {"<unk>",
                                             "a",
                                             "b",
                                             "ab",
                                             "\u2581",
                                             "\u2581"
                                             "a",
                                             "\u00E9"};
    const std::vector<NormalizerStep> normalizers = {NormalizationForm{true, true},
                                                     BertNormalizer(),
                                                     Lowercase(),
                                                     StripAccents(),
                                                     Strip(),
                                                     Replace{TextPattern(std::string("b")), "c"},
                                                     Prepend{"a"},
                                                     Nmt(),
                                                     CharacterMap()};
    const std::vector<PreTokenizerStep> words = {PatternSplit{.pattern = TiktokenPattern{1}},
                                                 WhitespaceSplit(),
                                                 WhitespaceWords(),
                                                 Digits{true},
                                                 Punctuation(),
                                                 BertWords(),
                                                 Metaspace(),
                                                 ByteLevelWords{true, true}};
    TokenizerParts parts{.added_tokens = {{.content = "<x>", .id = 7, .lstrip = true}},
                         .normalizer = NormalizerSequence(normalizers),
                         .pre_tokenizer = PreTokenizerSequence(words),
                         .model = BytePairEncoding(Vocabulary(tokens),
                                                   BpeMerges(std::vector<BpeMerge>{{1, 2, 3}, {4, 1, 5}}),
                                                   {.unknown = "<unk>", .byte_fallback = true, .end_suffix = "#"}),
                         .before = {0},
                         .behind = {0},
                         .source = nullptr};
    const TokenizerPipeline merges(parts);
    parts.model = Unigram(Vocabulary(tokens), {0, -1, -1, -1, -1, -1, -1}, {.byte_fallback = true});
    const TokenizerPipeline paths(std::move(parts));
    std::string text;
    for (int i = 0; i < 300; ++i) {
      text += "Ab e\u0301\u0323 ab12! <x> \uFB01 \u5B57\n";
    }
    for (const TokenizerPipeline* tokenizer : {&merges, &paths}) {
      TokenScratch scratch;
      std::vector<std::int32_t> ids;
      for (int i = 0; i < 2; ++i) {
        ids.clear();
        tokenizer->encode(text, kNoTokenLimit, scratch, ids);
      }
      ids.clear();
      CHECK(test::count_allocations([&] { tokenizer->encode(text, kNoTokenLimit, scratch, ids); }) == 0);
      CHECK(ids.size() > 3000);
    }
  }
}
