#pragma once
/// @file The one place that speaks to xsimd: registers of one architecture, and what its versions and architectures do
/// differently. Nothing else in the library names xsimd, so that an upgrade touches this header alone.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/view.hpp>

#include <xsimd/xsimd.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// The instruction set this translation unit is compiled for. Kernels take it as their last template parameter: it is
/// part of their symbol, so that translation units with different flags never share a kernel.
using CompiledArch = xsimd::default_arch;

/// One register of T.
template <class T, class Arch>
using Batch = xsimd::batch<T, Arch>;

/// One truth value for each lane of a register of T.
template <class T, class Arch>
using BatchMask = xsimd::batch_bool<T, Arch>;

namespace detail {

template <class Arch>
inline constexpr bool kIsFma3 = false;
template <class Arch>
inline constexpr bool kIsFma3<xsimd::fma3<Arch>> = true;

template <class Arch>
inline constexpr bool kIsAvx512 = std::is_base_of_v<xsimd::avx512f, Arch>;

template <class Arch>
inline constexpr bool kIsNeon64 = std::is_base_of_v<xsimd::neon64, Arch>;

template <class T>
struct FloatBits;
template <>
struct FloatBits<float> {
  using Integer = std::int32_t;
  static constexpr int kMantissa = 23;
  static constexpr float kRound = 0x1.8p23F;  // x + kRound has x, rounded to an integer, in its lowest bits
  static constexpr float kBias = 127.0F;
  static constexpr std::uint32_t kHighHalf = 0xFFFFF000U;  // 12 significant bits: squares are exact
};
template <>
struct FloatBits<double> {
  using Integer = std::int64_t;
  static constexpr int kMantissa = 52;
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kBias = 1023.0;
  static constexpr std::uint64_t kHighHalf = 0xFFFFFFFFF8000000U;  // 26 significant bits
};

inline constexpr std::size_t kMostLanes = kAlignment / sizeof(float);

template <class T>
constexpr std::array<T, kMostLanes> lane_numbers() {
  std::array<T, kMostLanes> numbers{};
  for (std::size_t lane = 0; lane < kMostLanes; ++lane) {
    numbers[lane] = static_cast<T>(lane);
  }
  return numbers;
}
template <class T>
alignas(kAlignment) inline constexpr std::array<T, kMostLanes> kLaneNumbers = lane_numbers<T>();

/// Combines the lower half of a register with its upper half until one lane is left.
template <Index kLanes, class Register, class F>
auto fold(Register value, const F& combine) {
  if constexpr (kLanes == 2) {
    return combine(value[0], value[1]);
  } else {
    constexpr auto kHalf = static_cast<std::size_t>(kLanes / 2);
    const auto half = [&]<std::size_t... kLane>(std::index_sequence<kLane...>) {
      return combine(__builtin_shufflevector(value, value, kLane...),
                     __builtin_shufflevector(value, value, (kLane + kHalf)...));
    }(std::make_index_sequence<kHalf>());
    return fold<kLanes / 2>(half, combine);
  }
}

}  // namespace detail

/// The operations of one register type. Static members and not free functions: xsimd has functions of the same names,
/// which argument-dependent lookup would find too.
///
/// Only +, -, *, / and comparisons are used directly on batches. The library is compiled with contraction off, so
/// `fma` is the one place where a product and a sum are rounded once: on AVX-512, FMA3 and 64-bit NEON; elsewhere it
/// rounds twice.
///
/// @tparam T     float or double
/// @tparam Arch  an xsimd architecture that the translation unit is compiled for
template <class T, class Arch>
struct BatchOps {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "reasonembed::simd::BatchOps: T must be float or double");
  using B = Batch<T, Arch>;
  using Mask = BatchMask<T, Arch>;
  static constexpr Index kWidth = static_cast<Index>(B::size);
  static constexpr bool kFused = detail::kIsAvx512<Arch> || detail::kIsFma3<Arch> || detail::kIsNeon64<Arch>;

  [[nodiscard]] static B load(const T* from) { return B::load_unaligned(from); }
  static void store(T* to, B value) { value.store_unaligned(to); }

  /// @return  from[0 .. count), then zeros; nothing beyond is read
  /// @pre     0 <= count <= kWidth
  [[nodiscard]] static B load_first(const T* from, Index count) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {
      if constexpr (std::same_as<T, float>) {
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), from);
      } else {
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << count) - 1U), from);
      }
    }
#endif
    alignas(kAlignment) std::array<T, kWidth> lanes{};
    std::copy_n(from, count, lanes.data());
    return B::load_aligned(lanes.data());
  }
  /// Stores the first `count` lanes; nothing beyond is written.
  static void store_first(T* to, B value, Index count) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {
      if constexpr (std::same_as<T, float>) {
        return _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << count) - 1U), value);
      } else {
        return _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1U << count) - 1U), value);
      }
    }
