#include <reasonembed/eval/html_report.hpp>
#include <reasonembed/train/charts.hpp>

#include <doctest/doctest.h>

#include <support/well_formed.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::eval::Histogram;
using re::eval::LineChart;
using re::train::History;
using re::train::intensity_chart;
using re::train::intensity_histogram;
using re::train::loss_chart;
using re::train::NamedRuns;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

NamedRuns three_runs() {
  return {.name = "redapter",
          .runs = {{.steps = {1, 2}, .losses = {1.0, 0.5}, .measured_steps = {2}, .mean_intensities = {1.5}},
                   {.steps = {1, 2}, .losses = {3.0, 0.5}, .measured_steps = {2}, .mean_intensities = {2.5}},
                   {.steps = {1, 2}, .losses = {2.0, 2.0}, .measured_steps = {2}, .mean_intensities = {2.0}}}};
}
NamedRuns single_run() {
  return {.name = "infonce", .runs = {{.steps = {1, 2, 4}, .losses = {2.0, 1.0, 0.5}}}};
}
NamedRuns with_intensities(std::vector<double> values) {
  return {.name = "redapter", .runs = {{.intensities = std::move(values)}}};
}
Index total(const Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), Index{0});
}

}  // namespace

TEST_SUITE("train/charts") {
  TEST_CASE("loss_chart: shows the mean over runs, and the band from the least to the largest") {
    const LineChart chart = loss_chart(std::vector{three_runs(), single_run()});
    CHECK(chart.title == "Loss");
    CHECK(chart.x_label == "step");
    CHECK(chart.y_label == "loss (nats)");
    REQUIRE(chart.series.size() == 2);
    CHECK(chart.series[0].name == "redapter");
    CHECK(chart.series[0].x == std::vector<double>{1.0, 2.0});
    CHECK(chart.series[0].y == std::vector<double>{2.0, 1.0});
    CHECK(chart.series[0].low == std::vector<double>{1.0, 0.5});
    CHECK(chart.series[0].high == std::vector<double>{3.0, 2.0});
    CHECK(chart.series[1].name == "infonce");
    CHECK(chart.series[1].x == std::vector<double>{1.0, 2.0, 4.0});
    CHECK(chart.series[1].y == std::vector<double>{2.0, 1.0, 0.5});
    CHECK(chart.series[1].low.empty());  // a single run has no spread
    CHECK(chart.series[1].high.empty());
  }
  TEST_CASE("loss_chart: the mean of equal losses lies within its band") {
    for (const double value : {0.1, 0.7, 1e-300, 1.0 / 3.0}) {
      const History run{.steps = {1}, .losses = {value}};
      for (std::size_t seeds = 2; seeds < 12; ++seeds) {
        const LineChart chart = loss_chart(std::vector{NamedRuns{"equal", std::vector<History>(seeds, run)}});
        CHECK(chart.series[0].low[0] <= chart.series[0].y[0]);
        CHECK(chart.series[0].high[0] >= chart.series[0].y[0]);
        CHECK(std::abs(chart.series[0].y[0] - value) <= 12 * 1.2e-16 * value);  // a sum of at most 12 terms
      }
    }
  }
  TEST_CASE("loss_chart: names without runs, and runs without steps, are lines without points") {
    const LineChart chart = loss_chart(std::vector{NamedRuns{"none"}, NamedRuns{"empty", {History{}, History{}}}});
    REQUIRE(chart.series.size() == 2);
    CHECK(chart.series[0].name == "none");
    CHECK(chart.series[0].x.empty());
    CHECK(chart.series[1].x.empty());
    CHECK(loss_chart({}).series.empty());
  }
  TEST_CASE("loss_chart: runs of one name that have not the same steps are refused") {
    NamedRuns shorter = three_runs();
    shorter.runs[2].steps.pop_back();
    shorter.runs[2].losses.pop_back();
    const char* message =
        "train::charts: redapter: steps of a run is others than the first's, expected the same for all seeds";
    CHECK_THROWS_WITH_AS((void)loss_chart(std::vector{shorter}), message, re::ConfigError);
    NamedRuns skipped = three_runs();  // as many, but one of them was skipped
    skipped.runs[1].steps = {1, 3};
    CHECK_THROWS_WITH_AS((void)loss_chart(std::vector{single_run(), skipped}), message, re::ConfigError);
  }
  TEST_CASE("intensity_chart: shows the names whose runs measured it") {
    const LineChart chart = intensity_chart(std::vector{single_run(), three_runs(), NamedRuns{"none"}});
    CHECK(chart.title == "Reasoning intensity");
    REQUIRE(chart.series.size() == 1);
    CHECK(chart.series[0].name == "redapter");
    CHECK(chart.series[0].x == std::vector<double>{2.0});
    CHECK(chart.series[0].y == std::vector<double>{2.0});
    CHECK(chart.series[0].low == std::vector<double>{1.5});
    CHECK(chart.series[0].high == std::vector<double>{2.5});
    NamedRuns one_unmeasured = three_runs();
    one_unmeasured.runs[1].measured_steps.clear();
    one_unmeasured.runs[1].mean_intensities.clear();
    CHECK_THROWS_AS((void)intensity_chart(std::vector{one_unmeasured}), re::ConfigError);
  }
  TEST_CASE("intensity_histogram: an interval holds its lower edge, the last one all from there on") {
    const Histogram histogram =
        intensity_histogram(with_intensities({0.0, 0.5, 1.0, 1.5, 2.0, 3.999, 4.0, 4.0001, 1e300}), 4.0, 4);
    CHECK(histogram.title == "Reasoning intensities: redapter");
    CHECK(histogram.x_label == "intensity");
    CHECK(histogram.edges == std::vector<double>{0.0, 1.0, 2.0, 3.0, 4.0});
    CHECK(histogram.counts == std::vector<Index>{2, 2, 1, 4});
    CHECK(histogram.note == "2 of 9 lie beyond the ceiling, and are counted in the last interval.");
  }
  TEST_CASE("intensity_histogram: counts all runs, and every value once") {
    NamedRuns runs = with_intensities({1.0, 2.0, 7.0});
    runs.runs.push_back({.intensities = {0.3}});
    runs.runs.push_back({});
    const Histogram histogram = intensity_histogram(runs);
    CHECK(histogram.edges.size() == 26);
    CHECK(histogram.edges.front() == 0.0);
    CHECK(histogram.edges.back() == 5.0);
    CHECK(total(histogram) == 4);
    CHECK(histogram.note == "1 of 4 lie beyond the ceiling, and are counted in the last interval.");
    CHECK(total(intensity_histogram(NamedRuns{"none"})) == 0);
    CHECK(total(intensity_histogram(runs, 1e-9, 1)) == 4);
  }
  TEST_CASE("intensity_histogram: impossible arguments are refused by name") {
    const NamedRuns runs = three_runs();
    CHECK_THROWS_WITH_AS((void)intensity_histogram(runs, 0.0),
                         "train::intensity_histogram: ceiling is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)intensity_histogram(runs, kNan),
                         "train::intensity_histogram: ceiling is nan, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)intensity_histogram(runs, kInf),
                         "train::intensity_histogram: ceiling is inf, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)intensity_histogram(runs, 5.0, 0),
                         "train::intensity_histogram: bins is 0, expected at least 1",
                         re::ConfigError);
  }
  TEST_CASE("charts: a report can draw each of them, those without points too") {
    re::eval::HtmlReport report("Training");
    const std::vector<NamedRuns> runs = {three_runs(), single_run(), NamedRuns{"<none> & \"nothing\""}};
    report.add(loss_chart(runs));
    report.add(loss_chart({}));
    report.add(intensity_chart(runs));
    report.add(intensity_chart({}));
    report.add(intensity_histogram(with_intensities({1.0, 2.0})));
    report.add(intensity_histogram(NamedRuns{"none"}));
    CHECK(test::markup_fault(report.html()) == "");
    CHECK(test::count_of(report.html(), "<h2>Reasoning intensities: redapter</h2>") == 1);
  }
  TEST_CASE("charts: a loss that is no number is refused where it would be drawn") {
    NamedRuns runs = single_run();
    runs.runs[0].losses[1] = kNan;
    re::eval::HtmlReport report("Training");
    CHECK_THROWS_WITH_AS(report.add(loss_chart(std::vector{runs})),
                         "eval::LineChart \"Loss\": series \"infonce\": y[1] is nan, expected a finite number",
                         re::NonFiniteError);
  }
}
