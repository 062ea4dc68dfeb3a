/// @file Exact search over vectors in a file, beside what bounds it: the disk, the copy out of the page cache, the fma
/// units. All are measured in turn within one run, because machines are shared and noisy.
///
/// usage: file_search_benchmark [FILE [VECTORS [WIDTH [QUERIES [ROUNDS]]]]]; FILE is written if it is not there.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/retrieval/file_index.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/row_product.hpp>

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
using re::MatrixView;

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

double processor_seconds() {
  struct rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// How long something took each time: by the clock, and of the processors, which other programs disturb less.
struct Times {
  std::vector<double> clock = {};
  std::vector<double> processor = {};

  template <class F>
  void measure(const F& f) {
    const double processor_start = processor_seconds();
    const double start = benchmarks::seconds_now();
    f();
    clock.push_back(benchmarks::seconds_now() - start);
    processor.push_back(processor_seconds() - processor_start);
  }
};

double least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A plain pass in pieces of `piece` bytes, shared among the threads.
void read_file(const std::filesystem::path& path, Index piece, const re::ThreadPool& pool) {
  const re::io::FileHandle file(path, O_RDONLY);
  const auto size = static_cast<Index>(std::filesystem::file_size(path));
  std::vector<std::vector<char>> buffers(static_cast<std::size_t>(pool.size()));
  pool.for_each((size + piece - 1) / piece, [&](Index item, int worker) {
    std::vector<char>& buffer = buffers[static_cast<std::size_t>(worker)];
    buffer.resize(static_cast<std::size_t>(piece));
    if (::pread(file.number(), buffer.data(), buffer.size(), static_cast<off_t>(item * piece)) <= 0) {
      throw re::IoError::failed(path.string(), "read", "refused", "the next piece of the file");
    }
  });
}

/// The arithmetic of the search alone, on rows in memory: as simd::RowProduct does it, or packing both operands.
void multiply_rows(
    MatrixView<const float> rows, Index times, const Matrix<float>& queries, bool packed, const re::ThreadPool& pool) {
  constexpr Index kStep = 144;
  const re::simd::RowProduct product(queries.view());
  pool.for_each(times, [&](Index, int) {
    re::Arena scratch;
    Matrix<float> scores(packed ? queries.rows() : kStep, packed ? kStep : queries.rows());
    for (Index row = 0; row + kStep <= rows.rows(); row += kStep) {
      const MatrixView<const float> step = rows.row_block(row, kStep);
      if (packed) {
        re::simd::gemm<float>(re::simd::Op::kNone,
                              queries.view(),
                              re::simd::Op::kTranspose,
                              step,
                              scores.view(),
                              re::simd::Store::kOverwrite,
                              scratch);
      } else {
        product.multiply(step, scores.view(), scratch);
      }
    }
  });
}

void print(const char* what, const Times& times, double work, const char* unit) {
  std::printf("%-32s %6.3f s best %6.3f s median %6.3f s of processors %7.1f %s\n",
              what,
              least(times.clock),
              median(times.clock),
              least(times.processor),
              work / least(times.clock) * 1e-9,
              unit);
}

void run(const Arguments& arguments, const re::ThreadPool& pool) {
  const double flop = 2.0 * static_cast<double>(arguments.vectors * arguments.width * arguments.queries);
  const auto bytes = static_cast<double>(std::filesystem::file_size(arguments.file));
  const Matrix<float> queries = random_rows(arguments.queries, arguments.width, 7);
  const re::retrieval::FileIndex index(arguments.file);
  const auto search = [&] { (void)index.search(queries, {.top_k = 100, .pool = &pool}); };
  Times arithmetic;
  Times product;
  Times packed;
  Times copy;
  Times disk;
  Times warm;
  Times cold;
  constexpr Index kPart = 14'400;  // rows: 22 MB of width 384
  const Matrix<float> rows = random_rows(kPart, arguments.width, 3);
  const Index times = std::max<Index>(arguments.vectors / kPart, 1);
  const double rows_flop = 2.0 * static_cast<double>(times * kPart * arguments.width * arguments.queries);
  for (int round = 0; round < arguments.rounds; ++round) {
    forget(arguments.file);
    cold.measure(search);
    forget(arguments.file);
    disk.measure([&] { read_file(arguments.file, Index{4} << 20, pool); });  // leaves the file in the cache
    copy.measure([&] { read_file(arguments.file, Index{192} << 10, pool); });
    warm.measure(search);
    arithmetic.measure([&] { benchmarks::fma_operations(flop, pool); });
    product.measure([&] { multiply_rows(rows.view(), times, queries, false, pool); });
    packed.measure([&] { multiply_rows(rows.view(), times, queries, true, pool); });
  }
  std::printf("%d threads\n", pool.size());
  print("arithmetic at the f32 peak", arithmetic, flop, "GFLOP/s");
  print("product, rows in memory", product, rows_flop, "GFLOP/s");
  print("the same, both operands packed", packed, rows_flop, "GFLOP/s");
  print("copy out of the page cache", copy, bytes, "GB/s");
  print("plain read from the disk", disk, bytes, "GB/s");
  print("search, file in the page cache", warm, flop, "GFLOP/s");
  print("search, file on the disk", cold, bytes, "GB/s");
  std::printf(
      "of the bound (best / median): %.0f%% / %.0f%% from the disk, %.0f%% / %.0f%% from the page cache, %.0f%% of "
      "processor time there\n",
      100 * std::max(least(disk.clock), least(arithmetic.clock)) / least(cold.clock),
      100 * std::max(median(disk.clock), median(arithmetic.clock)) / median(cold.clock),
      100 * std::max(least(copy.clock), least(arithmetic.clock)) / least(warm.clock),
      100 * std::max(median(copy.clock), median(arithmetic.clock)) / median(warm.clock),
      100 * least(arithmetic.processor) / least(warm.processor));
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
