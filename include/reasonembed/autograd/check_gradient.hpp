#pragma once
/// @file Does a gradient agree with its function? Every operation and layer is certified by this check.
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

struct CheckGradientOptions {
  double step = 1e-3;                ///< largest step, relative to max(|x|, 1) of the coordinate
  double relative_tolerance = 1e-7;  ///< what certifies a coordinate
  double noise = 32.0;               ///< rounding error assumed in the function, in ulp of its magnitude
  Index max_coordinates = 1000;      ///< more are sampled at random, without repetition
  std::uint64_t seed = 0;            ///< of that sample
};

/// What a gradient check found.
struct GradientReport {
  bool passed = false;
  Index checked = 0;            ///< coordinates compared
  Index excused = 0;            ///< of these, not certified but equal within the noise of the differences
  Index worst = -1;             ///< coordinate with the largest relative error (of those that failed, if any did; else
                                ///< of those certified); -1 if there is none
  double analytic = 0.0;        ///< there
  double numeric = 0.0;         ///< there
  double relative_error = 0.0;  ///< there: |analytic - numeric| / max(|analytic|, |numeric|)
  bool threw = false;           ///< a tape function threw, with gradients as without
  std::string location;         ///< the worst coordinate in words, where known
  std::string reason;           ///< why it failed without comparing, or because of what

  /// @return  everything above as one sentence
  [[nodiscard]] std::string message() const {
    std::array<char, 160> numbers{};
    std::snprintf(numbers.data(),
                  numbers.size(),
                  "analytic %.12g, numeric %.12g, relative error %.3g",
                  analytic,
                  numeric,
                  relative_error);
    std::string text = passed ? "passed" : "failed: " + reason;
    text += "; checked " + std::to_string(checked) + " coordinates, excused " + std::to_string(excused) + " as noise";
    if (worst >= 0) {
      text += "; worst is coordinate " + std::to_string(worst) + (location.empty() ? "" : " = " + location) + ": " +
              numbers.data();
    }
    return text;
  }
};

/// f(x, gradient) returns the value at x (n) and, unless `gradient` is empty, overwrites it (n) with df/dx.
template <class F>
concept DifferentiableFunction = requires(F& f, std::span<const double> x, std::span<double> gradient) {
  { f(x, gradient) } -> std::convertible_to<double>;
};

/// f(tape, inputs) records operations on the inputs and returns the result, a variable of any shape.
template <class F>
concept TapeFunction = requires(F& f, Tape<double>& tape, const std::vector<Var<double>>& inputs) {
  { f(tape, inputs) } -> std::same_as<Var<double>>;
};

namespace detail {

/// The derivative along one coordinate by central differences with steps h, h/2 and h/4, extrapolated twice: the error
/// is O(h^6) [Richardson 1911]. Leaves x as it was.
template <class F>
double extrapolated_derivative(F& f, std::span<double> x, std::size_t coordinate, double step) {
  const double center = x[coordinate];
  std::array<double, 3> slope{};
  for (double& s : slope) {
    const double above = center + step;
    const double below = center - step;
    x[coordinate] = above;
    const double high = f(std::span<const double>(x), std::span<double>());
    x[coordinate] = below;
    const double low = f(std::span<const double>(x), std::span<double>());
    s = (high - low) / (above - below);
    step /= 2.0;
  }
  x[coordinate] = center;
  const double coarse = (4.0 * slope[1] - slope[0]) / 3.0;
  const double fine = (4.0 * slope[2] - slope[1]) / 3.0;
  return (16.0 * fine - coarse) / 15.0;
}

/// @return  the coordinates to check, ascending
inline std::vector<std::size_t> sample_coordinates(std::size_t size, const CheckGradientOptions& options) {
  std::vector<std::size_t> all(size);
  std::iota(all.begin(), all.end(), std::size_t{0});
  const auto wanted = static_cast<std::size_t>(std::max<Index>(options.max_coordinates, 0));
  if (wanted < size) {
    RandomStream(options.seed).shuffle(all);
    all.resize(wanted);
    std::sort(all.begin(), all.end());
  }
  return all;
}

inline bool same_bits(std::span<const double> a, std::span<const double> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  });
}

