#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/model/tokenizer_writer.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
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

constexpr std::string_view kPipelineJson =
    R"({ "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
  "added_tokens": [{"id": 3, "content": "<e>", "normalized": false, "special": true}], "unheard_of": 1.50 })";

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
  TEST_CASE("write_tokenizer: a pipeline's tokenizer.json comes back byte for byte") {
    const test::Scratch source;
    const test::Scratch target;
    source.write("tokenizer.json", kPipelineJson);
    source.write(
        "tokenizer_config.json",
        R"({"eos_token": {"content": "<e>"}, "unk_token": "a", "bos_token": "<none>", "model_max_length": 9})");
    const AnyTokenizer read = re::model::read_tokenizer(source.path());
    REQUIRE(read.get_if<re::text::TokenizerPipeline>() != nullptr);
    re::model::write_tokenizer(target.path(), read, 77);
    CHECK(re::io::read_text_file(target / "tokenizer.json") == kPipelineJson);
    const Json config = config_of(target);
    CHECK(config["tokenizer_class"] == "PreTrainedTokenizerFast");
    CHECK(config["model_max_length"] == 77);
    CHECK(config["eos_token"] == "<e>");
    CHECK(config["pad_token"] == "<e>");        // any special token will do
    CHECK_FALSE(config.contains("unk_token"));  // texts are not searched for it
    CHECK_FALSE(config.contains("bos_token"));
    const AnyTokenizer again = re::model::read_tokenizer(target.path());
    CHECK(again.encode("b ab<e>") == read.encode("b ab<e>"));
    CHECK(again.encode("ab") == std::vector<std::int32_t>{2});
  }
  TEST_CASE("write_tokenizer: one made from vocab.json is written as the tokenizer.json it went through") {
    const test::Scratch source;
    const test::Scratch target;
    source.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
    source.write("merges.txt", "a b\n");
    source.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer"})");
    const AnyTokenizer read = re::model::read_tokenizer(source.path());
    re::model::write_tokenizer(target.path(), read, 77);
    CHECK(re::io::read_json(target / "tokenizer.json") == re::model::tokenizer_json_from_merges(source.path()));
    CHECK_FALSE(std::filesystem::exists(target / "vocab.json"));
    CHECK_FALSE(config_of(target).contains("pad_token"));
    CHECK(re::model::read_tokenizer(target.path()).encode("abb") == std::vector<std::int32_t>{2, 1});
  }
  TEST_CASE("write_tokenizer: a pipeline that was not read from a file is refused") {
    const test::Scratch scratch;
    const Json json = re::io::parse_json(kPipelineJson, "test");
    const AnyTokenizer made = re::model::tokenizer_pipeline_from_json(re::io::JsonFields(json, "test"));
    CHECK_THROWS_WITH_AS(
        re::model::write_tokenizer(scratch.path(), made, 5),
        (scratch.path().string() + ": source of the tokenizer is missing, expected one read by read_tokenizer").c_str(),
        re::ConfigError);
  }
  TEST_CASE("read_tokenizer: BERT's WordPiece is itself, and a pipeline where a part is another") {
    const test::Scratch scratch;
    re::model::write_tokenizer(scratch.path(), WordPiece(Vocabulary(kTokens)), 77);
    const Json whole = re::io::read_json(scratch / "tokenizer.json");
    CHECK(re::model::read_tokenizer(scratch.path()).get_if<WordPiece>() != nullptr);
    const auto is_pipeline = [&](const char* pointer, const Json& value) {
      Json json = whole;
      json[Json::json_pointer(pointer)] = value;
      scratch.write("tokenizer.json", json.dump());
      CAPTURE(pointer);
      CHECK(re::model::read_tokenizer(scratch.path()).get_if<re::text::TokenizerPipeline>() != nullptr);
    };
    is_pipeline("/normalizer", nullptr);
    is_pipeline("/pre_tokenizer/type", "Whitespace");
    is_pipeline("/post_processor", nullptr);
    is_pipeline("/added_tokens/0/lstrip", true);
    is_pipeline("/post_processor/special_tokens/[CLS]/ids/0", 5);  // the id counts, not the token beside it
  }
  TEST_CASE("write_tokenizer: a directory that is not there is named") {
    const test::Scratch scratch;
    const std::string absent = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS(re::model::write_tokenizer(absent, ByteTokenizer(), 5),
                         (absent + "/tokenizer.json: directory is missing, expected a writable directory").c_str(),
                         re::IoError);
  }
}
