#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/model/vocab_merges.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using Ids = std::vector<std::int32_t>;

namespace {

constexpr std::string_view kVocabJson =
    R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġa": 4, "1": 5, "2": 6, "<s>": 7, "</s>": 8, "Ã": 9, "©": 10, "Ã©": 11, "e": 12, "Ì": 13, "ģ": 14})";
constexpr std::string_view kMergesTxt = "#version: 0.2\na b\nĠ a\r\nÃ ©\n";

/// A directory with these files, and its tokenizer.
re::text::AnyTokenizer read(const test::Scratch& scratch, const Json& config) {
  scratch.write("vocab.json", kVocabJson);
  scratch.write("merges.txt", kMergesTxt);
  scratch.write("tokenizer_config.json", config.dump());
  return re::model::read_tokenizer(scratch.path());
}

template <class Expected>
void check_refused(const test::Scratch& scratch, const std::string& message) {
  CHECK_THROWS_WITH_AS((void)re::model::tokenizer_json_from_merges(scratch.path()),
                       (scratch.path().string() + message).c_str(),
                       Expected);
}

}  // namespace

TEST_SUITE("model/vocab_merges") {
  TEST_CASE("merges_json: one merge a line, versions and ends of lines left out") {
    CHECK(re::model::detail::merges_json("", "m").empty());
    CHECK(re::model::detail::merges_json("a b", "m") == Json::array({"a b"}));
    CHECK(re::model::detail::merges_json("#version: 0.2\na b\r\nc d\n\n", "m") == Json::array({"a b", "c d"}));
    CHECK(re::model::detail::merges_json("# a\n", "m") == Json::array({"# a"}));
  }

  TEST_CASE("merges_json: names the line that is no merge") {
    const auto refused = [](std::string_view content, const std::string& message) {
      CHECK_THROWS_WITH_AS((void)re::model::detail::merges_json(content, "m"),
                           ("m:" + message + ", expected two tokens with a blank between").c_str(),
                           re::DataError);
    };
    refused("a b\nab\n", "2: merge is \"ab\"");
    refused("a b c\n", "1: merge is \"a b c\"");
    refused("a \n", "1: merge is \"a \"");
    refused(" a\n", "1: merge is \" a\"");
    refused("a b\n\nc d\n", "2: merge is \"\"");
    refused("a \xFF\n", "1: merge is \"a \\xFF\"");
  }

  TEST_CASE("tokenizer_json_from_merges: GPT-2") {
    const test::Scratch scratch;
    const auto t = read(scratch, {{"tokenizer_class", "GPT2Tokenizer"}, {"bos_token", "<s>"}, {"eos_token", "<s>"}});
    CHECK(t.encode("ab a 12") == Ids{2, 4, 3, 5, 6});
    CHECK(t.encode("a<s>b") == Ids{0, 7, 1});
    CHECK(t.encode("e\u0301") == Ids{12, 13, 14});
    CHECK(t.special_ids() == re::text::SpecialIds());
  }

  TEST_CASE("tokenizer_json_from_merges: a blank before every text where the configuration asks for it") {
    const test::Scratch scratch;
    CHECK(read(scratch, {{"tokenizer_class", "GPT2TokenizerFast"}, {"add_prefix_space", true}}).encode("ab a") ==
          Ids{3, 2, 4});
  }

  TEST_CASE("tokenizer_json_from_merges: RoBERTa stands between its tokens") {
    const test::Scratch scratch;
    const auto t = read(scratch, {{"tokenizer_class", "RobertaTokenizer"}, {"mask_token", "ab"}});
    CHECK(t.encode("b") == Ids{7, 1, 8});
    CHECK(t.encode("b  ab") == Ids{7, 1, 2, 8});  // a mask takes the blanks before it along
  }

  TEST_CASE("tokenizer_json_from_merges: Qwen composes characters and cuts digits apart") {
    const test::Scratch scratch;
    const auto t =
        read(scratch,
             {{"tokenizer_class", "Qwen2Tokenizer"},
              {"added_tokens_decoder", {{"15", {{"content", "<|end|>"}, {"normalized", false}, {"special", true}}}}}});
    CHECK(t.encode("e\u0301") == Ids{11});
    CHECK(t.encode("12 a") == Ids{5, 6, 4});
    CHECK(t.encode("a<|end|>") == Ids{0, 15});
    CHECK(t.vocab_size() == 16);
  }

  TEST_CASE("read_tokenizer: takes either file of the pair by its path") {
    const test::Scratch scratch;
    (void)read(scratch, {{"tokenizer_class", "GPT2Tokenizer"}});
    CHECK(re::model::read_tokenizer(scratch / "vocab.json").encode("ab") == Ids{2});
    CHECK(re::model::read_tokenizer(scratch / "merges.txt").encode("ab") == Ids{2});
  }

  TEST_CASE("tokenizer_json_from_merges: names what is missing or not supported") {
    const test::Scratch scratch;
    check_refused<re::IoError>(scratch, "/tokenizer_config.json: file is missing, expected a readable file");
    scratch.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
    check_refused<re::ConfigError>(scratch,
                                   "/tokenizer_config.json: tokenizer_class is \"CLIPTokenizer\", expected "
                                   "GPT2Tokenizer, RobertaTokenizer or Qwen2Tokenizer beside a vocab.json");
    scratch.write("tokenizer_config.json", "{}");
    check_refused<re::DataError>(scratch, "/tokenizer_config.json: tokenizer_class is missing, expected a string");
    scratch.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer", "sep_token": "[SEP]"})");
    check_refused<re::IoError>(scratch, "/vocab.json: file is missing, expected a readable file");
    scratch.write("vocab.json", kVocabJson);
    check_refused<re::IoError>(scratch, "/merges.txt: file is missing, expected a readable file");
    scratch.write("merges.txt", kMergesTxt);
    check_refused<re::ConfigError>(scratch,
                                   "/tokenizer_config.json: sep_token is \"[SEP]\", expected a token of "
                                   "added_tokens_decoder or of the vocabulary");
    scratch.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
    scratch.write("vocab.json", R"({"a": 0, "<s>": 1})");
    check_refused<re::ConfigError>(scratch,
                                   "/tokenizer_config.json: sep_token is \"</s>\", expected a token of vocab.json");
  }
}
