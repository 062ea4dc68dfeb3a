#pragma once
/// @file Many blocks of random words at once.
#include <reasonembed/config.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/simd/batch.hpp>

#include <xsimd/xsimd.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Consecutive counters that philox_words takes at once.
inline constexpr std::size_t kPhiloxCounters = 16;

namespace detail {

#if defined(__x86_64__)
/// Sixteen counters in two registers, a 32-bit word in 64 bits: what vpmuludq multiplies.
struct Avx512Philox {
  [[gnu::target("avx512f")]] static void words(const Philox4x32::Counter& counter,
                                               Philox4x32::Key key,
                                               std::uint32_t* out) {
    __m512i c[4][2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512i lanes = _mm512_add_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(8 * half));
      c[0][half] = low_word(_mm512_add_epi64(broadcast(counter[0]), lanes));
#pragma GCC unroll 3
      for (std::size_t word = 1; word < 4; ++word) {
        c[word][half] = broadcast(counter[word]);
      }
    }
    for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const __m512i left = _mm512_maskz_mul_epu32(kAll, c[0][half], broadcast(0xD2511F53U));
        const __m512i right = _mm512_maskz_mul_epu32(kAll, c[2][half], broadcast(0xCD9E8D57U));
        c[0][half] = next(right, c[1][half], key[0]);
        c[1][half] = low_word(right);
        c[2][half] = next(left, c[3][half], key[1]);
        c[3][half] = low_word(left);
      }
      key[0] += 0x9E3779B9U;
      key[1] += 0xBB67AE85U;
    }
#pragma GCC unroll 4
    for (std::size_t word = 0; word < 4; ++word) {
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; ++half) {
        _mm512_mask_cvtepi64_storeu_epi32(out + kPhiloxCounters * word + 8 * half, kAll, c[word][half]);
      }
    }
  }

 private:
  static constexpr __mmask8 kAll = 0xFF;  // masked forms, for g++ 12 warns of the undefined lanes that others name

  [[gnu::always_inline, gnu::target("avx512f")]] static inline __m512i broadcast(std::uint32_t word) {
    return _mm512_set1_epi64(static_cast<std::int64_t>(std::uint64_t{word}));
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline __m512i low_word(__m512i x) {
    return _mm512_and_si512(x, broadcast(0xFFFFFFFFU));
  }
  /// (product >> 32) ^ word ^ key
  [[gnu::always_inline, gnu::target("avx512f")]] static inline __m512i next(__m512i product,
                                                                            __m512i word,
                                                                            std::uint32_t key) {
    const __m512i high = _mm512_maskz_srli_epi64(kAll, product, 32);
    return _mm512_xor_si512(high, _mm512_xor_si512(word, broadcast(key)));
  }
};
#endif

}  // namespace detail

/// The words of sixteen consecutive counters [Salmon et al. 2011], with the same bits on every processor.
///
/// @param counter  the first; the others differ in their first word alone, which may wrap
/// @param words    (4 kPhiloxCounters) overwritten: word j of counter i stands at 16 j + i
template <class Arch = CompiledArch>
void philox_words(const Philox4x32::Counter& counter,
                  Philox4x32::Key key,
                  std::span<std::uint32_t, 4 * kPhiloxCounters> words) {
#if defined(__x86_64__)
  if constexpr (std::derived_from<Arch, xsimd::avx512f>) {
    detail::Avx512Philox::words(counter, key, words.data());
    return;
  }
#endif
  for (std::size_t i = 0; i < kPhiloxCounters; ++i) {
    Philox4x32::Counter one = counter;
    one[0] += static_cast<std::uint32_t>(i);
    one = Philox4x32::block(one, key);
    for (std::size_t word = 0; word < 4; ++word) {
      words[kPhiloxCounters * word + i] = one[word];
    }
  }
}

}  // namespace reasonembed::simd
