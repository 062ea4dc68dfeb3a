#include <reasonembed/remixer/stage_output.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;

namespace {

rx::ChatAnswer says(const std::string& text) {
  return {.text = text};
}

}  // namespace

TEST_SUITE("remixer/stage_output") {
  TEST_CASE("text_id: the first digits of SHA-256, the same for the same text") {
    CHECK(rx::text_id("") == "e3b0c44298fc1c14");
    CHECK(rx::text_id("abc") == "ba7816bf8f01cfea");
    CHECK(rx::text_id("abc") != rx::text_id("abd"));
    CHECK(rx::text_id(std::string(1'000'000, 'a')) == "cdc76e5c9914fb92");
  }
  TEST_CASE("document_id: the document's own, and its text's where it has none") {
    CHECK(rx::document_id({"d7", "abc"}) == "d7");
    CHECK(rx::document_id({"", "abc"}) == "ba7816bf8f01cfea");
    CHECK(rx::document_id({}) == "e3b0c44298fc1c14");
  }
  TEST_CASE("query_output: the query as the stage takes it, with its id; nothing for what it can't use") {
    CHECK(rx::query_output(says("```\n\"Why is the sky blue?\"\n```")) ==
          R"({"query":"Why is the sky blue?","query_id":")" + rx::text_id("Why is the sky blue?") + "\"}");
    const std::string accented = "Pourquoi \xC3\xA9t\xC3\xA9 rime-t-il?\nParce que.";
    CHECK(re::io::parse_json(rx::query_output(says(accented)).value(), "output")["query"] == accented);
    for (const char* text : {"", "two words", "I'm sorry, but I can't help with that.", "a \xFF b c d"}) {
      CAPTURE(text);
      CHECK(!rx::query_output(says(text)));
      CHECK(!rx::reasoning_output(says(text)));
    }
    CHECK(!rx::query_output({.text = "Why is the sky blue?", .finish = rx::Finish::kLength}));
  }
  TEST_CASE("reasoning_output: the text as the stage takes it") {
    CHECK(rx::reasoning_output(says(" The essential problem is scattering. ")) ==
          R"({"reasoning_query":"The essential problem is scattering."})");
  }
  TEST_CASE("score_output: a number of the scale, and nothing else") {
    CHECK(rx::score_output(says("It helps.\n<score>4</score>")) == R"({"score":4})");
    for (const char* text : {"", "4", "<score>6</score>", "<score>high</score>"}) {
      CHECK(!rx::score_output(says(text)));
    }
  }
  TEST_CASE("domain_output: yes and no, exactly") {
    CHECK(rx::domain_output(says("Yes")) == R"({"belongs":true})");
    CHECK(rx::domain_output(says(" No\n")) == R"({"belongs":false})");
    CHECK(!rx::domain_output(says("yes")));
    CHECK(!rx::domain_output(says("")));
  }
}
