// Any bytes are either refused with a DataError or are a run that, written and read again, is the same run; what the
// writer refuses it refuses with a DataError. The same bytes as judgements are refused or read.
#include <reasonembed/data/qrels_file.hpp>
#include <reasonembed/retrieval/trec_run.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace re = reasonembed;

namespace {

/// A file in memory, rewritten for every input.
class MemoryFile {
 public:
  MemoryFile() : number_(::memfd_create("trec_run_fuzz", 0)), path_("/proc/self/fd/" + std::to_string(number_)) {}
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

/// Where runs are written: in memory, removed at the end.
std::filesystem::path written_path() {
  return "/dev/shm/reasonembed_trec_run_fuzz." + std::to_string(::getpid());
}

void round_trip(const std::string& path) {
  const re::retrieval::Run run = re::retrieval::read_trec_run(path);
  re::retrieval::write_trec_run(written_path(), run);
  if (re::retrieval::read_trec_run(written_path()) != run) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  const std::string& path = file.write({reinterpret_cast<const char*>(data), size});
  try {
    round_trip(path);
  } catch (const re::DataError&) {  // the expected answer to most inputs
  }
  std::error_code ignored;
  std::filesystem::remove(written_path(), ignored);
  try {
    std::vector<std::string> notes;
    (void)re::data::read_qrels(path, notes);
  } catch (const re::DataError&) {
  }
  return 0;
}
