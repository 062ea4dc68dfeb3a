#include <reasonembed/io/utf8.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t kNone = std::string_view::npos;

/// UTF-8 of a code point by the definition of RFC 3629, section 3; surrogates are encoded like any other number.
std::string encoded(unsigned code) {
  const auto byte = [](unsigned value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (code < 0x80) {
    return {byte(code)};
  }
  if (code < 0x800) {
    return {byte(0xC0 | code >> 6), byte(0x80 | (code & 63))};
  }
  if (code < 0x10000) {
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
  }
  return {
      byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
}

}  // namespace

TEST_SUITE("io/utf8") {
  TEST_CASE("find_invalid_utf8: every code point but the surrogates is valid") {
    std::size_t wrong = 0;
    for (unsigned code = 0; code <= 0x10FFFF; ++code) {
      const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
      wrong += re::io::find_invalid_utf8(encoded(code)) == (surrogate ? 0 : kNone) ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(re::io::find_invalid_utf8(encoded(0x110000)) == 0);
    CHECK(re::io::find_invalid_utf8(encoded(0x1FFFFF)) == 0);
  }
  TEST_CASE("find_invalid_utf8: an overlong form is invalid") {
    for (const std::string_view text :
         {"\xC0\x80"sv, "\xC1\xBF"sv, "\xE0\x80\x80"sv, "\xE0\x9F\xBF"sv, "\xF0\x80\x80\x80"sv, "\xF0\x8F\xBF\xBF"sv}) {
      CAPTURE(text.size());
      CHECK(re::io::find_invalid_utf8(text) == 0);
    }
  }
  TEST_CASE("find_invalid_utf8: a cut or broken character is invalid where it starts") {
    const std::string whole = encoded(0x20AC) + encoded(0x1F600);  // 3 + 4 bytes
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      CAPTURE(size);
      const std::size_t want = size == 0 || size == 3 || size == 7 ? kNone : size < 3 ? 0 : 3;
      CHECK(re::io::find_invalid_utf8(whole.substr(0, size)) == want);
    }
    for (std::size_t i = 1; i < 3; ++i) {
      for (const char broken : {'a', '\xC3', '\xFF'}) {
        std::string text = encoded(0x20AC);
        text[i] = broken;
        CHECK(re::io::find_invalid_utf8(text) == 0);
      }
    }
  }
  TEST_CASE("find_invalid_utf8: finds a bad byte at every position, before and after whole words of ASCII") {
    for (std::size_t size = 1; size <= 40; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'a');
        REQUIRE(re::io::find_invalid_utf8(text) == kNone);
        text[at] = '\x80';
        REQUIRE(re::io::find_invalid_utf8(text) == at);
      }
    }
  }
  TEST_CASE("find_invalid_utf8: reads no byte beyond a view that ends inside a character") {
    const std::vector<char> bytes = {'a', '\xF0', '\x9F', '\x98'};  // on the heap: a sanitizer sees a fifth byte
    CHECK(re::io::find_invalid_utf8({bytes.data(), bytes.size()}) == 1);
    CHECK(re::io::find_invalid_utf8({}) == kNone);
  }
  TEST_CASE("in_quotes: plain text is kept, what could break a line or a terminal is spelled out") {
    CHECK(re::io::in_quotes("") == R"("")");
    CHECK(re::io::in_quotes("plain text") == R"("plain text")");
    CHECK(re::io::in_quotes("a\tb\n\x1B[31m\x7F") == R"("a\x09b\x0A\x1B[31m\x7F")");
    CHECK(re::io::in_quotes("say \"no\" \\") == R"("say \"no\" \\")");
    CHECK(re::io::in_quotes("\xE2\x82\xAC") == "\"\xE2\x82\xAC\"");
    CHECK(re::io::in_quotes("\xFFz\xE2\x82") == R"("\xFFz\xE2\x82")");
    CHECK(re::io::in_quotes("nul\0byte"sv) == R"("nul\x00byte")");
  }
  TEST_CASE("in_quotes: a long text is cut between characters") {
    CHECK(re::io::in_quotes("abcdef", 6) == R"("abcdef")");
    CHECK(re::io::in_quotes("abcdefg", 6) == R"("abcdef...")");
    CHECK(re::io::in_quotes("ab\xE2\x82\xAC", 4) == R"("ab...")");
    CHECK(re::io::in_quotes("ab\xE2\x82\xAC", 5) == "\"ab\xE2\x82\xAC\"");
    CHECK(re::io::in_quotes("abc", 0) == R"("...")");
    for (std::size_t limit = 0; limit < 12; ++limit) {
      CHECK(re::io::find_invalid_utf8(re::io::in_quotes("\xE2\x82\xAC\xF0\x9F\x98\x80\xC3", limit)) == kNone);
    }
  }
}
