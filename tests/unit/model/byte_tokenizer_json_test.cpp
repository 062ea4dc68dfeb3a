#include <reasonembed/model/byte_tokenizer_json.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using re::model::byte_tokenizer_from_json;
using re::model::byte_tokenizer_json;
using re::text::ByteTokenizer;
using re::text::ByteTokenizerOptions;

namespace {

/// Reads the tokenizer.json of the default tokenizer with one part replaced.
ByteTokenizer read_with(const char* pointer, const Json& value) {
  Json json = byte_tokenizer_json(ByteTokenizer());
  json[Json::json_pointer(pointer)] = value;
  return byte_tokenizer_from_json(JsonFields(json, "tokenizer.json"));
}

void check_refused(const char* pointer, const Json& value, const std::string& message) {
  CAPTURE(pointer);
  CHECK_THROWS_WITH_AS((void)read_with(pointer, value), ("tokenizer.json: " + message).c_str(), re::ConfigError);
}

Json token(const std::string& content, int id) {
  return {{"content", content}, {"id", id}, {"special", true}, {"lstrip", false}, {"rstrip", false}};
}

constexpr const char* kOnly = ", the only byte-level tokenizer supported";

}  // namespace

TEST_SUITE("model/byte_tokenizer_json") {
  TEST_CASE("byte_tokenizer_json: reads back with every choice of special tokens") {
    for (const bool begin : {false, true}) {
      for (const bool end : {false, true}) {
        const ByteTokenizerOptions options{.add_begin = begin, .add_end = end};
        const Json json = byte_tokenizer_json(ByteTokenizer(options));
        CHECK(byte_tokenizer_from_json(JsonFields(json, "t")).options() == options);
        CHECK(json["post_processor"]["single"].size() == 1U + std::size_t{begin} + std::size_t{end});
        CHECK(json["post_processor"]["pair"].size() == 2 * json["post_processor"]["single"].size());
      }
    }
  }
  TEST_CASE("byte_tokenizer_json: every byte has a visible character of its own") {
    const auto characters = re::model::detail::byte_characters();
    CHECK(std::set<std::string>(characters.begin(), characters.end()).size() == 256);
    CHECK(characters[0x00] == "\xC4\x80");  // U+0100
    CHECK(characters[0x20] == "\xC4\xA0");  // U+0120
    CHECK(characters[0x21] == "!");
    CHECK(characters[0x7E] == "~");
    CHECK(characters[0x7F] == "\xC4\xA1");  // U+0121
    CHECK(characters[0xA0] == "\xC5\x82");  // U+0142
    CHECK(characters[0xA1] == "\xC2\xA1");
    CHECK(characters[0xAD] == "\xC5\x83");  // U+0143, the last: the soft hyphen
    CHECK(characters[0xAE] == "\xC2\xAE");
    CHECK(characters[0xFF] == "\xC3\xBF");
  }
  TEST_CASE("byte_tokenizer_json: the vocabulary maps every token to the id the tokenizer gives") {
    const Json vocabulary = byte_tokenizer_json(ByteTokenizer())["model"]["vocab"];
    CHECK(vocabulary.size() == 258);
    CHECK(vocabulary["A"] == 65);
    CHECK(vocabulary["\xC4\xA0"] == 32);
    CHECK(vocabulary["[BEGIN]"] == ByteTokenizer::kBegin);
    CHECK(vocabulary["[END]"] == ByteTokenizer::kEnd);
  }
  TEST_CASE("byte_tokenizer_json: no text can spell an added token") {
    CHECK(byte_tokenizer_json(ByteTokenizer())["added_tokens"].empty());
    const std::string padding(re::model::kBytePadding);
    CHECK(ByteTokenizer({.add_end = false}).encode(padding) ==
          std::vector<std::int32_t>{byte_tokenizer_json(ByteTokenizer())["model"]["vocab"][padding]});
  }
  TEST_CASE("byte_tokenizer_from_json: what changes no id may be there") {
    for (const auto& [pointer, value] : {std::pair<const char*, Json>("/truncation", {{"max_length", 9}}),
                                         {"/padding", {{"pad_id", 33}}},
                                         {"/decoder", nullptr},
                                         {"/added_tokens", Json::array({token("!", 33), token("~", 126)})},
                                         {"/added_tokens", nullptr},
                                         {"/version", "2"}}) {
      CAPTURE(pointer);
      CHECK(read_with(pointer, value).options() == ByteTokenizerOptions());
    }
  }
  TEST_CASE("byte_tokenizer_from_json: names the part that is another tokenizer's") {
    check_refused("/model/merges", {"a b", "b c"}, std::string("model.merges is 2 merges, expected none") + kOnly);
    const std::string vocab =
        std::string("model.vocab is another, expected the 256 bytes under their values, [BEGIN] 256 and [END] 257") +
        kOnly;
    check_refused("/model/vocab/A", 66, vocab);
    check_refused("/model/vocab/more", 258, vocab);
    check_refused("/normalizer", {{"type", "NFC"}}, std::string("normalizer is present, expected none") + kOnly);
    check_refused("/pre_tokenizer/type",
                  "Whitespace",
                  std::string("pre_tokenizer.type is \"Whitespace\", expected \"ByteLevel\"") + kOnly);
    check_refused("/pre_tokenizer/add_prefix_space",
                  true,
                  std::string("pre_tokenizer.add_prefix_space is true, expected false") + kOnly);
  }
  TEST_CASE("byte_tokenizer_from_json: refuses an added token that would change a text's ids") {
    const auto message = [](const std::string& content) {
      return "added_tokens is \"" + content + "\", expected no token that texts could spell" + kOnly;
    };
    check_refused("/added_tokens", Json::array({token("[END]", 257)}), message("[END]"));
    check_refused("/added_tokens", Json::array({token("!", 34)}), message("!"));
    check_refused("/added_tokens", Json::array({token("", 0)}), message(""));
    check_refused("/added_tokens", Json::array({token(" ", 32)}), message(" "));
    Json stripping = token("!", 33);
    stripping["lstrip"] = true;
    check_refused("/added_tokens", Json::array({token("~", 126), stripping}), message("!"));
  }
  TEST_CASE("byte_tokenizer_from_json: refuses another frame around the text") {
    const std::string message =
        "post_processor is another, expected a template of the text between [BEGIN] and [END], or one of them";
    check_refused("/post_processor/type", "BertProcessing", message);
    check_refused("/post_processor/single", Json::array(), message);
    check_refused("/post_processor/single/1/SpecialToken/id", "[BEGIN]", message);
    check_refused("/post_processor/special_tokens/[END]/ids", Json::array({256}), message);
    check_refused("/post_processor", Json::object(), message);
  }
  TEST_CASE("byte_tokenizer_from_json: names the field that is missing or of the wrong type") {
    for (const auto& [pointer, value, message] :
         {std::tuple<const char*, Json, const char*>(
              "/post_processor", nullptr, "post_processor is null, expected an object"),
          {"/pre_tokenizer", "ByteLevel", "pre_tokenizer is \"ByteLevel\", expected an object"},
          {"/model/merges", 1, "model.merges is 1, expected an array"},
          {"/model/vocab", Json::array(), "model.vocab is an array, expected an object"},
          {"/added_tokens", Json::array({1}), "added_tokens: JSON value is 1, expected an object"}}) {
      CHECK_THROWS_WITH_AS(
          (void)read_with(pointer, value), (std::string("tokenizer.json: ") + message).c_str(), re::DataError);
    }
  }
}
