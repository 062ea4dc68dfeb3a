#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/math.hpp>

#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// The exact Gaussian error linear unit.
///
///   y = x Phi(x) = x (1 + erf(x / sqrt 2)) / 2                                         [Hendrycks & Gimpel 2016]
///
/// @param x  (T, D)
/// @param y  (T, D), overwritten; may be x
/// @throws ShapeError if the shapes differ
/// @note   6 ulp in both tails as long as Phi(x) is a normal number (x > -12.9 in float, -37.5 in double);
///         gelu(-infinity) is -0, the limit. O(T D), no allocation; an element's bits depend on its value alone
template <class T, class Arch = CompiledArch>
void gelu(std::type_identity_t<MatrixView<const T>> x, MatrixView<T> y) {
  using Ops = BatchOps<T, Arch>;
  using Math = BatchMath<T, Arch>;
  using B = Batch<T, Arch>;
  require_same_shape("simd::gelu", "y.rows()", "y.cols()", y, x);
  map<Arch>(y, [](B v) { return Ops::at_least(v, B(-Math::kNormalLargest)) * Math::normal(v).cdf; }, x);
}

/// The gradient of gelu.
///
///   dx = dy (Phi(x) + x Phi'(x))
///
/// @param x   (T, D), the input of gelu
/// @param dy  (T, D)
/// @param dx  (T, D), overwritten; may be dy or x
/// @throws ShapeError if the shapes differ
/// @note   to 6 ulp of the larger term; otherwise as gelu
template <class T, class Arch = CompiledArch>
void gelu_vjp(std::type_identity_t<MatrixView<const T>> x,
              std::type_identity_t<MatrixView<const T>> dy,
              MatrixView<T> dx) {
  using Ops = BatchOps<T, Arch>;
  using Math = BatchMath<T, Arch>;
  using B = Batch<T, Arch>;
  require_same_shape("simd::gelu_vjp", "dy.rows()", "dy.cols()", dy, x);
  require_same_shape("simd::gelu_vjp", "dx.rows()", "dx.cols()", dx, x);
  const auto kernel = [](B v, B d) {
    const auto normal = Math::normal(v);
    const B bounded = Ops::at_most(Ops::at_least(v, B(-Math::kNormalLargest)), B(Math::kNormalLargest));
    return d * Ops::fma(bounded, normal.density, normal.cdf);
  };
  map<Arch>(dx, kernel, x, dy);
}

/// The gated unit of SwiGLU.
///
///   y = silu(gate) up,  silu(g) = g / (1 + e^-g)                                                  [Shazeer 2020]
///
/// @param gate  (T, D)
/// @param up    (T, D)
/// @param y     (T, D), overwritten; may be gate or up
/// @throws ShapeError if the shapes differ
/// @note   4 ulp where y and 1 / (1 + e^-gate) are normal; silu(-infinity) is -0, the limit. O(T D), no allocation; an
///         element's bits depend on its values alone
template <class T, class Arch = CompiledArch>
void silu_multiply(std::type_identity_t<MatrixView<const T>> gate,
                   std::type_identity_t<MatrixView<const T>> up,
                   MatrixView<T> y) {
  using Ops = BatchOps<T, Arch>;
  using Math = BatchMath<T, Arch>;
  using B = Batch<T, Arch>;
  require_same_shape("simd::silu_multiply", "up.rows()", "up.cols()", up, gate);
  require_same_shape("simd::silu_multiply", "y.rows()", "y.cols()", y, gate);
  const auto kernel = [](B g, B u) { return (Ops::at_least(g, B(Math::kExpLowest)) * Math::logistic(g).value) * u; };
  map<Arch>(y, kernel, gate, up);
}

/// The gradients of silu_multiply.
///
///   dup = dy silu(gate),  dgate = dy up s (1 + gate (1 - s)),  s = 1 / (1 + e^-gate)
///
/// @param gate   (T, D), an input of silu_multiply
/// @param up     (T, D), the other
/// @param dy     (T, D)
/// @param dgate  (T, D), overwritten; may be gate, up or dy
/// @param dup    (T, D), overwritten; may be gate, up or dy, but not dgate
/// @throws ShapeError if the shapes differ
/// @note   dup to 4 ulp, dgate to 6 of the larger term; otherwise as silu_multiply
template <class T, class Arch = CompiledArch>
void silu_multiply_vjp(std::type_identity_t<MatrixView<const T>> gate,
                       std::type_identity_t<MatrixView<const T>> up,
                       std::type_identity_t<MatrixView<const T>> dy,
                       MatrixView<T> dgate,
                       MatrixView<T> dup) {
  using Ops = BatchOps<T, Arch>;
  using Math = BatchMath<T, Arch>;
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::silu_multiply_vjp";
  require_same_shape(kWhere, "up.rows()", "up.cols()", up, gate);
  require_same_shape(kWhere, "dy.rows()", "dy.cols()", dy, gate);
  require_same_shape(kWhere, "dgate.rows()", "dgate.cols()", dgate, gate);
  require_same_shape(kWhere, "dup.rows()", "dup.cols()", dup, gate);
  for (Index row = 0; row < gate.rows(); ++row) {
    const T* g_row = gate.data() + row * gate.stride();
    const T* u_row = up.data() + row * up.stride();
    const T* d_row = dy.data() + row * dy.stride();
    for_each_lanes<T, Arch>(gate.cols(), [&](auto lanes) {
      const B g = Ops::at_most(Ops::at_least(lanes.load(g_row), B(Math::kExpLowest)), B(-Math::kExpLowest));
      const B u = lanes.load(u_row);
      const B d = lanes.load(d_row);
      const auto s = Math::logistic(g);
      lanes.store(dup.data() + row * dup.stride(), d * (g * s.value));
      lanes.store(dgate.data() + row * dgate.stride(), (d * u) * (s.value * Ops::fma(g, s.complement, B(T{1}))));
    });
  }
}

}  // namespace reasonembed::simd
