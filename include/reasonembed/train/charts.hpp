#pragma once
/// @file Runs as charts for an eval::HtmlReport.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/chart.hpp>
#include <reasonembed/train/history.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Runs that differ in their seed alone, under one name.
struct NamedRuns {
  std::string name = {};
  std::vector<History> runs = {};
};

namespace detail {

/// The mean over runs at each step, and the band between the least and the largest of them.
inline eval::LineSeries mean_with_band(const NamedRuns& named,
                                       std::vector<std::int64_t> History::* steps,
                                       std::vector<double> History::* values) {
  eval::LineSeries series{.name = named.name};
  if (named.runs.empty()) {
    return series;
  }
  const History& first = named.runs.front();
  for (const History& run : named.runs) {
    if (run.*steps != first.*steps) {
      throw ConfigError::invalid(
          "train::charts: " + named.name, "steps of a run", "others than the first's", "the same for all seeds");
    }
  }
  for (std::size_t i = 0; i < (first.*steps).size(); ++i) {
    double sum = 0.0;
    double low = (first.*values)[i];
    double high = low;
    for (const History& run : named.runs) {
      const double value = (run.*values)[i];
      sum += value;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    series.x.push_back(static_cast<double>((first.*steps)[i]));
    series.y.push_back(sum / static_cast<double>(named.runs.size()));
    if (named.runs.size() > 1) {
      // rounding may put the mean of equal values outside of them
      series.low.push_back(std::min(low, series.y.back()));
      series.high.push_back(std::max(high, series.y.back()));
    }
  }
  return series;
}

}  // namespace detail

/// The loss over the steps, one curve a name: the mean of its runs, with a band from the least to the largest.
///
/// @throws  ConfigError if runs of one name have not the same steps
[[nodiscard]] inline eval::LineChart loss_chart(std::span<const NamedRuns> runs) {
  eval::LineChart chart{.title = "Loss", .x_label = "step", .y_label = "loss (nats)"};
  for (const NamedRuns& named : runs) {
    chart.series.push_back(detail::mean_with_band(named, &History::steps, &History::losses));
  }
  return chart;
}

/// The mean reasoning intensity of each batch over the steps, for the names whose runs measured it.
///
/// @throws  ConfigError if runs of one name have not the same measured steps
[[nodiscard]] inline eval::LineChart intensity_chart(std::span<const NamedRuns> runs) {
  eval::LineChart chart{.title = "Reasoning intensity",
                        .x_label = "step",
                        .y_label = "mean intensity of the batch",
                        .note =
                            "How many times larger the loss of a query is than that of its rewriting with "
                            "reasoning; before clamping."};
  for (const NamedRuns& named : runs) {
    eval::LineSeries series = detail::mean_with_band(named, &History::measured_steps, &History::mean_intensities);
    if (!series.x.empty()) {
      chart.series.push_back(std::move(series));
    }
  }
  return chart;
}

/// How often each intensity was measured, over all queries, steps and runs. What lies beyond `ceiling` is counted in
/// the last interval.
///
/// @param ceiling  a number > 0: kappa of the loss, where weights are cut off
/// @param bins     intervals between 0 and `ceiling`, >= 1
/// @throws         ConfigError if ceiling is not a number > 0, or bins < 1
[[nodiscard]] inline eval::Histogram intensity_histogram(const NamedRuns& named, double ceiling = 5.0, int bins = 25) {
  if (!(ceiling > 0.0 && std::isfinite(ceiling))) {
    throw ConfigError::invalid("train::intensity_histogram", "ceiling", std::to_string(ceiling), "a number > 0");
  }
  if (bins < 1) {
    throw ConfigError::invalid("train::intensity_histogram", "bins", std::to_string(bins), "at least 1");
  }
  eval::Histogram histogram{.title = "Reasoning intensities: " + named.name, .x_label = "intensity"};
  for (int i = 0; i <= bins; ++i) {
    histogram.edges.push_back(ceiling * i / bins);
  }
  histogram.counts.assign(static_cast<std::size_t>(bins), 0);
  Index beyond = 0;
  Index all = 0;
  for (const History& run : named.runs) {
    for (const double value : run.intensities) {
      const auto above = std::upper_bound(histogram.edges.begin(), histogram.edges.end(), value);
      const auto bin = std::clamp<std::ptrdiff_t>(above - histogram.edges.begin() - 1, 0, bins - 1);
      ++histogram.counts[static_cast<std::size_t>(bin)];
      beyond += value > ceiling ? 1 : 0;
      ++all;
    }
  }
  histogram.note = std::to_string(beyond) + " of " + std::to_string(all) +
                   " lie beyond the ceiling, and are counted in the last interval.";
  return histogram;
}

}  // namespace reasonembed::train
