#include <reasonembed/text/normalization_form.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::NormalizationForm;

namespace {

constexpr NormalizationForm kNfc{.compose = true, .compatibility = false};
constexpr NormalizationForm kNfd{.compose = false, .compatibility = false};
constexpr NormalizationForm kNfkc{.compose = true, .compatibility = true};
constexpr NormalizationForm kNfkd{.compose = false, .compatibility = true};

std::string normalized(const NormalizationForm& form, std::string_view text) {
  static re::text::TokenScratch scratch;  // kept, so that a state left behind would show
  std::string out;
  form.normalize(text, scratch, out);
  CHECK(scratch.marks.empty());
  return out;
}

}  // namespace

TEST_SUITE("text/normalization_form") {
  TEST_CASE("normalize: ASCII stays as it is in every form and length") {
    for (const NormalizationForm& form : {kNfc, kNfd, kNfkc, kNfkd}) {
      for (const std::size_t length : {0, 1, 2, 7, 8, 9, 16, 17}) {
        const std::string text = std::string("0123456789abcdefg").substr(0, length);
        CHECK(normalized(form, text) == text);
      }
      CHECK(normalized(form, std::string("a\0b", 3)) == std::string("a\0b", 3));
    }
  }

  TEST_CASE("normalize: composes and decomposes") {
    CHECK(normalized(kNfd, "\u00E9") == "e\u0301");
    CHECK(normalized(kNfc, "e\u0301") == "\u00E9");
    CHECK(normalized(kNfc, "\u00E9") == "\u00E9");
    CHECK(normalized(kNfd, "\u1E14") == "E\u0304\u0300");
    CHECK(normalized(kNfc, "E\u0304\u0300") == "\u1E14");
    CHECK(normalized(kNfc,
                     "caf"
                     "e\u0301 e\u0301s") == "caf\u00E9 \u00E9s");
  }

  TEST_CASE("normalize: marks are ordered by their class and otherwise stay") {
    CHECK(normalized(kNfd, "q\u0307\u0323") == "q\u0323\u0307");
    CHECK(normalized(kNfc, "q\u0307\u0323") == "q\u0323\u0307");
    CHECK(normalized(kNfd, "a\u0301\u0300") == "a\u0301\u0300");
    CHECK(normalized(kNfc, "a\u0323\u0302") == "\u1EAD");
    CHECK(normalized(kNfc, "a\u0302\u0323") == "\u1EAD");
  }

  TEST_CASE("normalize: a mark is blocked by one of its class or a starter") {
    CHECK(normalized(kNfc, "a\u0305\u0301") == "a\u0305\u0301");
    CHECK(normalized(kNfc, "a\u200D\u0301") == "a\u200D\u0301");
    CHECK(normalized(kNfc, "\u0301e\u0301") == "\u0301\u00E9");
    CHECK(normalized(kNfc, "\u0301") == "\u0301");
    CHECK(normalized(kNfc, "\u0323\u0301") == "\u0323\u0301");
  }

  TEST_CASE("normalize: a mark that joins leaves the next ones free to join") {
    CHECK(normalized(kNfc, "o\u0328\u0304") == "\u01ED");
    CHECK(normalized(kNfc, "o\u0304\u0328") == "\u01ED");
    CHECK(normalized(kNfc, "o\u0328\u0330\u0304") == "\u01ED\u0330");  // class 220 is no block for class 230
  }

  TEST_CASE("normalize: hangul is composed from two or three letters") {
    CHECK(normalized(kNfc, "\u1112\u1161\u11AB") == "\uD55C");
    CHECK(normalized(kNfd, "\uD55C") == "\u1112\u1161\u11AB");
    CHECK(normalized(kNfc, "\uD558\u11AB") == "\uD55C");
    CHECK(normalized(kNfc, "\uD55C\u11AB") == "\uD55C\u11AB");
    CHECK(normalized(kNfc, "\u1112\u11AB") == "\u1112\u11AB");
  }

  TEST_CASE("normalize: singletons and excluded composites do not come back") {
    CHECK(normalized(kNfc, "\u212B") == "\u00C5");  // Angstrom sign
    CHECK(normalized(kNfc, "\u2126") == "\u03A9");
    CHECK(normalized(kNfc, "\u0958") == "\u0915\u093C");
    CHECK(normalized(kNfc, "\uFB1D") == "\u05D9\u05B4");
  }

  TEST_CASE("normalize: compatibility characters go in NFKC and NFKD alone") {
    CHECK(normalized(kNfc, "\uFB01") == "\uFB01");
    CHECK(normalized(kNfkc, "\uFB01") == "fi");
    CHECK(normalized(kNfkc, "\uFF21\u2460\u00B2") == "A12");
    CHECK(normalized(kNfkd, "\u1E9B\u0323") == "s\u0323\u0307");
    CHECK(normalized(kNfkc, "\u1E9B\u0323") == "\u1E69");
    CHECK(normalized(kNfkc, "\uFDFA").size() == 33);  // 18 characters, 3 of them blanks
  }

  TEST_CASE("normalize: characters that are newer than the reference's tables stay") {
    CHECK(normalized(kNfkc, "\u32FF") == "\u32FF");
    CHECK(normalized(kNfkd, "\U0001F16C") == "\U0001F16C");
    CHECK(normalized(kNfd, "\U00011938") == "\U00011938");
    CHECK(normalized(kNfc, "\U00011935\U00011930") == "\U00011935\U00011930");
    CHECK(normalized(kNfd, "a\u08CA\u0323") == "a\u08CA\u0323");  // no mark with a class there
  }

  TEST_CASE("normalize: is idempotent, and a form of the other form") {
    const std::vector<std::string> texts = {
        "\u00C5ngstr\u00F6m", "e\u0301\u0327\u0301x", "\u1112\u1161\u11ABa", "\uFB01n\u0303\u0323", "\u0344\u0F73"};
    for (const std::string& text : texts) {
      for (const NormalizationForm& form : {kNfc, kNfd, kNfkc, kNfkd}) {
        const std::string once = normalized(form, text);
        CHECK(normalized(form, once) == once);
      }
      CHECK(normalized(kNfc, normalized(kNfd, text)) == normalized(kNfc, text));
      CHECK(normalized(kNfd, normalized(kNfc, text)) == normalized(kNfd, text));
      CHECK(normalized(kNfkc, normalized(kNfkd, text)) == normalized(kNfkc, text));
    }
  }

  TEST_CASE("normalize: appends") {
    re::text::TokenScratch scratch;
    std::string out = "x";
    kNfc.normalize("\u00E9", scratch, out);
    CHECK(out == "x\u00E9");
  }

  TEST_CASE("normalize: a megabyte of marks takes n log n steps") {
    std::string text = "a";
    for (int i = 0; i < 250000; ++i) {
      text += "\u0301\u0323";
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::string out = normalized(kNfc, text);
    CHECK(out.size() == text.size());  // a and the first of class 220 become one character of as many bytes
    CHECK(out.starts_with("\u1EA1\u0323"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}
