#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/shingles.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::jaccard;
using re::remixer::normalized_text;
using re::remixer::normalized_words;
using re::remixer::ShingleOptions;
using re::remixer::shingles;
using re::remixer::ShingleUnit;

TEST_SUITE("remixer/shingles") {
  TEST_CASE("normalized_text: hides case, punctuation and white space, and nothing else") {
    CHECK(normalized_text("  Hello,\n\tWORLD!! ") == "hello world");
    CHECK(normalized_text("\u00c9t\u00e9") == "\u00e9t\u00e9");
    CHECK(normalized_text(".,;") == "");
    CHECK(normalized_text("") == "");
    CHECK(normalized_text("a\xFF\x80z") == "a z");
    CHECK(normalized_words("It's 3") == std::vector<std::string>{"it", "s", "3"});
  }
  TEST_CASE("shingles: are the distinct runs of words, ascending") {
    const auto found = shingles("a b c a b c a", {.length = 3});
    CHECK(found.size() == 3);  // abc, bca, cab
    CHECK(std::is_sorted(found.begin(), found.end()));
    CHECK(found == shingles("A, b: c a B c? a!", {.length = 3}));
    CHECK(found != shingles("a b c a b c a", {.length = 2}));
  }
  TEST_CASE("shingles: of characters count code points and the blanks between words") {
    const ShingleOptions three{.unit = ShingleUnit::kCharacters, .length = 3};
    CHECK(shingles("abcd", three).size() == 2);
    CHECK(shingles("\u00e9\u00e8\u00ea\u00eb", three).size() == 2);
    CHECK(shingles("ab  cd", three) == shingles("AB-cd", three));
    CHECK(shingles("ab cd", three).size() == 3);  // "ab ", "b c", " cd"
    CHECK(shingles("ab cd", three) != shingles("abcd", three));
  }
  TEST_CASE("shingles: a short text is one shingle, one without words has none") {
    for (const ShingleUnit unit : {ShingleUnit::kWords, ShingleUnit::kCharacters}) {
      CHECK(shingles("ab", {.unit = unit, .length = 5}).size() == 1);
      CHECK(shingles("", {.unit = unit}).empty());
      CHECK(shingles("?!", {.unit = unit}).empty());
    }
    CHECK(shingles("one two", {.length = 3}) == shingles("one two", {.length = 2}));
    CHECK_THROWS_WITH_AS(
        (void)shingles("a", {.length = 0}), "remixer::shingles: length is 0, expected at least 1", re::ConfigError);
  }
  TEST_CASE("shingles: hashes are the same on every machine") {
    using re::remixer::detail::text_hash;
    static_assert(text_hash("") == 0xEFD01F60BA992926U);
    static_assert(text_hash("near duplicate") == 0x02E131078E11CD53U);
    static_assert(text_hash("near duplicate", 7) == 0xDFCD34C7B35F0AC1U);
    CHECK(shingles("Near duplicate", {.length = 2}) == std::vector<std::uint64_t>{0x02E131078E11CD53U});
  }
  TEST_CASE("jaccard: is the part of two sets that both have") {
    using Set = std::vector<std::uint64_t>;
    CHECK(jaccard(Set{1, 2, 3}, Set{2, 3, 4}) == 0.5);
    CHECK(jaccard(Set{1, 2}, Set{1, 2}) == 1.0);
    CHECK(jaccard(Set{1}, Set{2}) == 0.0);
    CHECK(jaccard(Set{}, Set{2}) == 0.0);
    CHECK(jaccard(Set{}, Set{}) == 0.0);
  }
  TEST_CASE("jaccard: equals the count of a set library on random sets") {
    re::RandomStream random(1);
    for (int round = 0; round < 200; ++round) {
      std::set<std::uint64_t> a;
      std::set<std::uint64_t> b;
      for (std::uint64_t i = random.below(40); i > 0; --i) {
        a.insert(random.below(50));
      }
      for (std::uint64_t i = random.below(40); i > 0; --i) {
        b.insert(random.below(50));
      }
      std::vector<std::uint64_t> common;
      std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
      const double all = static_cast<double>(a.size() + b.size() - common.size());
      const std::vector<std::uint64_t> va(a.begin(), a.end());
      const std::vector<std::uint64_t> vb(b.begin(), b.end());
      CHECK(jaccard(va, vb) == (all == 0 ? 0 : static_cast<double>(common.size()) / all));
    }
  }
  TEST_CASE("jaccard: of texts is 1 for texts that differ in case and punctuation, 0 for different ones") {
    CHECK(jaccard("To be, or not to be.", "to be or NOT to be") == 1.0);
    CHECK(jaccard("to be or not to be", "all the world is a stage") == 0.0);
    const double near = jaccard("one two three four five six seven", "one two three four five six eight");
    CHECK(near == 4.0 / 6.0);  // five shingles each, four in common
  }
}
