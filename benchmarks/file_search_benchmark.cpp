/// @file Exact search over vectors in a file, beside what bounds it: the disk, the copy out of the page cache, the fma
/// units. All are measured in turn within one run, because machines are shared and noisy.
///
/// usage: file_search_benchmark [FILE [VECTORS [WIDTH [QUERIES [ROUNDS]]]]]; FILE is written if it is not there.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/retrieval/file_index.hpp>

#include "fma_peak.hpp"
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace re = reasonembed;
using re::Index;
using re::Matrix;

struct Arguments {
  std::filesystem::path file = "vectors.npy";
  Index vectors = 1'000'000;
  Index width = 384;
  Index queries = 100;
  int rounds = 7;
};

Matrix<float> random_rows(Index rows, Index cols, std::uint64_t seed) {
  Matrix<float> matrix(rows, cols);
  re::RandomStream random(seed);
  for (float& value : matrix.flat()) {
    value = random.uniform() - 0.5F;
  }
  return matrix;
}

void write_vectors(const Arguments& arguments) {
  re::io::NpyWriter writer(arguments.file, arguments.width);
  for (Index first = 0; first < arguments.vectors; first += 10'000) {
    const Index count = std::min<Index>(10'000, arguments.vectors - first);
    writer.append(random_rows(count, arguments.width, 1 + static_cast<std::uint64_t>(first)).view());
  }
  writer.finish();
}

/// Takes the file out of the page cache, so that the next pass reads the disk.
void forget(const std::filesystem::path& path) {
  const re::io::FileHandle file(path, O_RDONLY);
  file.sync();
  (void)::posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);
}

/// Bytes a second of a plain pass in pieces of `piece` bytes, shared among the threads.
double read_speed(const std::filesystem::path& path, Index piece, const re::ThreadPool& pool) {
  const re::io::FileHandle file(path, O_RDONLY);
  const auto size = static_cast<Index>(std::filesystem::file_size(path));
  std::vector<std::vector<char>> buffers(static_cast<std::size_t>(pool.size()));
  const double start = benchmarks::seconds_now();
  pool.for_each((size + piece - 1) / piece, [&](Index item, int worker) {
    std::vector<char>& buffer = buffers[static_cast<std::size_t>(worker)];
    buffer.resize(static_cast<std::size_t>(piece));
    if (::pread(file.number(), buffer.data(), buffer.size(), static_cast<off_t>(item * piece)) <= 0) {
      throw re::IoError::failed(path.string(), "read", "refused", "the next piece of the file");
    }
  });
  return static_cast<double>(size) / (benchmarks::seconds_now() - start);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds of each kind, one a round.
struct Times {
  std::vector<double> arithmetic = {};
  std::vector<double> copy = {};
  std::vector<double> disk = {};
  std::vector<double> warm = {};
  std::vector<double> cold = {};
};

double timed_search(const Arguments& arguments, const Matrix<float>& queries, const re::ThreadPool& pool) {
  const re::retrieval::FileIndex index(arguments.file);
  const double start = benchmarks::seconds_now();
  (void)index.search(queries, {.top_k = 100, .pool = &pool});
  return benchmarks::seconds_now() - start;
}

void print(const char* what, const std::vector<double>& seconds, double work, const char* unit) {
  const double best = *std::min_element(seconds.begin(), seconds.end());
  std::printf("%-34s %8.3f s best %8.3f s median  %8.1f %s\n", what, best, median(seconds), work / best * 1e-9, unit);
}

void run(const Arguments& arguments, const re::ThreadPool& pool) {
  const double flop = 2.0 * static_cast<double>(arguments.vectors * arguments.width * arguments.queries);
  const auto bytes = static_cast<double>(std::filesystem::file_size(arguments.file));
  const Matrix<float> queries = random_rows(arguments.queries, arguments.width, 7);
  Times times;
  for (int round = 0; round < arguments.rounds; ++round) {
    forget(arguments.file);
    times.cold.push_back(timed_search(arguments, queries, pool));
    forget(arguments.file);
    times.disk.push_back(bytes / read_speed(arguments.file, Index{4} << 20, pool));  // leaves the file in the cache
    times.copy.push_back(bytes / read_speed(arguments.file, Index{192} << 10, pool));
    times.arithmetic.push_back(flop / benchmarks::fma_peak(pool));
    times.warm.push_back(timed_search(arguments, queries, pool));
  }
  std::printf("%d threads\n", pool.size());
  print("arithmetic at the f32 peak", times.arithmetic, flop, "GFLOP/s");
  print("copy out of the page cache", times.copy, bytes, "GB/s");
  print("plain read from the disk", times.disk, bytes, "GB/s");
  print("search, file in the page cache", times.warm, flop, "GFLOP/s");
  print("search, file on the disk", times.cold, bytes, "GB/s");
  const auto least = [](const std::vector<double>& x) { return *std::min_element(x.begin(), x.end()); };
  std::printf("of the bound (best / median): %.0f%% / %.0f%% from the disk, %.0f%% / %.0f%% from the page cache\n",
              100 * std::max(least(times.disk), least(times.arithmetic)) / least(times.cold),
              100 * std::max(median(times.disk), median(times.arithmetic)) / median(times.cold),
              100 * std::max(least(times.copy), least(times.arithmetic)) / least(times.warm),
              100 * std::max(median(times.copy), median(times.arithmetic)) / median(times.warm));
}

}  // namespace

int main(int argc, char** argv) try {
  re::simd::require_compiled_level();
  Arguments arguments;
  arguments.file = argc > 1 ? argv[1] : arguments.file;
  arguments.vectors = argc > 2 ? std::atoll(argv[2]) : arguments.vectors;
  arguments.width = argc > 3 ? std::atoll(argv[3]) : arguments.width;
  arguments.queries = argc > 4 ? std::atoll(argv[4]) : arguments.queries;
  arguments.rounds = argc > 5 ? std::max(1, std::atoi(argv[5])) : arguments.rounds;
  if (!std::filesystem::exists(arguments.file)) {
    write_vectors(arguments);
  }
  const re::retrieval::FileIndex index(arguments.file);
  arguments.vectors = index.size();
  arguments.width = index.width();
  std::printf("%td queries over %td x %td\n", arguments.queries, arguments.vectors, arguments.width);
  for (int threads = 1; threads <= static_cast<int>(std::thread::hardware_concurrency()); threads *= 2) {
    run(arguments, re::ThreadPool(threads));
  }
  struct rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  std::printf("peak memory %.0f MB\n", static_cast<double>(usage.ru_maxrss) / 1024.0);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
