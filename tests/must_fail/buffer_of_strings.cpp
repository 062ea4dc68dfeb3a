// expected-error: reasonembed::AlignedBuffer: T must be trivially copyable
#include <reasonembed/core/aligned_buffer.hpp>

#include <string>

#if MUST_FAIL
using Element = std::string;
#else
using Element = float;
#endif

int main() {
  const reasonembed::AlignedBuffer<Element> buffer(3);
  return static_cast<int>(buffer.size()) - 3;
}
