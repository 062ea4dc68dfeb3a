#pragma once
/// @file What a core can do with pairs of bf16 and with bytes at this moment, and how quickly it reads: the ceilings of
/// rounded and quantised products, beside that of f32 in fma_peak.hpp.
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>

namespace benchmarks {

/// Operations of one step of each loop: 24 registers of 16 sums, each of two or four products.
inline constexpr double kBf16StepOperations = 24.0 * 16 * 2 * 2;
inline constexpr double kInt8StepOperations = 24.0 * 16 * 4 * 2;

// The whole loop is assembly: g++ 12 keeps an array of sums in memory, which halves what is measured.
// clang-format off
#define REASONEMBED_DOT_REGISTERS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23"
#define REASONEMBED_DOT_LOOP(instruction)                                                            \
  asm volatile(".irp r," REASONEMBED_DOT_REGISTERS ",30,31\n vpxord %%zmm\\r,%%zmm\\r,%%zmm\\r\n .endr\n" \
               ".p2align 6\n1:\n"                                                                    \
               ".irp r," REASONEMBED_DOT_REGISTERS "\n " instruction " %%zmm30,%%zmm31,%%zmm\\r\n .endr\n" \
               "dec %0\n jnz 1b\n"                                                                   \
               : "+r"(steps)                                                                         \
               :                                                                                     \
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",       \
                 "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17",     \
                 "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm30", "xmm31")
// clang-format on

/// Nothing but vdpbf16ps on registers. @pre  the processor has AVX512-BF16; steps > 0
[[gnu::target("avx512f")]] inline void dot_steps_bf16(std::int64_t steps) {
  REASONEMBED_DOT_LOOP("vdpbf16ps");
}

/// Nothing but vpdpbusd on registers. @pre  the processor has AVX512-VNNI; steps > 0
[[gnu::target("avx512f")]] inline void dot_steps_int8(std::int64_t steps) {
  REASONEMBED_DOT_LOOP("vpdpbusd");
}

#undef REASONEMBED_DOT_LOOP
#undef REASONEMBED_DOT_REGISTERS

/// Reads memory in order, and does next to nothing with it.
///
/// @param data   aligned to 64
/// @param lines  of 64 bytes; what is left of the last 8 is not read
/// @return  a number that depends on all of it
[[gnu::target("avx512f")]] inline std::int64_t read_lines(const void* data, std::int64_t lines) {
  const auto* line = static_cast<const __m512i*>(data);
  __m512i sum[8];
  for (auto& x : sum) {
    x = _mm512_setzero_si512();
  }
  for (std::int64_t i = 0; i + 8 <= lines; i += 8) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(line + i + j));
    }
  }
#pragma GCC unroll 8
  for (int j = 1; j < 8; ++j) {
    sum[0] = _mm512_xor_si512(sum[0], sum[j]);
  }
  alignas(64) std::int64_t parts[8];
  _mm512_store_si512(parts, sum[0]);
  return parts[0] ^ parts[1] ^ parts[2] ^ parts[3] ^ parts[4] ^ parts[5] ^ parts[6] ^ parts[7];
}

}  // namespace benchmarks
#endif
