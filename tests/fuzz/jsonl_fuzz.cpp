// Any bytes are either refused with a DataError or are rows that, written and read again, are the same rows.
#include <reasonembed/io/jsonl.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

namespace {

/// A file in memory, rewritten for every input.
class MemoryFile {
 public:
  MemoryFile() : number_(::memfd_create("jsonl_fuzz", 0)), path_("/proc/self/fd/" + std::to_string(number_)) {}
  const std::string& write(std::string_view content) {
    if (::ftruncate(number_, 0) != 0 ||
        ::pwrite(number_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
      std::abort();
    }
    return path_;
  }

 private:
  int number_;
  std::string path_;
};

std::vector<re::io::Json> rows_of(const std::string& path) {
  std::vector<re::io::Json> rows;
  re::io::for_each_json_line(path, [&](const re::io::JsonFields& row) { rows.push_back(row.json()); });
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  std::vector<re::io::Json> rows;
  try {
    rows = rows_of(file.write({reinterpret_cast<const char*>(data), size}));
  } catch (const re::DataError& error) {
    if (re::io::find_invalid_utf8(error.what()) != std::string_view::npos) {
      std::abort();
    }
    return 0;
  }
  std::string text;
  for (const re::io::Json& row : rows) {
    text += re::io::dump_json(row, -1) + "\n";
  }
  if (rows_of(file.write(text)) != rows) {
    std::abort();
  }
  return 0;
}
