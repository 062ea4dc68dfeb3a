#include <reasonembed/text/bert_normalizer.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::BertNormalizer;
using re::text::BertNormalizerOptions;
using namespace std::string_literals;

namespace {

constexpr BertNormalizerOptions kNothing = {
    .clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = false};

std::string normalized(std::string_view text, BertNormalizerOptions options = {}) {
  re::text::MarkRun marks;
  std::string out;
  BertNormalizer(options).normalize(text, marks, out);
  REQUIRE(marks.empty());
  return out;
}

BertNormalizerOptions only_clean() {
  BertNormalizerOptions options = kNothing;
  options.clean_text = true;
  return options;
}
BertNormalizerOptions only_strip() {
  BertNormalizerOptions options = kNothing;
  options.strip_accents = true;
  return options;
}

}  // namespace

TEST_SUITE("text/bert_normalizer") {
  TEST_CASE("normalize: all steps together") {
    CHECK(normalized("") == "");
    CHECK(normalized("H\u00E9llo W\u00D6RLD") == "hello world");
    CHECK(normalized("a\tb\r\nc\u00A0d\u3000e\u2028f") == "a b  c d e f");
    CHECK(normalized("ab\u4F60\u597Dcd") == "ab \u4F60  \u597D cd");
    CHECK(normalized("\uD55C") == "\u1112\u1161\u11AB");
    CHECK(normalized("\u0130\u0049\u0131") == "ii\u0131");  // decomposed first, so the dot is an accent
  }

  TEST_CASE("normalize: appends") {
    re::text::MarkRun marks;
    std::string out = "kept ";
    BertNormalizer().normalize("A", marks, out);
    CHECK(out == "kept a");
  }

  TEST_CASE("normalize: without any step nothing changes") {
    for (const std::string& text : {"A\u00C9\u0301\u4F60\t\x01\u200B"s, "\0\xEF\xBF\xBD"s, "\U0001F600 \U0010FFFF"s}) {
      CHECK(normalized(text, kNothing) == text);
    }
  }

  TEST_CASE("normalize: cleaning drops control characters and writes white space as blanks") {
    CHECK(normalized("a\0b\x01\x7F\u0080\u0085c"s, only_clean()) == "abc");
    CHECK(normalized("a\u200Bb\u00ADc\uFEFFd\uFFFD\uE000", only_clean()) == "abcd");
    CHECK(normalized("\t\n\r \u00A0\u1680\u2000\u202F\u3000", only_clean()) == "         ");
    CHECK(normalized("\v\f", only_clean()) == "");  // control first, white space second
    CHECK(normalized("\u0378\uFFFE", only_clean()) == "\u0378\uFFFE");
    CHECK(normalized("\u00C9\u0301A", only_clean()) == "\u00C9\u0301A");
  }

  TEST_CASE("normalize: ideographs get blanks, compatibility ones are then decomposed") {
    BertNormalizerOptions options = kNothing;
    options.handle_chinese_chars = true;
    CHECK(normalized("\u4F60\u3042\u4F60x", options) == " \u4F60 \u3042 \u4F60 x");
    CHECK(normalized("\uF900", options) == " \uF900 ");
    options.strip_accents = true;
    CHECK(normalized("\uF900", options) == " \u8C48 ");
    CHECK(normalized("\U0002F800", options) == " \u4E3D ");
    CHECK(normalized("\U0002B820", options) == "\U0002B820");
  }

  TEST_CASE("normalize: accents go, composed or not, and what is no accent stays in canonical order") {
    CHECK(normalized("e\u0301\u00E9\u1EC7\u01D8", only_strip()) == "eeeu");
    CHECK(normalized("\u0301", only_strip()) == "");
    CHECK(normalized("a\u0301\u302E\u0334\u1B44", only_strip()) == "a\u1B44\u302E");
    CHECK(normalized("a\u302E\u0301\u1B44b", only_strip()) ==
          "a\u1B44\u302E"
          "b");
    CHECK(normalized("\u302E\u1B44", only_strip()) == "\u1B44\u302E");
    CHECK(normalized("\u0939\u093F\u0928\u094D\u0926\u0940", only_strip()) == "\u0939\u093F\u0928\u0926\u0940");
    CHECK(normalized("\u1E9B\u0323", only_strip()) == "\u017F");
  }

  TEST_CASE("normalize: an accent with class 0 keeps marks around it apart, one with a class does not") {
    CHECK(normalized("a\u302E\u034F\u1B44", only_strip()) == "a\u302E\u1B44");  // U+034F: Mn, class 0
    CHECK(normalized("a\u302E\u0345\u1B44", only_strip()) == "a\u1B44\u302E");  // U+0345: Mn, class 240
  }

  TEST_CASE("normalize: what cleaning removes does not keep marks apart") {
    BertNormalizerOptions options = only_strip();
    CHECK(normalized("\u302E\u200D\u1B44", options) == "\u302E\u200D\u1B44");
    options.clean_text = true;
    CHECK(normalized("\u302E\u200D\u1B44", options) == "\u1B44\u302E");
    CHECK(normalized("\u302E\x01\u1B44", options) == "\u1B44\u302E");
    CHECK(normalized("\u302E\t\u1B44", options) == "\u302E \u1B44");
    CHECK(normalized("\u302E\u00A0\u1B44", options) == "\u302E \u1B44");
  }

  TEST_CASE("normalize: unset strip_accents follows lowercase") {
    BertNormalizerOptions options = kNothing;
    options.strip_accents.reset();
    CHECK(normalized("\u00C9", options) == "\u00C9");
    options.lowercase = true;
    CHECK(normalized("\u00C9", options) == "e");
    options.strip_accents = false;
    CHECK(normalized("\u00C9 \u0130", options) == "\u00E9 i\u0307");
    options.lowercase = false;
    options.strip_accents = true;
    CHECK(normalized("\u00C9", options) == "E");
  }

  TEST_CASE("normalize: lowercase knows no context") {
    BertNormalizerOptions options = kNothing;
    options.lowercase = true;
    CHECK(normalized("AZ[`{az09", options) == "az[`{az09");
    CHECK(normalized("\u039F\u0394\u039F\u03A3", options) == "\u03BF\u03B4\u03BF\u03C3");
    CHECK(normalized("\u1E9E\u00DF", options) == "\u00DF\u00DF");
  }

  TEST_CASE("normalize: malformed bytes are U+FFFD, which cleaning drops") {
    CHECK(normalized("a\xFFz", kNothing) == "a\uFFFDz");
    CHECK(normalized("a\xFFz") == "az");
  }

  TEST_CASE("normalize: a second pass over normalised text changes nothing but the blanks of ideographs") {
    BertNormalizerOptions options;
    options.handle_chinese_chars = false;
    for (const std::string text :
         {"\u00C5ngstr\u00F6m \uD55C\uAD6D\uC5B4 \u302E\u1B44", "\u0130 \u1E9B\u0323 \uF900", "plain"}) {
      const std::string once = normalized(text, options);
      CHECK(normalized(once, options) == once);
    }
  }

  TEST_CASE("normalize: megabytes of one thing take linear time") {  // quadratic ones would take minutes
    constexpr std::size_t kCount = 500'000;
    const auto repeated = [](std::string_view piece) {
      std::string text;
      for (std::size_t i = 0; i < kCount; ++i) {
        text += piece;
      }
      return text;
    };
    CHECK(normalized(repeated("A")) == std::string(kCount, 'a'));
    CHECK(normalized(repeated("\t")) == std::string(kCount, ' '));
    CHECK(normalized(repeated("\u0301")).empty());
    CHECK(normalized(repeated("\u200B")).empty());
    const std::string marks = normalized(repeated("\u302E\u1B44"));  // one run of a million marks, half out of order
    REQUIRE(marks.size() == 6 * kCount);
    CHECK(marks.substr(0, 3) == "\u1B44");
    CHECK(marks.substr(3 * kCount - 3, 6) == "\u1B44\u302E");
  }
}
