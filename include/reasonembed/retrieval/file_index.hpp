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
    std::vector<Reader> readers(static_cast<std::size_t>((threads + 3) / 4));  // one reads as much as four can use
    ReadAhead blocks(
        static_cast<Index>(blocks_.size()),
        threads + kAheadBlocks,
        0,
        0,
        static_cast<int>(readers.size()),
        [&](Index item, int reader, Matrix<float>&) { bring_block(item, readers[static_cast<std::size_t>(reader)]); });
    detail::for_each_item(options.pool, static_cast<Index>(blocks_.size()), [&](Index item, int worker) {
      const ReadAhead::Piece in_memory = blocks.take(item);
      search_block(item, product, workers[static_cast<std::size_t>(worker)]);
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
  static constexpr Index kBlockBytes = Index{4} << 20;  // one piece of work, brought from the disk at once
  static constexpr Index kAheadBlocks = 8;              // in the page cache before they are asked for
  // Vectors are copied out of the page cache into the second-level cache: a memory map would save the copy and cost
  // more, a page table entry for every page, and prefetching stops where there is none yet.
  static constexpr Index kStepBytes = Index{192} << 10;

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
        file_->expect_in_order();
        number_ = number;
      }
      return *file_;
    }

   private:
    std::optional<io::NpyFile> file_;
    std::size_t number_ = 0;
  };
  /// What one thread that reads ahead needs.
  struct Reader {
    OpenShard shard;
    Matrix<float> block;
  };
  /// What one thread has found so far.
  struct Worker {
    Worker(Index queries, const SearchOptions& options) : bounds(static_cast<std::size_t>(queries)) {
      best.reserve(bounds.size());
      for (std::size_t query = 0; query < bounds.size(); ++query) {
        best.emplace_back(options.top_k,
                          options.excluded.empty() ? std::span<const Index>() : std::span(options.excluded[query]));
        bounds[query] = best.back().least();
      }
    }
    OpenShard shard;
    Matrix<float> vectors;      // (documents of a step, D)
    std::vector<TopK> best;     // (B)
    std::vector<float> bounds;  // (B) scores that are refused lie below
    Matrix<float> scores;       // (documents of a step, B)
    Arena arena;
  };

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

  /// Has the system read a block from the disk, by reading it: what a hint brings comes in single pages, which take
  /// longer to fetch and to copy.
  void bring_block(Index item, Reader& reader) const {
    const Block& block = blocks_[static_cast<std::size_t>(item)];
    const io::NpyFile& file = reader.shard.open(block.shard, shards_[block.shard].file);
    if (!file.is_cached(block.first, block.count)) {
      if (reader.block.rows() == 0) {
        reader.block = Matrix<float>(block_rows(), width());
      }
      file.read(block.first, reader.block.view().row_block(0, block.count));
    }
  }
  void search_block(Index item, const simd::RowProduct& product, Worker& worker) const {
    const Block& block = blocks_[static_cast<std::size_t>(item)];
    const io::NpyFile& file = worker.shard.open(block.shard, shards_[block.shard].file);
    const Index step = std::max<Index>(kStepBytes / row_bytes() / 48, 1) * 48;  // whole tiles
    if (worker.scores.rows() == 0) {
      worker.vectors = Matrix<float>(step, width());
      worker.scores = Matrix<float>(step, product.n());
    }
    for (Index row = block.first; row < block.first + block.count; row += step) {
      const Index count = std::min(step, block.first + block.count - row);
      const MatrixView<float> vectors = worker.vectors.view().row_block(0, count);
      const MatrixView<float> scores = worker.scores.view().row_block(0, count);
      file.read(row, vectors);
      product.multiply(vectors, scores, worker.arena);
      offer(shards_[block.shard], row, vectors, scores, worker);
    }
  }

  /// Offers the scores that a ranking may have room for: after a few blocks, hardly any.
  static void offer(
      const Shard& shard, Index row, MatrixView<const float> vectors, MatrixView<const float> scores, Worker& worker) {
    for (Index i = 0; i < scores.rows(); ++i) {
      if (!simd::all_finite(vectors.row(i))) {
        require_finite(shard.file.path() + ": row " + std::to_string(row + i), vectors.row(i));
      }
      const float* values = scores.row(i).data();
      const float* bounds = worker.bounds.data();
      const Index queries = scores.cols();
      int reached = 0;
      for (Index b = 0; b < queries; ++b) {
        reached += values[b] < bounds[b] ? 0 : 1;  // NaN is not below
      }
      if (reached > 0) {
        offer_row(shard.first + row + i, scores.row(i), worker);
      }
    }
  }
  static void offer_row(Index document, std::span<const float> scores, Worker& worker) {
    for (std::size_t query = 0; query < scores.size(); ++query) {
      if (scores[query] < worker.bounds[query]) {
        continue;
      }
      // vector and query are finite: products or their sum passed the range of float
      if (!std::isfinite(scores[query])) {
        throw NonFiniteError(reasonembed::detail::error_text(
            "retrieval::FileIndex::search",
            "score of query " + std::to_string(query) + " with document " + std::to_string(document),
            "not finite",
            "one that a float can hold"));
      }
      worker.best[query].offer({document, scores[query]});
      worker.bounds[query] = worker.best[query].least();
    }
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
