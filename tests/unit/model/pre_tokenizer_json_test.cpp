#include <reasonembed/model/pre_tokenizer_json.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;

namespace {

/// The words of a text, by the pre-tokenizer of a file.
std::string words(const Json& pre_tokenizer, std::string_view text) {
  const Json file = {{"pre_tokenizer", pre_tokenizer}};
  re::text::TokenScratch scratch;
  re::model::detail::pre_tokenizer_of(JsonFields(file, "file")).split(text, true, scratch);
  std::string out;
  for (std::size_t i = 0; i < scratch.words.size(); ++i) {
    (out += i > 0 ? "|" : "") += scratch.words[i];
  }
  return out;
}

Json split(const Json& pattern, const char* behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}};
}
Json regex(std::string_view text) {
  return {{"Regex", text}};
}

template <class Expected>
void check_refused(const Json& pre_tokenizer, const std::string& message) {
  const std::string shown = pre_tokenizer.dump();
  CAPTURE(shown);
  CHECK_THROWS_WITH_AS((void)words(pre_tokenizer, "a"), ("file: pre_tokenizer" + message).c_str(), Expected);
}

}  // namespace

TEST_SUITE("model/pre_tokenizer_json") {
  TEST_CASE("pre_tokenizer_of: a file without one keeps texts whole") {
    CHECK(words(nullptr, "a b") == "a b");
  }

  TEST_CASE("pre_tokenizer_of: every type arrives with its options") {
    CHECK(words({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}}, "a b") ==
          "a|\u0120"
          "b");
    CHECK(words({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "a b") ==
          "\u0120"
          "a|\u0120"
          "b");
    CHECK(words({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}, "a b") ==
          "a\u0120"
          "b");
    CHECK(words({{"type", "Whitespace"}}, "a-b c") == "a|-|b|c");
    CHECK(words({{"type", "WhitespaceSplit"}}, "a-b c") == "a-b|c");
    CHECK(words({{"type", "BertPreTokenizer"}}, "a!b c") == "a|!|b|c");
    CHECK(words({{"type", "Digits"}, {"individual_digits", true}}, "a12") == "a|1|2");
    CHECK(words({{"type", "Digits"}, {"individual_digits", false}}, "a12") == "a|12");
    CHECK(words({{"type", "Punctuation"}}, "a!?") == "a|!|?");
    CHECK(words({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a!?") == "a|!?");
  }

  TEST_CASE("pre_tokenizer_of: Split knows the published patterns") {
    CHECK(words(split(regex(re::model::kGpt2Regex), "Isolated"), "don't 123") == "don|'t| 123");
    CHECK(words(split(regex(re::model::kQwen2Regex), "Isolated"), "don'T 12") == "don|'T| |1|2");
    CHECK(words(split(regex(re::model::kLlama3Regex), "Isolated"), "a.b 1234") == "a|.b| |123|4");
    CHECK(words(split(regex(re::model::kLlama3Regex), "Removed", true), "a 1") == "a| |1");
    CHECK(words(split(regex("\\s+"), "Removed"), "a \n b") == "a|b");
    CHECK(words(split(regex("\\p{Lu}?\\p{Ll}+"), "Isolated"), "camelCase42X") == "camel|Case|42X");
    CHECK(words(split(regex("[a-z]+"), "Removed", true), "ab1cd") == "ab|cd");
    CHECK(words(split({{"String", " "}}, "MergedWithPrevious"), "a b") == "a |b");
    CHECK(words(split({{"String", " "}}, "MergedWithNext"), "a b") == "a| b");
    CHECK(words(split({{"String", "ab"}}, "Contiguous"), "ababc") == "abab|c");
  }

  TEST_CASE("pre_tokenizer_of: Metaspace in its later and earlier forms") {
    CHECK(words({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "always"}, {"split", true}}, "a b") ==
          "_a|_b");
    CHECK(words({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "never"}, {"split", true}}, "a b") ==
          "a|_b");
    CHECK(words({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}, {"split", false}}, "a b") ==
          "_a_b");
    CHECK(words({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", true}}, "a b") == "_a|_b");
    CHECK(words({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}, {"prepend_scheme", "never"}},
                "a b") == "a|_b");
  }

  TEST_CASE("pre_tokenizer_of: a sequence in order") {
    const Json list = Json::array({{{"type", "WhitespaceSplit"}}, {{"type", "Metaspace"}, {"replacement", "_"}}});
    CHECK(words({{"type", "Sequence"}, {"pretokenizers", list}}, "a b") == "_a|_b");
  }

  TEST_CASE("pre_tokenizer_of: names what it does not know") {
    check_refused<re::ConfigError>(
        {{"type", "UnicodeScripts"}},
        ": type of a pre_tokenizer is \"UnicodeScripts\", expected ByteLevel, Split, "
        "Metaspace, Whitespace, WhitespaceSplit, BertPreTokenizer, Digits, Punctuation or Sequence");
    check_refused<re::ConfigError>(split(regex("\\w+"), "Isolated"),
                                   ": pattern.Regex is \"\\w+\" with \\w at byte 1, expected characters, classes, "
                                   "general categories, groups without names, (?i:...), lookaround and repetitions");
    check_refused<re::ConfigError>(split(regex("(a"), "Isolated"),
                                   ": pattern.Regex is \"(a\" (missing closing parenthesis), expected a regular "
                                   "expression");
    check_refused<re::ConfigError>(split(regex(""), "Isolated"),
                                   ": pattern.Regex is \"\", expected one character or \\s, alone or with + or {n,}");
    check_refused<re::ConfigError>(
        split({{"String", " "}}, "Else"),
        ": behavior is \"Else\", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    check_refused<re::ConfigError>(
        {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"invert", false}},
        ": behavior is missing, expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    check_refused<re::ConfigError>(split({{"String", ""}}, "Removed"),
                                   ": pattern.String is empty, expected at least one character");
    check_refused<re::ConfigError>({{"type", "Metaspace"}, {"replacement", "ab"}},
                                   ": replacement is \"ab\", expected one character");
    check_refused<re::ConfigError>({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}},
                                   ": prepend_scheme is \"last\", expected always, first or never");
    check_refused<re::ConfigError>({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}},
                                   ": prepend_scheme is \"always\", expected never, as add_prefix_space says");
    check_refused<re::ConfigError>(
        {{"type", "Sequence"}, {"pretokenizers", Json::array({{{"type", "Else"}}})}},
        ": pretokenizers[0]: type of a pre_tokenizer is \"Else\", expected ByteLevel, Split, Metaspace, Whitespace, "
        "WhitespaceSplit, BertPreTokenizer, Digits, Punctuation or Sequence");
  }

  TEST_CASE("pre_tokenizer_of: names the field that is missing or of the wrong type") {
    check_refused<re::DataError>({{"type", "ByteLevel"}}, ": add_prefix_space is missing, expected true or false");
    check_refused<re::DataError>({{"type", "Digits"}}, ": individual_digits is missing, expected true or false");
    check_refused<re::DataError>({{"type", "Split"}}, ": pattern is missing, expected an object");
    check_refused<re::DataError>({{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Removed"}},
                                 ": invert is missing, expected true or false");
    check_refused<re::DataError>({{"type", "Metaspace"}}, ": replacement is missing, expected a string");
    check_refused<re::DataError>({{"type", "Sequence"}}, ": pretokenizers is missing, expected an array");
  }
}
