#include <reasonembed/io/dtype.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::io::DType;

static_assert(re::io::dtype_name(DType::kBf16) == "BF16" && re::io::dtype_size(DType::kBf16) == 2);
static_assert(re::io::find_dtype("F64") == DType::kF64 && !re::io::find_dtype("F4").has_value());
static_assert(re::io::kDTypeOf<float> == DType::kF32 && re::io::kDTypeOf<re::bf16> == DType::kBf16);
static_assert(re::io::kDTypeOf<double> == DType::kF64 && re::io::kDTypeOf<std::int32_t> == DType::kI32);
static_assert(re::io::kDTypeOf<std::int64_t> == DType::kI64);
static_assert(re::io::float_from_half(0x3C00) == 1.0F);

namespace {

/// The value of a binary16 pattern by the definition of IEEE 754-2008, section 3.4, in double.
double reference_half(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(1024 + fraction, exponent - 25);
}

/// Elements at an odd address, as a file may hold them.
template <class T>
std::vector<std::byte> misaligned(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T) + 1);
  if (!values.empty()) {
    std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
  }
  return bytes;
}

template <class T>
std::uint64_t bits(T value) {
  std::uint64_t pattern = 0;
  std::memcpy(&pattern, &value, sizeof(value));
  return pattern;
}

}  // namespace

