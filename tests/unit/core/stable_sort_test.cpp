#include <reasonembed/core/stable_sort.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;

TEST_SUITE("core/stable_sort") {
  TEST_CASE("stable_sort: equal items keep their order at every size") {
    for (const int size : {0, 1, 2, 3, 15, 16, 17, 64, 1000}) {
      CAPTURE(size);
      std::vector<std::pair<std::uint32_t, int>> items;  // (key, position)
      std::uint32_t state = 12345;
      for (int i = 0; i < size; ++i) {
        state = state * 1664525U + 1013904223U;
        items.emplace_back((state >> 16) % 7, i);
      }
      auto expected = items;
      // The position as second key makes every item distinct, so that any sort gives the stable order.
      std::sort(expected.begin(), expected.end());
      re::stable_sort(items, [](const auto& a, const auto& b) { return a.first < b.first; });
      CHECK(items == expected);
    }
  }

  TEST_CASE("stable_sort: items that are all equal do not move") {
    std::vector<std::pair<int, int>> items;
    for (int i = 0; i < 100; ++i) {
      items.emplace_back(0, i);
    }
    const auto before = items;
    re::stable_sort(items, [](const auto& a, const auto& b) { return a.first < b.first; });
    CHECK(items == before);
  }

  TEST_CASE("stable_sort: descending order keeps equal items in their order too") {
    std::vector<std::pair<int, std::string>> items = {{1, "a"}, {2, "b"}, {1, "c"}, {2, "d"}, {3, "e"}};
    re::stable_sort(items, [](const auto& a, const auto& b) { return a.first > b.first; });
    CHECK(items == std::vector<std::pair<int, std::string>>{{3, "e"}, {2, "b"}, {2, "d"}, {1, "a"}, {1, "c"}});
  }

  TEST_CASE("stable_sort: items that can only be moved are sorted") {
    std::vector<std::unique_ptr<int>> items;
    for (const int value : {3, 1, 2}) {
      items.push_back(std::make_unique<int>(value));
    }
    re::stable_sort(items, [](const auto& a, const auto& b) { return *a < *b; });
    REQUIRE(items.size() == 3);
    CHECK(*items[0] == 1);
    CHECK(*items[1] == 2);
    CHECK(*items[2] == 3);
  }
}
