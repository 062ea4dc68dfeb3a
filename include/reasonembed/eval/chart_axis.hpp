#pragma once
/// @file The axes of charts: where their ticks lie and what is written at them.
#include <reasonembed/config.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

namespace detail {

/// `value` with `decimals` digits behind the point, whatever the locale; never "-0".
inline std::string fixed_text(double value, int decimals) {
  std::array<char, 400> text{};  // the largest double has 309 digits
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, decimals);
  std::string result(text.data(), end.ptr);
  if (result.front() == '-' && result.find_first_not_of("-0.") == std::string::npos) {
    result.erase(0, 1);
  }
  return result;
}

/// The same as 2.5e-7.
inline std::string scientific_text(double value, int decimals) {
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific, decimals);
  const std::string padded(text.data(), end.ptr);
  const std::size_t e = padded.find('e');
  return padded.substr(0, e) + "e" + std::to_string(std::stoi(padded.substr(e + 1)));
}

/// mantissa * 10^exponent, rounded once where that is possible.
inline double decimal_value(double mantissa, int exponent) {
  return exponent < 0 ? mantissa / std::pow(10.0, -exponent) : mantissa * std::pow(10.0, exponent);
}

}  // namespace detail

/// One mark of an axis.
struct AxisTick {
  double value = 0;
  std::string label;
};

/// A linear axis over finite numbers: ticks at round values, labels as short as tells them apart.
///
/// Values that are the same up to 12 digits get an axis around them.
///
/// @note  a function of its arguments alone; no arithmetic overflows, whatever the range
class ChartAxis {
 public:
  /// @param low,high  the range of the data, low <= high
  /// @param intervals  about how many the ticks shall cut, at least 1
  /// @param round_out  whether the axis may begin and end at a tick beyond the data
  ChartAxis(double low, double high, int intervals, bool round_out) : low_(low), high_(high) {
    widen();
    // Half of everything: the difference of two doubles may overflow.
    const double rough = std::min((high_ / 2 - low_ / 2) / intervals * 2, std::numeric_limits<double>::max());
    exponent_ = static_cast<int>(std::floor(std::log10(rough)));
    const double scaled = rough / detail::decimal_value(1, exponent_);
    mantissa_ = scaled < 1.4 ? 1 : scaled < 3.2 ? 2 : scaled < 7.1 ? 5 : 10;  // the nearest on a logarithmic scale
    if (!std::isfinite(tick_value(1))) {
      mantissa_ = 1;
    }
    const double step = tick_value(1);
    double first = std::ceil(low_ / step - kSlack);
    double last = std::floor(high_ / step + kSlack);
    if (round_out) {
      first = std::isfinite(tick_value(std::floor(low_ / step + kSlack))) ? std::floor(low_ / step + kSlack) : first;
      last = std::isfinite(tick_value(std::ceil(high_ / step - kSlack))) ? std::ceil(high_ / step - kSlack) : last;
      low_ = std::min(low_, tick_value(first));
      high_ = std::max(high_, tick_value(last));
    }
    for (double k = first; k <= last; ++k) {
      ticks_.push_back({tick_value(k), label(tick_value(k))});
    }
  }

  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }
  [[nodiscard]] const std::vector<AxisTick>& ticks() const { return ticks_; }
  /// @return  characters of the longest label
  [[nodiscard]] std::size_t longest_label() const {
    std::size_t longest = 0;
    for (const AxisTick& tick : ticks_) {
      longest = std::max(longest, tick.label.size());
    }
    return longest;
  }
  /// @return  0 at the low end, 1 at the high end
  [[nodiscard]] double fraction(double value) const {
    return std::clamp((value / 2 - low_ / 2) / (high_ / 2 - low_ / 2), 0.0, 1.0);
  }

 private:
  static constexpr double kSlack = 1e-9;  // of a step: rounding must not lose the tick at an end

  void widen() {
    constexpr double kSame = 1e-12;
    constexpr double kLeast = 1e-300;  // below, powers of ten leave the range of doubles
    constexpr double kMost = std::numeric_limits<double>::max();
    const double largest = std::max(std::abs(low_), std::abs(high_));
    if (high_ / 2 - low_ / 2 > std::max(largest * kSame, kLeast)) {
      return;
    }
    const double margin = largest == 0 ? 1 : std::max(largest / 10, kLeast * 10);
    low_ = std::max(low_ - margin, -kMost);
    high_ = std::min(high_ + margin, kMost);
  }
  [[nodiscard]] double tick_value(double k) const { return detail::decimal_value(k * mantissa_, exponent_); }
  [[nodiscard]] std::string label(double value) const {
    constexpr double kLong = 1e6;    // from here on 1e6 is shorter than 1000000
    constexpr double kShort = 1e-3;  // and below, 5e-4 than 0.0005
    const int exponent = mantissa_ == 10 ? exponent_ + 1 : exponent_;
    const double largest = std::max(std::abs(low_), std::abs(high_));
    if (value == 0) {
      return "0";
    }
    if (largest >= kLong || largest < kShort) {
      const int digits = static_cast<int>(std::floor(std::log10(std::abs(value)) + kSlack)) - exponent;
      return detail::scientific_text(value, std::clamp(digits, 0, 16));
    }
    return detail::fixed_text(value, std::max(0, -exponent));
  }

  double low_;
  double high_;
  int mantissa_ = 1;
  int exponent_ = 0;
  std::vector<AxisTick> ticks_;
};

}  // namespace reasonembed::eval