TEST_SUITE("io/dtype") {
  TEST_CASE("find_dtype: finds every name, and only exact names") {
    std::size_t count = 0;
    for (const auto& row : re::io::detail::kDTypes) {
      CHECK(re::io::find_dtype(row.name) == row.dtype);
      CHECK(re::io::dtype_name(row.dtype) == row.name);
      CHECK(re::io::dtype_size(row.dtype) == row.size);
      CHECK(static_cast<std::size_t>(row.dtype) == count++);  // the table is indexed by the enumeration
    }
    for (const char* name : {"", "f32", "F32 ", "F4", "F8_E8M0", "float32", "BF161"}) {
      CHECK_FALSE(re::io::find_dtype(name).has_value());
    }
    CHECK(re::io::dtype_names() == "BOOL, U8, I8, F8_E5M2, F8_E4M3, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64");
  }
  TEST_CASE("float_from_half: all 65536 patterns have the value of the definition") {
    std::size_t wrong = 0;
    for (unsigned pattern = 0; pattern < 65536; ++pattern) {
      const auto half = static_cast<std::uint16_t>(pattern);
      const float got = re::io::float_from_half(half);
      const double want = reference_half(half);
      const bool same = std::isnan(want) ? std::isnan(got)
                                         : static_cast<double>(got) == want && std::signbit(got) == std::signbit(want);
      wrong += same ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
  TEST_CASE("float_from_half: a NaN keeps its sign and payload") {
    CHECK(std::bit_cast<std::uint32_t>(re::io::float_from_half(0x7E01)) == 0x7FC02000U);
    CHECK(std::bit_cast<std::uint32_t>(re::io::float_from_half(0xFC01)) == 0xFF802000U);
  }
  TEST_CASE_TEMPLATE("convert_elements: floating dtypes convert exactly at any alignment", T, float, double) {
    std::mt19937 random(3);
    for (const std::size_t size : {0, 1, 7, 8, 9, 64, 65}) {
      CAPTURE(size);
      std::vector<float> singles(size);
      std::vector<double> doubles(size);
      std::vector<std::uint16_t> halves(size);
      for (std::size_t i = 0; i < size; ++i) {
        singles[i] = std::ldexp(static_cast<float>(random()), static_cast<int>(random() % 100) - 80);
        doubles[i] = static_cast<double>(singles[i]);  // float holds it, so that the conversion to float is exact too
        halves[i] = static_cast<std::uint16_t>(random() % 0x7C00);  // finite
      }
      std::vector<T> got(size, T{-1});
      REQUIRE(re::io::convert_elements(DType::kF32, misaligned(singles).data() + 1, std::span<T>(got)));
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < size; ++i) {
        wrong += static_cast<double>(got[i]) == doubles[i] ? 0 : 1;
      }
      REQUIRE(re::io::convert_elements(DType::kF64, misaligned(doubles).data() + 1, std::span<T>(got)));
      for (std::size_t i = 0; i < size; ++i) {
        wrong += static_cast<double>(got[i]) == doubles[i] ? 0 : 1;
      }
      REQUIRE(re::io::convert_elements(DType::kF16, misaligned(halves).data() + 1, std::span<T>(got)));
      for (std::size_t i = 0; i < size; ++i) {
        wrong += static_cast<double>(got[i]) == reference_half(halves[i]) ? 0 : 1;
      }
      REQUIRE(re::io::convert_elements(DType::kBf16, misaligned(halves).data() + 1, std::span<T>(got)));
      for (std::size_t i = 0; i < size; ++i) {
        const float want = std::bit_cast<float>(static_cast<std::uint32_t>(halves[i]) << 16);
        wrong += bits(got[i]) == bits(static_cast<T>(want)) ? 0 : 1;
      }
      CHECK(wrong == 0);
    }
  }
  TEST_CASE("convert_elements: NaN and infinity pass through") {
    const std::vector<float> values = {
        std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
    std::vector<double> got(3);
    REQUIRE(re::io::convert_elements(DType::kF32, misaligned(values).data() + 1, std::span(got)));
    CHECK(std::isnan(got[0]));
    CHECK(got[1] == std::numeric_limits<double>::infinity());
    CHECK(got[2] == -std::numeric_limits<double>::infinity());
  }
  TEST_CASE("convert_elements: a double rounds to the nearest float, ties to even") {
    const std::vector<double> values = {1.0 + 0x1p-24, 1.0 + 0x3p-24, 1.0 + 0x1p-24 + 0x1p-50, 0x1p-150, 1e300};
    std::vector<float> got(values.size());
    REQUIRE(re::io::convert_elements(DType::kF64, misaligned(values).data() + 1, std::span(got)));
    CHECK(got[0] == 1.0F);
    CHECK(got[1] == 1.0F + 0x1p-22F);
    CHECK(got[2] == 1.0F + 0x1p-23F);
    CHECK(got[3] == 0.0F);
    CHECK(std::isinf(got[4]));
  }
  TEST_CASE("convert_elements: to bf16 rounds to nearest, ties to even, and keeps what is bf16 already to the bit") {
    const std::vector<float> singles = {1.0F + 0x1p-8F, 1.0F + 0x3p-8F, 1.0F + 0x1p-8F + 0x1p-20F, -0.0F, 3.4e38F};
    std::vector<re::bf16> got(singles.size());
    REQUIRE(re::io::convert_elements(DType::kF32, misaligned(singles).data() + 1, std::span(got)));
    CHECK(static_cast<float>(got[0]) == 1.0F);
    CHECK(static_cast<float>(got[1]) == 1.0F + 0x1p-6F);
    CHECK(static_cast<float>(got[2]) == 1.0F + 0x1p-7F);
    CHECK(got[3].bits == 0x8000);
    CHECK(got[4].bits == 0x7F80);  // beyond the largest number
    const std::vector<double> doubles = {1.0, 1.0 + 0x1p-8, -1e300, 0x1p-140};
    REQUIRE(re::io::convert_elements(DType::kF64, misaligned(doubles).data() + 1, std::span(got).first(4)));
    CHECK(static_cast<float>(got[1]) == 1.0F);
    CHECK(got[2].bits == 0xFF80);
    CHECK(static_cast<float>(got[3]) == 0.0F);
    std::vector<std::uint16_t> patterns(65536);
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      patterns[i] = static_cast<std::uint16_t>(i);
    }
    got.resize(patterns.size());
    REQUIRE(re::io::convert_elements(DType::kBf16, misaligned(patterns).data() + 1, std::span(got)));
    CHECK(std::memcmp(got.data(), patterns.data(), patterns.size() * 2) == 0);
    REQUIRE(re::io::convert_elements(DType::kF16, misaligned(patterns).data() + 1, std::span(got)));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      wrong += got[i].bits == re::bf16(re::io::float_from_half(patterns[i])).bits ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
  TEST_CASE("convert_elements: other dtypes are refused and nothing is written") {
    const std::vector<std::byte> bytes(16);
    for (const auto& row : re::io::detail::kDTypes) {
      const bool floating = row.name == "F64" || row.name == "F32" || row.name == "F16" || row.name == "BF16";
      std::vector<float> got = {7.0F, 8.0F};
      CHECK(re::io::convert_elements(row.dtype, bytes.data(), std::span(got)) == floating);
      CHECK(got[0] == (floating ? 0.0F : 7.0F));
    }
  }
}
