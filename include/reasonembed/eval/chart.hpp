#pragma once
/// @file Charts as data: what is shown, checked before anything is drawn.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// One line of a chart, with a band around it where there is a spread.
struct LineSeries {
  std::string name = {};
  std::vector<double> x = {};     ///< (N) ascending; equal neighbours make a step
  std::vector<double> y = {};     ///< (N)
  std::vector<double> low = {};   ///< (N) lower edge of the band, or empty
  std::vector<double> high = {};  ///< (N) upper edge, or empty
};

struct LineChart {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::string note = {};  ///< a sentence below the chart
  std::vector<LineSeries> series = {};
};

/// How often values lie in each of C neighbouring intervals.
struct Histogram {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = "count";
  std::string note = {};
  std::vector<double> edges = {};  ///< (C + 1) strictly ascending
  std::vector<Index> counts = {};  ///< (C) >= 0
};

namespace detail {

inline void require_finite_values(const std::string& where, std::string_view name, std::span<const double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw NonFiniteError::found(where, name, i, values[i]);
    }
  }
}

inline void require_size(const std::string& where, std::string_view name, std::size_t got, std::size_t want) {
  if (got != want) {
    throw ShapeError::mismatch(where, std::string(name) + ".size()", static_cast<Index>(got), static_cast<Index>(want));
  }
}

}  // namespace detail

/// @throws  NonFiniteError naming series and element for NaN or infinity; ShapeError if x, y and band differ in length;
///          ConfigError if x descends or a band is upside down
inline void require_drawable(const LineChart& chart) {
  for (const LineSeries& series : chart.series) {
    const std::string where =
        "eval::LineChart " + io::in_quotes(chart.title) + ": series " + io::in_quotes(series.name);
    const bool band = !series.low.empty() || !series.high.empty();
    for (const auto& [name, values] : {std::pair<std::string_view, const std::vector<double>*>("x", &series.x),
                                       {"y", &series.y},
                                       {"low", &series.low},
                                       {"high", &series.high}}) {
      detail::require_finite_values(where, name, *values);
      if (band || name == "y") {
        detail::require_size(where, name, values->size(), series.x.size());
      }
    }
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (i > 0 && series.x[i] < series.x[i - 1]) {
        throw ConfigError::invalid(where,
                                   "x[" + std::to_string(i) + "]",
                                   std::to_string(series.x[i]),
                                   "at least " + std::to_string(series.x[i - 1]) + ", the value before it");
      }
      if (band && series.low[i] > series.high[i]) {
        throw ConfigError::invalid(where,
                                   "low[" + std::to_string(i) + "]",
                                   std::to_string(series.low[i]),
                                   "at most high, which is " + std::to_string(series.high[i]));
      }
    }
  }
}

/// @throws  NonFiniteError naming the edge; ShapeError if there is not one edge more than counts; ConfigError if edges
///          don't ascend or a count is negative
inline void require_drawable(const Histogram& histogram) {
  const std::string where = "eval::Histogram " + io::in_quotes(histogram.title);
  detail::require_finite_values(where, "edges", histogram.edges);
  if (!histogram.counts.empty() || !histogram.edges.empty()) {
    detail::require_size(where, "edges", histogram.edges.size(), histogram.counts.size() + 1);
  }
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    if (!(histogram.edges[i] < histogram.edges[i + 1])) {
      throw ConfigError::invalid(where,
                                 "edges[" + std::to_string(i + 1) + "]",
                                 std::to_string(histogram.edges[i + 1]),
                                 "more than " + std::to_string(histogram.edges[i]) + ", the edge before it");
    }
    if (histogram.counts[i] < 0) {
      throw ConfigError::invalid(
          where, "counts[" + std::to_string(i) + "]", std::to_string(histogram.counts[i]), "at least 0");
    }
  }
}

/// Counts values in intervals of one width between their least and largest; an interval holds its lower edge, the last
/// one both.
///
/// @param values  (N), finite
/// @param bins    C >= 1; values that are all the same get a single interval around them
/// @return        without title and labels; empty if there are no values
/// @throws        NonFiniteError naming the element, ConfigError if bins < 1
[[nodiscard]] inline Histogram count_values(std::span<const double> values, int bins) {
  detail::require_finite_values("eval::count_values", "values", values);
  if (bins < 1) {
    throw ConfigError::invalid("eval::count_values", "bins", std::to_string(bins), "at least 1");
  }
  Histogram histogram;
  if (values.empty()) {
    return histogram;
  }
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  const auto edge = [&, low = *least, high = *largest](int i) {
    const double part = static_cast<double>(i) / bins;
    return low * (1 - part) + high * part;  // high - low may overflow
  };
  bool distinct = true;
  for (int i = 0; i < bins; ++i) {
    distinct = distinct && edge(i) < edge(i + 1);
  }
  if (!distinct) {  // closer than doubles can tell intervals apart
    constexpr double kMost = std::numeric_limits<double>::max();
    const double around = std::max(std::abs(*least), std::abs(*largest)) * 0.01;
    const double margin = around > 0 ? around : 0.5;
    histogram.edges = {std::max(*least - margin, -kMost), std::min(*largest + margin, kMost)};
    histogram.counts = {static_cast<Index>(values.size())};
    return histogram;
  }
  for (int i = 0; i <= bins; ++i) {
    histogram.edges.push_back(i == bins ? *largest : edge(i));
  }
  histogram.counts.resize(static_cast<std::size_t>(bins));
  for (const double value : values) {
    const auto above = std::upper_bound(histogram.edges.begin(), histogram.edges.end(), value);
    const auto bin = std::min<std::ptrdiff_t>(above - histogram.edges.begin() - 1, bins - 1);
    ++histogram.counts[static_cast<std::size_t>(bin)];
  }
  return histogram;
}

}  // namespace reasonembed::eval
