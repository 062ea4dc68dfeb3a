#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/read_ahead.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/top_k.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/simd/row_product.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Exact search by inner product over vectors that stay in files: for corpora larger than memory.
///
///   score(q, n) = <q, v_n>
///
/// The vectors are those of one .npy file or of several, one behind the other, as `reasonembed encode` and NumPy write
/// them. A search reads each file once, from front to back, whatever the number of queries: give it all of them.
///
/// @note  hits and scores are bit for bit those of FlatIndex over the same vectors. Memory: the queries, 2 top_k hits a
///        query and thread, and some MB a thread for vectors that are worked on or on their way. Reading from many
///        threads is safe.
class FileIndex {
 public:
  /// @param files  .npy files of (N_i, D) float32, at least one
  /// @throws       ConfigError if there is none; ShapeError if they differ in width; IoError, DataError as io::NpyFile
  explicit FileIndex(std::span<const std::filesystem::path> files) {
    if (files.empty()) {
      throw ConfigError::invalid("retrieval::FileIndex", "number of files", "0", "at least 1");
    }
    for (const std::filesystem::path& path : files) {
      shards_.push_back({io::NpyFile(path), size_});
      const io::NpyFile& file = shards_.back().file;
      require_extent(file.path(), "number of columns", file.cols(), width());
      size_ += file.rows();
    }
    make_blocks();
  }
  explicit FileIndex(const std::filesystem::path& file) : FileIndex(std::span(&file, 1)) {}

  /// @return  N, the vectors of all files
  [[nodiscard]] Index size() const { return size_; }
  /// @return  D
  [[nodiscard]] Index width() const { return shards_.front().file.cols(); }

  /// Finds the best documents for each query.
  ///
  /// @param queries   (B, D)
  /// @param options   `pool` shares the blocks of the files among its threads
  /// @param progress  is advanced by the vectors compared; may be null
  /// @return          (B) hits in the order of `ranks_before`, numbered through all files: min(top_k, N - excluded)
  /// @throws          ShapeError, ConfigError as FlatIndex::search; NonFiniteError if a vector or a query has NaN or
  ///                  infinity, naming file, row and element, or if a score overflows
  /// @note            2 B N D operations and one pass over the files; the same bits for every pool size
  [[nodiscard]] Rankings search(MatrixView<const float> queries,
                                const SearchOptions& options = {},
                                Progress* progress = nullptr) const {
    constexpr std::string_view kWhere = "retrieval::FileIndex::search";
    require_extent(kWhere, "queries.cols()", queries.cols(), width());
    detail::check_search(kWhere, options, queries.rows());
    for (Index b = 0; b < queries.rows(); ++b) {
      require_finite(std::string(kWhere) + ": queries[" + std::to_string(b) + "]", queries.row(b));
    }
    if (queries.rows() == 0) {
      return Rankings();
    }
    const simd::RowProduct product(queries);
    std::vector<Worker> workers;
    for (std::size_t i = 0; i < detail::worker_count(options.pool); ++i) {
      workers.emplace_back(queries.rows(), options);
    }
    const auto threads = static_cast<int>(workers.size());
    // one reads as much as four can use; with a second one the disk never waits for the first to be scheduled
    std::vector<OpenShard> readers(static_cast<std::size_t>(1 + (threads + 3) / 4));
    const auto fetch = [&](Index item, int reader, io::NpyRows& rows) {
      fetch_block(item, readers[static_cast<std::size_t>(reader)], rows);
    };
    ReadAhead<io::NpyRows> blocks(
        static_cast<Index>(blocks_.size()), threads + kAheadBlocks, static_cast<int>(readers.size()), fetch);
    detail::for_each_item(options.pool, static_cast<Index>(blocks_.size()), [&](Index item, int worker) {
      const auto block = blocks.take(item);
      search_block(item, block.value().view(), product, workers[static_cast<std::size_t>(worker)]);
      if (progress != nullptr) {
        progress->advance(blocks_[static_cast<std::size_t>(item)].count);
      }
    });
    return merged(workers, options);
  }
  [[nodiscard]] Rankings search(const Matrix<float>& queries,
                                const SearchOptions& options = {},
                                Progress* progress = nullptr) const {
    return search(queries.view(), options, progress);
  }

 private:
  static constexpr Index kBlockBytes = Index{8} << 20;   // one piece of work, brought into memory at once
  static constexpr Index kAheadBlocks = 4;               // in memory before they are asked for
  static constexpr Index kStepBytes = Index{192} << 10;  // their scores stay in the second-level cache

  struct Shard {
    io::NpyFile file;
    Index first = 0;  // number of its first vector
  };
  struct Block {
    std::size_t shard = 0;
    Index first = 0;  // row of the file
    Index count = 0;
  };
  /// The files as one thread reads them: the system tells streams apart by their open files.
  class OpenShard {
   public:
    const io::NpyFile& open(std::size_t number, const io::NpyFile& known) {
      if (!file_ || number_ != number) {
        file_.emplace(known.path());
        if (file_->rows() != known.rows() || file_->cols() != known.cols()) {
          throw IoError::failed(known.path(), "file", "another one", "the one that was opened first");
        }
        number_ = number;
      }
      return *file_;
    }

