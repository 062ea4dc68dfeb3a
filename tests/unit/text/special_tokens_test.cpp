#include <reasonembed/text/special_tokens.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::SpecialTokens;

namespace {

/// The parts of a text, written one behind the other: plain text as it is, tokens as <id>.
std::string parts(const SpecialTokens& tokens, std::string_view text) {
  std::string out;
  tokens.split(
      text,
      [&](std::string_view plain) {
        REQUIRE_FALSE(plain.empty());
        out += "(" + std::string(plain) + ")";
      },
      [&](std::int32_t id) { out += "<" + std::to_string(id) + ">"; });
  return out;
}

}  // namespace

TEST_SUITE("text/special_tokens") {
  TEST_CASE("split: cuts at tokens and passes on what lies between") {
    const SpecialTokens tokens({{"[CLS]", 1}, {"[SEP]", 2}});
    CHECK(parts(tokens, "") == "");
    CHECK(parts(tokens, "plain [text]") == "(plain [text])");
    CHECK(parts(tokens, "[SEP]") == "<2>");
    CHECK(parts(tokens, "a[SEP]b") == "(a)<2>(b)");
    CHECK(parts(tokens, "[CLS][SEP] [SEP]") == "<1><2>( )<2>");
    CHECK(parts(tokens, "x[CLS]") == "(x)<1>");
  }

  TEST_CASE("split: nearly a token is plain text") {
    const SpecialTokens tokens({{"[SEP]", 2}});
    CHECK(parts(tokens, "[sep] [SEP [ SEP ] SEP]") == "([sep] [SEP [ SEP ] SEP])");
    CHECK(parts(tokens, "[[SEP]]") == "([)<2>(])");
    CHECK(parts(tokens, "[SE[SEP]") == "([SE)<2>");
    CHECK(parts(tokens, "[SEP") == "([SEP)");
  }

  TEST_CASE("split: the longest of those that begin at one place wins, whatever their order") {
    for (const auto& list : {std::vector<re::text::SpecialToken>{{"<a", 1}, {"<a>", 2}, {"a>", 3}},
                             std::vector<re::text::SpecialToken>{{"a>", 3}, {"<a>", 2}, {"<a", 1}}}) {
      const SpecialTokens tokens(list);
      CHECK(parts(tokens, "<a>") == "<2>");
      CHECK(parts(tokens, "<a a>") == "<1>( )<3>");
      CHECK(tokens.tokens().front().content == "<a>");
    }
  }

  TEST_CASE("split: the leftmost wins over a longer one that begins later") {
    const SpecialTokens tokens({{"ab", 1}, {"bcde", 2}});
    CHECK(parts(tokens, "abcde") == "<1>(cde)");
  }

  TEST_CASE("split: without tokens everything is text") {
    CHECK(parts(SpecialTokens(), "[SEP] x") == "([SEP] x)");
    CHECK(parts(SpecialTokens(), "") == "");
  }

  TEST_CASE("split: tokens beyond ASCII are found by their bytes") {
    const SpecialTokens tokens({{"\xE2\x96\x81", 5}});
    CHECK(parts(tokens, "a\xE2\x96\x81\xE2\x96\x82") == "(a)<5>(\xE2\x96\x82)");
  }

  TEST_CASE("SpecialTokens: refuses an empty token") {
    CHECK_THROWS_WITH_AS(SpecialTokens({{"", 1}}),
                         "text::SpecialTokens: special token is empty, expected at least one character",
                         re::ConfigError);
  }
}
