#include <reasonembed/model/tokenizer_pipeline_json.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using re::model::tokenizer_pipeline_from_json;
using Ids = std::vector<std::int32_t>;

namespace {

/// A small tokenizer.json; tests replace parts of it.
const Json kFile = re::io::parse_json(R"({
"version": "1.0",
"truncation": {"max_length": 2},
"padding": {"pad_id": 3},
"added_tokens": [
 {"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
 {"id": 6, "content": "<m>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": true, "special": false}],
"normalizer": {"type": "Lowercase"},
"pre_tokenizer": {"type": "WhitespaceSplit"},
"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
 "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
"decoder": {"type": "Unheard of"},
"model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"<unk>": 0, "<s>": 1, "a": 2, "b": 3, "ab": 4, "c": 5}, "merges": ["a b"]}
})",
                                      "test");

Json changed(const char* pointer, const Json& value) {
  Json json = kFile;
  json[Json::json_pointer(pointer)] = value;
  return json;
}

template <class Expected>
void check_refused(const char* pointer, const Json& value, const std::string& message) {
  CAPTURE(pointer);
  const Json json = changed(pointer, value);
  CHECK_THROWS_WITH_AS(
      (void)tokenizer_pipeline_from_json(JsonFields(json, "file")), ("file: " + message).c_str(), Expected);
}

}  // namespace

TEST_SUITE("model/tokenizer_pipeline_json") {
  TEST_CASE("tokenizer_pipeline_from_json: assembles all parts, and leaves truncation and padding to the caller") {
    const re::text::TokenizerPipeline t = tokenizer_pipeline_from_json(JsonFields(kFile, "file"));
    CHECK(t.encode("AB c x") == Ids{1, 4, 5, 0});
    CHECK(t.encode("<s>") == Ids{1, 1});
    CHECK(t.encode("a <M>b") == Ids{1, 2, 6, 3});
    CHECK(t.vocab_size() == 7);
    CHECK(t.token(6) == "<m>");
    CHECK(t.special_ids() == re::text::SpecialIds{.unknown = 0, .begin = 1});
    CHECK(t.parts().source == nullptr);
  }

  TEST_CASE("tokenizer_pipeline_from_json: parts may be missing or null") {
    for (const char* part : {"added_tokens",
                             "normalizer",
                             "pre_tokenizer",
                             "post_processor",
                             "decoder",
                             "truncation",
                             "padding",
                             "version"}) {
      CAPTURE(part);
      Json json = kFile;
      json[part] = nullptr;
      CHECK_NOTHROW((void)tokenizer_pipeline_from_json(JsonFields(json, "file")));
      json.erase(part);
      CHECK_NOTHROW((void)tokenizer_pipeline_from_json(JsonFields(json, "file")));
    }
  }

  TEST_CASE("tokenizer_pipeline_from_json: keeps the source") {
    const auto source = std::make_shared<const re::text::TokenizerSource>(re::text::TokenizerSource{"text", "config"});
    CHECK(tokenizer_pipeline_from_json(JsonFields(kFile, "file"), source).parts().source == source);
  }

  TEST_CASE("tokenizer_pipeline_from_json: every flag of an added token arrives") {
    const auto encode_with = [](const char* flag, std::string_view text) {
      Json json = kFile;
      json["added_tokens"][1]["lstrip"] = false;
      json["added_tokens"][1][flag] = true;
      json["pre_tokenizer"] = nullptr;
      json["post_processor"] = nullptr;
      return tokenizer_pipeline_from_json(JsonFields(json, "file")).encode(text);
    };
    CHECK(encode_with("special", "a <m> b") == Ids{2, 0, 6, 0, 3});
    CHECK(encode_with("lstrip", "a <m> b") == Ids{2, 6, 0, 3});
    CHECK(encode_with("rstrip", "a <m> b") == Ids{2, 0, 6, 3});
    CHECK(encode_with("single_word", "a<m> <m>b <m>") == Ids{2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 6});
    CHECK(encode_with("normalized", "<M>") == Ids{6});
  }

  TEST_CASE("tokenizer_pipeline_from_json: names the added token that is wrong") {
    check_refused<re::ConfigError>(
        "/added_tokens/0/id", 2, "id of added token \"<s>\" is 2, expected 1, as in the vocabulary");
    check_refused<re::ConfigError>(
        "/added_tokens/1/id", 7, "id of added token \"<m>\" is 7, expected 6, the next free one");
    check_refused<re::ConfigError>(
        "/added_tokens/1/content", "", "added token is empty, expected at least one character");
    check_refused<re::DataError>("/added_tokens/1", 3, "added_tokens[1]: JSON value is 3, expected an object");
    check_refused<re::DataError>(
        "/added_tokens/1/id", -1, "added_tokens[1]: id is -1, expected an integer in [0, 2147483647]");
    check_refused<re::DataError>("/added_tokens/1/lstrip", 1, "added_tokens[1]: lstrip is 1, expected true or false");
    check_refused<re::DataError>("/added_tokens", 1, "added_tokens is 1, expected an array");
    Json json = kFile;
    json["added_tokens"][1].erase("normalized");
    CHECK_THROWS_WITH_AS((void)tokenizer_pipeline_from_json(JsonFields(json, "file")),
                         "file: added_tokens[1]: normalized is missing, expected true or false",
                         re::DataError);
  }

  TEST_CASE("tokenizer_pipeline_from_json: names the part that is of another kind") {
    check_refused<re::ConfigError>(
        "/model/type", "WordLevel", "model.type is \"WordLevel\", expected BPE, Unigram or WordPiece");
    check_refused<re::DataError>("/normalizer", "NFC", "normalizer is \"NFC\", expected an object");
    check_refused<re::DataError>("/pre_tokenizer", 1, "pre_tokenizer is 1, expected an object");
    check_refused<re::DataError>("/model", nullptr, "model is null, expected an object");
    check_refused<re::ConfigError>(
        "/post_processor/special_tokens/<s>/ids", Json::array({7}), "special token id is 7, expected 0 to 6");
  }

  TEST_CASE(
      "tokenizer_pipeline_from_json: any field of the wrong type is an error of this library, never another one") {
    const Json flat = kFile.flatten();
    for (const auto& [pointer, value] : flat.items()) {
      for (const Json& wrong : {Json(), Json(3), Json("x"), Json(true), Json::array(), Json::object()}) {
        CAPTURE(pointer);
        const Json json = changed(pointer.c_str(), wrong);
        try {
          (void)tokenizer_pipeline_from_json(JsonFields(json, "file"));
        } catch (const re::Error& error) {
          CHECK(std::string_view(error.what()).find(" expected ") != std::string_view::npos);
        }
      }
    }
  }
}
