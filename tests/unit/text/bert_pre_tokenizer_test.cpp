#include <reasonembed/text/bert_pre_tokenizer.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Words = std::vector<std::string>;

namespace {

Words words(std::string_view text) {
  Words found;
  re::text::BertPreTokenizer::for_each_word(text, [&](std::string_view word) {
    REQUIRE(word.data() >= text.data());
    REQUIRE(word.data() + word.size() <= text.data() + text.size());
    found.emplace_back(word);
  });
  return found;
}

}  // namespace

TEST_SUITE("text/bert_pre_tokenizer") {
  TEST_CASE("for_each_word: white space separates and vanishes") {
    CHECK(words("") == Words{});
    CHECK(words("   ") == Words{});
    CHECK(words("one") == Words{"one"});
    CHECK(words(" one  two ") == Words{"one", "two"});
    CHECK(words("a\tb\nc\vd\fe\rf\u0085g\u00A0h\u3000i\u2029j") ==
          Words{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
    CHECK(words("a\u200Bb") == Words{"a\u200Bb"});  // no white space
  }

  TEST_CASE("for_each_word: every punctuation character is its own word") {
    CHECK(words("a.b") == Words{"a", ".", "b"});
    CHECK(words("...") == Words{".", ".", "."});
    CHECK(words("don't (stop)!") == Words{"don", "'", "t", "(", "stop", ")", "!"});
    CHECK(words("$5+5=10~") == Words{"$", "5", "+", "5", "=", "10", "~"});
    CHECK(words("\u00ABx\u00BB\u3002y\u2014") == Words{"\u00AB", "x", "\u00BB", "\u3002", "y", "\u2014"});
  }

  TEST_CASE("for_each_word: symbols and marks beyond ASCII are letters") {
    CHECK(words("5\u20AC \u00A9x e\u0301") == Words{"5\u20AC", "\u00A9x", "e\u0301"});
    CHECK(words("\u4F60\u597D") == Words{"\u4F60\u597D"});
    CHECK(words("\U0001F600!") == Words{"\U0001F600", "!"});
  }

  TEST_CASE("for_each_word: words, punctuation and white space together are the text") {
    const std::string text = " ab, cd\u3002\u3002 x-y \u00A0(z) ";
    std::size_t bytes = 0;
    for (const std::string& word : words(text)) {
      bytes += word.size();
    }
    CHECK(bytes == text.size() - 5 - 2);  // five blanks and one of two bytes
  }

  TEST_CASE("for_each_word: malformed bytes are letters") {
    CHECK(words("a\xFF"
                "b \xC3.") == Words{"a\xFF"
                                    "b",
                                    "\xC3",
                                    "."});
  }
}
