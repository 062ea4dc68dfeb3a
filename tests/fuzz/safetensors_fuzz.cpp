// Any bytes are either refused with a DataError or give tensors that cover the data exactly and whose floats can be
// read.
#include <reasonembed/io/safetensors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = re::io::SafeTensors::parse(bytes, "fuzz");
    std::size_t covered = 0;
    for (const std::string& name : file.names()) {
      const re::io::TensorInfo& tensor = file.tensor(name);
      if (!tensor.bytes.empty() &&
          (tensor.bytes.data() < bytes.data() || tensor.bytes.data() + tensor.bytes.size() > bytes.data() + size)) {
        std::abort();
      }
      covered += tensor.bytes.size();
      std::vector<float> out(static_cast<std::size_t>(tensor.size()));
      try {
        file.read(name, std::span(out));
      } catch (const re::DataError&) {  // an integer dtype, or a double beyond float
      }
    }
    std::uint64_t header = 0;
    std::memcpy(&header, data, sizeof(header));
    if (covered + header + sizeof(header) != size) {
      std::abort();
    }
    (void)file.tensor("a name that is likely missing");
  } catch (const re::DataError&) {
  }
  return 0;
}
