#include <reasonembed/eval/chart_axis.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::eval::AxisTick;
using re::eval::ChartAxis;

namespace {

constexpr double kMost = std::numeric_limits<double>::max();

std::vector<std::string> labels(const ChartAxis& axis) {
  std::vector<std::string> texts;
  for (const AxisTick& tick : axis.ticks()) {
    texts.push_back(tick.label);
  }
  return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_SUITE("eval/chart_axis") {
  TEST_CASE("ChartAxis: ticks lie at round values inside the range") {
    CHECK(labels(ChartAxis(0, 1, 5, false)) == Texts{"0", "0.2", "0.4", "0.6", "0.8", "1.0"});
    CHECK(labels(ChartAxis(1, 200, 4, false)) == Texts{"50", "100", "150", "200"});
    CHECK(labels(ChartAxis(-3, 7, 5, false)) == Texts{"-2", "0", "2", "4", "6"});
    CHECK(labels(ChartAxis(0.31, 2.69, 5, false)) == Texts{"0.5", "1.0", "1.5", "2.0", "2.5"});
  }
  TEST_CASE("ChartAxis: rounding out lets the axis begin and end at a tick") {
    const ChartAxis axis(0.31, 2.69, 5, true);
    CHECK(labels(axis) == Texts{"0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"});
    CHECK(axis.low() == 0);
    CHECK(axis.high() == 3);
    const ChartAxis exact(0, 1, 5, true);  // already round: nothing is added
    CHECK(exact.low() == 0);
    CHECK(exact.high() == 1);
    CHECK(exact.ticks().size() == 6);
  }
  TEST_CASE("ChartAxis: labels are as short as tells them apart") {
    CHECK(labels(ChartAxis(2e6, 6e6, 4, false)) == Texts{"2e6", "3e6", "4e6", "5e6", "6e6"});
    CHECK(labels(ChartAxis(9e5, 1.1e6, 2, false)) == Texts{"9e5", "1.0e6", "1.1e6"});
    CHECK(labels(ChartAxis(0, 5e-5, 5, false)) == Texts{"0", "1e-5", "2e-5", "3e-5", "4e-5", "5e-5"});
    CHECK(labels(ChartAxis(-0.002, 0.002, 2, false)) == Texts{"-0.002", "0", "0.002"});
    CHECK(labels(ChartAxis(0.123456789, 0.123456793, 4, false)).front() == "0.123456789");
  }
  TEST_CASE("ChartAxis: one value lies in the middle of an axis around it") {
    for (const double value : {0.0, 1.0, -3.0, 0.1, 1e-12, 12345.678, -1e9}) {
      CAPTURE(value);
      const ChartAxis axis(value, value, 5, false);
      CHECK(axis.low() < value);
      CHECK(axis.high() > value);
      CHECK(std::abs(axis.fraction(value) - 0.5) < 1e-9);
      CHECK(axis.ticks().size() >= 2);
    }
  }
  TEST_CASE("ChartAxis: no range is too large, too small or too narrow") {
    const double kTiny = std::numeric_limits<double>::denorm_min();
    struct Range {
      double low;
      double high;
    };
    for (const auto& [low, high] : std::initializer_list<Range>{{-kMost, kMost},
                                                                {0, kMost},
                                                                {-kMost, -kMost},
                                                                {kMost, kMost},
                                                                {0, kTiny},
                                                                {-kTiny, kTiny},
                                                                {1e-310, 3e-310},
                                                                {1e-299, 9e-299},
                                                                {1, 1 + 2.3e-16},
                                                                {1, 1 + 1e-11},
                                                                {1e15, 1e15 + 2},
                                                                {-1e300, 1e-300},
                                                                {0, 1e-299}}) {
      for (const bool round_out : {false, true}) {
        for (const int intervals : {1, 2, 5, 8}) {
          CAPTURE(low);
          CAPTURE(high);
          CAPTURE(intervals);
          const ChartAxis axis(low, high, intervals, round_out);
          CHECK(axis.low() <= low);
          CHECK(axis.high() >= high);
          CHECK(std::isfinite(axis.low()));
          CHECK(std::isfinite(axis.high()));
          CHECK(axis.ticks().size() <= 2 * static_cast<std::size_t>(intervals) + 3);
          CHECK(axis.longest_label() <= 24);
          for (const double value : {axis.low(), low, low / 2 + high / 2, high, axis.high()}) {
            CHECK(axis.fraction(value) >= 0);  // false for NaN
            CHECK(axis.fraction(value) <= 1);
          }
          CHECK(axis.fraction(axis.low()) == 0);
          CHECK(axis.fraction(axis.high()) == 1);
        }
      }
    }
  }
  TEST_CASE("ChartAxis: ticks ascend, lie on the axis, and no two labels are the same") {
    for (int exponent = -12; exponent <= 12; ++exponent) {
      for (const double mantissa : {1.0, 1.37, 2.5, 4.99, 7.1, 9.99}) {
        for (const double offset : {0.0, 0.5, -1.0, 40.0}) {
          const double span = mantissa * std::pow(10.0, exponent);
          CAPTURE(span);
          CAPTURE(offset);
          const ChartAxis axis(offset * span, (offset + 1) * span, 5, true);
          REQUIRE(axis.ticks().size() >= 3);
          std::set<std::string> texts;
          for (std::size_t i = 0; i < axis.ticks().size(); ++i) {
            const AxisTick& tick = axis.ticks()[i];
            texts.insert(tick.label);
            CHECK((i == 0 || tick.value > axis.ticks()[i - 1].value));
            CHECK(tick.value >= axis.low());
            CHECK(tick.value <= axis.high());
            // a label names its tick: it has all digits of the step, so half a step is a wide margin
            CHECK(std::abs(std::stod(tick.label) - tick.value) < 1e-3 * span);
          }
          CHECK(texts.size() == axis.ticks().size());
        }
      }
    }
  }
  TEST_CASE("fixed_text and scientific_text: are free of locale, and of negative zeros") {
    CHECK(re::eval::detail::fixed_text(1234.5, 2) == "1234.50");
    CHECK(re::eval::detail::fixed_text(-0.0001, 2) == "0.00");
    CHECK(re::eval::detail::fixed_text(-0.5, 0) == "0");  // to even, then without its sign
    CHECK(re::eval::detail::fixed_text(-1.5, 0) == "-2");
    CHECK(re::eval::detail::fixed_text(kMost, 0).size() == 309);
    CHECK(re::eval::detail::scientific_text(2.5e-7, 1) == "2.5e-7");
    CHECK(re::eval::detail::scientific_text(-1e300, 0) == "-1e300");
    CHECK(re::eval::detail::scientific_text(0, 1) == "0.0e0");
  }
}
