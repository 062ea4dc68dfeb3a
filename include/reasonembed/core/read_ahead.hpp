#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI {

/// Reads numbered pieces of something slow in threads of its own, in their order, a few ahead of those who take them:
/// while some pieces are worked on, the next ones are on their way.
///
/// Every piece is taken once, by any thread. Pieces must be taken in ascending order as far as one can tell from
/// outside: a piece is read when at most `slots` of the pieces before it have not been given back.
///
/// @tparam T  what a piece is read into; it is made once a slot, and read into again and again
/// @note      an exception of `read` comes out of the take() of its piece
template <std::default_initializable T>
class ReadAhead {
 private:
  struct Slot {
    T value;
    Index piece = 0;  // that is in it, or that will be
    bool full = false;
    std::exception_ptr failure;
  };

 public:
  /// Fills a slot with a piece; `reader` is in [0, readers), and no two running calls share it.
  using Read = std::function<void(Index piece, int reader, T& slot)>;

  /// @param pieces   how many there are
  /// @param slots    pieces in memory at once, more than the threads that take them, or these wait for each other
  /// @param readers  threads that read, >= 1
  /// @throws         ConfigError if slots or readers < 1; std::system_error if a thread can't be started
  ReadAhead(Index pieces, Index slots, int readers, Read read) : pieces_(pieces), read_(std::move(read)) {
    if (slots < 1 || readers < 1) {
      throw ConfigError::invalid("ReadAhead",
                                 slots < 1 ? "slots" : "readers",
                                 std::to_string(slots < 1 ? slots : Index{readers}),
                                 "at least 1");
    }
    slots_ = std::vector<Slot>(static_cast<std::size_t>(slots));
    for (Index i = 0; i < slots; ++i) {
      slots_[static_cast<std::size_t>(i)].piece = i;
    }
    try {
      for (int reader = 0; reader < readers; ++reader) {
        threads_.emplace_back([this, reader] { work(reader); });
      }
    } catch (...) {
      stop();
      throw;
    }
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ReadAhead(ReadAhead&&) = delete;
  ReadAhead& operator=(ReadAhead&&) = delete;
  /// Waits for the reads that have begun and drops the rest.
  /// @pre  no piece is held
  ~ReadAhead() { stop(); }

  /// A piece that has been read; its slot is free again when this goes.
  class Piece {
   public:
    Piece(const Piece&) = delete;
    Piece& operator=(const Piece&) = delete;
    Piece(Piece&&) = delete;
    Piece& operator=(Piece&&) = delete;
    ~Piece() { owner_->give_back(*slot_); }
    [[nodiscard]] const T& value() const { return slot_->value; }

   private:
    friend ReadAhead;
    Piece(ReadAhead& owner, Index piece) : owner_(&owner), slot_(owner.wait_for(piece)) {}
    ReadAhead* owner_;
    Slot* slot_;
  };

  /// Waits until a piece has been read.
  /// @pre     0 <= piece < pieces, not taken before
  /// @throws  what `read` threw for it
  [[nodiscard]] Piece take(Index piece) { return Piece(*this, piece); }

 private:
  [[nodiscard]] Slot& slot_of(Index piece) { return slots_[static_cast<std::size_t>(piece) % slots_.size()]; }
  Slot* wait_for(Index piece) {
    Slot& slot = slot_of(piece);
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return slot.full && slot.piece == piece; });
    if (slot.failure) {
      const std::exception_ptr failure = std::exchange(slot.failure, nullptr);
      lock.unlock();
      give_back(slot);
      std::rethrow_exception(failure);
    }
    return &slot;
  }
  void give_back(Slot& slot) {
    {
      const std::scoped_lock lock(mutex_);
      slot.full = false;
      slot.piece += static_cast<Index>(slots_.size());
    }
    freed_.notify_all();
  }

  void work(int reader) {
    std::unique_lock lock(mutex_);
    while (next_ < pieces_) {
      const Index piece = next_++;
      Slot& slot = slot_of(piece);
      freed_.wait(lock, [&] { return stopping_ || (!slot.full && slot.piece == piece); });
      if (stopping_) {
        return;
      }
      lock.unlock();
      try {
        read_(piece, reader, slot.value);
      } catch (...) {
        slot.failure = std::current_exception();
      }
      lock.lock();
      slot.full = true;
      filled_.notify_all();
    }
  }
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    freed_.notify_all();
    threads_.clear();  // joins
  }

  Index pieces_;
  Read read_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable freed_;
  Index next_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace reasonembed
