#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/math.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// sum_i x_i y_i
///
/// @param x  (N)
/// @param y  (N)
/// @throws ShapeError if the lengths differ
/// @note   O(N), no allocation; the order of the sum depends on N alone
template <class T, class U, class Arch = CompiledArch>
  requires std::is_same_v<std::remove_const_t<T>, std::remove_const_t<U>>
[[nodiscard]] std::remove_const_t<T> dot(std::span<T> x, std::span<U> y) {
  using S = std::remove_const_t<T>;
  require_extent("simd::dot", "y.size()", static_cast<Index>(y.size()), static_cast<Index>(x.size()));
  return sum_lanes<S, Arch, 1>(static_cast<Index>(x.size()), [&](auto lanes, auto& sums) {
    sums[0] = BatchOps<S, Arch>::fma(lanes.load(x.data()), lanes.load(y.data()), sums[0]);
  })[0];
}

/// sum_i x_i
///
/// @param x  (N)
/// @note   O(N), no allocation; the order of the sum depends on N alone
template <class T, class Arch = CompiledArch>
[[nodiscard]] std::remove_const_t<T> sum(std::span<T> x) {
  return sum_lanes<std::remove_const_t<T>, Arch, 1>(
      static_cast<Index>(x.size()), [&](auto lanes, auto& sums) { sums[0] = sums[0] + lanes.load(x.data()); })[0];
}

namespace detail {

/// @return  max_i factor x_i, -infinity of none; unspecified if there is a NaN
template <class T, class Arch>
[[nodiscard]] T largest_multiple(const T* x, Index size, T factor) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  const auto top = fold_lanes<T, Arch, 1>(
      size,
      -std::numeric_limits<T>::infinity(),
      [&](auto lanes, auto& folded) { folded[0] = Ops::at_least(lanes.load(x) * B(factor), folded[0]); },
      [](B a, B b) { return Ops::at_least(a, b); });
  return Ops::max(top[0]);
}

/// y_i = e^(factor x_i - shift)
///
/// @return  sum_i y_i
template <class T, class Arch>
T exponentiate(const T* x, T* y, Index size, T factor, T shift) {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  return sum_lanes<T, Arch, 1>(size, [&](auto lanes, auto& sums) {
    const B e = BatchMath<T, Arch>::exp(Ops::fma(lanes.load(x), B(factor), B(-shift)));
    lanes.store(y, e);
    sums[0] = sums[0] + e;
  })[0];
}

/// @return  sum_i e^(x_i - shift)
template <class T, class Arch>
[[nodiscard]] T sum_of_exponentials(const T* x, Index size, T shift) {
  const Batch<T, Arch> subtract(shift);
  return sum_lanes<T, Arch, 1>(
      size, [&](auto lanes, auto& sums) { sums[0] = sums[0] + BatchMath<T, Arch>::exp(lanes.load(x) - subtract); })[0];
}

}  // namespace detail

/// log sum_i e^x_i, without overflow.
///
/// @param x  (N)
/// @return   -infinity if N is 0 or all elements are -infinity; infinity if one is and none is NaN; NaN if one is
/// @note     O(N), no allocation; the order of the sum depends on N alone. For N <= 1024 to 3 ulp of the largest of 1,
///           |max_i x_i| and the result
template <class T, class Arch = CompiledArch>
[[nodiscard]] std::remove_const_t<T> log_sum_exp(std::span<T> x) {
  using S = std::remove_const_t<T>;
  const auto size = static_cast<Index>(x.size());
  const S top = detail::largest_multiple<S, Arch>(x.data(), size, S{1});
  const S shift = std::isinf(top) ? S{0} : top;
  return shift + std::log(detail::sum_of_exponentials<S, Arch>(x.data(), size, shift));
}

