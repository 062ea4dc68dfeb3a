#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI {

/// A stack of memory for activations and scratch: they die in reverse order, so one slab with marks holds them all.
///
/// Pieces are aligned to kAlignment and NOT cleared. An arena that runs full adds a slab and, once it is empty again,
/// joins its slabs into one that holds the peak: after the first pass over the largest shape no further allocation
/// happens. Slabs are not cleared either, so that an arena takes the memory of its peak, however large its slabs are.
/// Not thread-safe: one arena a thread.
class Arena {
 public:
  /// Where the stack stands; only `rewind` gives it meaning.
  struct Mark {
    std::size_t slab = 0;
    std::size_t used = 0;
  };

  Arena() = default;
  /// @param bytes  capacity reserved at once
  explicit Arena(std::size_t bytes) { add_slab(bytes); }
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() = default;

  /// @return  (count) uninitialised elements that live until the arena is rewound below them
  /// @throws  std::bad_array_new_length if count is negative or absurd; std::bad_alloc if the memory can't be had
  template <class T>
  [[nodiscard]] std::span<T> allocate(Index count) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                  "reasonembed::Arena: elements must be trivially copyable, nothing runs their destructors");
    static_assert(alignof(T) <= kAlignment, "reasonembed::Arena: elements must not need more than kAlignment");
    if (count < 0 || static_cast<std::size_t>(count) > kLargestPiece / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    return {static_cast<T*>(allocate_bytes(static_cast<std::size_t>(count) * sizeof(T))),
            static_cast<std::size_t>(count)};
  }
  /// @return  (rows, cols) uninitialised contiguous matrix
  /// @throws  ShapeError if an extent is negative or the size is not representable; otherwise as allocate
  template <class T>
  [[nodiscard]] MatrixView<T> matrix(Index rows, Index cols) {
    return {allocate<T>(checked_size("Arena::matrix", rows, cols)).data(), rows, cols};
  }

  [[nodiscard]] Mark mark() const { return slabs_.empty() ? Mark{} : Mark{current_, slabs_[current_].used}; }

  /// Frees everything allocated after `mark` was taken; an arena that is empty then joins its slabs into one.
  void rewind(Mark mark) noexcept {
    if (slabs_.empty()) {
      return;
    }
    REASONEMBED_ASSERT(mark.slab <= current_ && mark.used <= slabs_[mark.slab].used);
    for (std::size_t slab = mark.slab + 1; slab <= current_; ++slab) {
      slabs_[slab].used = 0;
    }
    current_ = mark.slab;
    slabs_[current_].used = mark.used;
    if (mark.slab == 0 && mark.used == 0 && slabs_.size() > 1) {
      const std::size_t total = capacity();
      drop_slabs();
      try {
        add_slab(total);
      } catch (const std::bad_alloc&) {  // nothing is lost: the next allocation asks again, and may throw
        current_ = 0;
      }
    }
  }

  /// Makes room for `bytes` in one slab; only an empty arena changes.
  void reserve(std::size_t bytes) {
    if (used() == 0 && (slabs_.size() != 1 || capacity() < bytes)) {
      drop_slabs();
      add_slab(bytes);
    }
  }

  /// @return  bytes now in use, alignment included
  [[nodiscard]] std::size_t used() const {
    std::size_t total = 0;
    for (std::size_t slab = 0; slab < slabs_.size() && slab <= current_; ++slab) {
      total += slabs_[slab].used;
    }
    return total;
  }
  /// @return  the most bytes ever in use at once
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] std::size_t capacity() const {
    std::size_t total = 0;
    for (const Slab& slab : slabs_) {
      total += static_cast<std::size_t>(slab.memory.size());
    }
    return total;
  }

 private:
  struct Slab {
    AlignedBuffer<std::byte> memory;
    std::size_t used = 0;
  };
  static constexpr std::size_t kSmallestSlab = std::size_t{1} << 20;
  static constexpr std::size_t kLargestPiece = std::numeric_limits<std::size_t>::max() / 4;

  void drop_slabs() noexcept {
    for (Slab& slab : slabs_) {
      slab.memory.discard();
    }
    slabs_.clear();
  }
  void add_slab(std::size_t bytes) {
    const std::size_t rounded = (std::max(bytes, kSmallestSlab) + kAlignment - 1) / kAlignment * kAlignment;
    slabs_.push_back({AlignedBuffer<std::byte>::uncleared(static_cast<Index>(rounded)), 0});
    current_ = slabs_.size() - 1;
  }

  /// Doubles, so that a long first pass makes few slabs; where a system refuses so much at once, adds what is needed.
  void grow(std::size_t bytes) {
    try {
      add_slab(std::max(bytes, capacity()));
    } catch (const std::bad_alloc&) {
      add_slab(bytes);
    }
  }

  [[nodiscard]] static bool fits(const Slab& slab, std::size_t bytes) {
    return slab.used + bytes <= static_cast<std::size_t>(slab.memory.size());
  }

  void* allocate_bytes(std::size_t bytes) {
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (slabs_.empty()) {
      add_slab(rounded);
    }
    while (!fits(slabs_[current_], rounded) && current_ + 1 < slabs_.size()) {
      ++current_;
    }
    if (!fits(slabs_[current_], rounded)) {
      grow(rounded);
    }
    Slab& slab = slabs_[current_];
    void* piece = slab.memory.data() + slab.used;
    slab.used += rounded;
    peak_ = std::max(peak_, used());
    return piece;
  }

  std::vector<Slab> slabs_;
  std::size_t current_ = 0;
  std::size_t peak_ = 0;
};

/// Gives every thread's arena the size of the largest: which thread meets the largest shape next time is open.
///
/// @param arenas  of threads; one that is in use stays as it is
inline void level_arenas(std::span<Arena> arenas) {
  std::size_t most = 0;
  for (const Arena& arena : arenas) {
    most = std::max(most, arena.capacity());
  }
  for (Arena& arena : arenas) {
    arena.reserve(most);
  }
}

/// Rewinds an arena to where it stood when the scope opened, unless `keep` is called.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(&arena), mark_(arena.mark()) {}
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;
  ArenaScope(ArenaScope&&) = delete;
  ArenaScope& operator=(ArenaScope&&) = delete;
  ~ArenaScope() {
    if (arena_ != nullptr) {
      arena_->rewind(mark_);
    }
  }
  /// Leaves everything allocated in this scope alive.
  void keep() { arena_ = nullptr; }

 private:
  Arena* arena_;
  Arena::Mark mark_;
};

}  // namespace reasonembed
