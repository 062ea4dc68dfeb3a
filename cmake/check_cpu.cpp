// Linked into this project's own programs when REASONEMBED_NATIVE raised their instruction-set level: one clear
// sentence instead of an illegal instruction when such a program is moved to an older machine.
#include <cstdio>
#include <cstdlib>

namespace {

[[gnu::constructor(101)]] void check_cpu() {
  __builtin_cpu_init();
  bool known = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#if X86_64_LEVEL >= 4
  known = known && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl");
#endif
  if (!known) {
    std::fprintf(stderr,
                 "this program is built for x86-64-v%d, which this processor is not; configure with %s\n",
                 X86_64_LEVEL,
                 "-DREASONEMBED_NATIVE=OFF");
    std::_Exit(1);
  }
}

}  // namespace