/// y_i = e^x_i / sum_j e^x_j, the largest element subtracted first.
///
/// @param x  (N)
/// @param y  (N), overwritten; may be x
/// @throws ShapeError if the lengths differ
/// @note   O(N), no allocation; an infinite or NaN element makes what the formula makes of it: mostly NaN. The order of
///         the sum depends on N alone. For N <= 1024 to 6 ulp where x_i is within 1 of the largest, 14 within 16: the
///         difference of the two is rounded
template <class T, class Arch = CompiledArch>
void softmax(std::type_identity_t<std::span<const T>> x, std::span<T> y) {
  using B = Batch<T, Arch>;
  const auto size = static_cast<Index>(x.size());
  require_extent("simd::softmax", "y.size()", static_cast<Index>(y.size()), size);
  const T top = detail::largest_multiple<T, Arch>(x.data(), size, T{1});
  const T sum = detail::exponentiate<T, Arch>(x.data(), y.data(), size, T{1}, top);
  const B inverse(T{1} / sum);
  for_each_lanes<T, Arch>(size, [&](auto lanes) { lanes.store(y.data(), lanes.load(y.data()) * inverse); });
}

/// @param x  (N)
/// @return   the index of the first NaN or infinity, or -1
/// @note     O(N), no allocation
template <class T, class Arch = CompiledArch>
[[nodiscard]] Index first_non_finite(std::span<T> x) {
  using S = std::remove_const_t<T>;
  constexpr std::size_t kBlock = 4096;
  for (std::size_t first = 0; first < x.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, x.size() - first);
    const S* block = x.data() + first;
    // 0 x is 0 for finite numbers, NaN otherwise
    const S zeros = sum_lanes<S, Arch, 1>(static_cast<Index>(count), [&](auto lanes, auto& sums) {
      sums[0] = sums[0] + lanes.load(block) * Batch<S, Arch>(S{0});
    })[0];
    if (zeros == S{0}) {
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(block[i])) {
        return static_cast<Index>(first + i);
      }
    }
  }
  return -1;
}

/// As above.
[[nodiscard]] inline Index first_non_finite(std::span<const bf16> x) {
  const auto infinite = [](bf16 value) { return (value.bits & 0x7F80U) == 0x7F80U; };
  constexpr std::size_t kBlock = 4096;
  for (std::size_t first = 0; first < x.size(); first += kBlock) {
    const std::span<const bf16> block = x.subspan(first, std::min(kBlock, x.size() - first));
    unsigned found = 0;  // without a way out, so that compilers vectorise it
    for (const bf16 value : block) {
      found |= infinite(value) ? 1U : 0U;
    }
    if (found != 0) {
      return static_cast<Index>(first) + (std::find_if(block.begin(), block.end(), infinite) - block.begin());
    }
  }
  return -1;
}

/// @param x  (N)
/// @return   whether no element is NaN or infinite
/// @note     O(N), no allocation
template <class T, class Arch = CompiledArch>
[[nodiscard]] bool all_finite(std::span<T> x) {
  return first_non_finite<T, Arch>(x) < 0;
}

/// @param x       (N)
/// @param bounds  (N)
/// @param from    where to begin
/// @return        the first index i >= from whose x_i is not both finite and below bounds_i, or -1
/// @throws        ShapeError if the lengths differ
/// @note          O(N), no allocation; scores against the least that a ranking takes, of which hardly any reaches it
template <class T, class Arch = CompiledArch>
[[nodiscard]] Index first_not_below(std::span<const T> x, std::span<const T> bounds, Index from = 0) {
  using B = Batch<T, Arch>;
  const auto size = static_cast<Index>(x.size());
  require_extent("simd::first_not_below", "bounds.size()", static_cast<Index>(bounds.size()), size);
  constexpr T kLowest = std::numeric_limits<T>::lowest();
  constexpr auto kLanes = static_cast<Index>(B::size);
  Index i = from;
  for (; i + kLanes <= size; i += kLanes) {
    const B values = B::load_unaligned(x.data() + i);
    if (!BatchOps<T, Arch>::all(values < B::load_unaligned(bounds.data() + i) && values >= B(kLowest))) {
      break;
    }
  }
  for (; i < size; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    if (!(x[at] < bounds[at] && x[at] >= kLowest)) {  // NaN is neither, infinity not below anything
      return i;
    }
  }
  return -1;
}

}  // namespace reasonembed::simd
