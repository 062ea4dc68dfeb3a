#include <reasonembed/core/bf16.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::bf16;

static_assert(sizeof(bf16) == 2 && std::is_trivially_copyable_v<bf16>, "lies in files and SIMD registers as it is");
static_assert(!std::is_convertible_v<float, bf16> && !std::is_convertible_v<bf16, float>, "never by accident");
static_assert(bf16(1.0F).bits == 0x3F80 && static_cast<float>(bf16::from_bits(0xC000)) == -2.0F);

namespace {

/// Rounding by the definition: of the two neighbours the nearer, at a tie the one with an even last bit.
std::uint16_t reference(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t low = word & 0xFFFFU;
  std::uint32_t high = word >> 16;
  if (low > 0x8000U || (low == 0x8000U && high % 2 == 1)) {
    ++high;
  }
  return static_cast<std::uint16_t>(high);
}

}  // namespace

TEST_SUITE("core/bf16") {
  TEST_CASE("constructor: default is zero") {
    CHECK(bf16().bits == 0);
  }

  TEST_CASE("conversion: every bf16 survives the way to float and back") {
    for (std::uint32_t pattern = 0; pattern <= 0xFFFF; ++pattern) {
      const bf16 number = bf16::from_bits(static_cast<std::uint16_t>(pattern));
      const auto value = static_cast<float>(number);
      if (std::isnan(value)) {
        CHECK(std::isnan(static_cast<float>(bf16(value))));
      } else if (bf16(value).bits != number.bits) {
        FAIL_CHECK("pattern " << pattern);
      }
    }
  }

  TEST_CASE("constructor: rounds to nearest, ties to even, at every exponent") {
    for (std::uint32_t high = 0; high < 0x7F80U; high += 13) {
      for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
        for (const std::uint32_t sign : {0U, 0x80000000U}) {
          const auto value = std::bit_cast<float>(sign | high << 16 | low);
          if (bf16(value).bits != reference(value)) {
            FAIL_CHECK("word " << (sign | high << 16 | low));
          }
        }
      }
    }
    CHECK(static_cast<float>(bf16(1.0F + 0x1p-8F)) == 1.0F);                // tie, 1.0 is even
    CHECK(static_cast<float>(bf16(1.0F + 3 * 0x1p-8F)) == 1.0F + 0x1p-6F);  // tie, upper neighbour is even
  }

  TEST_CASE("constructor: the relative error is at most 2^-8 on normal numbers") {
    for (float value = 1e-30F; value < 1e30F; value *= 1.37F) {
      CHECK(std::abs(static_cast<float>(bf16(value)) - value) <= 0x1p-8F * value);
    }
  }

  TEST_CASE("constructor: keeps signed zeros, infinities and subnormals, and overflows to infinity") {
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(bf16(0.0F).bits == 0x0000);
    CHECK(bf16(-0.0F).bits == 0x8000);
    CHECK(bf16(infinity).bits == 0x7F80);
    CHECK(bf16(-infinity).bits == 0xFF80);
    CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7F80);
    CHECK(bf16(std::bit_cast<float>(0x7F7F7FFFU)).bits == 0x7F7F);  // the largest float that stays finite
    CHECK(bf16(std::bit_cast<float>(0x7F7F8000U)).bits == 0x7F80);
    CHECK(bf16(std::numeric_limits<float>::denorm_min()).bits == 0x0000);
    CHECK(bf16(std::bit_cast<float>(0x00010000U)).bits == 0x0001);
  }

  TEST_CASE("constructor: a NaN stays a NaN, becomes quiet and keeps its sign") {
    for (const std::uint32_t pattern : {0x7F800001U, 0x7F80FFFFU, 0x7FC00000U, 0x7FFFFFFFU, 0x7FBFFFFFU}) {
      for (const std::uint32_t sign : {0U, 0x80000000U}) {
        CAPTURE(pattern);
        const bf16 number(std::bit_cast<float>(pattern | sign));
        CHECK((number.bits & 0x7F80) == 0x7F80);
        CHECK((number.bits & 0x0040) != 0);
        CHECK((number.bits >> 15) == (sign >> 31));
      }
    }
  }

  TEST_CASE("equality: compares values") {
    CHECK(bf16(0.0F) == bf16(-0.0F));
    CHECK(bf16(1.0F) == bf16(1.0F + 0x1p-20F));
    CHECK_FALSE(bf16(1.0F) == bf16(2.0F));
    const bf16 nan(std::numeric_limits<float>::quiet_NaN());
    CHECK_FALSE(nan == nan);
  }

  TEST_CASE("convert: rounds and widens whole spans of any length") {
    for (const std::size_t size : {0UL, 1UL, 15UL, 16UL, 17UL, 100UL}) {
      std::vector<float> values(size);
      for (std::size_t i = 0; i < size; ++i) {
        values[i] = 0.37F * static_cast<float>(i) - 3.0F;
      }
      std::vector<bf16> stored(size);
      std::vector<float> back(size);
      re::convert(values, std::span<bf16>(stored));
      re::convert(stored, std::span<float>(back));
      for (std::size_t i = 0; i < size; ++i) {
        CHECK(stored[i].bits == bf16(values[i]).bits);
        CHECK(back[i] == static_cast<float>(stored[i]));
      }
    }
  }

  TEST_CASE("convert: rejects different sizes") {
    std::vector<float> values(3);
    std::vector<bf16> stored(2);
    CHECK_THROWS_WITH_AS(re::convert(std::span<const float>(values), std::span<bf16>(stored)),
                         "convert: to.size() is 2, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(re::convert(std::span<const bf16>(stored), std::span<float>(values)),
                         "convert: to.size() is 3, expected 2",
                         re::ShapeError);
  }
}
