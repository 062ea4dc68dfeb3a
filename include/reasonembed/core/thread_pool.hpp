#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI {

/// A fixed set of threads that run numbered items; the calling thread is one of them.
///
/// Which thread runs which item is open, so a result must depend on the item's number alone: then it is bit-identical
/// for every pool size. Reductions partition their data with `for_each_block`, whose blocks don't depend on the pool,
/// and add the block results in order.
///
/// @note  Both loops are const (encoders that are const own a pool), may be called from any number of threads at once
///        and from inside f. A pool serves one call at a time: a call that finds it busy runs all its items on its own
///        thread at once, in order, as worker 0; it never waits. Idle workers sleep. No call allocates.
class ThreadPool {
 public:
  /// @param threads  threads in all, the caller included; 0 takes one per hardware thread
  /// @throws         ConfigError if threads is negative; std::system_error if a thread can't be started
  explicit ThreadPool(int threads = 0) : size_(checked_size(threads)) {
    workers_.reserve(static_cast<std::size_t>(size_ - 1));
    try {
      for (int worker = 1; worker < size_; ++worker) {
        workers_.emplace_back([this, worker] { serve(worker); });
      }
    } catch (...) {
      stop();
      throw;
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ThreadPool(ThreadPool&&) = delete;
  ThreadPool& operator=(ThreadPool&&) = delete;
  /// @pre  no call is running
  ~ThreadPool() { stop(); }

  /// @return  threads in all, the caller included; >= 1
  [[nodiscard]] int size() const { return size_; }

  /// Calls f(item, worker) once for every item in [0, count) and returns when all have finished.
  ///
  /// @param f  worker is in [0, size()); within ONE call no two running items share a worker, so it may index scratch
  ///           that belongs to the call. Two concurrent calls both use worker 0: scratch must not be shared by calls.
  /// @throws   ShapeError if count < 0; whatever f throws: items not yet started are dropped, those running finish, and
  ///           the exception of the lowest item is rethrown here (always the same one, whatever the pool size)
  void for_each(Index count, FunctionRef<void(Index item, int worker)> f) const {
    if (count < 0) {
      throw ShapeError::invalid("ThreadPool::for_each", "count", std::to_string(count), "at least 0");
    }
    if (size_ == 1 || count <= 1 || busy_.test_and_set(std::memory_order_acquire)) {
      for (Index item = 0; item < count; ++item) {
        f(item, 0);
      }
      return;
    }
    open(count, f);
    work(count, f, 0);
    const std::exception_ptr failure = close();
    busy_.clear(std::memory_order_release);
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

  /// Calls f(begin, end, block) once for every block of a partition of [0, count) that depends on count and blocks
  /// alone: min(blocks, count) consecutive, non-empty blocks whose sizes differ by at most one, the larger ones first.
  ///
  /// @throws  ConfigError if blocks < 1; otherwise as for_each
  void for_each_block(Index count, Index blocks, FunctionRef<void(Index begin, Index end, Index block)> f) const {
    if (blocks < 1) {
      throw ConfigError::invalid("ThreadPool::for_each_block", "blocks", std::to_string(blocks), "at least 1");
    }
    const Index used = std::min(blocks, count);
    const Index length = used > 0 ? count / used : 0;
    const Index longer = used > 0 ? count % used : 0;
    for_each(used, [&](Index block, int) {
      const Index begin = block * length + std::min(block, longer);
      f(begin, begin + length + (block < longer ? 1 : 0), block);
    });
  }

 private:
  using Function = FunctionRef<void(Index item, int worker)>;

  static int checked_size(int threads) {
    if (threads < 0) {
      throw ConfigError::invalid("ThreadPool", "threads", std::to_string(threads), "at least 0");
    }
    return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  void open(Index count, const Function& f) const {
    next_.store(0, std::memory_order_relaxed);
    {
      const std::scoped_lock lock(mutex_);
      function_ = &f;
      count_ = count;
      failed_item_ = count;
      ++generation_;
    }
    for (Index wanted = std::min<Index>(size_ - 1, count - 1); wanted > 0; --wanted) {
      wake_.notify_one();
    }
  }

  /// Runs items until none is left. Items are claimed in ascending order, so when one fails all lower ones have been
  /// claimed and will finish: the lowest failure is always found.
  void work(Index count, const Function& f, int worker) const {
    for (Index item = next_.fetch_add(1, std::memory_order_relaxed); item < count;
         item = next_.fetch_add(1, std::memory_order_relaxed)) {
      try {
        f(item, worker);
      } catch (...) {
        next_.store(count, std::memory_order_relaxed);
        const std::scoped_lock lock(mutex_);
        if (item < failed_item_) {
          failed_item_ = item;
          failure_ = std::current_exception();
        }
      }
    }
  }

  /// Lets no further worker in and waits for those inside. A worker that has not woken up yet is not waited for.
  std::exception_ptr close() const {
    std::unique_lock lock(mutex_);
    function_ = nullptr;
    finished_.wait(lock, [this] { return inside_ == 0; });
    return std::exchange(failure_, nullptr);
  }

  void serve(int worker) const {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || (function_ != nullptr && generation_ != seen); });
      if (stopping_) {
        return;
      }
      seen = generation_;
      ++inside_;
      const Index count = count_;
      const Function& f = *function_;  // alive until the caller has seen this worker leave
      lock.unlock();
      work(count, f, worker);
      lock.lock();
      if (--inside_ == 0) {
        finished_.notify_one();
      }
    }
  }

  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    workers_.clear();  // joins
  }

  int size_;
  mutable std::atomic_flag busy_;
  alignas(64) mutable std::atomic<Index> next_{0};  // alone on its cache line: every item touches it
  alignas(64) mutable std::mutex mutex_;
  mutable std::condition_variable wake_;
  mutable std::condition_variable finished_;
  mutable const Function* function_ = nullptr;
  mutable Index count_ = 0;
  mutable Index failed_item_ = 0;
  mutable std::exception_ptr failure_;
  mutable std::uint64_t generation_ = 0;
  mutable int inside_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> workers_;
};

}  // namespace reasonembed
