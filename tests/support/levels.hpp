#pragma once
/// @file The instruction-set levels, and those that this processor has.
#include <reasonembed/simd/cpu_features.hpp>

#include <vector>

namespace test {

using reasonembed::simd::Level;

/// All levels, the lowest first.
inline constexpr Level kLevels[] = {
    Level::kPortable, Level::kNeon, Level::kNeonDot, Level::kAvx2, Level::kAvx512, Level::kAvx512Bf16};

/// @return  those whose kernels can run here
inline std::vector<Level> supported_levels() {
  std::vector<Level> levels;
  for (const Level level : kLevels) {
    if (reasonembed::simd::supports(level)) {
      levels.push_back(level);
    }
  }
  return levels;
}

}  // namespace test
