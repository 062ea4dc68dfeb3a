#pragma once
/// @file Charts drawn as inline SVG. Colours come from the page's style, so that they follow light and dark.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/chart.hpp>
#include <reasonembed/eval/chart_axis.hpp>
#include <reasonembed/eval/html_text.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval::detail {

inline constexpr double kSvgWidth = 760;
inline constexpr double kSvgHeight = 340;
inline constexpr double kDigitWidth = 7.6;  // of 13 px text, rounded up

/// A coordinate: hundredths of a pixel are finer than any screen.
inline std::string svg_number(double value) {
  std::string text = fixed_text(value, 2);
  while (text.back() == '0') {
    text.pop_back();
  }
  if (text.back() == '.') {
    text.pop_back();
  }
  return text;
}

/// @return  `fill` or `stroke` as a style of the colour of series `index`
inline std::string series_colour(std::string_view what, std::size_t index) {
  return " style=\"" + std::string(what) + ":var(--c" + std::to_string(index % 8) + ")\"";
}

/// From the ninth series on colours come again, with dashes.
inline std::string series_dash(std::size_t index) {
  const std::size_t turn = index / 8;
  return turn == 0 ? "" : " stroke-dasharray=\"" + std::string(turn % 2 == 1 ? "7 4" : "2 4") + "\"";
}

/// As many intervals as have room for their labels side by side.
inline ChartAxis horizontal_axis(double low, double high, double width) {
  for (const int intervals : {8, 6, 4, 3, 2}) {
    ChartAxis axis(low, high, intervals, false);
    if (static_cast<double>(axis.ticks().size()) * (static_cast<double>(axis.longest_label()) * kDigitWidth + 14) <=
        width) {
      return axis;
    }
  }
  return {low, high, 1, false};
}

/// The rectangle that data are drawn in, with its axes.
class SvgPlot {
 public:
  SvgPlot(ChartAxis x, ChartAxis y)
      : x_(std::move(x)),
        y_(std::move(y)),
        left_(34 + static_cast<double>(y_.longest_label()) * kDigitWidth),
        right_(kSvgWidth - std::max(16.0, static_cast<double>(x_.longest_label()) * kDigitWidth / 2)) {}

  [[nodiscard]] double x(double value) const { return left_ + x_.fraction(value) * (right_ - left_); }
  [[nodiscard]] double y(double value) const { return kBottom - y_.fraction(value) * (kBottom - kTop); }
  [[nodiscard]] double middle_x() const { return (left_ + right_) / 2; }
  [[nodiscard]] static double middle_y() { return (kTop + kBottom) / 2; }

  /// @return  the start of the picture: grid, ticks and labels
  [[nodiscard]] std::string open(std::string_view title,
                                 std::string_view x_label,
                                 std::string_view y_label,
                                 bool vertical_grid) const {
    std::string svg = "<svg class=\"chart\" viewBox=\"0 0 " + svg_number(kSvgWidth) + " " + svg_number(kSvgHeight) +
                      "\" role=\"img\" aria-label=\"" + html_text(title) + "\">\n";
    for (const AxisTick& tick : y_.ticks()) {
      svg += line("grid", left_, y(tick.value), right_, y(tick.value)) +
             text(left_ - 8, y(tick.value) + 4.5, "end", tick.label);
    }
    for (const AxisTick& tick : x_.ticks()) {
      svg += line(vertical_grid ? "grid" : "axis",
                  x(tick.value),
                  vertical_grid ? kTop : kBottom,
                  x(tick.value),
                  kBottom + 5) +
             text(x(tick.value), kBottom + 20, "middle", tick.label);
    }
    svg += line("axis", left_, kBottom, right_, kBottom);
    svg += text(middle_x(), kSvgHeight - 6, "middle", x_label, " class=\"label\"");
    svg += text(0,
                0,
                "middle",
                y_label,
                " class=\"label\" transform=\"translate(14 " + svg_number(middle_y()) + ") rotate(-90)\"");
    return svg;
  }
  /// @return  one text, or nothing if it is empty
  [[nodiscard]] static std::string text(
      double x, double y, std::string_view anchor, std::string_view content, std::string_view attributes = "") {
    if (content.empty()) {
      return "";
    }
    return "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" text-anchor=\"" + std::string(anchor) + "\"" +
           std::string(attributes) + ">" + html_text(content) + "</text>\n";
  }

