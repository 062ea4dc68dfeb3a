#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/elementwise.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::optim {

/// The Euclidean length of a vector, added up in double.
///
///   |x| = sqrt(sum_i x_i^2)
///
/// @param x  (n) float or double
/// @return   NaN or infinity if an element is, or if a sum of squares of doubles overflows
/// @note     O(n), no allocation. Sixteen sums take the elements in turn and are then added in pairs: the order depends
///           on n alone, on every processor
template <class T>
[[nodiscard]] double gradient_norm(std::span<T> x) {
  static_assert(std::is_floating_point_v<T>, "reasonembed::optim::gradient_norm: elements must be float or double");
  constexpr std::size_t kSums = 16;
  std::array<double, kSums> sums{};
  std::size_t i = 0;
  for (; i + kSums <= x.size(); i += kSums) {
    for (std::size_t lane = 0; lane < kSums; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; i + lane < x.size(); ++lane) {
    const auto value = static_cast<double>(x[i + lane]);
    sums[lane] += value * value;
  }
  for (std::size_t half = kSums / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) {
      sums[lane] += sums[lane + half];
    }
  }
  return std::sqrt(sums[0]);
}

/// Shortens a gradient to a length, as torch.nn.utils.clip_grad_norm_ does.
///
///   g <- g min(1, c / (|g| + 1e-6))                                                [Pascanu et al. 2013, alg. 1]
///
/// @param gradient  (n) of all parameters together, as GradientAllocator lays it out; unchanged if the factor is 1 or
///                  the norm is not finite
/// @param max_norm  c, > 0; infinity only measures
/// @return          |g| before; NaN or infinity says that an element is: the caller decides, nothing was changed
/// @throws          ConfigError if max_norm is not > 0
/// @note            O(n), no allocation; order of the sum as in gradient_norm
template <class T>
double clip_gradient_norm(std::span<T> gradient, double max_norm) {
  if (!(max_norm > 0.0)) {
    throw ConfigError::invalid("optim::clip_gradient_norm", "max_norm", std::to_string(max_norm), "a number > 0");
  }
  const double norm = gradient_norm(gradient);
  const double factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1.0) {
    const MatrixView<T> values(gradient.data(), 1, static_cast<Index>(gradient.size()));
    simd::scale(values, static_cast<T>(factor), values);
  }
  return norm;
}

}  // namespace reasonembed::optim
