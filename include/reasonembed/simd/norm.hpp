#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>

#include <cmath>
#include <span>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

template <class T>
void require_size(std::string_view where, std::string_view what, std::span<T> values, Index want) {
  require_extent(where, what, static_cast<Index>(values.size()), want);
}
template <class T>
void require_size_or_empty(std::string_view where, std::string_view what, std::span<T> values, Index want) {
  if (!values.empty()) {
    require_size(where, what, values, want);
  }
}

}  // namespace detail

/// Layer normalisation: zero mean and unit variance over the width of each token, then gain and bias.
///
///   y_td = g_d (x_td - m_t) / sqrt(v_t + eps) + b_d                                      [Ba et al. 2016, eq. 4]
///
/// with the mean m_t and the biased variance v_t of x_t, in two passes (no cancellation).
///
/// @param x        (T, D)
/// @param gain     (D)
/// @param bias     (D)
/// @param eps      added to the variance
/// @param y        (T, D), overwritten; may be x
/// @param mean     (T) or empty, overwritten with m
/// @param inv_std  (T) or empty, overwritten with 1 / sqrt(v + eps)
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation; a token's bits depend on its own values alone. For D <= 1024 to 6 ulp of the largest
///         of y, b and g mean_d(|x|) / sqrt(v + eps)
template <class T, class Arch = CompiledArch>
void layer_norm(std::type_identity_t<MatrixView<const T>> x,
                std::type_identity_t<std::span<const T>> gain,
                std::type_identity_t<std::span<const T>> bias,
                std::type_identity_t<T> eps,
                MatrixView<T> y,
                std::type_identity_t<std::span<T>> mean = {},
                std::type_identity_t<std::span<T>> inv_std = {}) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::layer_norm";
  detail::require_size(kWhere, "gain.size()", gain, x.cols());
  detail::require_size(kWhere, "bias.size()", bias, x.cols());
  require_same_shape(kWhere, "y.rows()", "y.cols()", y, x);
  detail::require_size_or_empty(kWhere, "mean.size()", mean, x.rows());
  detail::require_size_or_empty(kWhere, "inv_std.size()", inv_std, x.rows());
  const auto width = static_cast<T>(x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const T* in = x.data() + t * x.stride();
    T* out = y.data() + t * y.stride();
    const auto total =
        sum_lanes<T, Arch, 1>(x.cols(), [&](auto lanes, auto& sums) { sums[0] = sums[0] + lanes.load(in); });
    const T centre = total[0] / width;
    const B centres(centre);
    const auto squares = sum_lanes<T, Arch, 1>(x.cols(), [&](auto lanes, auto& sums) {
      const B d = lanes.load(in) - centres;
      sums[0] = Ops::fma(d, d, sums[0]);
    });
    const T inverse = T{1} / std::sqrt(squares[0] / width + eps);
    const B inverses(inverse);
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) {
      const B normal = (lanes.load(in) - centres) * inverses;
      lanes.store(out, Ops::fma(normal, lanes.load(gain.data()), lanes.load(bias.data())));
    });
    if (!mean.empty()) {
      mean[static_cast<std::size_t>(t)] = centre;
    }
    if (!inv_std.empty()) {
      inv_std[static_cast<std::size_t>(t)] = inverse;
    }
  }
}

/// The gradients of layer_norm, with n_td = (x_td - m_t) / sqrt(v_t + eps).
///
///   dx_td = (a_td - mean_d(a_t) - n_td mean_d(a_t n_t)) / sqrt(v_t + eps),  a_td = dy_td g_d
///   dg_d += sum_t dy_td n_td,  db_d += sum_t dy_td
///
/// @param x        (T, D), the input of layer_norm
/// @param gain     (D)
/// @param mean     (T), from layer_norm
/// @param inv_std  (T), from layer_norm
/// @param dy       (T, D)
/// @param dx       (T, D), overwritten; may be dy or x
/// @param dgain    (D), accumulated in token order; empty if gain and bias are frozen
/// @param dbias    (D), accumulated in token order; empty likewise
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void layer_norm_vjp(std::type_identity_t<MatrixView<const T>> x,
                    std::type_identity_t<std::span<const T>> gain,
                    std::type_identity_t<std::span<const T>> mean,
                    std::type_identity_t<std::span<const T>> inv_std,
                    std::type_identity_t<MatrixView<const T>> dy,
                    MatrixView<T> dx,
                    std::type_identity_t<std::span<T>> dgain,
                    std::type_identity_t<std::span<T>> dbias) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::layer_norm_vjp";
  detail::require_size(kWhere, "gain.size()", gain, x.cols());
  detail::require_size(kWhere, "mean.size()", mean, x.rows());
  detail::require_size(kWhere, "inv_std.size()", inv_std, x.rows());
  require_same_shape(kWhere, "dy.rows()", "dy.cols()", dy, x);
  require_same_shape(kWhere, "dx.rows()", "dx.cols()", dx, x);
  const bool learns = !(dgain.empty() && dbias.empty());
  detail::require_size(kWhere, "dgain.size()", dgain, learns ? x.cols() : 0);
  detail::require_size(kWhere, "dbias.size()", dbias, learns ? x.cols() : 0);
  const auto width = static_cast<T>(x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const T* in = x.data() + t * x.stride();
    const T* d_out = dy.data() + t * dy.stride();
    T* d_in = dx.data() + t * dx.stride();
    const B centre(mean[static_cast<std::size_t>(t)]);
    const B inverse(inv_std[static_cast<std::size_t>(t)]);
    const auto sums_of_row = sum_lanes<T, Arch, 2>(x.cols(), [&](auto lanes, auto& sums) {
      const B normal = (lanes.load(in) - centre) * inverse;
      const B d = lanes.load(d_out);
      const B a = d * lanes.load(gain.data());
      sums[0] = sums[0] + a;
      sums[1] = Ops::fma(a, normal, sums[1]);
      if (learns) {
        lanes.store(dgain.data(), Ops::fma(d, normal, lanes.load(dgain.data())));
        lanes.store(dbias.data(), lanes.load(dbias.data()) + d);
      }
    });
    const B mean_a(sums_of_row[0] / width);
    const B mean_an(sums_of_row[1] / width);
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) {
      const B normal = (lanes.load(in) - centre) * inverse;
      const B a = lanes.load(d_out) * lanes.load(gain.data());
      lanes.store(d_in, inverse * Ops::negated_fma(normal, mean_an, a - mean_a));
    });
  }
}

