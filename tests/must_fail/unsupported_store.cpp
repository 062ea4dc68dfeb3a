// expected-error: reasonembed::backend::Cpu: Store must be float, bf16, int8 or double
#include <reasonembed/backend/cpu.hpp>

#if MUST_FAIL
using Store = long double;
#else
using Store = float;
#endif

int main() {
  return reasonembed::backend::Cpu<Store>::name[0] == 'c' ? 0 : 1;
}
