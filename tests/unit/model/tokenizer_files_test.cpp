#include <reasonembed/model/tokenizer_files.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using re::model::read_word_piece;

namespace {

constexpr std::string_view kVocabTxt = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\nAb\n\xC3\xA9\n";

/// A small tokenizer.json of the kind that BERT models carry; tests replace parts of it.
constexpr std::string_view kTokenizerJson = R"({
"version": "1.0",
"truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0},
"padding": {"strategy": {"Fixed": 128}, "pad_id": 0, "pad_token": "[PAD]"},
"added_tokens": [
 {"id": 0, "special": true, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
 {"id": 3, "special": true, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
"pre_tokenizer": {"type": "BertPreTokenizer"},
"post_processor": {"type": "TemplateProcessing",
 "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
 "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
 "vocab": {"[UNK]": 1, "[PAD]": 0, "[CLS]": 2, "[SEP]": 3, "ab": 4, "##c": 5, "Ab": 6, "[": 7}}
})";

/// kTokenizerJson with the one place of `part` replaced.
std::string changed(std::string_view part, std::string_view replacement) {
  std::string json(kTokenizerJson);
  const std::size_t at = json.find(part);
  REQUIRE(at != std::string::npos);
  json.replace(at, part.size(), replacement);
  return json;
}

/// What reading a directory with these files throws, the directory's name cut out.
template <class Expected>
void check_refused(const std::vector<std::pair<std::string_view, std::string>>& files, const std::string& message) {
  const test::Scratch scratch;
  for (const auto& [name, content] : files) {
    scratch.write(name, content);
  }
  std::string got = "nothing thrown";
  try {
    (void)read_word_piece(scratch.path());
  } catch (const Expected& error) {
    got = error.what();
    const std::string prefix = scratch.path().string() + "/";
    for (std::size_t at = got.find(prefix); at != std::string::npos; at = got.find(prefix)) {
      got.erase(at, prefix.size());
    }
  }
  CHECK(got == message);
}

void check_json_refused(std::string_view part, std::string_view replacement, const std::string& message) {
  check_refused<re::ConfigError>({{"tokenizer.json", changed(part, replacement)}}, "tokenizer.json" + message);
}
void check_json_broken(std::string_view part, std::string_view replacement, const std::string& message) {
  check_refused<re::DataError>({{"tokenizer.json", changed(part, replacement)}}, "tokenizer.json" + message);
}

}  // namespace

TEST_SUITE("model/tokenizer_files") {
  TEST_CASE("read_word_piece: reads tokenizer.json and leaves truncation and padding to the caller") {
    const test::Scratch scratch;
    scratch.write("tokenizer.json", kTokenizerJson);
    const re::text::WordPiece t = read_word_piece(scratch.path());
    CHECK(t.vocab_size() == 8);
    CHECK(t.token(5) == "##c");
    CHECK(t.special_ids() == re::text::SpecialIds{.unknown = 1, .begin = 2, .end = 3});
    CHECK(t.encode("ABC ab [SEP]\u00C1b x") == Ids{2, 4, 5, 4, 3, 4, 1, 3});
    CHECK(t.encode("[CLS]") == Ids{2, 7, 1, 1, 3});  // not among this file's added tokens
    CHECK(t.options().special_tokens == std::vector<std::string>{"[PAD]", "[SEP]"});
    CHECK(t.options().normalizer == re::text::BertNormalizerOptions());
  }

  TEST_CASE("read_word_piece: takes the path of a file as well as a directory") {
    const test::Scratch scratch;
    const auto json = scratch.write("tokenizer.json", kTokenizerJson);
    const auto text = scratch.write("vocab.txt", kVocabTxt);
    CHECK(read_word_piece(scratch.path()).vocab_size() == 8);  // tokenizer.json goes first
    CHECK(read_word_piece(json).vocab_size() == 8);
    CHECK(read_word_piece(text).vocab_size() == 9);
  }

  TEST_CASE("read_word_piece: every option of tokenizer.json arrives") {
    const test::Scratch scratch;
    std::string json =
        changed(R"("clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true)",
                R"("clean_text": false, "handle_chinese_chars": false, "strip_accents": true, "lowercase": false)");
    json.replace(json.find("\"max_input_chars_per_word\": 100"), 31, "\"max_input_chars_per_word\": 2");
    scratch.write("tokenizer.json", json);
    const re::text::WordPiece t = read_word_piece(scratch.path());
    CHECK(t.options().normalizer ==
          re::text::BertNormalizerOptions{
              .clean_text = false, .handle_chinese_chars = false, .strip_accents = true, .lowercase = false});
    CHECK(t.encode("Ab ab abc") == Ids{2, 6, 4, 1, 3});
  }

