#include <reasonembed/remixer/refusal.hpp>

#include <doctest/doctest.h>

#include <string>

using reasonembed::remixer::is_refusal;

TEST_SUITE("remixer/refusal") {
  TEST_CASE("is_refusal: knows how models decline") {
    for (const char* text : {"I'm sorry, but I can't help with that.",
                             "I\xE2\x80\x99m sorry, but I can\xE2\x80\x99t assist with that request.",
                             "I am sorry, I cannot provide that.",
                             "Sorry, I can't create such content.",
                             "Sorry. I am not able to generate a query from this document.",
                             "I apologize, but I am unable to write a post about this.",
                             "Unfortunately, I cannot continue.",
                             "I cannot assist with this.",
                             "I can't comply with that request.",
                             "I CANNOT FULFILL THIS REQUEST.",
                             "I won't engage in this.",
                             "I'm unable to help you with that",
                             "As an AI language model, I do not have opinions.",
                             "I'm sorry, but as an AI assistant I must not.",
                             "As a language model I have no body.",
                             "I'm sorry,\nbut I can't help."}) {
      CAPTURE(text);
      CHECK(is_refusal(text));
    }
  }

  TEST_CASE("is_refusal: lets questions of people pass that begin alike") {
    for (const char* text : {"I can't get my bread to rise. What am I doing wrong?",
                             "I cannot create a branch while a rebase is in progress. Why?",
                             "I'm sorry if this is a stupid question, but why is the sky blue?",
                             "Sorry for the long post. My tomatoes rot from below.",
                             "Unfortunately my sourdough is flat.",
                             "I am unable to see the far wall of the cave, yet hear its echo. How?",
                             "I will not give up on my fern. What does it need?",
                             "As an aid to memory I write lists. Why does that work?",
                             "As an airline pilot I see rings around my shadow.",
                             "My phone says sorry, I can't help with that. Why?",
                             "",
                             " ",
                             "sorry"}) {
      CAPTURE(text);
      CHECK(!is_refusal(text));
    }
  }

  TEST_CASE("is_refusal: a long text is none, whatever it begins with") {
    const std::string opening = "I'm sorry, but I can't help thinking that ";
    CHECK(is_refusal(opening));
    CHECK(is_refusal(opening + std::string(600 - opening.size(), 'x')));
    CHECK(!is_refusal(opening + std::string(601 - opening.size(), 'x')));
    CHECK(!is_refusal(std::string(1 << 20, ' ')));
  }

  TEST_CASE("is_refusal: any bytes are read") {
    CHECK(!is_refusal(std::string(3, '\0')));
    CHECK(!is_refusal("\xE2\x80"));
    CHECK(!is_refusal("i\xE2\x80\x99"));
    CHECK(!is_refusal("I'm sorry"));
    CHECK(!is_refusal("I'm sorry, but"));
  }
}
