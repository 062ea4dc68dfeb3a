#include <reasonembed/text/byte_trie.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::ByteTrie;
using Found = std::vector<std::pair<std::size_t, std::int32_t>>;

namespace {

Found prefixes(const ByteTrie& trie, std::string_view text) {
  Found found;
  trie.for_each_prefix(text, [&](std::size_t length, std::int32_t value) { found.emplace_back(length, value); });
  return found;
}

/// Small numbers from a linear congruential generator, the same in every run.
class Numbers {
 public:
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % n;
  }

 private:
  std::uint64_t state_ = 7;
};

}  // namespace

TEST_SUITE("text/byte_trie") {
  TEST_CASE("for_each_prefix: finds every key that a text begins with, from short to long") {
    ByteTrie trie;
    CHECK(trie.insert("a", 1));
    CHECK(trie.insert("abc", 2));
    CHECK(trie.insert("abcd", 3));
    CHECK(trie.insert("b", 4));
    CHECK(prefixes(trie, "abcx") == Found{{1, 1}, {3, 2}});
    CHECK(prefixes(trie, "abcde") == Found{{1, 1}, {3, 2}, {4, 3}});
    CHECK(prefixes(trie, "ab") == Found{{1, 1}});
    CHECK(prefixes(trie, "bcd") == Found{{1, 4}});
    CHECK(prefixes(trie, "cab").empty());
    CHECK(prefixes(trie, "").empty());
  }

  TEST_CASE("for_each_prefix: an empty trie finds nothing") {
    CHECK(prefixes(ByteTrie(), "abc").empty());
    CHECK(ByteTrie().longest_prefix("abc").length == 0);
    CHECK(ByteTrie().longest_prefix("abc").value == ByteTrie::kMissing);
  }

  TEST_CASE("longest_prefix: is the last that for_each_prefix finds") {
    ByteTrie trie;
    trie.insert("<s", 0);
    trie.insert("<s>", 1);
    CHECK(trie.longest_prefix("<s> a").length == 3);
    CHECK(trie.longest_prefix("<s> a").value == 1);
    CHECK(trie.longest_prefix("<sa").value == 0);
    CHECK(trie.longest_prefix("<").length == 0);
  }

  TEST_CASE("insert: the first value of a key stays") {
    ByteTrie trie;
    CHECK(trie.insert("key", 5));
    CHECK_FALSE(trie.insert("key", 6));
    CHECK(trie.longest_prefix("key").value == 5);
  }

  TEST_CASE("insert: bytes of all values are told apart, zero included") {
    ByteTrie trie;
    for (int byte = 0; byte < 256; ++byte) {
      CHECK(trie.insert(std::string(2, static_cast<char>(byte)), byte));
    }
    for (int byte = 0; byte < 256; ++byte) {
      const std::string text(3, static_cast<char>(byte));
      CHECK(prefixes(trie, text) == Found{{2, byte}});
    }
  }

  TEST_CASE("for_each_prefix: agrees with a map for thousands of keys, while the table grows") {
    Numbers numbers;
    ByteTrie trie;
    std::map<std::string, std::int32_t> keys;
    for (std::int32_t i = 0; i < 5000; ++i) {
      std::string key;
      for (std::size_t n = 1 + numbers.below(9); n > 0; --n) {
        key += static_cast<char>('a' + numbers.below(3));
      }
      CHECK(trie.insert(key, i) == keys.emplace(key, i).second);
    }
    for (int i = 0; i < 500; ++i) {
      std::string text;
      for (int n = 0; n < 12; ++n) {
        text += static_cast<char>('a' + numbers.below(3));
      }
      Found expected;
      for (std::size_t length = 1; length <= text.size(); ++length) {
        if (const auto key = keys.find(text.substr(0, length)); key != keys.end()) {
          expected.emplace_back(length, key->second);
        }
      }
      CHECK(prefixes(trie, text) == expected);
    }
  }

  TEST_CASE("ByteTrie: is a value") {
    ByteTrie trie;
    trie.insert("a", 1);
    ByteTrie copy = trie;
    copy.insert("b", 2);
    CHECK(trie.longest_prefix("b").length == 0);
    CHECK(copy.longest_prefix("b").value == 2);
    const ByteTrie moved = std::move(copy);
    CHECK(moved.longest_prefix("a").value == 1);
  }
}
