#include <reasonembed/eval/chart.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::eval::count_values;
using re::eval::Histogram;
using re::eval::LineChart;
using re::eval::LineSeries;
using re::eval::require_drawable;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMost = std::numeric_limits<double>::max();

template <class Error>
void check_refused(const LineSeries& series, const std::string& message) {
  CHECK_THROWS_WITH_AS(require_drawable(LineChart{.title = "loss", .series = {{.name = "fine"}, series}}),
                       ("eval::LineChart \"loss\": series \"a\": " + message).c_str(),
                       Error);
}
template <class Error>
void check_refused(const Histogram& histogram, const std::string& message) {
  CHECK_THROWS_WITH_AS(require_drawable(histogram), ("eval::Histogram \"h\": " + message).c_str(), Error);
}

Index total(const Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), Index{0});
}

}  // namespace

TEST_SUITE("eval/chart") {
  TEST_CASE("require_drawable: an empty chart, empty series, steps and bands may be drawn") {
    CHECK_NOTHROW(require_drawable(LineChart{}));
    CHECK_NOTHROW(require_drawable(LineChart{.series = {{.name = "none"}}}));
    CHECK_NOTHROW(require_drawable(LineChart{.series = {{.name = "step", .x = {1, 1, 2}, .y = {0, 1, 1}}}}));
    CHECK_NOTHROW(require_drawable(
        LineChart{.series = {{.name = "band", .x = {1, 2}, .y = {5, 5}, .low = {4, 4}, .high = {4, 6}}}}));
    CHECK_NOTHROW(require_drawable(Histogram{}));
    CHECK_NOTHROW(require_drawable(Histogram{.title = "h", .edges = {0, 1, 3}, .counts = {0, 2}}));
  }
  TEST_CASE("require_drawable: a number that is none is named by chart, series and element") {
    check_refused<re::NonFiniteError>({.name = "a", .x = {1, kNan}, .y = {1, 2}},
                                      "x[1] is nan, expected a finite number");
    check_refused<re::NonFiniteError>({.name = "a", .x = {1, 2}, .y = {kInf, 2}},
                                      "y[0] is inf, expected a finite number");
    check_refused<re::NonFiniteError>({.name = "a", .x = {1}, .y = {1}, .low = {-kInf}, .high = {2}},
                                      "low[0] is -inf, expected a finite number");
    check_refused<re::NonFiniteError>({.name = "a", .x = {1}, .y = {1}, .low = {1}, .high = {kNan}},
                                      "high[0] is nan, expected a finite number");
    check_refused<re::NonFiniteError>(Histogram{.title = "h", .edges = {0, kNan}, .counts = {1}},
                                      "edges[1] is nan, expected a finite number");
  }
  TEST_CASE("require_drawable: lengths that differ are refused") {
    check_refused<re::ShapeError>({.name = "a", .x = {1, 2}, .y = {1}}, "y.size() is 1, expected 2");
    check_refused<re::ShapeError>({.name = "a", .x = {}, .y = {1}}, "y.size() is 1, expected 0");
    check_refused<re::ShapeError>({.name = "a", .x = {1}, .y = {1}, .low = {1}}, "high.size() is 0, expected 1");
    check_refused<re::ShapeError>({.name = "a", .x = {1}, .y = {1}, .high = {1}}, "low.size() is 0, expected 1");
    check_refused<re::ShapeError>(Histogram{.title = "h", .edges = {0}, .counts = {1}},
                                  "edges.size() is 1, expected 2");
    check_refused<re::ShapeError>(Histogram{.title = "h", .edges = {0, 1}}, "edges.size() is 2, expected 1");
  }
  TEST_CASE("require_drawable: what runs backwards is refused") {
    check_refused<re::ConfigError>({.name = "a", .x = {1, 3, 2}, .y = {1, 1, 1}},
                                   "x[2] is 2.000000, expected at least 3.000000, the value before it");
    check_refused<re::ConfigError>({.name = "a", .x = {1}, .y = {1}, .low = {2}, .high = {1}},
                                   "low[0] is 2.000000, expected at most high, which is 1.000000");
    check_refused<re::ConfigError>(Histogram{.title = "h", .edges = {0, 1, 1}, .counts = {1, 1}},
                                   "edges[2] is 1.000000, expected more than 1.000000, the edge before it");
    check_refused<re::ConfigError>(Histogram{.title = "h", .edges = {0, 1}, .counts = {-1}},
                                   "counts[0] is -1, expected at least 0");
  }
  TEST_CASE("count_values: an interval holds its lower edge, the last one both") {
    const std::vector<double> values = {0, 0.5, 1, 1, 1.5, 2, 4, 3, 3.999};
    const Histogram histogram = count_values(values, 4);
    CHECK(histogram.edges == std::vector<double>{0, 1, 2, 3, 4});
    CHECK(histogram.counts == std::vector<Index>{2, 3, 1, 3});
  }
  TEST_CASE("count_values: counts every value once, whatever the range") {
    for (const auto& values : std::vector<std::vector<double>>{{0.1, 0.2, 0.3, 0.7, 0.6999999, 0.1},
                                                               {-kMost, 0, kMost},
                                                               {-1e300, 1e300},
                                                               {1, 1 + 1e-12},
                                                               {-5, -4, -3},
                                                               {1e-320, 3e-320}}) {
      for (const int bins : {1, 2, 3, 10, 41}) {
        CAPTURE(bins);
        const Histogram histogram = count_values(values, bins);
        CHECK(total(histogram) == static_cast<Index>(values.size()));
        CHECK_NOTHROW(require_drawable(histogram));
      }
    }
  }
  TEST_CASE("count_values: agrees with counting by hand") {
    std::vector<double> values;
    for (int i = 0; i < 500; ++i) {
      values.push_back(std::sin(i * 0.7) * 3);
    }
    const Histogram histogram = count_values(values, 17);
    for (std::size_t bin = 0; bin < histogram.counts.size(); ++bin) {
      CAPTURE(bin);
      const bool last = bin + 1 == histogram.counts.size();
      const auto inside = [&](double v) {
        return v >= histogram.edges[bin] && (v < histogram.edges[bin + 1] || (last && v == histogram.edges[bin + 1]));
      };
      CHECK(histogram.counts[bin] == std::count_if(values.begin(), values.end(), inside));
    }
  }
  TEST_CASE("count_values: values too close for intervals share one around them") {
    for (const double value : {0.0, 1.0, -2.5, 1e200}) {
      const std::vector<double> values = {value, value, value};
      const Histogram histogram = count_values(values, 10);
      CHECK(histogram.counts == std::vector<Index>{3});
      CHECK(histogram.edges.front() < value);
      CHECK(histogram.edges.back() > value);
    }
    const std::vector<double> neighbours = {1.0, std::nextafter(1.0, 2.0)};
    CHECK(count_values(neighbours, 10).counts == std::vector<Index>{2});
    for (const double end : {-kMost, kMost}) {
      const Histogram histogram = count_values(std::vector<double>{end, end}, 3);
      CHECK(histogram.counts == std::vector<Index>{2});
      CHECK_NOTHROW(require_drawable(histogram));
    }
  }
  TEST_CASE("count_values: nothing gives nothing, and impossible arguments are refused") {
    CHECK(count_values(std::vector<double>{}, 5).counts.empty());
    CHECK_THROWS_WITH_AS((void)count_values(std::vector<double>{1}, 0),
                         "eval::count_values: bins is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)count_values(std::vector<double>{1, kNan}, 3),
                         "eval::count_values: values[1] is nan, expected a finite number",
                         re::NonFiniteError);
  }
}
