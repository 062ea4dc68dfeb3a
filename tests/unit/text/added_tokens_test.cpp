#include <reasonembed/text/added_tokens.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::AddedToken;
using re::text::AddedTokens;

namespace {

AddedTokens searched_as_they_are(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> contents;
  for (const AddedToken& token : tokens) {
    contents.push_back(token.content);
  }
  return {tokens, contents, "test"};
}

/// The parts of a text, written one behind the other: plain text in parentheses, tokens as <id>.
std::string parts(const AddedTokens& tokens, std::string_view text) {
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

AddedToken single_word(std::string content, std::int32_t id) {
  return {.content = std::move(content), .id = id, .single_word = true};
}
AddedToken stripping(std::string content, std::int32_t id, bool left, bool right) {
  return {.content = std::move(content), .id = id, .lstrip = left, .rstrip = right};
}

}  // namespace

TEST_SUITE("text/added_tokens") {
  TEST_CASE("split: without tokens a text is one part, and an empty text none") {
    CHECK(parts(AddedTokens(), "") == "");
    CHECK(parts(AddedTokens(), "a b") == "(a b)");
    CHECK(parts(searched_as_they_are({{.content = "x"}}), "") == "");
  }

  TEST_CASE("split: leftmost first, then longest, inside words too") {
    const AddedTokens tokens = searched_as_they_are({{.content = "<s", .id = 1},
                                                     {.content = "<s>", .id = 2},
                                                     {.content = "s>x", .id = 3},
                                                     {.content = "\u00E9", .id = 4}});
    CHECK(parts(tokens, "<s>") == "<2>");
    CHECK(parts(tokens, "<s>x") == "<2>(x)");
    CHECK(parts(tokens, "<<s>") == "(<)<2>");
    CHECK(parts(tokens, "a<sb") == "(a)<1>(b)");
    CHECK(parts(tokens, "s>x<s") == "<3><1>");
    CHECK(parts(tokens, "caf\u00E9s") == "(caf)<4>(s)");
    CHECK(parts(tokens, "<s><s><s") == "<2><2><1>");
  }

  TEST_CASE("split: single_word asks for no word character on either side") {
    const AddedTokens tokens = searched_as_they_are({single_word("the", 1), single_word("\u00E9", 2)});
    CHECK(parts(tokens, "the") == "<1>");
    CHECK(parts(tokens, "the, the.") == "<1>(, )<1>(.)");
    CHECK(parts(tokens, "then") == "(then)");
    CHECK(parts(tokens, "bathe") == "(bathe)");
    CHECK(parts(tokens, "the_") == "(the_)");
    CHECK(parts(tokens, "-the-") == "(-)<1>(-)");
    CHECK(parts(tokens, "the\u00FC") == "(the\u00FC)");
    CHECK(parts(tokens, "\u5B57the") == "(\u5B57the)");
    CHECK(parts(tokens, "the\u0301") == "(the\u0301)");  // a mark is a word character
    CHECK(parts(tokens, "\u00E9 x\u00E9") == "<2>( x\u00E9)");
  }

  TEST_CASE("split: a place that single_word rejects is passed over as a whole") {
    const AddedTokens tokens = searched_as_they_are({single_word("ab", 1), {.content = "bc", .id = 2}});
    CHECK(parts(tokens, "abc") == "(abc)");
    CHECK(parts(tokens, "ab bc") == "<1>( )<2>");
  }

  TEST_CASE("split: lstrip and rstrip take white space along") {
    const AddedTokens left = searched_as_they_are({stripping("<m>", 1, true, false)});
    CHECK(parts(left, "a  <m> b") == "(a)<1>( b)");
    CHECK(parts(left, " \t\n<m>") == "<1>");
    CHECK(parts(left, "a\u3000\u00A0<m>") == "(a)<1>");
    const AddedTokens right = searched_as_they_are({stripping("<m>", 1, false, true)});
    CHECK(parts(right, "a <m>  b") == "(a )<1>(b)");
    CHECK(parts(right, "<m>\r\n ") == "<1>");
    const AddedTokens both = searched_as_they_are({stripping("<m>", 1, true, true)});
    CHECK(parts(both, "a <m> <m> b") == "(a)<1><1>(b)");
    CHECK(parts(both, "  <m>  ") == "<1>");
  }

  TEST_CASE("split: white space that one token took is not taken again") {
    const AddedTokens tokens =
        searched_as_they_are({stripping("<m>", 1, false, true), stripping("<n>", 2, true, false)});
    CHECK(parts(tokens, "<m>  <n>") == "<1><2>");
    const AddedTokens blanks = searched_as_they_are({stripping(" ", 1, true, true)});
    CHECK(parts(blanks, "   ") == "<1>");  // the second and third lie in what the first took
    CHECK(parts(blanks, "a  b c") == "(a)<1>(b)<1>(c)");
  }

  TEST_CASE(
      "split: a token of white space that only looks to the right is found in what another took, as in the reference") {
    const AddedTokens blanks = searched_as_they_are({stripping(" ", 1, false, true)});
    CHECK(parts(blanks, "a  b") == "(a)<1><1>(b)");
  }

  TEST_CASE("split: searches for the normalised form and reports the token") {
    const AddedTokens tokens({{.content = "THE", .id = 9, .normalized = true}}, {"the"}, "test");
    CHECK(parts(tokens, "other THE") == "(o)<9>(r THE)");
    REQUIRE(tokens.tokens().size() == 1);
    CHECK(tokens.tokens()[0].content == "THE");
  }

  TEST_CASE("AddedTokens: refuses a token that no text holds, and two that look alike") {
    CHECK_THROWS_WITH_AS(AddedTokens({{.content = "\u0301"}}, {""}, "file"),
                         "file: added token \"\u0301\" is empty when normalised, expected a token that a text can hold",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(
        AddedTokens({{.content = "The"}, {.content = "the"}}, {"the", "the"}, "file"),
        "file: added token \"the\" is \"the\" when normalised, as another one, expected different tokens",
        re::ConfigError);
  }

  TEST_CASE("split: reads a long run of white space once, however many tokens look through it") {
    // 200,000 tokens that each look for the end of the run behind them: quadratic work would be 2e10 steps.
    const AddedTokens tokens = searched_as_they_are({stripping(" ", 1, false, true), stripping("\t", 2, true, true)});
    std::string text(200000, ' ');
    text += std::string(200000, '\t') + "x";
    const auto begin = std::chrono::steady_clock::now();
    std::size_t found = 0;
    tokens.split(text, [](std::string_view) {}, [&](std::int32_t) { ++found; });
    CHECK(found >= 1);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  }
}
