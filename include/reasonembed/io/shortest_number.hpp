#pragma once
#include <reasonembed/config.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// The double that JSON shows with the fewest digits and that rounds to `value`: 0.1 for 0.1F, not 0.10000000149011612.
///
/// @return  a double d with float(d) == value to the bit; NaN and infinity as they are
[[nodiscard]] inline double shortest_number(float value) {
  if (!std::isfinite(value)) {
    return static_cast<double>(value);
  }
  std::array<char, 32> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  double number = 0.0;
  (void)std::from_chars(text.data(), written.ptr, number);
  return number;
}
[[nodiscard]] inline double shortest_number(double value) {
  return value;
}

}  // namespace reasonembed::io
