#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/packed_batch.hpp>
#include <reasonembed/text/tokenizer.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// What one block of texts is tokenized into. The blocks of a window don't depend on threads, so a second run over the
/// same texts grows nothing.
struct TokenBlock {
  text::TokenScratch scratch;
  std::vector<std::int32_t> ids;  ///< tokens of the block's texts, end to end
  std::string prompted;           ///< prompt and text
};

/// Consecutive texts that are computed together.
struct EncodeChunk {
  Index first = 0;
  Index count = 0;
};

/// The buffers of one encode call: token ids by block, where each text's ids lie, the chunks to compute, and the memory
/// each thread computes in.
///
/// Everything grows to its largest use and stays, so that a warm workspace allocates nothing.
class EncodeWorkspace {
 public:
  static constexpr Index kTokenBlocks = 16;  ///< enough to keep any small number of threads busy

  explicit EncodeWorkspace(int workers) : arenas_(static_cast<std::size_t>(workers)), blocks_(kTokenBlocks) {}

  [[nodiscard]] Arena& arena(int worker) { return arenas_[static_cast<std::size_t>(worker)]; }
  [[nodiscard]] TokenBlock& block(Index block) { return blocks_[static_cast<std::size_t>(block)]; }

  /// Forgets the texts before, and makes room for `count`.
  void begin_window(Index count) {
    texts_.resize(static_cast<std::size_t>(count));
    for (TokenBlock& block : blocks_) {
      block.ids.clear();
    }
  }
  /// Records where text `i`'s ids lie; different texts may be placed by different threads.
  void place(Index i, Index block, Index begin, Index length) {
    texts_[static_cast<std::size_t>(i)] = {block, begin, length};
  }

  void level_arenas() { reasonembed::level_arenas(arenas_); }

  /// Cuts the first `count` texts into chunks of at most `budget` tokens; a longer text is a chunk of its own.
  ///
  /// @param workers  who share the chunks: few texts are cut smaller, so that each has some
  void cut_chunks(Index count, Index budget, int workers = 1) {
    budget = std::min(budget, (token_count(count) + workers - 1) / workers);
    chunks_.clear();
    Index tokens = 0;
    for (Index i = 0; i < count; ++i) {
      const Index length = texts_[static_cast<std::size_t>(i)].length;
      if (chunks_.empty() || tokens + length > budget) {
        chunks_.push_back({i, 0});
        tokens = 0;
      }
      ++chunks_.back().count;
      tokens += length;
    }
  }
  /// @return  tokens of the first `count` texts
  [[nodiscard]] Index token_count(Index count) const {
    Index tokens = 0;
    for (Index i = 0; i < count; ++i) {
      tokens += texts_[static_cast<std::size_t>(i)].length;
    }
    return tokens;
  }
  [[nodiscard]] Index chunk_count() const { return static_cast<Index>(chunks_.size()); }
  [[nodiscard]] EncodeChunk chunk(Index chunk) const { return chunks_[static_cast<std::size_t>(chunk)]; }

  /// @return  the chunk's tokens and offsets, in memory of `arena`
  [[nodiscard]] nn::PackedBatch pack(EncodeChunk chunk, Arena& arena) const {
    const std::span texts =
        std::span(texts_).subspan(static_cast<std::size_t>(chunk.first), static_cast<std::size_t>(chunk.count));
    Index total = 0;
    for (const TextPlace& text : texts) {
      total += text.length;
    }
    const std::span<std::int32_t> tokens = arena.allocate<std::int32_t>(total);
    const std::span<std::int32_t> offsets = arena.allocate<std::int32_t>(chunk.count + 1);
    std::int32_t end = 0;
    offsets[0] = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto* ids = blocks_[static_cast<std::size_t>(texts[i].block)].ids.data() + texts[i].begin;
      std::copy(ids, ids + texts[i].length, tokens.data() + end);
      end += static_cast<std::int32_t>(texts[i].length);
      offsets[i + 1] = end;
    }
    return {.tokens = tokens, .offsets = offsets};
  }

 private:
  struct TextPlace {
    Index block = 0;
    Index begin = 0;
    Index length = 0;
  };
  std::vector<Arena> arenas_;
  std::vector<TokenBlock> blocks_;
  std::vector<TextPlace> texts_;
  std::vector<EncodeChunk> chunks_;
};

/// Workspaces for any number of concurrent calls: a call takes a warm one if there is one, and gives it back.
class EncodeWorkspaces {
 public:
  explicit EncodeWorkspaces(int workers) : workers_(workers) {}

  /// A workspace for as long as the lease lives.
  class Lease {
   public:
    Lease(EncodeWorkspaces& owner, std::unique_ptr<EncodeWorkspace> workspace)
        : owner_(&owner), workspace_(std::move(workspace)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Lease(Lease&&) = delete;
    Lease& operator=(Lease&&) = delete;
    ~Lease() { owner_->give_back(std::move(workspace_)); }
    EncodeWorkspace& operator*() const { return *workspace_; }
    EncodeWorkspace* operator->() const { return workspace_.get(); }

   private:
    EncodeWorkspaces* owner_;
    std::unique_ptr<EncodeWorkspace> workspace_;
  };

  [[nodiscard]] Lease lease() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) {
      idle_.reserve(++made_);  // so that giving back never allocates
      return {*this, std::make_unique<EncodeWorkspace>(workers_)};
    }
    std::unique_ptr<EncodeWorkspace> workspace = std::move(idle_.back());
    idle_.pop_back();
    return {*this, std::move(workspace)};
  }

 private:
  void give_back(std::unique_ptr<EncodeWorkspace> workspace) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(workspace));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeWorkspace>> idle_;
  std::size_t made_ = 0;
  int workers_;
};

}  // namespace reasonembed::model
