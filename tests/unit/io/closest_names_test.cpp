#include <reasonembed/io/closest_names.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Names = std::vector<std::string>;

namespace {

/// The definition, by recursion on the first byte.
std::size_t reference_distance(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) {
    return a.size() + b.size();
  }
  const std::size_t replaced = reference_distance(a.substr(1), b.substr(1)) + (a[0] == b[0] ? 0 : 1);
  return std::min({replaced, reference_distance(a.substr(1), b) + 1, reference_distance(a, b.substr(1)) + 1});
}

}  // namespace

TEST_SUITE("io/closest_names") {
  TEST_CASE("edit_distance: equals the recursive definition on all short words over two letters") {
    Names words = {""};
    for (std::size_t first = 0; words[first].size() < 4; ++first) {
      words.push_back(words[first] + "a");
      words.push_back(words[first] + "b");
    }
    REQUIRE(words.size() == 31);
    std::size_t wrong = 0;
    for (const std::string& a : words) {
      for (const std::string& b : words) {
        wrong += re::io::edit_distance(a, b) == reference_distance(a, b) ? 0 : 1;
      }
    }
    CHECK(wrong == 0);
    CHECK(re::io::edit_distance("kitten", "sitting") == 3);
  }
  TEST_CASE("closest_names: the most alike come first, equal ones in their order") {
    const Names names = {"layer.0.bias", "layer.0.weight", "layer.1.weight", "pooler.weight"};
    CHECK(re::io::closest_names("layer.0.wieght", names) == Names{"layer.0.weight", "layer.1.weight", "layer.0.bias"});
    CHECK(re::io::closest_names("layer.2.weight", names, 2) == Names{"layer.0.weight", "layer.1.weight"});
    CHECK(re::io::closest_names("pooler.weight", names, 1) == Names{"pooler.weight"});
  }
  TEST_CASE("closest_names: fewer names than asked for are all returned") {
    CHECK(re::io::closest_names("x", Names{}).empty());
    CHECK(re::io::closest_names("x", Names{"b", "a"}) == Names{"b", "a"});
    CHECK(re::io::closest_names("x", Names{"b", "a"}, 0).empty());
  }
  TEST_CASE("closest_names: a name of a megabyte costs no more than its start") {
    const std::string giant(1'000'000, 'a');
    const Names names(200, giant);
    CHECK(re::io::closest_names(giant, names).size() == 3);
  }
}
