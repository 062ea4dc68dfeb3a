#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;

using Numbers = std::vector<std::int32_t>;

TEST_SUITE("simd/sequences") {
  TEST_CASE("require_offsets: accepts every cut, empty sequences included") {
    CHECK_NOTHROW(simd::require_offsets("f", Numbers{0}, 0));
    CHECK_NOTHROW(simd::require_offsets("f", Numbers{0, 0, 0}, 0));
    CHECK_NOTHROW(simd::require_offsets("f", Numbers{0, 3, 3, 9}, 9));
    constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
    CHECK_NOTHROW(simd::require_offsets("f", Numbers{0, kMost}, kMost));
  }

  TEST_CASE("require_offsets: names the offset that is wrong") {
    CHECK_THROWS_WITH_AS(
        simd::require_offsets("f", Numbers{}, 0), "f: offsets.size() is 0, expected at least 1", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::require_offsets("f", Numbers{1, 2}, 2), "f: offsets[0] is 1, expected 0", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::require_offsets("f", Numbers{-1, 2}, 2), "f: offsets[0] is -1, expected 0", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::require_offsets("f", Numbers{0, 5, 4, 6}, 6), "f: offsets[2] is 4, expected at least 5", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::require_offsets("f", Numbers{0, 5}, 6), "f: offsets[1] is 5, expected 6", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::require_offsets("f", Numbers{0}, 6), "f: offsets[0] is 0, expected 6", re::ShapeError);
  }

  TEST_CASE("require_row_numbers: names the first number that is not a row") {
    CHECK_NOTHROW(simd::require_row_numbers("f", "ids", Numbers{}, 0));
    CHECK_NOTHROW(simd::require_row_numbers("f", "ids", Numbers{0, 4, 4, 1}, 5));
    CHECK_THROWS_WITH_AS(simd::require_row_numbers("f", "ids", Numbers{0, 5, -1}, 5),
                         "f: ids[1] is 5, expected 0 <= row < 5",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::require_row_numbers("f", "rows", Numbers{-1}, 5),
                         "f: rows[0] is -1, expected 0 <= row < 5",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        simd::require_row_numbers("f", "ids", Numbers{0}, 0), "f: ids[0] is 0, expected 0 <= row < 0", re::ShapeError);
  }
}
