#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/model/tokenizer_writer.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>

#include <optional>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::text::AnyTokenizer;
using re::text::ByteTokenizer;
using re::text::Vocabulary;
using re::text::WordPiece;
using re::text::WordPieceOptions;

namespace {

const std::vector<std::string> kTokens = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "salt", "water", "##s", "l", "##i", "why", "\xC3\xA9", "(", "++er"};

std::vector<std::string> texts() {
  std::vector<std::string> list = test::text_samples(30, 12);
  for (const char* text : {"", "salts  WATERS why", "[MASK][SEP] [UNK]x", "salter li \xC3\x89\xCC\x81 ("}) {
    list.emplace_back(text);
  }
  return list;
}

AnyTokenizer written_and_read(const test::Scratch& scratch, const AnyTokenizer& tokenizer) {
  re::model::write_tokenizer(scratch.path(), tokenizer, 77);
  return re::model::read_tokenizer(scratch.path());
}

/// Checks options, vocabulary and ids after a round trip through a directory.
void check_round_trip(const WordPieceOptions& options) {
  const test::Scratch scratch;
  const WordPiece written(Vocabulary(kTokens), options);
  const AnyTokenizer read = written_and_read(scratch, written);
  const auto* word_piece = read.get_if<WordPiece>();
  REQUIRE(word_piece != nullptr);
  CHECK(word_piece->options() == options);
  CHECK(word_piece->vocab_size() == written.vocab_size());
  for (const std::string& text : texts()) {
    CAPTURE(text);
    CHECK(read.encode(text) == written.encode(text));
  }
}

Json config_of(const test::Scratch& scratch) {
  return re::io::read_json(scratch / "tokenizer_config.json");
}

}  // namespace

