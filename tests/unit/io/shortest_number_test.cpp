#include <reasonembed/io/json.hpp>
#include <reasonembed/io/shortest_number.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace re = reasonembed;

namespace {

std::string shown(float value) {
  return re::io::dump_json(re::io::shortest_number(value), -1);
}

}  // namespace

TEST_SUITE("io/shortest_number") {
  TEST_CASE("shortest_number: a float has the digits one would write") {
    CHECK(shown(0.1F) == "0.1");
    CHECK(shown(-2.5F) == "-2.5");
    CHECK(shown(0.0F) == "0.0");
    CHECK(shown(1.0F / 3.0F) == "0.33333334");
    CHECK(shown(3.4028235e38F) == "3.4028235e+38");
    CHECK(shown(1e-45F) == "1e-45");
  }
  TEST_CASE("shortest_number: reads back to the same bits, whatever the float") {
    std::uint32_t bits = 0;
    for (int i = 0; i < 20000; ++i) {
      bits = bits * 1664525U + 1013904223U;
      const auto value = std::bit_cast<float>(bits);
      if (std::isfinite(value)) {
        CAPTURE(bits);
        const auto again = static_cast<float>(re::io::parse_json(shown(value), "test").get<double>());
        CHECK(std::bit_cast<std::uint32_t>(again) == bits);
      }
    }
    const float negative_zero = static_cast<float>(re::io::shortest_number(-0.0F));
    CHECK(std::signbit(negative_zero));
  }
  TEST_CASE("shortest_number: NaN, infinity and doubles pass") {
    CHECK(std::isnan(re::io::shortest_number(std::numeric_limits<float>::quiet_NaN())));
    CHECK(re::io::shortest_number(-std::numeric_limits<float>::infinity()) == -std::numeric_limits<double>::infinity());
    CHECK(re::io::shortest_number(0.1) == 0.1);
  }
}
