#include <reasonembed/eval/svg_chart.hpp>

#include <doctest/doctest.h>

#include <support/well_formed.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::eval::ChartAxis;
using re::eval::Histogram;
using re::eval::LineChart;
using re::eval::LineSeries;
using re::eval::detail::svg_chart;
using re::eval::detail::svg_legend;
using re::eval::detail::SvgPlot;
using re::eval::detail::visible_points;
using test::count_of;
using test::markup_fault;

namespace {

constexpr double kMost = std::numeric_limits<double>::max();

/// The numbers behind every `attribute="`.
std::vector<double> numbers(const std::string& svg, const std::string& attribute) {
  std::vector<double> found;
  const std::string key = " " + attribute + "=\"";
  for (std::size_t at = svg.find(key); at != std::string::npos; at = svg.find(key, at + 1)) {
    found.push_back(std::stod(svg.substr(at + key.size())));
  }
  return found;
}

/// Every coordinate is a number inside the picture.
void check_inside(const std::string& svg) {
  CHECK(markup_fault(svg) == "");
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  for (const char* attribute : {"x", "x1", "x2", "cx", "y", "y1", "y2", "cy", "width", "height"}) {
    for (const double number : numbers(svg, attribute)) {
      CAPTURE(attribute);
      CHECK(number >= 0);
      CHECK(number <= re::eval::detail::kSvgWidth);
    }
  }
  const std::string path = " d=\"M";
  for (std::size_t at = svg.find(path); at != std::string::npos; at = svg.find(path, at + 1)) {
    std::size_t used = 0;
    for (std::size_t i = at + path.size(); svg[i - 1] != '"' && svg[i - 1] != 'Z'; i += used + 1) {
      const double coordinate = std::stod(svg.substr(i, 20), &used);
      CHECK(coordinate >= 0);
      CHECK(coordinate <= re::eval::detail::kSvgWidth);
    }
  }
}

LineChart chart_of(std::vector<LineSeries> series) {
  return {.title = "t", .series = std::move(series)};
}

LineSeries ramp(int count) {
  LineSeries series{.name = "ramp"};
  for (int i = 0; i < count; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 7);
  }
  return series;
}

}  // namespace

