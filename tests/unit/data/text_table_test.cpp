#include <reasonembed/core/random.hpp>
#include <reasonembed/data/text_table.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::data::TextTable;

TEST_SUITE("data/text_table") {
  TEST_CASE("add: equal texts have one number, numbers follow the order of the first") {
    TextTable table;
    CHECK(table.empty());
    CHECK(table.find("a") == TextTable::kAbsent);
    CHECK(table.add("b") == 0);
    CHECK(table.add("") == 1);
    CHECK(table.add("a") == 2);
    CHECK(table.add("b") == 0);
    CHECK(table.add("") == 1);
    CHECK(table.size() == 3);
    CHECK(table.bytes() == 2);
    CHECK(table[0] == "b");
    CHECK(table[1].empty());
    CHECK(table[2] == "a");
    CHECK(table.find("a") == 2);
    CHECK(table.find("A") == TextTable::kAbsent);
    CHECK(table.find(std::string_view("a\0", 2)) == TextTable::kAbsent);
  }

  TEST_CASE("add: agrees with a map over many random texts, as it grows") {
    re::RandomStream random(7);
    TextTable table;
    std::map<std::string, TextTable::Number> reference;
    std::vector<std::string> order;
    for (int i = 0; i < 5000; ++i) {
      std::string text;
      for (std::uint64_t length = random.below(4); length > 0; --length) {
        text += static_cast<char>('a' + random.below(12));
      }
      const auto [entry, added] = reference.try_emplace(text, static_cast<TextTable::Number>(order.size()));
      if (added) {
        order.push_back(text);
      }
      REQUIRE(table.add(text) == entry->second);
    }
    REQUIRE(static_cast<std::size_t>(table.size()) == order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      CHECK(table[static_cast<TextTable::Number>(i)] == order[i]);
      CHECK(table.find(order[i]) == i);
    }
  }

  TEST_CASE("TextTable: copies and moves keep numbers and find them") {
    TextTable table;
    table.add("x");
    table.add("y");
    TextTable copy = table;
    CHECK(copy == table);
    CHECK(copy.add("z") == 2);
    CHECK(copy != table);
    CHECK(table.find("z") == TextTable::kAbsent);
    const std::string_view view = copy[2];
    TextTable moved = std::move(copy);
    CHECK(view == "z");
    CHECK(view.data() == moved[2].data());
    CHECK(moved.find("y") == 1);
    table = moved;
    CHECK(table == moved);
  }
}