/// Compares one coordinate and keeps the worst: a failed one before any that passed.
inline void compare(GradientReport& report,
                    std::size_t coordinate,
                    double analytic,
                    double numeric,
                    double floor,
                    const CheckGradientOptions& options) {
  const double difference = std::abs(analytic - numeric);
  const double magnitude = std::max(std::abs(analytic), std::abs(numeric));
  const double error = difference == 0.0 ? 0.0 : difference / magnitude;
  const bool certified = error <= options.relative_tolerance;
  const bool excused = !certified && difference <= floor;
  const bool failed = !certified && !excused;  // NaN ends up here
  ++report.checked;
  report.excused += static_cast<Index>(excused);
  const bool first_failure = failed && report.passed;
  const bool larger = report.worst < 0 || error > report.relative_error;
  const bool worse = larger && !excused && failed == !report.passed;
  if (first_failure || worse) {
    report.worst = static_cast<Index>(coordinate);
    report.analytic = analytic;
    report.numeric = numeric;
    report.relative_error = error;
  }
  if (first_failure) {
    report.passed = false;
    report.reason = "the gradient is not that of the function";
  }
}

inline GradientReport refuse(std::string reason) {
  GradientReport report;
  report.reason = std::move(reason);
  return report;
}

/// Runs a tape function on variables made of x and gives the value of the result's weighted sum.
template <class F>
class TapeRunner {
 public:
  TapeRunner(F& f, std::span<const Matrix<double>> shapes, std::uint64_t seed) : f_(&f), shapes_(shapes), seed_(seed) {}

  /// @param gradient  empty: all inputs are constants; else overwritten
  double operator()(std::span<const double> x, std::span<double> gradient) {
    tape_.clear();
    inputs_.clear();
    const double* next = x.data();
    for (const Matrix<double>& shape : shapes_) {
      const MatrixView<const double> value(next, shape.rows(), shape.cols());
      inputs_.push_back(gradient.empty() ? tape_.constant(value) : tape_.leaf(value));
      next += value.size();
    }
    return weigh((*f_)(tape_, std::as_const(inputs_)), gradient);
  }

  /// Records with leaves, even if they have no elements, and goes back.
  void run_with_leaves() {
    tape_.clear();
    inputs_.clear();
    for (const Matrix<double>& shape : shapes_) {
      inputs_.push_back(tape_.leaf(shape.view()));
    }
    const Var<double> output = (*f_)(tape_, std::as_const(inputs_));
    std::vector<double> ignored(1);
    (void)weigh(output, ignored, false);
  }

 private:
  /// A fixed random weight for each element, so that no error in one can cancel that in another.
  double weigh(Var<double> output, std::span<double> gradient, bool gather = true) {
    const MatrixView<const double> value = output.value();
    Matrix<double> weights(value.rows(), value.cols());
    RandomStream random(seed_, 1);
    double total = 0.0;
    for (Index row = 0; row < value.rows(); ++row) {
      for (Index col = 0; col < value.cols(); ++col) {
        weights(row, col) = 0.5 + random.uniform_double();
        total += weights(row, col) * value(row, col);
      }
    }
    if (gradient.empty()) {
      return total;
    }
    const bool depends = output.differentiated();
    if (depends) {
      tape_.backward(output, weights.view());
    }
    double* next = gradient.data();
    for (const Var<double>& input : inputs_) {
      for (Index row = 0; gather && row < input.rows(); ++row) {
        for (Index col = 0; col < input.cols(); ++col) {
          *next++ = depends ? input.gradient()(row, col) : 0.0;
        }
      }
    }
    return total;
  }

  F* f_;
  std::span<const Matrix<double>> shapes_;
  std::uint64_t seed_;
  Tape<double> tape_;
  std::vector<Var<double>> inputs_;
};

/// @return  what the call throws, or nothing
template <class Call>
std::string thrown_by(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return std::string("`") + error.what() + "`";
  }
  return {};
}

}  // namespace detail