/// Root-mean-square normalisation over the width of each token.
///
///   y_td = g_d x_td / sqrt(mean_d(x_td^2) + eps)                                [Zhang & Sennrich 2019, eq. 4]
///
/// @param x        (T, D)
/// @param gain     (D)
/// @param eps      added to the mean square
/// @param y        (T, D), overwritten; may be x
/// @param inv_rms  (T) or empty, overwritten with 1 / sqrt(mean_d(x_td^2) + eps)
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation; a token's bits depend on its own values alone. For D <= 1024 to 6 ulp
template <class T, class Arch = CompiledArch>
void rms_norm(std::type_identity_t<MatrixView<const T>> x,
              std::type_identity_t<std::span<const T>> gain,
              std::type_identity_t<T> eps,
              MatrixView<T> y,
              std::type_identity_t<std::span<T>> inv_rms = {}) {
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::rms_norm";
  detail::require_size(kWhere, "gain.size()", gain, x.cols());
  require_same_shape(kWhere, "y.rows()", "y.cols()", y, x);
  detail::require_size_or_empty(kWhere, "inv_rms.size()", inv_rms, x.rows());
  const auto width = static_cast<T>(x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const T* in = x.data() + t * x.stride();
    T* out = y.data() + t * y.stride();
    const auto squares = sum_lanes<T, Arch, 1>(x.cols(), [&](auto lanes, auto& sums) {
      const B v = lanes.load(in);
      sums[0] = BatchOps<T, Arch>::fma(v, v, sums[0]);
    });
    const T inverse = T{1} / std::sqrt(squares[0] / width + eps);
    for_each_lanes<T, Arch>(
        x.cols(), [&](auto lanes) { lanes.store(out, (lanes.load(in) * B(inverse)) * lanes.load(gain.data())); });
    if (!inv_rms.empty()) {
      inv_rms[static_cast<std::size_t>(t)] = inverse;
    }
  }
}

/// The gradients of rms_norm, with r_t = inv_rms_t and a_td = dy_td g_d.
///
///   dx_td = r_t (a_td - n_td mean_d(a_t n_t)),  n_td = x_td r_t,  dg_d += sum_t dy_td n_td
///
/// @param x        (T, D), the input of rms_norm
/// @param gain     (D)
/// @param inv_rms  (T), from rms_norm
/// @param dy       (T, D)
/// @param dx       (T, D), overwritten; may be dy or x
/// @param dgain    (D), accumulated in token order; empty if the gain is frozen
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void rms_norm_vjp(std::type_identity_t<MatrixView<const T>> x,
                  std::type_identity_t<std::span<const T>> gain,
                  std::type_identity_t<std::span<const T>> inv_rms,
                  std::type_identity_t<MatrixView<const T>> dy,
                  MatrixView<T> dx,
                  std::type_identity_t<std::span<T>> dgain) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::rms_norm_vjp";
  detail::require_size(kWhere, "gain.size()", gain, x.cols());
  detail::require_size(kWhere, "inv_rms.size()", inv_rms, x.rows());
  require_same_shape(kWhere, "dy.rows()", "dy.cols()", dy, x);
  require_same_shape(kWhere, "dx.rows()", "dx.cols()", dx, x);
  const bool learns = !dgain.empty();
  detail::require_size(kWhere, "dgain.size()", dgain, learns ? x.cols() : 0);
  const auto width = static_cast<T>(x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const T* in = x.data() + t * x.stride();
    const T* d_out = dy.data() + t * dy.stride();
    T* d_in = dx.data() + t * dx.stride();
    const B inverse(inv_rms[static_cast<std::size_t>(t)]);
    const auto product = sum_lanes<T, Arch, 1>(x.cols(), [&](auto lanes, auto& sums) {
      const B normal = lanes.load(in) * inverse;
      const B d = lanes.load(d_out);
      sums[0] = Ops::fma(d * lanes.load(gain.data()), normal, sums[0]);
      if (learns) {
        lanes.store(dgain.data(), Ops::fma(d, normal, lanes.load(dgain.data())));
      }
    });
    const B mean_an(product[0] / width);
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) {
      const B normal = lanes.load(in) * inverse;
      const B a = lanes.load(d_out) * lanes.load(gain.data());
      lanes.store(d_in, inverse * Ops::negated_fma(normal, mean_an, a));
    });
  }
}

