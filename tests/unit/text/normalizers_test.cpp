#include <reasonembed/text/normalizers.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using namespace re::text;

namespace {

/// What a sequence makes of a text, and "^" before it if its begin was kept.
std::string normalized(std::vector<NormalizerStep> steps, std::string_view text) {
  TokenScratch scratch;
  const NormalizerSequence sequence(std::move(steps));
  const NormalizerSequence::Result result = sequence.normalize(text, true, scratch);
  std::string out(result.at_text_start ? "^" : "");
  out += result.text;
  CHECK_FALSE(sequence.normalize(text, false, scratch).at_text_start);
  return out;
}

Replace replace(std::string what, std::string content) {
  return {.pattern = TextPattern(std::move(what)), .content = std::move(content)};
}

}  // namespace

TEST_SUITE("text/normalizers") {
  TEST_CASE("NormalizerSequence: without steps the text is passed on, not copied") {
    TokenScratch scratch;
    const std::string text = "Text";
    const NormalizerSequence none;
    CHECK(none.empty());
    CHECK(none.normalize(text, true, scratch).text.data() == text.data());
    CHECK(none.normalize(text, true, scratch).at_text_start);
    CHECK_FALSE(none.normalize(text, false, scratch).at_text_start);
  }

  TEST_CASE("NormalizerSequence: steps follow each other") {
    CHECK(normalized({Lowercase(), Prepend{"x"}, replace("xa", "b")}, "AC") == "^bc");
    CHECK(normalized({NormalizationForm{false, false}, StripAccents(), Lowercase()}, "\u00C9T\u00C9") == "^ete");
    CHECK(normalized({Prepend{"a"}, Prepend{"b"}, Prepend{"c"}}, "d") == "^cbad");
  }

  TEST_CASE("NormalizerSequence: an empty text stays empty") {
    CHECK(normalized({Lowercase(), Prepend{"x"}, Strip(), Nmt(), BertNormalizer()}, "") == "^");
  }

  TEST_CASE("Lowercase: full mappings, character by character") {
    CHECK(normalized({Lowercase()}, "AbC \u00C9\u0130\u03A3\u1E9E") == "^abc \u00E9i\u0307\u03C3\u00DF");
    CHECK(normalized({Lowercase()}, "\uA7DC\U00010D50") == "^\u019B\U00010D70");
  }

  TEST_CASE("StripAccents: drops marks and decomposes nothing") {
    CHECK(normalized({StripAccents()}, "e\u0301\u00E9") == "^e\u00E9");
    CHECK(normalized({StripAccents()}, "a\u0903b\u20DD") == "^ab");
    CHECK(normalized({StripAccents()}, "\u0301a") == "a");
  }

  TEST_CASE("Strip: drops white space at the ends it is told of") {
    CHECK(normalized({Strip{}}, " \t a b\u3000") == "a b");
    CHECK(normalized({Strip{true, false}}, " a ") == "a ");
    CHECK(normalized({Strip{false, true}}, " a ") == "^ a");
    CHECK(normalized({Strip{false, false}}, " a ") == "^ a ");
    CHECK(normalized({Strip{}}, "a") == "^a");
    for (const Strip strip : {Strip{true, true}, Strip{true, false}, Strip{false, true}}) {
      TokenScratch scratch;
      CHECK(NormalizerSequence({strip}).normalize("  \n", true, scratch).text.empty());
    }
  }

  TEST_CASE("Replace: every match, and the begin is lost only where it vanishes") {
    CHECK(normalized({replace("a", "bc")}, "aXa") == "^bcXbc");
    CHECK(normalized({replace("a", "")}, "aXa") == "X");
    CHECK(normalized({replace("a", "")}, "Xa") == "^X");
    CHECK(normalized({Replace{TextPattern(CharacterRun{' ', 2}), " "}}, "a   b c") == "^a b c");
  }

  TEST_CASE("Prepend: before every text but the empty one") {
    CHECK(normalized({Prepend{"\u2581"}}, "a") ==
          "^\u2581"
          "a");
    CHECK(normalized({replace("a", ""), Prepend{"x"}}, "a") == "");
  }

  TEST_CASE("Nmt: drops controls and writes other white space as blanks") {
    CHECK(normalized({Nmt()},
                     "a\tb\nc\rd\x0C"
                     "e") == "^a b c d e");
    CHECK(normalized({Nmt()},
                     "a\x01\x08\x0B\x0E\x1F\x7F\u008F\u009F"
                     "b") == "^ab");
    CHECK(normalized({Nmt()},
                     "a\u200B\u200F\u2028\u2581\uFEFF\uFFFD"
                     "b") == "^a      b");
    CHECK(normalized({Nmt()}, "a\u00A0\u0085\u3000") == "^a\u00A0\u0085\u3000");
    CHECK(normalized({Nmt()}, std::string("a\0b", 3)) == std::string("^a\0b", 4));
    CHECK(normalized({Nmt()},
                     "\x01"
                     "a") == "a");
  }

  TEST_CASE("BertNormalizer: is a step like others") {
    CHECK(normalized({BertNormalizer()}, "\u00C9t\u00E9\t\u5B57") == "^ete  \u5B57 ");
    CHECK(normalized({BertNormalizer()},
                     "\x01"
                     "a") == "a");
    CHECK(normalized({BertNormalizer()}, "\u5B57") == "^ \u5B57 ");
  }

  TEST_CASE("ByteLevelNormalizer: writes bytes as characters") {
    CHECK(normalized({ByteLevelNormalizer()}, "a \u00E9") == "^a\u0120\u00C3\u00A9");
  }

  TEST_CASE("CharacterMap: without a table keeps the text") {
    CHECK(normalized({CharacterMap()}, "a\u0301") == "^a\u0301");
  }

  TEST_CASE("NormalizerSequence: is a value") {
    TokenScratch scratch;
    NormalizerSequence one({Lowercase()});
    const NormalizerSequence copy = one;
    one = NormalizerSequence();
    CHECK(one.empty());
    CHECK(copy.normalize("A", true, scratch).text == "a");
  }
}