/// Compares a gradient with central differences of its function, coordinate by coordinate.
///
/// A coordinate is certified by its relative error alone. Where a derivative is so small that the differences hold
/// nothing but rounding errors, it is excused if it agrees to within their floor
///
///   4 noise eps max(|f(x)|, max_i |g_i| max(|x_i|, 1)) / step.
///
/// Also checked: every element of the gradient is written and finite, and the value does not depend on whether the
/// gradient is asked for. A point without coordinates certifies nothing, so it does not pass.
///
/// @param function  see DifferentiableFunction; smooth within `step` of the point
/// @param point     (n)
/// @return          never throws by itself; exceptions of the function pass through
/// @note            6 min(n, max_coordinates) + 2 calls of the function
template <class F>
[[nodiscard]] GradientReport check_gradient(F&& function,
                                            std::span<const double> point,
                                            const CheckGradientOptions& options = {}) {
  static_assert(DifferentiableFunction<F>,
                "reasonembed::check_gradient: function must be callable as double(std::span<const double> x, "
                "std::span<double> gradient)");
  if (point.empty() || options.max_coordinates <= 0) {
    return detail::refuse("no coordinate was checked, which certifies nothing");
  }
  std::vector<double> x(point.begin(), point.end());
  std::vector<double> gradient(x.size(), std::numeric_limits<double>::quiet_NaN());
  const double value = function(std::span<const double>(x), std::span<double>());
  const double value_with_gradient = function(std::span<const double>(x), std::span<double>(gradient));
  if (!std::isfinite(value)) {
    return detail::refuse("the value is not finite");
  }
  if (!(std::abs(value - value_with_gradient) <= 1e-12 * std::abs(value))) {
    return detail::refuse("the value changes when the gradient is asked for");
  }
  double magnitude = std::abs(value);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(gradient[i])) {
      return detail::refuse("gradient[" + std::to_string(i) + "] was not written or is not finite");
    }
    magnitude = std::max(magnitude, std::abs(gradient[i]) * std::max(std::abs(x[i]), 1.0));
  }
  const double floor = 4.0 * options.noise * std::numeric_limits<double>::epsilon() * magnitude / options.step;
  GradientReport report;
  report.passed = true;
  for (const std::size_t i : detail::sample_coordinates(x.size(), options)) {
    const double step = options.step * std::max(std::abs(x[i]), 1.0);
    const double numeric = detail::extrapolated_derivative(function, x, i, step);
    detail::compare(report, i, gradient[i], numeric, floor, options);
  }
  return report;
}

/// The same for a function on a tape, whose result may have any shape: the sum of its elements with fixed random
/// weights is checked with respect to every element of every input.
///
/// Also checked: the function throws with leaves if and only if it throws with constants (`threw` is then set, and
/// nothing is certified); the values have the same bits in both cases; a repeat gives the same bits.
///
/// @param function  see TapeFunction
/// @param inputs    values of the inputs, any shapes
/// @return          never throws; inputs without elements certify nothing, but the function and its backward are run
template <class F>
[[nodiscard]] GradientReport check_gradient(F&& function,
                                            std::span<const Matrix<double>> inputs,
                                            const CheckGradientOptions& options = {}) {
  static_assert(TapeFunction<F>,
                "reasonembed::check_gradient: function must be callable as Var<double>(Tape<double>& tape, const "
                "std::vector<Var<double>>& inputs)");
  std::vector<double> x;
  for (const Matrix<double>& input : inputs) {
    x.insert(x.end(), input.flat().begin(), input.flat().end());
  }
  detail::TapeRunner run(function, inputs, options.seed);
  std::array<double, 3> value{};
  std::vector<double> first(x.size());
  std::vector<double> second(x.size());
  const std::string plain = detail::thrown_by([&] { value[0] = run(x, {}); });
  const std::string recorded = detail::thrown_by([&] { run.run_with_leaves(); });
  if (plain != recorded) {
    return detail::refuse("throws " + (plain.empty() ? "nothing" : plain) + " without gradients, " +
                          (recorded.empty() ? "nothing" : recorded) + " with them");
  }
  if (!plain.empty()) {
    GradientReport report = detail::refuse("throws " + plain + ", which certifies nothing");
    report.threw = true;
    return report;
  }
  if (!x.empty()) {
    value[1] = run(x, first);
    value[2] = run(x, second);
    if (!detail::same_bits(std::span(value).first(2), std::span(value).last(2)) || !detail::same_bits(first, second)) {
      return detail::refuse("the bits differ between constants, leaves and a repeat");
    }
  }
  GradientReport report = check_gradient(run, std::span<const double>(x), options);
  Index start = 0;
  for (std::size_t i = 0; i < inputs.size(); start += inputs[i].rows() * inputs[i].cols(), ++i) {
    const Index local = report.worst - start;
    if (report.worst >= start && local < inputs[i].rows() * inputs[i].cols()) {
      report.location = "input " + std::to_string(i) + " (" + std::to_string(local / inputs[i].cols()) + ", " +
                        std::to_string(local % inputs[i].cols()) + ")";
    }
  }
  return report;
}

}  // namespace reasonembed::autograd