TEST_SUITE("eval/svg_chart") {
  TEST_CASE("svg_chart: larger values lie higher and further right, whole range inside the picture") {
    const std::string svg = svg_chart(chart_of({{.name = "a", .x = {0, 5, 10}, .y = {1, 2, 3}}}));
    check_inside(svg);
    const std::vector<double> x = numbers(svg, "cx");
    const std::vector<double> y = numbers(svg, "cy");
    REQUIRE(x.size() == 3);
    CHECK(x[1] - x[0] == doctest::Approx(x[2] - x[1]).epsilon(1e-3));  // rounded to hundredths
    CHECK(x[0] < x[1]);
    CHECK(y[0] - y[1] == doctest::Approx(y[1] - y[2]).epsilon(1e-3));
    CHECK(y[0] > y[1]);
  }
  TEST_CASE("svg_chart: a curve for each series, a band for those with a spread, all curves above all bands") {
    const std::string svg = svg_chart(chart_of({{.name = "a", .x = {0, 1}, .y = {1, 2}, .low = {0, 1}, .high = {2, 3}},
                                                {.name = "b", .x = {0, 1}, .y = {2, 1}, .low = {1, 0}, .high = {3, 2}},
                                                {.name = "c", .x = {0, 1}, .y = {0, 0}}}));
    check_inside(svg);
    CHECK(count_of(svg, "class=\"curve\"") == 3);
    CHECK(count_of(svg, "class=\"band\"") == 2);
    CHECK(svg.rfind("class=\"band\"") < svg.find("class=\"curve\""));
    CHECK(count_of(svg, "stroke:var(--c2)") == 1);
  }
  TEST_CASE("svg_chart: the band widens the vertical axis") {
    const LineSeries narrow{.name = "a", .x = {0, 1}, .y = {1, 2}};
    LineSeries wide = narrow;
    wide.low = {-9, 1};
    wide.high = {1, 40};
    CHECK(svg_chart(chart_of({narrow})).find(">40<") == std::string::npos);
    CHECK(svg_chart(chart_of({wide})).find(">40<") != std::string::npos);
  }
  TEST_CASE("svg_chart: no series, an empty one and one without points say so and draw axes") {
    for (const LineChart& chart : {chart_of({}), chart_of({{.name = "a"}}), chart_of({{.name = "a"}, {.name = "b"}})}) {
      const std::string svg = svg_chart(chart);
      check_inside(svg);
      CHECK(count_of(svg, ">no points<") == 1);
      CHECK(count_of(svg, "class=\"curve\"") == 0);
      CHECK(count_of(svg, "class=\"grid\"") > 4);
    }
    const LineChart one_of_two = chart_of({{.name = "a"}, ramp(9)});
    CHECK(count_of(svg_chart(one_of_two), "no points") == 0);
    CHECK(count_of(svg_legend(one_of_two), "a (no points)") == 1);
  }
  TEST_CASE("svg_chart: a single point is a dot, few points have one each, many none") {
    const std::string one = svg_chart(chart_of({{.name = "a", .x = {7}, .y = {-3}, .low = {-4}, .high = {-2}}}));
    check_inside(one);
    CHECK(count_of(one, "<circle") == 1);
    CHECK(count_of(one, "<path") == 0);
    CHECK(count_of(svg_chart(chart_of({ramp(40)})), "<circle") == 40);
    CHECK(count_of(svg_chart(chart_of({ramp(41)})), "<circle") == 0);
    CHECK(count_of(svg_chart(chart_of({ramp(41)})), "<path") == 1);
  }
  TEST_CASE("svg_chart: huge, tiny, constant and mixed ranges stay inside the picture") {
    const double kTiny = std::numeric_limits<double>::denorm_min();
    for (const double scale : {1.0, 1e-9, 1e-200, 1e200, kMost, kTiny, 1e-300}) {
      CAPTURE(scale);
      for (const auto& y :
           std::vector<std::vector<double>>{{-scale, 0, scale}, {scale, scale, scale}, {0, scale, 1}, {0, 0, 0}}) {
        check_inside(svg_chart(chart_of({{.name = "a", .x = {-scale, 0, scale}, .y = y}})));
        check_inside(
            svg_chart(chart_of({{.name = "a", .x = {3, 3, 3}, .y = y, .low = {y[0], y[1], y[2]}, .high = y}})));
      }
    }
    check_inside(svg_chart(chart_of({{.name = "a", .x = {1, 1 + 3e-16}, .y = {1e6, 1e6 + 1e-9}}})));
  }
  TEST_CASE("svg_chart: a long run is a small picture that keeps every spike") {
    LineSeries series = ramp(200000);
    series.y[123456] = 1000;
    series.y[54321] = -1000;
    const std::string svg = svg_chart(chart_of({series}));
    check_inside(svg);
    CHECK(svg.size() < 80000);  // 4 points of 14 bytes in each of 700 columns
    const SvgPlot plot(ChartAxis(0, 199999, 8, false), ChartAxis(-1000, 1000, 5, true));
    const std::vector<std::size_t> kept = visible_points(series, plot);
    CHECK(std::is_sorted(kept.begin(), kept.end()));
    CHECK(std::adjacent_find(kept.begin(), kept.end()) == kept.end());
    CHECK(std::binary_search(kept.begin(), kept.end(), 123456U));
    CHECK(std::binary_search(kept.begin(), kept.end(), 54321U));
    CHECK(kept.front() == 0);
    CHECK(kept.back() == 199999);
  }
  TEST_CASE("visible_points: extremes of the band are kept, too, and few points all") {
    LineSeries series = ramp(50000);
    series.low = series.y;
    series.high = series.y;
    series.low[777] = -50;
    series.high[888] = 50;
    const SvgPlot plot(ChartAxis(0, 49999, 8, false), ChartAxis(-50, 50, 5, true));
    const std::vector<std::size_t> kept = visible_points(series, plot);
    CHECK(std::binary_search(kept.begin(), kept.end(), 777U));
    CHECK(std::binary_search(kept.begin(), kept.end(), 888U));
    const SvgPlot small(ChartAxis(0, 99, 8, false), ChartAxis(0, 6, 5, true));
    CHECK(visible_points(ramp(100), small).size() == 100);
    CHECK(visible_points(ramp(0), small).empty());
  }
  TEST_CASE("svg_legend: names every series; one without a name needs no legend") {
    CHECK(svg_legend(chart_of({{.name = ""}})).empty());
    CHECK(svg_legend(chart_of({})).empty());
    CHECK(count_of(svg_legend(chart_of({ramp(3)})), "<li>") == 1);
    std::vector<LineSeries> many;
    for (int i = 0; i < 20; ++i) {
      many.push_back(ramp(2));
    }
    const std::string legend = svg_legend(chart_of(many));
    CHECK(markup_fault(legend) == "");
    CHECK(count_of(legend, "<li>") == 20);
    CHECK(count_of(legend, "stroke-dasharray=\"7 4\"") == 8);  // series 8 to 15
    CHECK(count_of(legend, "stroke-dasharray=\"2 4\"") == 4);
    CHECK(count_of(legend, "var(--c0)") == 3);
  }
  TEST_CASE("svg_chart: bars stand on the axis, as high as their counts") {
    const std::string svg = svg_chart(Histogram{.title = "h", .edges = {0, 1, 2, 4}, .counts = {2, 0, 4}});
    check_inside(svg);
    CHECK(count_of(svg, "<rect") == 2);  // nothing for an empty interval
    const std::vector<double> heights = numbers(svg, "height");
    const std::vector<double> widths = numbers(svg, "width");
    REQUIRE(heights.size() == 2);
    CHECK(heights[1] == doctest::Approx(2 * heights[0]).epsilon(1e-3));
    CHECK(widths[1] == doctest::Approx(2 * widths[0] + 1).epsilon(1e-3));  // a gap of one pixel
    CHECK(count_of(svg, "<title>4</title>") == 1);
  }
  TEST_CASE("svg_chart: a histogram of anything stays inside the picture") {
    check_inside(svg_chart(Histogram{}));
    CHECK(count_of(svg_chart(Histogram{}), ">no points<") == 1);
    check_inside(svg_chart(Histogram{.edges = {-kMost, 0, kMost}, .counts = {1, 1}}));
    check_inside(svg_chart(Histogram{.edges = {1, 1 + 3e-16}, .counts = {5}}));
    check_inside(svg_chart(Histogram{.edges = {0, 1}, .counts = {0}}));
    check_inside(svg_chart(Histogram{.edges = {0, 1}, .counts = {std::numeric_limits<re::Index>::max()}}));
    std::vector<double> edges;
    for (int i = 0; i <= 3000; ++i) {
      edges.push_back(i);
    }
    check_inside(svg_chart(Histogram{.edges = edges, .counts = std::vector<re::Index>(3000, 1)}));
  }
  TEST_CASE("svg_chart: counts have whole ticks") {
    for (const re::Index most : {1, 2, 3, 4, 5, 6, 7, 9, 11, 99}) {
      CAPTURE(most);
      CHECK(svg_chart(Histogram{.edges = {0, 2}, .counts = {most}}).find("0.5<") == std::string::npos);
    }
  }
  TEST_CASE("svg_number: has no more digits than it needs") {
    CHECK(re::eval::detail::svg_number(12.5) == "12.5");
    CHECK(re::eval::detail::svg_number(100) == "100");
    CHECK(re::eval::detail::svg_number(0.004) == "0");
    CHECK(re::eval::detail::svg_number(3.14159) == "3.14");
  }
  TEST_CASE("horizontal_axis: labels never lie on each other") {
    for (const double low : {0.0, 100000.0, -1e-9, 123456.789}) {
      for (const double span : {1e-3, 1.0, 250.0, 1e7, 1e300}) {
        const ChartAxis axis = re::eval::detail::horizontal_axis(low, low + span, 640);
        CAPTURE(low);
        CAPTURE(span);
        CHECK(static_cast<double>(axis.ticks().size() * axis.longest_label()) * 7.6 <= 640);
      }
    }
  }
}
