#include <reasonembed/model/normalizer_json.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;

namespace {

/// What the normaliser of a file makes of a text.
std::string normalized(const std::string& normalizer, std::string_view text) {
  const Json file = {{"normalizer", re::io::parse_json(normalizer, "test")}};
  re::text::TokenScratch scratch;
  return std::string(re::model::detail::normalizer_of(JsonFields(file, "file")).normalize(text, true, scratch).text);
}

template <class Expected>
void check_refused(const std::string& normalizer, const std::string& message) {
  CAPTURE(normalizer);
  CHECK_THROWS_WITH_AS((void)normalized(normalizer, "a"), ("file: normalizer" + message).c_str(), Expected);
}

}  // namespace

TEST_SUITE("model/normalizer_json") {
  TEST_CASE("normalizer_of: a file without a normaliser keeps texts") {
    CHECK(normalized("null", "A\u0301") == "A\u0301");
    const Json file = Json::object();
    CHECK(re::model::detail::normalizer_of(JsonFields(file, "file")).empty());
  }

  TEST_CASE("normalizer_of: every type arrives with its options") {
    CHECK(normalized(R"({"type": "NFC"})", "e\u0301\uFB01") == "\u00E9\uFB01");
    CHECK(normalized(R"({"type": "NFD"})", "\u00E9\uFB01") == "e\u0301\uFB01");
    CHECK(normalized(R"({"type": "NFKC"})", "e\u0301\uFB01") ==
          "\u00E9"
          "fi");
    CHECK(normalized(R"({"type": "NFKD"})", "\u00E9\uFB01") ==
          "e\u0301"
          "fi");
    CHECK(normalized(R"({"type": "Lowercase"})", "A\u00C9") == "a\u00E9");
    CHECK(normalized(R"({"type": "StripAccents"})", "e\u0301") == "e");
    CHECK(normalized(R"({"type": "Strip", "strip_left": true, "strip_right": false})", " a ") == "a ");
    CHECK(normalized(R"({"type": "Strip", "strip_left": false, "strip_right": true})", " a ") == " a");
    CHECK(normalized(R"({"type": "Replace", "pattern": {"String": "a"}, "content": "bc"})", "aXa") == "bcXbc");
    CHECK(normalized(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "_"})", "a  b c") == "a_b c");
    CHECK(normalized(R"({"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "})", "a \n b") == "a b");
    CHECK(normalized(R"({"type": "Prepend", "prepend": "_"})", "a") == "_a");
    CHECK(normalized(R"({"type": "Nmt"})", "a\tb\u0001") == "a b");
    CHECK(normalized(R"({"type": "ByteLevel"})", "a b") ==
          "a\u0120"
          "b");
    CHECK(normalized(R"({"type": "Precompiled", "precompiled_charsmap": ""})", "a") == "a");
    CHECK(normalized(R"({"type": "Precompiled", "precompiled_charsmap": null})", "a") == "a");
  }

  TEST_CASE("normalizer_of: BertNormalizer with each of its options") {
    const auto bert = [](const char* clean, const char* chinese, const char* accents, const char* lower) {
      return std::string(R"({"type": "BertNormalizer", "clean_text": )") + clean + R"(, "handle_chinese_chars": )" +
             chinese + R"(, "strip_accents": )" + accents + R"(, "lowercase": )" + lower + "}";
    };
    CHECK(normalized(bert("true", "true", "null", "true"), "\u00C9\t\u5B57") == "e  \u5B57 ");
    CHECK(normalized(bert("false", "false", "null", "true"), "\u00C9\t\u5B57") == "e\t\u5B57");
    CHECK(normalized(bert("false", "false", "false", "true"), "\u00C9") == "\u00E9");
    CHECK(normalized(bert("false", "false", "null", "false"), "\u00C9") == "\u00C9");
    CHECK(normalized(bert("false", "false", "true", "false"), "\u00C9") == "E");
  }

  TEST_CASE("normalizer_of: a sequence, and one within another") {
    const std::string nfd = R"({"type": "NFD"})";
    const std::string strip = R"({"type": "StripAccents"})";
    const std::string lower = R"({"type": "Lowercase"})";
    const auto sequence = [](const std::string& list) {
      return R"({"type": "Sequence", "normalizers": [)" + list + "]}";
    };
    CHECK(normalized(sequence(nfd + "," + strip + "," + lower), "\u00C9") == "e");
    CHECK(normalized(sequence(sequence(nfd + "," + strip) + "," + lower), "\u00C9") == "e");
    CHECK(normalized(sequence(""), "\u00C9") == "\u00C9");
  }

  TEST_CASE("normalizer_of: names what it does not know") {
    constexpr const char* kTypes =
        "NFC, NFD, NFKC, NFKD, BertNormalizer, Lowercase, StripAccents, Strip, Replace, Prepend, Nmt, ByteLevel, "
        "Precompiled or Sequence";
    check_refused<re::ConfigError>(R"({"type": "Else"})",
                                   ": type of a normalizer is \"Else\", expected " + std::string(kTypes));
    check_refused<re::ConfigError>(
        R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Else"}]})",
        ": normalizers[1]: type of a normalizer is \"Else\", expected " + std::string(kTypes));
    check_refused<re::ConfigError>(R"({"type": "Replace", "pattern": {"Regex": "[a-z]*"}, "content": ""})",
                                   ": pattern.Regex is \"[a-z]*\", expected one character or \\s, alone or with + or "
                                   "{n,}");
    check_refused<re::ConfigError>(R"({"type": "Replace", "pattern": {"String": ""}, "content": ""})",
                                   ": pattern.String is empty, expected at least one character");
  }

  TEST_CASE("normalizer_of: names the field that is missing or of the wrong type") {
    check_refused<re::DataError>(R"({})", ": type is missing, expected a string");
    check_refused<re::DataError>(R"({"type": "Strip", "strip_left": true})",
                                 ": strip_right is missing, expected true or false");
    check_refused<re::DataError>(R"({"type": "Replace", "pattern": {}, "content": ""})",
                                 ": pattern.Regex is missing, expected a string");
    check_refused<re::DataError>(R"({"type": "Replace", "pattern": {"String": "a"}})",
                                 ": content is missing, expected a string");
    check_refused<re::DataError>(R"({"type": "Prepend"})", ": prepend is missing, expected a string");
    check_refused<re::DataError>(R"({"type": "Sequence"})", ": normalizers is missing, expected an array");
    check_refused<re::DataError>(R"({"type": "Sequence", "normalizers": [3]})",
                                 ": normalizers[0]: JSON value is 3, expected an object");
    check_refused<re::DataError>(R"({"type": "Precompiled", "precompiled_charsmap": "?"})",
                                 ": precompiled_charsmap is 1 characters, expected base64");
    check_refused<re::DataError>(
        R"({"type": "Precompiled", "precompiled_charsmap": "AAAA"})",
        ": precompiled_charsmap is a trie of 0 bytes in a table of 0, expected a trie of whole units within the table");
  }
}
