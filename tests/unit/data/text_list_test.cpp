#include <reasonembed/data/text_list.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::TextList;

TEST_SUITE("data/text_list") {
  TEST_CASE("add: gives every text back whole, empty ones and those with NUL bytes included") {
    const std::vector<std::string> texts = {
        "one", "", std::string("a\0b", 3), "", "one", std::string(100000, 'x'), "\xC3\xA4"};
    TextList list;
    CHECK(list.empty());
    CHECK(list.bytes() == 0);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(list.add(texts[i]) == static_cast<Index>(i));  // equal texts are two entries
      bytes += texts[i].size();
    }
    REQUIRE(list.size() == static_cast<Index>(texts.size()));
    CHECK(list.bytes() == bytes);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(list[static_cast<Index>(i)] == texts[i]);
    }
  }

  TEST_CASE("add: texts keep their places while the list grows") {
    TextList list;
    list.add("abc");
    for (int i = 0; i < 12; ++i) {
      list.add(std::string(list[list.size() - 1]) + "d");  // a copy: what is added must not lie in the list
    }
    CHECK(list[12] == "abcdddddddddddd");
    CHECK(list[0] == "abc");
  }

  TEST_CASE("operator[]: views outlive a move of the list, short texts included") {
    TextList list;
    list.add("a");
    list.add("bc");
    const std::string_view first = list[0];
    const std::string_view second = list[1];
    const TextList moved = std::move(list);
    CHECK(first == "a");
    CHECK(second == "bc");
    CHECK(first.data() == moved[0].data());
    CHECK(second.data() == moved[1].data());
  }

  TEST_CASE("TextList: a copy is equal and independent") {
    TextList list;
    list.add("a");
    TextList copy = list;
    CHECK(copy == list);
    copy.add("b");
    CHECK(copy != list);
    CHECK(list.size() == 1);
    list = copy;
    CHECK(list[1] == "b");
    CHECK(list[1].data() != copy[1].data());
    // the same bytes cut elsewhere are another list
    TextList left;
    left.add("ab");
    left.add("c");
    TextList right;
    right.add("a");
    right.add("bc");
    CHECK(left != right);
  }
}