 private:
  static constexpr double kTop = 14;
  static constexpr double kBottom = kSvgHeight - 54;

  static std::string line(std::string_view css_class, double x1, double y1, double x2, double y2) {
    return "<line class=\"" + std::string(css_class) + "\" x1=\"" + svg_number(x1) + "\" y1=\"" + svg_number(y1) +
           "\" x2=\"" + svg_number(x2) + "\" y2=\"" + svg_number(y2) + "\"/>\n";
  }

  ChartAxis x_;
  ChartAxis y_;
  double left_;
  double right_;
};

/// The points of a series that a picture can show: of all that fall into one column of pixels the first, the last and
/// the extremes, so that a long run stays a small file and no spike is lost.
inline std::vector<std::size_t> visible_points(const LineSeries& series, const SvgPlot& plot) {
  std::vector<std::size_t> kept;
  const std::size_t size = series.x.size();
  for (std::size_t first = 0; first < size;) {
    std::size_t last = first;
    while (last + 1 < size &&
           static_cast<int>(plot.x(series.x[last + 1])) == static_cast<int>(plot.x(series.x[first]))) {
      ++last;
    }
    std::vector<std::size_t> column = {first, last};
    for (const std::vector<double>* values : {&series.y, &series.low, &series.high}) {
      if (!values->empty()) {
        const auto begin = values->begin() + static_cast<std::ptrdiff_t>(first);
        const auto [least, largest] =
            std::minmax_element(begin, values->begin() + static_cast<std::ptrdiff_t>(last) + 1);
        column.push_back(static_cast<std::size_t>(least - values->begin()));
        column.push_back(static_cast<std::size_t>(largest - values->begin()));
      }
    }
    std::sort(column.begin(), column.end());
    column.erase(std::unique(column.begin(), column.end()), column.end());
    kept.insert(kept.end(), column.begin(), column.end());
    first = last + 1;
  }
  return kept;
}

inline std::string svg_point(const SvgPlot& plot, double x, double y) {
  return svg_number(plot.x(x)) + " " + svg_number(plot.y(y));
}

inline std::string svg_band(const LineSeries& series,
                            const SvgPlot& plot,
                            const std::vector<std::size_t>& points,
                            std::size_t index) {
  if (series.low.empty() || points.size() < 2) {
    return "";
  }
  std::string path;
  for (const std::size_t i : points) {
    path += (path.empty() ? "M" : "L") + svg_point(plot, series.x[i], series.high[i]);
  }
  for (auto i = points.rbegin(); i != points.rend(); ++i) {
    path += "L" + svg_point(plot, series.x[*i], series.low[*i]);
  }
  return "<path class=\"band\"" + series_colour("fill", index) + " d=\"" + path + "Z\"/>\n";
}

/// A curve; a dot at each point where they are few, so that a single one is seen too.
inline std::string svg_curve(const LineSeries& series,
                             const SvgPlot& plot,
                             const std::vector<std::size_t>& points,
                             std::size_t index) {
  constexpr std::size_t kFew = 40;
  std::string path;
  for (const std::size_t i : points) {
    path += (path.empty() ? "M" : "L") + svg_point(plot, series.x[i], series.y[i]);
  }
  std::string svg;
  if (points.size() > 1) {
    svg = "<path class=\"curve\"" + series_colour("stroke", index) + series_dash(index) + " d=\"" + path + "\"/>\n";
  }
  for (const std::size_t i : points) {
    if (series.x.size() <= kFew) {
      svg += "<circle" + series_colour("fill", index) + " cx=\"" + svg_number(plot.x(series.x[i])) + "\" cy=\"" +
             svg_number(plot.y(series.y[i])) + "\" r=\"" + (points.size() == 1 ? "4" : "3") + "\"/>\n";
    }
  }
  return svg;
}