TEST_SUITE("model/tokenizer_writer") {
  TEST_CASE("write_tokenizer: a WordPiece with its options comes back") {
    check_round_trip({});
    check_round_trip({.normalizer = {.clean_text = false, .handle_chinese_chars = false, .lowercase = false}});
    check_round_trip({.normalizer = {.strip_accents = true, .lowercase = false}});
    check_round_trip({.normalizer = {.strip_accents = false}});
    check_round_trip({.unknown = "why", .begin = "[SEP]", .end = "[CLS]", .special_tokens = {"[MASK]", "salt"}});
    check_round_trip({.special_tokens = {}, .continuing_prefix = "++", .max_chars_per_word = 3});
  }
  TEST_CASE("write_tokenizer: a WordPiece with the same token at begin and end comes back") {
    check_round_trip({.begin = "[SEP]", .end = "[SEP]"});
  }
  TEST_CASE("write_tokenizer: vocab.txt and tokenizer_config.json alone give the same tokenizer") {
    const test::Scratch scratch;
    const WordPieceOptions options{.normalizer = {.handle_chinese_chars = false, .strip_accents = false}};
    const WordPiece written(Vocabulary(kTokens), options);
    re::model::write_tokenizer(scratch.path(), written, 9);
    std::filesystem::remove(scratch / "tokenizer.json");
    const WordPiece read = re::model::read_word_piece(scratch.path());
    for (const std::string& text : texts()) {
      CAPTURE(text);
      CHECK(read.encode(text) == written.encode(text));
    }
  }
  TEST_CASE("write_tokenizer: a vocabulary that no lines can hold is in tokenizer.json alone") {
    for (const std::string& token : {std::string("two\nlines"), std::string("end\r")}) {
      const test::Scratch scratch;
      std::vector<std::string> tokens = kTokens;
      tokens.push_back(token);
      const AnyTokenizer read = written_and_read(scratch, WordPiece(Vocabulary(tokens)));
      CHECK_FALSE(std::filesystem::exists(scratch / "vocab.txt"));
      CHECK(read.token(static_cast<std::int32_t>(tokens.size()) - 1) == token);
    }
  }
  TEST_CASE("write_tokenizer: Hugging Face is told only of tokens that texts are searched for") {
    const auto roles_of = [](const WordPieceOptions& options) {
      const test::Scratch scratch;
      re::model::write_tokenizer(scratch.path(), WordPiece(Vocabulary(kTokens), options), 8);
      const Json roles = re::io::read_json(scratch / "special_tokens_map.json");
      const Json config = config_of(scratch);
      for (const auto& [role, token] : roles.items()) {
        CHECK(config.at(role) == token);
      }
      return roles;
    };
    CHECK(roles_of({}) == Json{{"cls_token", "[CLS]"},
                               {"mask_token", "[MASK]"},
                               {"pad_token", "[PAD]"},
                               {"sep_token", "[SEP]"},
                               {"unk_token", "[UNK]"}});
    CHECK(roles_of({.special_tokens = {"[SEP]", "[CLS]"}}) ==
          Json{{"cls_token", "[CLS]"}, {"pad_token", "[SEP]"}, {"sep_token", "[SEP]"}});
    CHECK(roles_of({.special_tokens = {}}) == Json::object());
  }
  TEST_CASE("write_tokenizer: the configuration names the limit and a class that follows tokenizer.json") {
    const test::Scratch scratch;
    re::model::write_tokenizer(scratch.path(), WordPiece(Vocabulary(kTokens)), 77);
    const Json config = config_of(scratch);
    CHECK(config["model_max_length"] == 77);
    CHECK(config["tokenizer_class"] == "PreTrainedTokenizerFast");
    CHECK(config["do_lower_case"] == true);
    CHECK(config["strip_accents"].is_null());
    CHECK(config["padding_side"] == "right");
  }
  TEST_CASE("write_tokenizer: a byte tokenizer comes back, and pads with a byte") {
    for (const bool begin : {false, true}) {
      const test::Scratch scratch;
      const ByteTokenizer written({.add_begin = begin, .add_end = !begin});
      const AnyTokenizer read = written_and_read(scratch, written);
      REQUIRE(read.get_if<ByteTokenizer>() != nullptr);
      CHECK(read.get_if<WordPiece>() == nullptr);
      CHECK(read.get_if<ByteTokenizer>()->options() == written.options());
      CHECK(config_of(scratch)["pad_token"] == "!");
      CHECK(config_of(scratch)["model_max_length"] == 77);
      CHECK_FALSE(std::filesystem::exists(scratch / "vocab.txt"));
    }
  }
  TEST_CASE("read_tokenizer: takes WordPiece from either file, by directory or by path") {
    const test::Scratch scratch;
    scratch.write("vocab.txt", test::kVocabTxt);
    CHECK(re::model::read_tokenizer(scratch.path()).vocab_size() == 12);
    CHECK(re::model::read_tokenizer(scratch / "vocab.txt").vocab_size() == 12);
    re::model::write_tokenizer(scratch.path(), ByteTokenizer(), 5);
    CHECK(re::model::read_tokenizer(scratch.path()).vocab_size() == 258);
    CHECK(re::model::read_tokenizer(scratch / "tokenizer.json").vocab_size() == 258);
  }
  TEST_CASE("read_tokenizer: names the kind it does not know, and what is missing") {
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS(
        (void)re::model::read_tokenizer(scratch.path()),
        (scratch.path().string() + ": tokenizer is missing, expected tokenizer.json, vocab.json with merges.txt, "
                                   "vocab.txt or tokenizer.model")
            .c_str(),
        re::IoError);
    const std::string path = scratch.write("tokenizer.json", R"({"model": {"type": "WordLevel"}})").string();
    CHECK_THROWS_WITH_AS((void)re::model::read_tokenizer(scratch.path()),
                         (path + ": model.type is \"WordLevel\", expected BPE, Unigram or WordPiece").c_str(),
                         re::ConfigError);
    scratch.write("tokenizer.json", R"({"model": {"type": "BPE", "merges": ["a b"], "vocab": {"a": 0}}})");
    CHECK_THROWS_WITH_AS((void)re::model::read_tokenizer(scratch.path()),
                         (path + ": model.merges[0] is \"a b\", expected tokens of model.vocab, not \"b\"").c_str(),
                         re::DataError);
  }
  TEST_CASE("write_tokenizer: a directory that is not there is named") {
    const test::Scratch scratch;
    const std::string absent = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS(re::model::write_tokenizer(absent, ByteTokenizer(), 5),
                         (absent + "/tokenizer.json: directory is missing, expected a writable directory").c_str(),
                         re::IoError);
  }
}
