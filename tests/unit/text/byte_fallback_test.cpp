#include <reasonembed/text/byte_fallback.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::ByteFallback;
using re::text::Vocabulary;
using Ids = std::vector<std::int32_t>;

namespace {

/// The ids of the bytes, or {-1} if they can't be spelled.
Ids spelled(const ByteFallback& fallback, std::string_view bytes) {
  Ids ids;
  return fallback.spell(bytes, [&](std::int32_t id) { ids.push_back(id); }) ? ids : Ids{-1};
}

}  // namespace

TEST_SUITE("text/byte_fallback") {
  TEST_CASE("spell: one token a byte, written with two capital digits") {
    const std::vector<std::string> tokens = {"a", "<0x00>", "<0xC3>", "<0xA9>", "<0xFF>", "<0xfe>", "<0x7>"};
    const ByteFallback fallback{Vocabulary(tokens)};
    CHECK(spelled(fallback, "\u00E9") == Ids{2, 3});
    CHECK(spelled(fallback, std::string(1, '\0')) == Ids{1});
    CHECK(spelled(fallback, "\xFF") == Ids{4});
    CHECK(spelled(fallback, "").empty());
  }

  TEST_CASE("spell: all bytes or none") {
    const std::vector<std::string> tokens = {"a", "<0xC3>"};
    const ByteFallback fallback{Vocabulary(tokens)};
    CHECK(spelled(fallback, "\u00E9") == Ids{-1});
    CHECK(spelled(fallback, "a") == Ids{-1});
    CHECK(spelled(fallback, "\xC3\xC3") == Ids{1, 1});
  }

  TEST_CASE("spell: lower case and single digits are no byte tokens") {
    const std::vector<std::string> tokens = {"<0xfe>", "<0x7>", "<0X41>"};
    const ByteFallback fallback{Vocabulary(tokens)};
    CHECK(spelled(fallback, "\xFE") == Ids{-1});
    CHECK(spelled(fallback, "\x07") == Ids{-1});
    CHECK(spelled(fallback, "A") == Ids{-1});
  }

  TEST_CASE("ByteFallback: without a vocabulary nothing is spelled") {
    CHECK(spelled(ByteFallback(), "a") == Ids{-1});
    CHECK(spelled(ByteFallback(), "").empty());
  }
}