/// The names of the series with their colours; a single series without a name needs none.
inline std::string svg_legend(const LineChart& chart) {
  std::string items;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const LineSeries& series = chart.series[i];
    if (chart.series.size() > 1 || !series.name.empty()) {
      items += "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"curve\"" +
               series_colour("stroke", i) + series_dash(i) + " d=\"M2 5L26 5\"/></svg>" + html_text(series.name) +
               (series.x.empty() ? " (no points)" : "") + "</li>\n";
    }
  }
  return items.empty() ? "" : "<ul class=\"legend\">\n" + items + "</ul>\n";
}

/// @pre  require_drawable has passed
inline std::string svg_chart(const LineChart& chart) {
  constexpr double kMost = std::numeric_limits<double>::max();
  double ends[4] = {kMost, -kMost, kMost, -kMost};  // of x, then of y
  for (const LineSeries& series : chart.series) {
    for (const std::vector<double>* values : {&series.x, &series.y, &series.low, &series.high}) {
      double* pair = values == &series.x ? ends : ends + 2;
      for (const double value : *values) {
        pair[0] = std::min(pair[0], value);
        pair[1] = std::max(pair[1], value);
      }
    }
  }
  if (ends[0] > ends[1]) {
    const SvgPlot plot({0, 1, 5, false}, {0, 1, 5, false});
    return plot.open(chart.title, chart.x_label, chart.y_label, true) +
           SvgPlot::text(plot.middle_x(), SvgPlot::middle_y(), "middle", "no points") + "</svg>\n";
  }
  constexpr int kIntervals = 5;
  const SvgPlot plot(horizontal_axis(ends[0], ends[1], kSvgWidth - 120), {ends[2], ends[3], kIntervals, true});
  std::string bands;
  std::string curves;  // above every band
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const std::vector<std::size_t> points = visible_points(chart.series[i], plot);
    bands += svg_band(chart.series[i], plot, points, i);
    curves += svg_curve(chart.series[i], plot, points, i);
  }
  return plot.open(chart.title, chart.x_label, chart.y_label, true) + bands + curves + "</svg>\n";
}

/// @pre  require_drawable has passed
inline std::string svg_chart(const Histogram& histogram) {
  if (histogram.counts.empty()) {
    return svg_chart(LineChart{.title = histogram.title, .x_label = histogram.x_label, .y_label = histogram.y_label});
  }
  const Index most = std::max<Index>(1, *std::max_element(histogram.counts.begin(), histogram.counts.end()));
  const SvgPlot plot(horizontal_axis(histogram.edges.front(), histogram.edges.back(), kSvgWidth - 120),
                     {0, static_cast<double>(most), static_cast<int>(std::min<Index>(most, 5)), true});
  std::string svg = plot.open(histogram.title, histogram.x_label, histogram.y_label, false);
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double left = plot.x(histogram.edges[i]);
    const double width = plot.x(histogram.edges[i + 1]) - left;
    const double gap = std::min(1.0, width / 10);
    const double top = plot.y(static_cast<double>(histogram.counts[i]));
    if (histogram.counts[i] > 0) {
      svg += "<rect class=\"bar\" x=\"" + svg_number(left + gap / 2) + "\" y=\"" + svg_number(top) + "\" width=\"" +
             svg_number(std::max(width - gap, 0.5)) + "\" height=\"" + svg_number(plot.y(0) - top) + "\"><title>" +
             std::to_string(histogram.counts[i]) + "</title></rect>\n";
    }
  }
  return svg + "</svg>\n";
}

}  // namespace reasonembed::eval::detail
