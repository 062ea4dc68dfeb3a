#pragma once
/// @file Which instructions the kernels may use here, and whether this program may run here at all.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <array>
#include <cstddef>
#include <string>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// The instruction-set levels for which kernels chosen at run time exist. Results are bit-identical within one level.
///
/// A family of processors has consecutive levels, each with all instructions of those before it; those of another
/// family are never supported, see `supports`.
enum class Level {
  kPortable,    ///< plain C++, a multiplication and an addition with a rounding each
  kNeon,        ///< 64-bit Arm: NEON, which has fma, is part of the architecture
  kNeonDot,     ///< and dot products of bytes (Armv8.2)
  kAvx2,        ///< AVX2 and FMA
  kAvx512,      ///< AVX-512F, AVX2 and FMA
  kAvx512Bf16,  ///< these, AVX512-BF16 and AVX512-VNNI, which every processor with the former has: rounded products
                ///< with weights in bf16, and products of bytes
};

/// @return  the level as it is spelled in messages and checkpoints
[[nodiscard]] constexpr const char* name_of(Level level) {
  switch (level) {
    case Level::kAvx512Bf16:
      return "avx512_bf16";
    case Level::kAvx512:
      return "avx512";
    case Level::kAvx2:
      return "avx2";
    case Level::kNeonDot:
      return "neon_dot";
    case Level::kNeon:
      return "neon";
    case Level::kPortable:
      break;
  }
  return "portable";
}

