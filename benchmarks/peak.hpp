#pragma once
/// @file What some threads together can do at this moment in a type of numbers, for the programs that take turns with
/// peers.
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>

#include "dot_peak.hpp"
#include "fma_peak.hpp"

#include <cstdint>
#include <string_view>

namespace benchmarks {

/// @param precision  float32 or bfloat16, whose arithmetic is in float; rounded, whose products are of pairs; int8
/// @return  operations a second, of about 25 ms on two cores
/// @throws  ConfigError where there is no such loop for the processor
inline double operations_a_second(std::string_view precision, const re::ThreadPool& pool) {
  constexpr double kFlop = 1.3e10;  // 25 ms of two cores
  const bool pairs = precision == "rounded";
  const bool bytes = precision == "int8";
  const double start = seconds_now();
  if (!pairs && !bytes) {
    fma_operations(kFlop, pool);
    return kFlop / (seconds_now() - start);
  }
#if defined(__x86_64__)
  re::simd::require_level("benchmarks::operations_a_second", re::simd::Level::kAvx512Bf16);
  constexpr re::Index kItems = 64;  // a thread that is late takes fewer
  constexpr std::int64_t kSteps = 300000;
  pool.for_each(kItems, [&](re::Index, int) { pairs ? dot_steps_bf16(kSteps) : dot_steps_int8(kSteps); });
  const double step = pairs ? kBf16StepOperations : kInt8StepOperations;
  return static_cast<double>(kItems * kSteps) * step / (seconds_now() - start);
#else
  throw re::ConfigError::invalid("operations_a_second", "processor", "not x86-64", "one with AVX512-BF16");
#endif
}

}  // namespace benchmarks