/// The shortest length that l2_normalize divides by, that of torch.nn.functional.normalize.
inline constexpr double kL2NormalizeShortest = 1e-12;

/// Scales each row to unit length.
///
///   y_t = x_t / max(|x_t|, 1e-12)
///
/// @param x         (T, D)
/// @param y         (T, D), overwritten; may be x
/// @param inv_norm  (T) or empty, overwritten with 1 / max(|x_t|, 1e-12)
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation; a row's bits depend on its own values alone. For D <= 1024 to 6 ulp where |x_t|^2
///         neither underflows nor overflows (lengths from 1e-12 to 1e18 in float)
template <class T, class Arch = CompiledArch>
void l2_normalize(std::type_identity_t<MatrixView<const T>> x,
                  MatrixView<T> y,
                  std::type_identity_t<std::span<T>> inv_norm = {}) {
  using B = Batch<T, Arch>;
  require_same_shape("simd::l2_normalize", "y.rows()", "y.cols()", y, x);
  detail::require_size_or_empty("simd::l2_normalize", "inv_norm.size()", inv_norm, x.rows());
  for (Index t = 0; t < x.rows(); ++t) {
    const T* in = x.data() + t * x.stride();
    T* out = y.data() + t * y.stride();
    const auto squares = sum_lanes<T, Arch, 1>(x.cols(), [&](auto lanes, auto& sums) {
      const B v = lanes.load(in);
      sums[0] = BatchOps<T, Arch>::fma(v, v, sums[0]);
    });
    const T norm = std::sqrt(squares[0]);
    const auto shortest = static_cast<T>(kL2NormalizeShortest);
    const T inverse = T{1} / (norm < shortest ? shortest : norm);  // NaN stays
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) { lanes.store(out, lanes.load(in) * B(inverse)); });
    if (!inv_norm.empty()) {
      inv_norm[static_cast<std::size_t>(t)] = inverse;
    }
  }
}

/// The gradient of l2_normalize.
///
///   dx_t = (dy_t - y_t (y_t . dy_t)) inv_norm_t, and dy_t inv_norm_t where |x_t| <= 1e-12 (a constant divisor)
///
/// @param y         (T, D), the output of l2_normalize
/// @param inv_norm  (T), from l2_normalize
/// @param dy        (T, D)
/// @param dx        (T, D), overwritten; may be dy or y
/// @throws ShapeError if the shapes do not fit
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void l2_normalize_vjp(std::type_identity_t<MatrixView<const T>> y,
                      std::type_identity_t<std::span<const T>> inv_norm,
                      std::type_identity_t<MatrixView<const T>> dy,
                      MatrixView<T> dx) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  constexpr const char* kWhere = "simd::l2_normalize_vjp";
  detail::require_size(kWhere, "inv_norm.size()", inv_norm, y.rows());
  require_same_shape(kWhere, "dy.rows()", "dy.cols()", dy, y);
  require_same_shape(kWhere, "dx.rows()", "dx.cols()", dx, y);
  const T constant_divisor = T{1} / static_cast<T>(kL2NormalizeShortest);
  for (Index t = 0; t < y.rows(); ++t) {
    const T* unit = y.data() + t * y.stride();
    const T* d_out = dy.data() + t * dy.stride();
    T* d_in = dx.data() + t * dx.stride();
    const T inverse = inv_norm[static_cast<std::size_t>(t)];
    const auto along = sum_lanes<T, Arch, 1>(
        y.cols(), [&](auto lanes, auto& sums) { sums[0] = Ops::fma(lanes.load(unit), lanes.load(d_out), sums[0]); });
    const B removed(inverse == constant_divisor ? T{0} : along[0]);
    for_each_lanes<T, Arch>(y.cols(), [&](auto lanes) {
      lanes.store(d_in, Ops::negated_fma(lanes.load(unit), removed, lanes.load(d_out)) * B(inverse));
    });
  }
}

}  // namespace reasonembed::simd
