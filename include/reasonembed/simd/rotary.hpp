#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Cosine and sine of every token's rotary angles.
///
///   angle_ti = position_t * f_i,  position_t = t - first token of its sequence          [Su et al. 2021, eq. 34]
///
/// The angle is rounded to float, as the programs that trained published checkpoints do; cosine and sine are then taken
/// in double and rounded to T.
///
/// @param offsets              (B + 1) first token of each sequence, then T
/// @param inverse_frequencies  (H), half a head
/// @param cosine               (T, H), overwritten
/// @param sine                 (T, H), overwritten
/// @throws ShapeError if the shapes do not fit
/// @note   to 1 ulp for the angle in float, as exact as the C library is; O(L H) cosines for a longest sequence of L
///         tokens, O(T H) copies; no allocation
template <class T>
void rotary_table(std::span<const std::int32_t> offsets,
                  std::span<const float> inverse_frequencies,
                  MatrixView<T> cosine,
                  MatrixView<T> sine) {
  constexpr const char* kWhere = "simd::rotary_table";
  const auto half = static_cast<Index>(inverse_frequencies.size());
  require_extent(kWhere, "cosine.cols()", cosine.cols(), half);
  require_same_shape(kWhere, "sine.rows()", "sine.cols()", sine, cosine);
  require_offsets(kWhere, offsets, cosine.rows());
  Index known = 0;        // the longest sequence so far ...
  Index known_first = 0;  // ... and where its rows lie
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    const Index first = offsets[b];
    const Index length = offsets[b + 1] - first;
    for (Index position = 0; position < length; ++position) {
      T* cos_row = cosine.data() + (first + position) * cosine.stride();
      T* sin_row = sine.data() + (first + position) * sine.stride();
      if (position < known) {
        std::copy_n(cosine.data() + (known_first + position) * cosine.stride(), half, cos_row);
        std::copy_n(sine.data() + (known_first + position) * sine.stride(), half, sin_row);
        continue;
      }
      for (Index i = 0; i < half; ++i) {
        const float angle = static_cast<float>(position) * inverse_frequencies[static_cast<std::size_t>(i)];
        cos_row[i] = static_cast<T>(std::cos(static_cast<double>(angle)));
        sin_row[i] = static_cast<T>(std::sin(static_cast<double>(angle)));
      }
    }
    if (length > known) {
      known = length;
      known_first = first;
    }
  }
}

namespace detail {

/// How the operands of a rotation are called in messages.
struct RotationNames {
  const char* where;
  const char* x_cols;
  const char* y_rows;
  const char* y_cols;
};

/// @tparam kInverse  rotate by the negative angle
template <class T, class Arch, bool kInverse>
void rotate_heads(const RotationNames& names,
                  MatrixView<const T> x,
                  MatrixView<const T> cosine,
                  MatrixView<const T> sine,
                  MatrixView<T> y) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  const Index half = cosine.cols();
  require_same_shape(names.where, "sine.rows()", "sine.cols()", sine, cosine);
  require_extent(names.where, "cosine.rows()", cosine.rows(), x.rows());
  require_same_shape(names.where, names.y_rows, names.y_cols, y, x);
  if (half == 0 ? x.cols() != 0 : x.cols() % (2 * half) != 0) {
    const std::string want = "a multiple of 2 * cosine.cols() = " + std::to_string(2 * half);
    throw ShapeError::invalid(names.where, names.x_cols, std::to_string(x.cols()), want);
  }
  for (Index t = 0; t < x.rows(); ++t) {
    const T* cos_row = cosine.data() + t * cosine.stride();
    const T* sin_row = sine.data() + t * sine.stride();
    for (Index head = 0; head < x.cols(); head += 2 * half) {
      const T* in = x.data() + t * x.stride() + head;
      T* out = y.data() + t * y.stride() + head;
      for_each_lanes<T, Arch>(half, [&](auto lanes) {
        const B c = lanes.load(cos_row);
        const B s = kInverse ? -lanes.load(sin_row) : lanes.load(sin_row);
        const B first = lanes.load(in);
        const B second = lanes.load(in + half);
        lanes.store(out, Ops::negated_fma(second, s, first * c));
        lanes.store(out + half, Ops::fma(first, s, second * c));
      });
    }
  }
}

}  // namespace detail

/// Turns each pair (x_i, x_{i+H}) of each head by its token's i-th angle: the half-split form of published checkpoints.
///
///   y_i = x_i cos_ti - x_{i+H} sin_ti,  y_{i+H} = x_{i+H} cos_ti + x_i sin_ti           [Su et al. 2021, eq. 34]
///
/// @param x       (T, heads 2 H)
/// @param cosine  (T, H), of rotary_table
/// @param sine    (T, H), of rotary_table
/// @param y       (T, heads 2 H), overwritten; may be x
/// @throws ShapeError if the shapes do not fit
/// @note   to 2 ulp of the larger product; O(T heads H), no allocation; a token's bits depend on its own values alone
template <class T, class Arch = CompiledArch>
void rotate(std::type_identity_t<MatrixView<const T>> x,
            std::type_identity_t<MatrixView<const T>> cosine,
            std::type_identity_t<MatrixView<const T>> sine,
            MatrixView<T> y) {
  detail::rotate_heads<T, Arch, false>({"simd::rotate", "x.cols()", "y.rows()", "y.cols()"}, x, cosine, sine, y);
}

/// The gradient of rotate: the rotation by the negative angles.
///
///   dx_i = dy_i cos_ti + dy_{i+H} sin_ti,  dx_{i+H} = dy_{i+H} cos_ti - dy_i sin_ti
///
/// @param dy      (T, heads 2 H)
/// @param cosine  (T, H), as given to rotate
/// @param sine    (T, H), as given to rotate
/// @param dx      (T, heads 2 H), overwritten; may be dy
/// @throws ShapeError if the shapes do not fit
/// @note   as rotate
template <class T, class Arch = CompiledArch>
void rotate_vjp(std::type_identity_t<MatrixView<const T>> dy,
                std::type_identity_t<MatrixView<const T>> cosine,
                std::type_identity_t<MatrixView<const T>> sine,
                MatrixView<T> dx) {
  detail::rotate_heads<T, Arch, true>(
      {"simd::rotate_vjp", "dy.cols()", "dx.rows()", "dx.cols()"}, dy, cosine, sine, dx);
}

}  // namespace reasonembed::simd