namespace detail {

/// One bit for each instruction-set extension that compilers use unasked when they are given `-march`.
enum CpuFeature : unsigned {
  kAvxBit = 1U << 0,
  kAvx2Bit = 1U << 1,
  kFmaBit = 1U << 2,
  kBmi2Bit = 1U << 3,
  kAvx512fBit = 1U << 4,
  kAvx512bwBit = 1U << 5,
  kAvx512cdBit = 1U << 6,
  kAvx512dqBit = 1U << 7,
  kAvx512vlBit = 1U << 8,
  kAvx512vnniBit = 1U << 9,
  kAvx512bf16Bit = 1U << 10,
  kNeonBit = 1U << 11,
  kNeonDotBit = 1U << 12,
};

/// Whole sentences, by bit: the code that reports a missing extension must not need an extension to build its message.
inline constexpr std::array<const char*, 13> kMissingFeature{
    "simd::require_compiled_level: avx is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx2 is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: fma is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: bmi2 is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512f is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512bw is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512cd is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512dq is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512vl is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512vnni is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: avx512bf16 is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: asimd is absent, expected present: this program was compiled to use it",
    "simd::require_compiled_level: asimddp is absent, expected present: this program was compiled to use it",
};

// Differs between translation units compiled with different flags, hence internal linkage; functions that depend on it
// take it as a template argument, so that it is part of their symbol.
constexpr unsigned kCompiledFeatures = 0U
#if defined(__AVX__)
                                       | kAvxBit
#endif
#if defined(__AVX2__)
                                       | kAvx2Bit
#endif
#if defined(__FMA__)
                                       | kFmaBit
#endif
#if defined(__BMI2__)
                                       | kBmi2Bit
#endif
#if defined(__AVX512F__)
                                       | kAvx512fBit
#endif
#if defined(__AVX512BW__)
                                       | kAvx512bwBit
#endif
#if defined(__AVX512CD__)
                                       | kAvx512cdBit
#endif
#if defined(__AVX512DQ__)
                                       | kAvx512dqBit
#endif
#if defined(__AVX512VL__)
                                       | kAvx512vlBit
#endif
#if defined(__AVX512VNNI__)
                                       | kAvx512vnniBit
#endif
#if defined(__AVX512BF16__)
                                       | kAvx512bf16Bit
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
                                       | kNeonBit
#endif
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
                                       | kNeonDotBit
#endif
    ;

/// @return  the bits of CpuFeature that the processor has and the operating system saves on a context switch
[[nodiscard]] inline unsigned detected_features() {
  unsigned found = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found |= __builtin_cpu_supports("avx") != 0 ? kAvxBit : 0U;
  found |= __builtin_cpu_supports("avx2") != 0 ? kAvx2Bit : 0U;
  found |= __builtin_cpu_supports("fma") != 0 ? kFmaBit : 0U;
  found |= __builtin_cpu_supports("bmi2") != 0 ? kBmi2Bit : 0U;
  found |= __builtin_cpu_supports("avx512f") != 0 ? kAvx512fBit : 0U;
  found |= __builtin_cpu_supports("avx512bw") != 0 ? kAvx512bwBit : 0U;
  found |= __builtin_cpu_supports("avx512cd") != 0 ? kAvx512cdBit : 0U;
  found |= __builtin_cpu_supports("avx512dq") != 0 ? kAvx512dqBit : 0U;
  found |= __builtin_cpu_supports("avx512vl") != 0 ? kAvx512vlBit : 0U;
  found |= __builtin_cpu_supports("avx512vnni") != 0 ? kAvx512vnniBit : 0U;
  found |= __builtin_cpu_supports("avx512bf16") != 0 ? kAvx512bf16Bit : 0U;
#elif defined(__aarch64__)
  found |= kNeonBit;
#if defined(__linux__)
  found |= (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0 ? kNeonDotBit : 0U;
#else
  found |= kCompiledFeatures & kNeonDotBit;  // elsewhere the compiler's default is what all processors have
#endif
#endif
  return found;
}

/// @return  the sentence about the lowest extension in `compiled` but not in `detected`, or nullptr if there is none
[[nodiscard]] constexpr const char* missing_feature(unsigned compiled, unsigned detected) {
  for (std::size_t bit = 0; bit < kMissingFeature.size(); ++bit) {
    if (((compiled & ~detected) >> bit & 1U) != 0) {
      return kMissingFeature[bit];
    }
  }
  return nullptr;
}

/// @return  the highest level whose instructions are all among `detected`
[[nodiscard]] constexpr Level level_of(unsigned detected) {
  constexpr unsigned kNeededByAvx2 = kAvx2Bit | kFmaBit;
  if ((detected & kNeededByAvx2) != kNeededByAvx2) {
    if ((detected & kNeonBit) == 0) {
      return Level::kPortable;
    }
    return (detected & kNeonDotBit) != 0 ? Level::kNeonDot : Level::kNeon;
  }
  constexpr unsigned kNeededByBf16 = kAvx512fBit | kAvx512bwBit | kAvx512vnniBit | kAvx512bf16Bit;
  if ((detected & kNeededByBf16) == kNeededByBf16) {
    return Level::kAvx512Bf16;
  }
  return (detected & kAvx512fBit) != 0 ? Level::kAvx512 : Level::kAvx2;
}

/// @return  whether a level is one of 64-bit Arm
[[nodiscard]] constexpr bool is_neon(Level level) {
  return level == Level::kNeon || level == Level::kNeonDot;
}

/// @return  whether a processor whose highest level is `best` has all instructions of `level`
[[nodiscard]] constexpr bool includes(Level best, Level level) {
  return level == Level::kPortable || (level <= best && is_neon(level) == is_neon(best));
}

}  // namespace detail

/// The highest level that the processor and the operating system support, whatever this program was compiled for.
///
/// @note  detected once; safe from many threads
[[nodiscard]] inline Level best_level() {
  static const Level level = detail::level_of(detail::detected_features());
  return level;
}

/// @return  whether the processor has all instructions of `level`
[[nodiscard]] inline bool supports(Level level) {
  return detail::includes(best_level(), level);
}

/// @throws ConfigError if the processor lacks instructions of `level`
inline void require_level(const char* where, Level level) {
  if (!supports(level)) {
    const char* expected = level > best_level() ? "at most " : "one of this processor, at most ";
    throw ConfigError::invalid(where, "level", name_of(level), std::string(expected) + name_of(best_level()));
  }
}

/// Refuses a processor that lacks instructions for which the calling translation unit was compiled; a program calls it
/// first in `main`, so that a wrong machine means a sentence and not an illegal instruction.
///
/// @tparam kCompiled  bits of detail::CpuFeature; the default is what this translation unit was compiled for
/// @throws ConfigError that names the missing extension
/// @note   touches no vector register itself; code that runs before `main` is not covered
template <unsigned kCompiled = detail::kCompiledFeatures>
void require_compiled_level() {
  if (const char* message = detail::missing_feature(kCompiled, detail::detected_features()); message != nullptr) {
    throw ConfigError(message);
  }
}

}  // namespace reasonembed::simd
