#include <reasonembed/text/pre_tokenizers.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using namespace re::text;

namespace {

std::string words(std::vector<PreTokenizerStep> steps, std::string_view text, bool at_text_start = true) {
  TokenScratch scratch;
  const PreTokenizerSequence sequence(std::move(steps));
  std::string out;
  for (int i = 0; i < 2; ++i) {  // a state left behind in the scratch would show
    sequence.split(text, at_text_start, scratch);
    out.clear();
    for (std::size_t k = 0; k < scratch.words.size(); ++k) {
      (out += k > 0 ? "|" : "") += scratch.words[k];
    }
  }
  return out;
}

PatternSplit split_at(std::string literal, SplitBehavior behavior, bool invert = false) {
  return {.pattern = TextPattern(std::move(literal)), .behavior = behavior, .invert = invert};
}

}  // namespace

TEST_SUITE("text/pre_tokenizers") {
  TEST_CASE("PreTokenizerSequence: without steps a text is one word") {
    CHECK(words({}, "a b") == "a b");
  }

  TEST_CASE("WhitespaceSplit: what white space separates") {
    CHECK(words({WhitespaceSplit()}, " a  b\u3000c!\n") == "a|b|c!");
    CHECK(words({WhitespaceSplit()}, "  ") == "");
  }

  TEST_CASE("WhitespaceWords: words and what is neither word nor white space") {
    CHECK(words({WhitespaceWords()}, "Hey, you_2!? \u00E9\u0301") == "Hey|,|you_2|!?|\u00E9\u0301");
    CHECK(words({WhitespaceWords()}, "a-b") == "a|-|b");
    CHECK(words({WhitespaceWords()}, " ") == "");
    CHECK(words({WhitespaceWords()}, "\u00B2x") == "\u00B2|x");
  }

  TEST_CASE("BertWords: white space separates, punctuation stands alone") {
    CHECK(words({BertWords()}, "a, b!!") == "a|,|b|!|!");
    CHECK(words({BertWords()}, " \u3002x") == "\u3002|x");
  }

  TEST_CASE("Digits: in runs or one by one") {
    CHECK(words({Digits{false}}, "a12b3") == "a|12|b|3");
    CHECK(words({Digits{true}}, "a12b3") == "a|1|2|b|3");
    CHECK(words({Digits{true}}, "\u0663\u00BD") == "\u0663|\u00BD");
    CHECK(words({Digits{false}}, "abc") == "abc");
  }

  TEST_CASE("Punctuation: with every behaviour") {
    CHECK(words({Punctuation{}}, "a!?b") == "a|!|?|b");
    CHECK(words({Punctuation{SplitBehavior::kRemoved}}, "a!?b") == "a|b");
    CHECK(words({Punctuation{SplitBehavior::kMergedWithPrevious}}, "a!?b") == "a!|?|b");
    CHECK(words({Punctuation{SplitBehavior::kMergedWithNext}}, "a!?b") == "a|!|?b");
    CHECK(words({Punctuation{SplitBehavior::kContiguous}}, "a!?b") == "a|!?|b");
  }

  TEST_CASE("PatternSplit: literals, runs and the known patterns") {
    CHECK(words({split_at(" ", SplitBehavior::kMergedWithNext)}, "a b  c") == "a| b| | c");
    CHECK(words({split_at(" ", SplitBehavior::kRemoved, true)}, "a b") == " ");
    CHECK(words({PatternSplit{.pattern = TextPattern(CharacterRun{})}}, "a \n b") == "a| \n |b");
    CHECK(words({PatternSplit{.pattern = Gpt2Pattern()}}, "don't 12") == "don|'t| 12");
    CHECK(words({PatternSplit{.pattern = TiktokenPattern{1}}}, "don't 12") == "don|'t| |1|2");
    CHECK(words({PatternSplit{.pattern = TiktokenPattern{3}, .behavior = SplitBehavior::kRemoved, .invert = true}},
                "x 1234") == "x| |123|4");
  }

  TEST_CASE("ByteLevelWords: cuts, writes bytes as characters, and may put a blank first") {
    CHECK(words({ByteLevelWords{false, true}}, "a b\n") == "a|\u0120b|\u010A");
    CHECK(words({ByteLevelWords{true, true}}, "a b") ==
          "\u0120"
          "a|\u0120b");
    CHECK(words({ByteLevelWords{true, true}}, " a") ==
          "\u0120"
          "a");
    CHECK(words({ByteLevelWords{true, true}}, "\ta") == "\u0120|\u0109|a");
    CHECK(words({ByteLevelWords{false, false}}, "a \u00E9") == "a\u0120\u00C3\u00A9");
  }

  TEST_CASE("Metaspace: marks blanks, the begin of texts, and cuts at marks") {
    CHECK(words({Metaspace{}}, "a b") ==
          "\u2581"
          "a|\u2581"
          "b");
    CHECK(words({Metaspace{}}, " a") ==
          "\u2581"
          "a");
    CHECK(words({Metaspace{}}, "a  b ") ==
          "\u2581"
          "a|\u2581|\u2581"
          "b|\u2581");
    CHECK(words({Metaspace{.cut = false}}, "a b") ==
          "\u2581"
          "a\u2581"
          "b");
    CHECK(words({Metaspace{.scheme = Metaspace::Scheme::kNever}}, "a b") ==
          "a|\u2581"
          "b");
    CHECK(words({Metaspace{.replacement = "_"}}, "a b_c") == "_a|_b|_c");
    CHECK(words({Metaspace{}}, "\ta") == "\u2581\ta");
  }

  TEST_CASE("Metaspace: the first scheme marks only what begins the raw text") {
    const Metaspace first{.scheme = Metaspace::Scheme::kFirst};
    CHECK(words({first}, "a b", true) ==
          "\u2581"
          "a|\u2581"
          "b");
    CHECK(words({first}, "a b", false) ==
          "a|\u2581"
          "b");
    CHECK(words({WhitespaceSplit(), first}, "a b") ==
          "\u2581"
          "a|b");
    CHECK(words({WhitespaceSplit(), first}, " a b") == "a|b");
    CHECK(words({Digits{true}, first}, "1a") ==
          "\u2581"
          "1|a");
  }

  TEST_CASE("PreTokenizerSequence: each step cuts the pieces of the one before it") {
    CHECK(words({WhitespaceSplit(), Metaspace{}}, "a b1") ==
          "\u2581"
          "a|\u2581"
          "b1");
    CHECK(words({Digits{true}, Punctuation{}, ByteLevelWords{true, true}}, "a1.") ==
          "\u0120"
          "a|\u0120"
          "1|\u0120.");
    CHECK(words({WhitespaceSplit(), WhitespaceWords(), Digits{true}, BertWords()}, "a-12 b") == "a|-|1|2|b");
  }

  TEST_CASE("PreTokenizerSequence: is a value") {
    PreTokenizerSequence one({WhitespaceSplit()});
    const PreTokenizerSequence copy = one;
    one = PreTokenizerSequence();
    TokenScratch scratch;
    copy.split("a b", true, scratch);
    CHECK(scratch.words.size() == 2);
    one.split("a b", true, scratch);
    CHECK(scratch.words.size() == 1);
  }
}
