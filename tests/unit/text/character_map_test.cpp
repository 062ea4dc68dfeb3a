#include <reasonembed/text/character_map.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::CharacterMap;

namespace {

/// A double-array trie written by hand, one key after another: keys share no first byte.
class TableBuilder {
 public:
  TableBuilder() {
    units_.assign(512, 0);
    units_[0] = 256U << 10;
  }

  TableBuilder& add(std::string_view key, std::string_view replacement) {
    std::size_t node = 256;  // children of the root stand at 256 ^ byte
    for (std::size_t i = 0; i < key.size(); ++i) {
      const auto byte = static_cast<unsigned char>(key[i]);
      const std::size_t at = node ^ byte;
      const std::size_t child = units_.size();  // a block of 256 for its children
      units_.resize(units_.size() + 256, 0);
      const bool ends = i + 1 == key.size();
      units_[at] = (static_cast<std::uint32_t>(at ^ child) << 10) | (ends ? 1U << 8 : 0U) | byte;
      if (ends) {
        units_[child] = (1U << 31) | static_cast<std::uint32_t>(replacements_.size());
      }
      node = child;
    }
    replacements_.append(replacement).push_back('\0');
    return *this;
  }
  std::vector<std::uint32_t>& units() { return units_; }
  [[nodiscard]] std::string table() const {
    const auto bytes = static_cast<std::uint32_t>(4 * units_.size());
    std::string table(4 + bytes, '\0');
    std::memcpy(table.data(), &bytes, 4);
    std::memcpy(table.data() + 4, units_.data(), bytes);
    return table + replacements_;
  }

 private:
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

std::string normalized(const CharacterMap& map, std::string_view text) {
  std::string out;
  map.normalize(text, out);
  return out;
}

}  // namespace

TEST_SUITE("text/character_map") {
  TEST_CASE("normalize: an empty table changes nothing") {
    CHECK(normalized(CharacterMap(), "") == "");
    CHECK(normalized(CharacterMap(), "e\u0301 \u00E9\r\n") == "e\u0301 \u00E9\r\n");
  }

  TEST_CASE("normalize: replaces characters by longer, shorter and empty texts") {
    const CharacterMap map(TableBuilder().add("a", "bc").add("\uFF21", "A").add("\x01", "").table());
    CHECK(normalized(map, "xay") == "xbcy");
    CHECK(normalized(map, "\uFF21\uFF22") == "A\uFF22");
    CHECK(normalized(map, "x\x01y") == "xy");
    CHECK(normalized(map, "\x01") == "");
    CHECK(normalized(map, std::string("a\0a", 3)) == std::string("bc\0bc", 5));
  }

  TEST_CASE("normalize: a short cluster becomes what its shortest known beginning maps to, and its marks vanish") {
    const CharacterMap map(TableBuilder().add("a", "X").table());
    CHECK(normalized(map, "a\u0301b") == "Xb");
    CHECK(normalized(map, "a\u0301\u0301b") == "Xb");                          // 5 bytes
    CHECK(normalized(map, "a\u0301\u0301\u0301b") == "X\u0301\u0301\u0301b");  // 7 bytes, character by character
    CHECK(normalized(map, "b\u0301a") == "b\u0301X");
  }

  TEST_CASE("normalize: a key may be a letter with its mark") {
    const CharacterMap map(TableBuilder().add("e\u0301", "\u00E9").table());
    CHECK(normalized(map, "e\u0301") == "\u00E9");
    CHECK(normalized(map, "e") == "e");
    CHECK(normalized(map, "e\u0300") == "e\u0300");
    CHECK(normalized(map, "e\u0301\u0300") == "\u00E9");  // the beginning is known
    CHECK(normalized(map, "e\u0301\u0300\u0300") == "e\u0301\u0300\u0300");
  }

  TEST_CASE("normalize: clusters end where the reference's end, newer marks included") {
    const CharacterMap map(TableBuilder().add("a", "X").add("\r", "R").table());
    CHECK(normalized(map, "a\u0897") == "X");  // a mark of Unicode 16
    CHECK(normalized(map, "\r\n") == "R");     // one cluster
    CHECK(normalized(map, "\n\r") == "\nR");
    CHECK(normalized(map, "aa") == "XX");
    CHECK(normalized(map, "a\u200D") == "X");
  }

  TEST_CASE("CharacterMap: names a table that is cut or leads outside") {
    CHECK_THROWS_WITH_AS(CharacterMap("abc", "file"),
                         "file: precompiled_charsmap is a trie of 0 bytes in a table of 0, expected a trie of whole "
                         "units within the table",
                         re::DataError);
    CHECK_THROWS_WITH_AS(CharacterMap(std::string("\x06\0\0\0abcdef", 10), "file"),
                         "file: precompiled_charsmap is a trie of 6 bytes in a table of 6, expected a trie of whole "
                         "units within the table",
                         re::DataError);
    CHECK_THROWS_WITH_AS(CharacterMap(std::string("\x08\0\0\0abcd", 8), "file"),
                         "file: precompiled_charsmap is a trie of 8 bytes in a table of 4, expected a trie of whole "
                         "units within the table",
                         re::DataError);
    const std::string outside =
        "file: precompiled_charsmap is a trie with an edge out of the table, expected edges and replacements within "
        "the table";
    TableBuilder edge;
    edge.add("a", "X");
    edge.units()[256 ^ 'a'] = (100000U << 10) | 'a';
    CHECK_THROWS_WITH_AS(CharacterMap(edge.table(), "file"), outside.c_str(), re::DataError);
    TableBuilder value;
    value.add("a", "X");
    value.units()[512] = (1U << 31) | 1000;
    CHECK_THROWS_WITH_AS(CharacterMap(value.table(), "file"), outside.c_str(), re::DataError);
    TableBuilder root;
    root.units()[0] = 100000U << 10;
    CHECK_THROWS_WITH_AS(CharacterMap(root.table(), "file"), outside.c_str(), re::DataError);
  }

  TEST_CASE("CharacterMap: a trie with a circle is read without end only as far as the text goes") {
    TableBuilder circle;
    circle.add("a", "X");
    // 'b' leads back to the root's children.
    circle.units()[256 ^ 'b'] = (static_cast<std::uint32_t>((256 ^ 'b') ^ 256) << 10) | 'b';
    const CharacterMap map(circle.table());
    CHECK(normalized(map, "ba") == "bX");
    CHECK(normalized(map, std::string(1000, 'b')) == std::string(1000, 'b'));
  }
}
