#pragma once
/// @file What the cores can do in f32 at this moment: nothing but fma on registers, on some threads at once.
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>

#include <array>
#include <chrono>
#include <cstdint>

namespace benchmarks {

namespace re = reasonembed;

#if defined(__x86_64__)
[[gnu::target("avx512f")]] inline void fma_steps_512(std::int64_t steps, float* out) {
  using Lanes = re::simd::detail::Avx512Lanes<float>;
  Lanes::Register sum[24];
  for (int i = 0; i < 24; ++i) {
    sum[i] = Lanes::broadcast(out + i);  // all different, or the compiler makes one chain of them
  }
  const Lanes::Register a = Lanes::broadcast(out + 24);
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) {
      sum[i] = Lanes::fma(a, a, sum[i]);
    }
  }
  for (const auto& x : sum) {
    Lanes::store(out, x, true);
  }
}
[[gnu::target("avx2,fma")]] inline void fma_steps_256(std::int64_t steps, float* out) {
  using Lanes = re::simd::detail::Avx2Lanes<float>;
  Lanes::Register sum[12];
  for (int i = 0; i < 12; ++i) {
    sum[i] = Lanes::broadcast(out + i);
  }
  const Lanes::Register a = Lanes::broadcast(out + 24);
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) {
      sum[i] = Lanes::fma(a, a, sum[i]);
    }
  }
  for (const auto& x : sum) {
    Lanes::store(out, x, true);
  }
}
#endif

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Does so many f32 operations at the peak, shared among the threads of the pool.
/// @throws  ConfigError where there is no such loop for the processor
inline void fma_operations(double flop, const re::ThreadPool& pool) {
#if defined(__x86_64__)
  const re::simd::Level level = re::simd::best_level();
  if (level != re::simd::Level::kPortable) {
    constexpr re::Index kItems = 64;  // a thread that is late takes fewer
    const bool wide = level >= re::simd::Level::kAvx512;
    const auto steps = static_cast<std::int64_t>(flop / (2.0 * (wide ? 24 * 16 : 12 * 8) * kItems));
    pool.for_each(kItems, [&](re::Index, int) {
      std::array<float, 64> out{};
      wide ? fma_steps_512(steps, out.data()) : fma_steps_256(steps, out.data());
      [[maybe_unused]] static thread_local volatile float sink;
      sink = out[0];
    });
    return;
  }
#endif
  throw re::ConfigError::invalid("fma_operations", "processor", "without AVX2", "one with it");
}

}  // namespace benchmarks