  TEST_CASE("read_word_piece: BertProcessing says the same as a template") {
    const test::Scratch scratch;
    const std::string json(kTokenizerJson);
    const std::size_t first = json.find("\"post_processor\"");
    const std::size_t end = json.find("\"decoder\"");
    const std::string other =
        R"("post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},)";
    scratch.write("tokenizer.json", json.substr(0, first) + other + json.substr(end));
    CHECK(read_word_piece(scratch.path()).encode("ab") == Ids{2, 4, 3});
  }

  TEST_CASE("read_word_piece: refuses a BertProcessing without its pairs") {
    const std::string json(kTokenizerJson);
    const std::size_t first = json.find("\"post_processor\"");
    const std::size_t end = json.find("\"decoder\"");
    const auto with = [&](const std::string& processor) {
      return json.substr(0, first) + "\"post_processor\": " + processor + "," + json.substr(end);
    };
    check_refused<re::DataError>(
        {{"tokenizer.json", with(R"({"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]"]})")}},
        "tokenizer.json: post_processor.cls is [\"[CLS]\"], expected [token, id]");
    check_refused<re::DataError>({{"tokenizer.json", with(R"({"type": "BertProcessing", "cls": ["[CLS]", 2]})")}},
                                 "tokenizer.json: post_processor.sep is missing, expected an array");
    check_refused<re::ConfigError>(
        {{"tokenizer.json", with("null")}},
        "tokenizer.json: post_processor.type is missing, expected \"TemplateProcessing\" or \"BertProcessing\"");
  }

  TEST_CASE("read_word_piece: reads vocab.txt with the defaults of BERT") {
    const test::Scratch scratch;
    scratch.write("vocab.txt", kVocabTxt);
    const re::text::WordPiece t = read_word_piece(scratch.path());
    CHECK(t.options() == re::text::WordPieceOptions());
    CHECK(t.encode("Abc \u00E9 [MASK]") == Ids{2, 5, 6, 1, 4, 3});  // e without its accent is unknown
  }

  TEST_CASE("read_word_piece: line ends of vocab.txt are no part of its tokens") {
    const test::Scratch scratch;
    std::string dos;
    for (const char c : kVocabTxt) {
      dos += c == '\n' ? std::string("\r\n") : std::string(1, c);
    }
    scratch.write("vocab.txt", dos);
    CHECK(read_word_piece(scratch.path()).encode("abc") == Ids{2, 5, 6, 3});
  }

  TEST_CASE("read_word_piece: tokenizer_config.json rules a vocab.txt") {
    const test::Scratch scratch;
    scratch.write("vocab.txt", "<pad>\n<unk>\n[CLS]\n</s>\n[MASK]\nAb\n\u00E9\n\u4F60\u4F60\n");
    scratch.write("tokenizer_config.json",
                  R"({"do_lower_case": false, "strip_accents": false, "tokenize_chinese_chars": false,
      "unk_token": "<unk>", "sep_token": {"__type": "AddedToken", "content": "</s>"}, "pad_token": "<pad>",
      "added_tokens_decoder": {"0": {"content": "<pad>"}, "3": {"content": "</s>"}}, "never_split": null, "model_max_length": 512})");
    const re::text::WordPiece t = read_word_piece(scratch.path());
    CHECK(t.encode("Ab \u00E9 \u4F60\u4F60 ab</s><pad>") == Ids{2, 5, 6, 7, 1, 3, 0, 3});
    CHECK(t.special_ids() == re::text::SpecialIds{.unknown = 1, .begin = 2, .end = 3});
  }

  TEST_CASE("read_word_piece: names what is missing") {
    const test::Scratch scratch;
    const std::string message =
        scratch.path().string() + ": tokenizer is missing, expected tokenizer.json or vocab.txt";
    CHECK_THROWS_WITH_AS((void)read_word_piece(scratch.path()), message.c_str(), re::IoError);
    CHECK_THROWS_AS((void)read_word_piece(scratch / "nowhere" / "vocab.txt"), re::IoError);
  }

  TEST_CASE("read_word_piece: names the part of tokenizer.json that is of another kind") {
    check_json_refused(R"("type": "WordPiece", "unk_token")",
                       R"("type": "BPE", "unk_token")",
                       ": model.type is \"BPE\", expected \"WordPiece\"");
    check_json_refused(R"("type": "BertNormalizer")",
                       R"("type": "NFKC")",
                       ": normalizer.type is \"NFKC\", expected \"BertNormalizer\"");
    check_json_refused(
        R"({"type": "BertPreTokenizer"})", "null", ": pre_tokenizer.type is missing, expected \"BertPreTokenizer\"");
    check_json_refused(
        R"("type": "TemplateProcessing")",
        R"("type": "RobertaProcessing")",
        ": post_processor.type is \"RobertaProcessing\", expected \"TemplateProcessing\" or \"BertProcessing\"");
    check_json_refused(
        R"({"SpecialToken": {"id": "[CLS]", "type_id": 0}}, )",
        "",
        ": post_processor.single is [{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"[SEP]\","
        "\"type_id\":0}}], expected a special token, the text, a special token");
    check_json_refused(
        R"("tokens": ["[CLS]"])",
        R"("tokens": ["[CLS]", "ab"])",
        ": post_processor.special_tokens.[CLS].tokens is 2 tokens, expected 1, the only number supported");
  }

  TEST_CASE("read_word_piece: names the added token that it can't treat as asked") {
    check_json_refused(R"("content": "[SEP]", "single_word": false, "lstrip": false)",
                       R"("content": "[SEP]", "single_word": false, "lstrip": true)",
                       ": added_tokens[1].lstrip of \"[SEP]\" is true, expected false, the only value supported");
    check_json_refused(R"("normalized": false},)",
                       R"("normalized": true},)",
                       ": added_tokens[0].normalized of \"[PAD]\" is true, expected false, the only value supported");
    check_json_refused(
        R"("content": "[SEP]", "single_word")",
        R"("content": "[NEW]", "single_word")",
        ": added_tokens[1].id of \"[NEW]\" is 3, expected a token that is in model.vocab too, the only kind "
        "supported");
    check_json_refused(R"({"id": 3, "special")",
                       R"({"id": 2, "special")",
                       ": added_tokens[1].id of \"[SEP]\" is 2, expected 3 as in model.vocab");
  }

  TEST_CASE("read_word_piece: names the special token that the vocabulary lacks") {
    check_json_refused(R"("unk_token": "[UNK]")",
                       R"("unk_token": "<unk>")",
                       ": special token \"<unk>\" is missing, expected a token of the vocabulary");
    check_refused<re::ConfigError>({{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[MASK]\n"}},
                                   "vocab.txt: special token \"[SEP]\" is missing, expected a token of the vocabulary");
  }

  TEST_CASE("read_word_piece: names the broken entry of the vocabulary") {
    check_json_broken(
        R"("ab": 4)", R"("ab": 9)", ": model.vocab[\"ab\"] is 9, expected the id of a token, 0 to 7 without holes");
    check_json_broken(
        R"("ab": 4)", R"("ab": -1)", ": model.vocab[\"ab\"] is -1, expected the id of a token, 0 to 7 without holes");
    check_json_broken(R"("ab": 4)",
                      R"("ab": "4")",
                      ": model.vocab[\"ab\"] is \"4\", expected the id of a token, 0 to 7 without holes");
    check_json_broken(
        R"("ab": 4)",
        R"("ab": 18446744073709551615)",
        ": model.vocab[\"ab\"] is 18446744073709551615, expected the id of a token, 0 to 7 without holes");
    check_json_broken(
        R"("ab": 4)", R"("": 4)", ": model.vocab[\"\"] is 4, expected the id of a token, 0 to 7 without holes");
    check_json_broken(R"("ab": 4)",
                      R"("ab": 5)",
                      ": model.vocab[\"ab\"] is 5, which is also the id of \"##c\", expected different ids");
  }

  TEST_CASE("read_word_piece: names the field that is missing or of the wrong type") {
    check_json_broken(R"("clean_text": true, )", "", ": normalizer.clean_text is missing, expected true or false");
    check_json_broken(
        R"("lowercase": true)", R"("lowercase": 1)", ": normalizer.lowercase is 1, expected true or false");
    check_json_broken(R"("max_input_chars_per_word": 100)",
                      R"("max_input_chars_per_word": 0)",
                      ": model.max_input_chars_per_word is 0, expected an integer >= 1");
    check_json_broken(R"([
 {"id": 0, "special")",
                      R"([ 7, {"id": 0, "special")",
                      ": added_tokens[0] is 7, expected an object");
    check_refused<re::DataError>({{"tokenizer.json", "[]"}},
                                 "tokenizer.json: JSON value is an array, expected an object");
  }

  TEST_CASE("read_word_piece: a tokenizer.json cut anywhere is refused, never half read") {
    const std::string json(kTokenizerJson);
    for (std::size_t size = 0; size < json.size(); size += 37) {
      const test::Scratch scratch;
      scratch.write("tokenizer.json", json.substr(0, size));
      CHECK_THROWS_AS((void)read_word_piece(scratch.path()), re::Error);
    }
  }

  TEST_CASE("read_word_piece: names file and line of a hole or a duplicate in vocab.txt") {
    check_refused<re::DataError>({{"vocab.txt", "[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n[MASK]\n"}},
                                 "vocab.txt:3: token is empty, expected a token: ids leave no holes");
    check_refused<re::DataError>({{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[UNK]\n"}},
                                 "vocab.txt:6: token is \"[UNK]\", which is also line 2, expected different tokens");
  }

  TEST_CASE("read_word_piece: refuses what tokenizer_config.json asks for in vain") {
    const std::string vocabulary(kVocabTxt);
    check_refused<re::ConfigError>(
        {{"vocab.txt", vocabulary}, {"tokenizer_config.json", R"({"do_basic_tokenize": false})"}},
        "tokenizer_config.json: do_basic_tokenize is false, expected true, the only value supported");
    check_refused<re::ConfigError>(
        {{"vocab.txt", vocabulary}, {"tokenizer_config.json", R"({"never_split": ["a"]})"}},
        "tokenizer_config.json: never_split is 1 words, expected none, the only number supported");
    check_refused<re::ConfigError>(
        {{"vocab.txt", vocabulary},
         {"tokenizer_config.json", R"({"added_tokens_decoder": {"9": {"content": "[E1]"}}})"}},
        "tokenizer_config.json: added_tokens_decoder.9 is \"[E1]\", expected one of the five special tokens, or a "
        "tokenizer.json "
        "that describes it");
    check_refused<re::DataError>({{"vocab.txt", vocabulary}, {"tokenizer_config.json", R"({"do_lower_case": "yes"})"}},
                                 "tokenizer_config.json: do_lower_case is \"yes\", expected true or false");
  }

  TEST_CASE("read_word_piece: bert-base-uncased gives the ids of another implementation's test cases") {
    const auto vocabulary = test::find_data("tokenizers/bert-base-uncased/vocab.txt");
    const auto input = test::find_data("tokenizer-conformance/llama.cpp/ggml-vocab-bert-bge.gguf.inp");
    const auto output = test::find_data("tokenizer-conformance/llama.cpp/ggml-vocab-bert-bge.gguf.out");
    if (!vocabulary || !input || !output) {
      return;
    }
    const re::text::WordPiece t = read_word_piece(*vocabulary);
    constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
    const std::string texts = test::content_of(*input);
    std::istringstream expected(test::content_of(*output));
    std::size_t first = 0;
    std::size_t cases = 0;
    for (std::size_t end = texts.find(kSeparator); end != std::string::npos; end = texts.find(kSeparator, first)) {
      const std::string text = texts.substr(first, end - first);
      first = end + kSeparator.size();
      std::string line;
      REQUIRE(std::getline(expected, line));
      std::istringstream numbers(line);
      Ids ids = {t.special_ids().begin};
      for (std::int32_t id = 0; numbers >> id;) {
        ids.push_back(id);
      }
      ids.push_back(t.special_ids().end);
      CAPTURE(text);
      CHECK(t.encode(text) == ids);
      ++cases;
    }
    CHECK(cases == 46);
    CHECK(texts.substr(first).empty());  // the last case is the empty text
    CHECK(t.encode("") == Ids{t.special_ids().begin, t.special_ids().end});
    CHECK(t.vocab_size() == 30522);
  }
}
