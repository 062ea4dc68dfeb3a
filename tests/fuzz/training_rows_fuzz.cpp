// Any bytes are refused with a DataError in strict mode, or are rows that, written and read again, are the same rows.
// The default mode reads at least what strict mode reads, counts the rest line by line, and what it has read can be
// put into batches.
#include <reasonembed/data/same_task_sampler.hpp>
#include <reasonembed/data/training_rows.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace re = reasonembed;

namespace {

/// A file in memory, rewritten for every input.
class MemoryFile {
 public:
  MemoryFile() : number_(::memfd_create("training_rows_fuzz", 0)), path_("/proc/self/fd/" + std::to_string(number_)) {}
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

/// Where rows are written: in memory, removed at the end.
std::filesystem::path written_path() {
  return "/dev/shm/reasonembed_training_rows_fuzz." + std::to_string(::getpid());
}

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

std::optional<re::data::TrainingRows> read(const std::filesystem::path& path, re::data::BadRows bad_rows) {
  try {
    return re::data::read_rows(path, {.bad_rows = bad_rows});
  } catch (const re::DataError& error) {
    require(re::io::find_invalid_utf8(error.what()) == std::string_view::npos);
    return std::nullopt;
  }
}

void check_round_trip(const re::data::TrainingDataset& dataset) {
  re::data::write_rows(written_path(), dataset);
  const auto again = read(written_path(), re::data::BadRows::kLeaveOut);
  std::error_code ignored;
  std::filesystem::remove(written_path(), ignored);
  require(again.has_value() && again->size() == dataset.size());
  for (re::Index row = 0; row < dataset.size(); ++row) {
    require(again->datasets[0].row(row) == dataset.row(row));
  }
}

void check_batches(const re::data::TrainingRows& rows) {
  try {
    re::data::SameTaskSampler sampler(
        rows, {.group_size = 3, .batch_size = 2, .small_datasets = re::data::SmallDatasets::kShrink});
    re::data::TrainingBatch batch;
    std::size_t seen = 0;
    for (re::Index i = 0; i < sampler.epoch_batches() && seen < 100000; ++i) {
      sampler.next(batch);
      require(batch.documents.size() == batch.rows.size() * static_cast<std::size_t>(batch.group_size));
      seen += batch.documents.size();
    }
  } catch (const re::ConfigError&) {  // a batch of too many documents
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  const std::string& path = file.write(content);
  const auto strict = read(path, re::data::BadRows::kRefuse);
  const auto lenient = read(path, re::data::BadRows::kLeaveOut);
  if (!lenient) {
    require(!strict.has_value());
    return 0;
  }
  const re::Index left_out = std::accumulate(lenient->left_out.begin(), lenient->left_out.end(), re::Index{0});
  require((left_out == 0) || !strict.has_value());
  require(lenient->size() + left_out <= 1 + static_cast<re::Index>(content.size()));
  require(left_out == 0 || !lenient->notes.empty());
  if (strict) {
    require(strict->size() == lenient->size());
  }
  check_round_trip(lenient->datasets[0]);
  check_batches(*lenient);
  return 0;
}
