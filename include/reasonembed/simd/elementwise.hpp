#pragma once
/// @file Sums and products of elements, each rounded correctly.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// out = x + y
///
/// @param x    (T, D)
/// @param y    (T, D)
/// @param out  (T, D), overwritten; may be x or y
/// @throws ShapeError if the shapes differ
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void add(std::type_identity_t<MatrixView<const T>> x, std::type_identity_t<MatrixView<const T>> y, MatrixView<T> out) {
  using B = Batch<T, Arch>;
  require_same_shape("simd::add", "y.rows()", "y.cols()", y, x);
  require_same_shape("simd::add", "out.rows()", "out.cols()", out, x);
  map<Arch>(out, [](B a, B b) { return a + b; }, x, y);
}

/// y += x
///
/// @param x  (T, D)
/// @param y  (T, D)
/// @throws ShapeError if the shapes differ
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void accumulate(std::type_identity_t<MatrixView<const T>> x, MatrixView<T> y) {
  using B = Batch<T, Arch>;
  require_same_shape("simd::accumulate", "y.rows()", "y.cols()", y, x);
  map<Arch>(y, [](B a, B b) { return a + b; }, MatrixView<const T>(y), x);
}

/// y = a x
///
/// @param x  (T, D)
/// @param y  (T, D), overwritten; may be x
/// @throws ShapeError if the shapes differ
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void scale(std::type_identity_t<MatrixView<const T>> x, std::type_identity_t<T> a, MatrixView<T> y) {
  using B = Batch<T, Arch>;
  require_same_shape("simd::scale", "y.rows()", "y.cols()", y, x);
  map<Arch>(y, [factor = B(a)](B v) { return factor * v; }, x);
}

/// out = x y, element by element
///
/// @param x    (T, D)
/// @param y    (T, D)
/// @param out  (T, D), overwritten; may be x or y
/// @throws ShapeError if the shapes differ
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void multiply(std::type_identity_t<MatrixView<const T>> x,
              std::type_identity_t<MatrixView<const T>> y,
              MatrixView<T> out) {
  using B = Batch<T, Arch>;
  require_same_shape("simd::multiply", "y.rows()", "y.cols()", y, x);
  require_same_shape("simd::multiply", "out.rows()", "out.cols()", out, x);
  map<Arch>(out, [](B a, B b) { return a * b; }, x, y);
}

/// y_d += sum_t x_td, the gradient of a bias.
///
/// @param x  (T, D)
/// @param y  (D), accumulated
/// @throws ShapeError if y does not have D elements
/// @note   O(T D), no allocation. Blocks of 64 rows are summed in row order, then added to y in order: the error grows
///         with 64 + T / 64 and not with T, and the order depends on T alone
template <class T, class Arch = CompiledArch>
void column_sums(std::type_identity_t<MatrixView<const T>> x, std::span<T> y) {
  using B = Batch<T, Arch>;
  constexpr Index kBlock = 64;
  require_extent("simd::column_sums", "y.size()", static_cast<Index>(y.size()), x.cols());
  for (Index first = 0; first < x.rows(); first += kBlock) {
    const Index last = std::min(first + kBlock, x.rows());
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) {
      B sum(T{0});
      for (Index row = first; row < last; ++row) {
        sum = sum + lanes.load(x.data() + row * x.stride());
      }
      lanes.store(y.data(), lanes.load(y.data()) + sum);
    });
  }
}

}  // namespace reasonembed::simd
