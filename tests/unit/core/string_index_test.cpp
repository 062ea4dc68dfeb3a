#include <reasonembed/core/string_index.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::StringIndex;

static_assert(std::is_nothrow_move_constructible_v<StringIndex>);
static_assert(std::is_copy_constructible_v<StringIndex>);

TEST_SUITE("core/string_index") {
  TEST_CASE("StringIndex: an empty one holds nothing") {
    const StringIndex index;
    CHECK(index.empty());
    CHECK(index.size() == 0);
    CHECK(index.strings().empty());
    CHECK(index.find("") == StringIndex::kAbsent);
    CHECK_FALSE(index.contains("a"));
  }

  TEST_CASE("add: numbers strings in the order of their first appearance") {
    StringIndex index;
    CHECK(index.add("b") == std::pair<Index, bool>(0, true));
    CHECK(index.add("a") == std::pair<Index, bool>(1, true));
    CHECK(index.add("b") == std::pair<Index, bool>(0, false));
    CHECK(index.add("c") == std::pair<Index, bool>(2, true));
    CHECK(index.size() == 3);
    CHECK(index.strings() == std::vector<std::string>{"b", "a", "c"});
    CHECK(index[0] == "b");
    CHECK(index[2] == "c");
  }

  TEST_CASE("add, find: strings are compared whole, whatever they hold") {
    const std::vector<std::string> tricky = {"",
                                             " ",
                                             "a",
                                             "a ",
                                             "A",
                                             std::string(1, '\0'),
                                             std::string("a\0", 2),
                                             std::string("a\0b", 3),
                                             "\xC3\xA9",   // e with an acute accent
                                             "e\xCC\x81",  // the same in two characters: another string
                                             "\xFF",       // not UTF-8
                                             std::string(100000, 'x'),
                                             std::string(100001, 'x')};
    StringIndex index;
    for (const std::string& text : tricky) {
      CHECK(index.add(text).second);
    }
    for (std::size_t i = 0; i < tricky.size(); ++i) {
      CAPTURE(i);
      CHECK(index.find(tricky[i]) == static_cast<Index>(i));
      CHECK(index[static_cast<Index>(i)] == tricky[i]);
    }
    CHECK(index.find("b") == StringIndex::kAbsent);
    CHECK(index.find(std::string(99999, 'x')) == StringIndex::kAbsent);
  }

  TEST_CASE("add: the view may look into a string that goes away") {
    StringIndex index;
    {
      std::string text = "short-lived";
      index.add(std::string_view(text).substr(0, 5));
      text.assign("XXXXXXXXXXX");
    }
    CHECK(index.find("short") == 0);
    CHECK(index.strings() == std::vector<std::string>{"short"});
  }

  TEST_CASE("add: the numbers are those of a map from string to first position") {
    std::mt19937 random(7);
    for (const int distinct : {1, 2, 7, 8, 9, 15, 16, 17, 1000, 20000}) {  // around where the table grows
      CAPTURE(distinct);
      StringIndex index;
      std::map<std::string, Index> reference;
      std::uniform_int_distribution<int> pick(0, distinct - 1);
      for (int i = 0; i < 3 * distinct; ++i) {
        const std::string text = "id-" + std::to_string(pick(random));
        const auto [entry, added] = reference.emplace(text, static_cast<Index>(reference.size()));
        REQUIRE(index.add(text) == std::pair<Index, bool>(entry->second, added));
      }
      REQUIRE(index.size() == static_cast<Index>(reference.size()));
      for (const auto& [text, number] : reference) {
        REQUIRE(index.find(text) == number);
        REQUIRE(index[number] == text);
      }
      CHECK(index.find("id-") == StringIndex::kAbsent);
      CHECK(index.find("id-" + std::to_string(distinct)) == StringIndex::kAbsent);
    }
  }

  TEST_CASE("StringIndex: a copy is independent, a moved-from one can be used again") {
    StringIndex index;
    index.add("a");
    StringIndex copy = index;
    copy.add("b");
    CHECK(index.size() == 1);
    CHECK(index.find("b") == StringIndex::kAbsent);
    CHECK(copy.find("a") == 0);
    CHECK(copy.find("b") == 1);
    CHECK(index != copy);
    index.add("b");
    CHECK(index == copy);
    StringIndex moved = std::move(index);
    CHECK(moved == copy);
    index = StringIndex();
    CHECK(index.add("z") == std::pair<Index, bool>(0, true));
  }

  TEST_CASE("operator==: order counts") {
    StringIndex one;
    StringIndex other;
    one.add("a");
    one.add("b");
    other.add("b");
    other.add("a");
    CHECK(one != other);
  }
}
