#include <reasonembed/text/byte_level.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <string>

namespace re = reasonembed;
using re::text::kByteCharacters;

namespace {

std::string shown(const std::string& bytes) {
  std::string out;
  re::text::append_byte_characters(bytes, out);
  return out;
}

}  // namespace

TEST_SUITE("text/byte_level") {
  TEST_CASE("kByteCharacters: every byte has a character of its own, below U+0180") {
    std::set<char32_t> characters(kByteCharacters.begin(), kByteCharacters.end());
    CHECK(characters.size() == 256);
    CHECK(*characters.rbegin() == 0x143);
    CHECK(*characters.begin() == '!');
  }

  TEST_CASE("kByteCharacters: bytes that print stand for themselves, the others follow U+0100 in order") {
    for (std::size_t byte = '!'; byte <= '~'; ++byte) {
      CHECK(kByteCharacters[byte] == byte);
    }
    CHECK(kByteCharacters[0] == 0x100);
    CHECK(kByteCharacters['\n'] == 0x10A);
    CHECK(kByteCharacters[' '] == 0x120);
    CHECK(kByteCharacters[0x7F] == 0x121);
    CHECK(kByteCharacters[0x80] == 0x122);
    CHECK(kByteCharacters[0xA0] == 0x142);
    CHECK(kByteCharacters[0xA1] == 0xA1);
    CHECK(kByteCharacters[0xAC] == 0xAC);
    CHECK(kByteCharacters[0xAD] == 0x143);
    CHECK(kByteCharacters[0xAE] == 0xAE);
    CHECK(kByteCharacters[0xFF] == 0xFF);
  }

  TEST_CASE("append_byte_characters: writes words as byte-level vocabularies spell them") {
    CHECK(shown("") == "");
    CHECK(shown("word") == "word");
    CHECK(shown(" word\n") == "\u0120word\u010A");
    CHECK(shown("\u00E9") == "\u00C3\u00A9");
    CHECK(shown("\xFF") == "\u00FF");
    CHECK(shown(std::string(1, '\0')) == "\u0100");
  }

  TEST_CASE("append_byte_characters: appends") {
    std::string out = "x";
    re::text::append_byte_characters("y", out);
    CHECK(out == "xy");
  }
}
