// expected-error: satisf.*BinaryByte
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/retrieval/binary_codes.hpp>

#include <cstdint>

namespace re = reasonembed;

#if MUST_FAIL
using Byte = std::uint16_t;
#else
using Byte = std::uint8_t;
#endif

int main() {
  return static_cast<int>(re::retrieval::binary_codes<Byte>(re::Matrix<float>(0, 8)).rows());
}