#endif
    alignas(kAlignment) std::array<T, kWidth> lanes;
    value.store_aligned(lanes.data());
    std::copy_n(lanes.data(), count, to);
  }
  /// @return  `value` in the first `count` lanes and `other` in the rest
  [[nodiscard]] static B blend_first(B value, B other, Index count) {
    return select(B::load_aligned(detail::kLaneNumbers<T>.data()) < B(static_cast<T>(count)), value, other);
  }

  /// @return  a b + c; one rounding if kFused
  [[nodiscard]] static B fma(B a, B b, B c) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {  // xsimd 8.1 multiplies and adds here
      if constexpr (std::same_as<T, float>) {
        return _mm512_fmadd_ps(a, b, c);
      } else {
        return _mm512_fmadd_pd(a, b, c);
      }
    }
#endif
    if constexpr (kFused) {
      return xsimd::fma(a, b, c);
    } else {
      return a * b + c;
    }
  }
  /// @return  c - a b; one rounding if kFused
  [[nodiscard]] static B negated_fma(B a, B b, B c) { return fma(-a, b, c); }

  [[nodiscard]] static B select(Mask mask, B if_true, B if_false) { return xsimd::select(mask, if_true, if_false); }
  [[nodiscard]] static bool all(Mask mask) { return xsimd::all(mask); }
  [[nodiscard]] static B sqrt(B x) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {  // g++ 12 warns of the undefined register of the unmasked form
      if constexpr (std::same_as<T, float>) {
        return _mm512_maskz_sqrt_ps(0xFFFF, x);
      } else {
        return _mm512_maskz_sqrt_pd(0xFF, x);
      }
    }
#endif
    return xsimd::sqrt(x);
  }
  [[nodiscard]] static B abs(B x) { return xsimd::abs(x); }
  /// @return  max(x, bound), and NaN for NaN: the maximum of the processors and of xsimd's versions is of two minds
  [[nodiscard]] static B at_least(B x, B bound) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {  // one instruction, which returns its second operand if one is NaN
      if constexpr (std::same_as<T, float>) {
        return _mm512_maskz_max_ps(0xFFFF, bound, x);
      } else {
        return _mm512_maskz_max_pd(0xFF, bound, x);
      }
    }
#endif
    return select(x < bound, bound, x);
  }
  /// @return  min(x, bound), and NaN for NaN
  [[nodiscard]] static B at_most(B x, B bound) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {
      if constexpr (std::same_as<T, float>) {
        return _mm512_maskz_min_ps(0xFFFF, bound, x);
      } else {
        return _mm512_maskz_min_pd(0xFF, bound, x);
      }
    }
#endif
    return select(x > bound, bound, x);
  }

  /// @return  the integer nearest to x factor, ties to even; a product near a tie may go either way
  /// @pre     |x factor| < 2^21
  [[nodiscard]] static B round_product(B x, B factor) {
    const B magic(Bits::kRound);
    return fma(x, factor, magic) - magic;
  }
  /// @return  x 2^n, gradual underflow included
  /// @pre     n is an integer, |n| <= 2 kBias - 2
  [[nodiscard]] static B scale_by_power_of_two(B x, B n) {
#if defined(__AVX512F__)
    if constexpr (detail::kIsAvx512<Arch>) {  // with a full mask: g++ 12 warns of the plain form
      if constexpr (std::same_as<T, float>) {
        return _mm512_maskz_scalef_ps(0xFFFF, x, n);
      } else {
        return _mm512_maskz_scalef_pd(0xFF, x, n);
      }
    }
#endif
    const B first = round_product(n, B(T{0.5}));  // in two steps: 2^n alone may not be representable where x 2^n is
    return x * power_of_two(first) * power_of_two(n - first);
  }
  /// @return  x without its low significant bits: its square is exact
  [[nodiscard]] static B high_half(B x) { return x & B(std::bit_cast<T>(Bits::kHighHalf)); }

  /// @return  the sum of the lanes, halves first: (0 + 4) + (2 + 6) ..., on every compiler the same order
  [[nodiscard]] static T sum(B value) {
    using Register = typename B::register_type;
    return detail::fold<kWidth>(static_cast<Register>(value), [](auto a, auto b) { return a + b; });
  }
  /// @return  the largest lane; unspecified if one is NaN
  [[nodiscard]] static T max(B value) {
    using Register = typename B::register_type;
    return detail::fold<kWidth>(static_cast<Register>(value), [](auto a, auto b) { return a < b ? b : a; });
  }

 private:
  using Bits = detail::FloatBits<T>;

  /// @return  2^n for an integer n, |n| < kBias
  [[nodiscard]] static B power_of_two(B n) {
    const B shifted = n + B(Bits::kRound + Bits::kBias);  // n + bias in the lowest bits
    using Integers = xsimd::batch<typename Bits::Integer, Arch>;
    return to_float(Integers(to_integer(shifted) << Bits::kMantissa));
  }
#if XSIMD_VERSION_MAJOR >= 11
  static auto to_integer(B x) { return xsimd::bitwise_cast<typename Bits::Integer>(x); }
  static B to_float(xsimd::batch<typename Bits::Integer, Arch> x) { return xsimd::bitwise_cast<T>(x); }
#else
  static auto to_integer(B x) { return xsimd::bitwise_cast<xsimd::batch<typename Bits::Integer, Arch>>(x); }
  static B to_float(xsimd::batch<typename Bits::Integer, Arch> x) { return xsimd::bitwise_cast<B>(x); }
#endif
};

}  // namespace reasonembed::simd