   private:
    std::optional<io::NpyFile> file_;
    std::size_t number_ = 0;
  };
  /// What one thread has found so far.
  struct Worker {
    Worker(Index queries, const SearchOptions& options)
        : bounds(static_cast<std::size_t>(padded(queries)), std::numeric_limits<float>::infinity()) {
      best.reserve(static_cast<std::size_t>(queries));
      for (std::size_t query = 0; query < static_cast<std::size_t>(queries); ++query) {
        best.emplace_back(options.top_k,
                          options.excluded.empty() ? std::span<const Index>() : std::span(options.excluded[query]));
        bounds[query] = best.back().least();
      }
    }
    std::vector<TopK> best;     // (B)
    std::vector<float> bounds;  // (padded B) scores that are refused lie below
    Matrix<float> scores;       // (documents of a step, padded B), zero in the padding
    Arena arena;
  };

  /// Scores of a document in whole registers, which are compared at once.
  static Index padded(Index queries) { return (queries + 15) / 16 * 16; }
  [[nodiscard]] Index row_bytes() const { return std::max<Index>(width(), 1) * static_cast<Index>(sizeof(float)); }
  [[nodiscard]] Index block_rows() const { return std::max<Index>(kBlockBytes / row_bytes(), 1); }
  /// The partition of the files depends on their sizes alone.
  void make_blocks() {
    const Index rows = block_rows();
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      const Index count = shards_[shard].file.rows();
      for (Index first = 0; first < count; first += rows) {
        blocks_.push_back({shard, first, std::min(rows, count - first)});
      }
    }
  }

  static void require_finite(const std::string& what, std::span<const float> values) {
    if (const Index bad = simd::first_non_finite(values); bad >= 0) {
      const std::size_t at = static_cast<std::size_t>(bad);
      throw NonFiniteError(reasonembed::detail::error_text(what,
                                                           "element " + std::to_string(bad),
                                                           std::isnan(values[at]) ? "nan" : std::to_string(values[at]),
                                                           "a finite number"));
    }
  }

  void fetch_block(Index item, OpenShard& reader, io::NpyRows& rows) const {
    const Block& block = blocks_[static_cast<std::size_t>(item)];
    reader.open(block.shard, shards_[block.shard].file).fetch(block.first, block.count, rows);
  }
  void search_block(Index item,
                    MatrixView<const float> vectors,
                    const simd::RowProduct& product,
                    Worker& worker) const {
    const Block& block = blocks_[static_cast<std::size_t>(item)];
    const Index step = std::max<Index>(kStepBytes / row_bytes() / 48, 1) * 48;  // whole tiles
    if (worker.scores.rows() == 0) {
      worker.scores = Matrix<float>(step, padded(product.n()));
    }
    for (Index row = 0; row < block.count; row += step) {
      const Index count = std::min(step, block.count - row);
      const MatrixView<float> scores = worker.scores.view().row_block(0, count);
      product.multiply(vectors.row_block(row, count), scores.col_block(0, product.n()), worker.arena);
      offer(shards_[block.shard], block.first + row, vectors.row_block(row, count), scores, worker);
    }
  }

  /// Offers the scores that a ranking may have room for: after a few blocks, hardly any.
  ///
  /// The vectors are not looked at again to see whether they are finite: all scores of one that is not are not.
  static void offer(
      const Shard& shard, Index row, MatrixView<const float> vectors, MatrixView<const float> scores, Worker& worker) {
    const std::span<const float> bounds(worker.bounds);
    for (Index i = 0; i < scores.rows(); ++i) {
      const std::span<const float> values = scores.row(i);
      for (Index b = simd::first_not_below(values, bounds); b >= 0; b = simd::first_not_below(values, bounds, b + 1)) {
        const auto query = static_cast<std::size_t>(b);
        if (!std::isfinite(values[query])) {
          refuse(shard, row + i, vectors.row(i), b);
        }
        worker.best[query].offer({shard.first + row + i, values[query]});
        worker.bounds[query] = worker.best[query].least();
      }
    }
  }
  [[noreturn]] static void refuse(const Shard& shard, Index row, std::span<const float> vector, Index query) {
    require_finite(shard.file.path() + ": row " + std::to_string(row), vector);
    // vector and query are finite: products or their sum passed the range of float
    throw NonFiniteError(reasonembed::detail::error_text(
        "retrieval::FileIndex::search",
        "score of query " + std::to_string(query) + " with document " + std::to_string(shard.first + row),
        "not finite",
        "one that a float can hold"));
  }

  /// The best of all threads: a set and an order that no schedule changes.
  static Rankings merged(std::vector<Worker>& workers, const SearchOptions& options) {
    Rankings hits(workers.front().best.size());
    for (std::size_t query = 0; query < hits.size(); ++query) {
      TopK best(options.top_k);
      for (Worker& worker : workers) {
        for (const Hit& hit : worker.best[query].take()) {
          best.offer(hit);
        }
      }
      hits[query] = best.take();
    }
    return hits;
  }

  std::vector<Shard> shards_;
  std::vector<Block> blocks_;
  Index size_ = 0;
};

}  // namespace reasonembed::retrieval
