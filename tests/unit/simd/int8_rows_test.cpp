#include <reasonembed/simd/int8_rows.hpp>
// behind the header under test, which must compile on its own
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel_int8.hpp>

#include <doctest/doctest.h>

#include <support/levels.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace re = reasonembed;
namespace detail = re::simd::detail;
using re::Index;
using re::simd::Level;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The integers of a row as a level's kernel stores them, the zeros behind it included.
std::vector<int> codes_of(Level level, const std::vector<float>& row, float& scale) {
  const detail::Int8Kernel& kernel = detail::int8_kernel(level);
  const auto depth = static_cast<Index>(row.size());
  const auto bytes = static_cast<std::size_t>(kernel.row_bytes(depth));
  std::vector<std::byte> stored(bytes + 64, std::byte{0x5A});
  kernel.quantize(row.data(), depth, 1, depth, stored.data(), kernel.row_bytes(depth), &scale);
  CHECK(std::all_of(stored.begin() + static_cast<std::ptrdiff_t>(bytes), stored.end(), [](std::byte value) {
    return value == std::byte{0x5A};
  }));
  std::vector<int> codes;
  for (std::size_t at = 0; at < bytes; at += static_cast<std::size_t>(kernel.element_bytes)) {
    if (kernel.element_bytes == 2) {
      std::int16_t code = 0;
      std::copy_n(stored.data() + at, 2, reinterpret_cast<std::byte*>(&code));
      codes.push_back(code);
    } else if (kernel.zero == 0) {
      codes.push_back(static_cast<std::int8_t>(stored[at]));
    } else {
      codes.push_back(static_cast<int>(stored[at]) - kernel.zero);
    }
  }
  return codes;
}

}  // namespace

TEST_SUITE("simd/int8_rows") {
  TEST_CASE("int8_scale: is a 127th of the largest, 0 for a row that counts as zero, not finite where that is not") {
    CHECK(detail::int8_scale(254.0F) == 2.0F);
    CHECK(detail::int8_scale(0.0F) == 0.0F);
    CHECK(detail::int8_scale(0x1p-101F) == 0.0F);
    CHECK(detail::int8_scale(0x1p-100F) > 0.0F);
    CHECK(detail::int8_scale(kInfinity) == kInfinity);
    CHECK(std::isnan(detail::int8_scale(kNan)));
    CHECK(detail::int8_inverse_scale(254.0F) == 0.5F);
    CHECK(detail::int8_inverse_scale(0x1p-100F) == std::ldexp(127.0F, 100));
    for (const float largest : {0.0F, 0x1p-101F, kInfinity, kNan}) {
      CHECK(detail::int8_inverse_scale(largest) == 0.0F);
    }
  }

  TEST_CASE("largest_magnitude: ignores signs, takes NaN for the largest, and nothing for 0") {
    const std::vector<float> x{-3.0F, 2.0F, -0.0F, 1e-40F};
    CHECK(detail::largest_magnitude(x.data(), 4) == 3.0F);
    CHECK(detail::largest_magnitude(x.data() + 2, 1) == 0.0F);
    CHECK(detail::largest_magnitude(x.data() + 3, 1) == 1e-40F);
    CHECK(detail::largest_magnitude(x.data(), 0) == 0.0F);
    const std::vector<float> bad{kInfinity, -kNan, 1.0F};
    CHECK(detail::largest_magnitude(bad.data(), 1) == kInfinity);
    CHECK(std::isnan(detail::largest_magnitude(bad.data(), 3)));
  }

  TEST_CASE("quantize: every level makes the same integers, zeros behind them, and writes nothing beyond") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const Index depth : test::kLengths) {
        CAPTURE(depth);
        const std::vector<float> row = test::normal_vector<float>(depth, 11, 3.0);
        const float largest = detail::largest_magnitude(row.data(), depth);
        float scale = -1.0F;
        const std::vector<int> codes = codes_of(level, row, scale);
        CHECK(scale == detail::int8_scale(largest));
        REQUIRE(codes.size() >= row.size());
        bool equal = true;
        for (std::size_t i = 0; i < codes.size(); ++i) {
          const long want = i < row.size() ? std::lrint(row[i] * detail::int8_inverse_scale(largest)) : 0;
          equal = equal && codes[i] == want && std::abs(codes[i]) <= 127;
        }
        CHECK(equal);
      }
    }
  }

  TEST_CASE("quantize: ties go to even, the ends are reached, a row of zeros or next to it is all zeros") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      float scale = 0.0F;
      const std::vector<int> codes = codes_of(level, {127.0F, -127.0F, 0.5F, 1.5F, -2.5F, -0.0F, 3.49F, 126.5F}, scale);
      CHECK(codes == std::vector<int>{127, -127, 0, 2, -2, 0, 3, 126});
      CHECK(scale == 1.0F);
      CHECK(codes_of(level, {0.0F, -0.0F, 1e-40F, -0x1p-101F}, scale) == std::vector<int>{0, 0, 0, 0});
      CHECK(scale == 0.0F);
      CHECK(codes_of(level, {}, scale).empty());
    }
  }

  TEST_CASE("quantize: a row that is not finite says so in its step, wherever the number stands") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const float bad : {kInfinity, -kInfinity, kNan}) {
        for (std::size_t at = 0; at < 9; ++at) {
          std::vector<float> row(9, 1.0F);
          row[at] = bad;
          float scale = 0.0F;
          (void)codes_of(level, row, scale);
          CHECK((std::isnan(bad) ? std::isnan(scale) : scale == kInfinity));
        }
      }
    }
  }
}
