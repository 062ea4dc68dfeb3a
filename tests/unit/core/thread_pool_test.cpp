#include <reasonembed/core/thread_pool.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <mutex>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::ThreadPool;

static_assert(!std::is_copy_constructible_v<ThreadPool> && !std::is_move_constructible_v<ThreadPool>);

TEST_SUITE("core/thread_pool") {
  TEST_CASE("constructor: counts the caller") {
    for (const int threads : {1, 2, 3, 8}) {
      CHECK(ThreadPool(threads).size() == threads);
    }
  }

  TEST_CASE("constructor: zero takes the hardware threads, at least one") {
    const ThreadPool pool;
    CHECK(pool.size() >= 1);
    CHECK(pool.size() == std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  }

  TEST_CASE("constructor: refuses a negative count") {
    CHECK_THROWS_WITH_AS(ThreadPool(-1), "ThreadPool: threads is -1, expected at least 0", re::ConfigError);
  }

  TEST_CASE("for_each: runs every item exactly once for every size of pool and range") {
    for (const int threads : {1, 2, 3, 5}) {
      const ThreadPool pool(threads);
      for (const Index count : {0, 1, 2, 3, 7, 64, 1000}) {
        CAPTURE(threads);
        CAPTURE(count);
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
        std::atomic<int> bad_workers{0};
        pool.for_each(count, [&](Index item, int worker) {
          runs[static_cast<std::size_t>(item)].fetch_add(1, std::memory_order_relaxed);
          bad_workers += static_cast<int>(worker < 0 || worker >= threads);
        });
        CHECK(bad_workers == 0);
        for (const auto& run : runs) {
          REQUIRE(run == 1);
        }
      }
    }
  }

  TEST_CASE("for_each: what workers wrote is visible to the caller without atomics") {
    const ThreadPool pool(4);
    std::vector<Index> squares(500);
    for (int repeat = 0; repeat < 50; ++repeat) {
      pool.for_each(500, [&](Index item, int) { squares[static_cast<std::size_t>(item)] = item * item + repeat; });
      Index sum = 0;
      for (const Index square : squares) {
        sum += square;
      }
      REQUIRE(sum == 499 * 500 * 999 / 6 + 500 * repeat);
    }
  }

  TEST_CASE("for_each: scratch indexed by worker is never shared within one call") {
    const ThreadPool pool(4);
    std::vector<std::atomic<int>> inside(4);
    std::atomic<int> collisions{0};
    pool.for_each(2000, [&](Index, int worker) {
      const auto slot = static_cast<std::size_t>(worker);
      collisions += static_cast<int>(inside[slot].fetch_add(1) != 0);
      inside[slot].fetch_sub(1);
    });
    CHECK(collisions == 0);
  }

  TEST_CASE("for_each: several threads take part when items wait for each other") {
    const ThreadPool pool(3);
    std::atomic<int> arrived{0};
    pool.for_each(3, [&](Index, int) {  // deadlocks unless three threads run it
      ++arrived;
      while (arrived.load() < 3) {
        std::this_thread::yield();
      }
    });
    CHECK(arrived == 3);
  }

  TEST_CASE("for_each: a pool of one runs in order on the caller") {
    const ThreadPool pool(1);
    std::vector<Index> order;
    const auto caller = std::this_thread::get_id();
    pool.for_each(5, [&](Index item, int worker) {
      CHECK(worker == 0);
      CHECK(std::this_thread::get_id() == caller);
      order.push_back(item);
    });
    CHECK(order == std::vector<Index>{0, 1, 2, 3, 4});
  }

  TEST_CASE("for_each: a nested call runs on its own thread, in order, as worker 0") {
    const ThreadPool pool(3);
    std::atomic<int> faults{0};
    std::atomic<Index> total{0};
    pool.for_each(20, [&](Index, int) {
      const auto outer = std::this_thread::get_id();
      Index expected = 0;
      pool.for_each(10, [&](Index item, int worker) {
        faults += static_cast<int>(worker != 0 || item != expected++ || std::this_thread::get_id() != outer);
        total += item;
      });
    });
    CHECK(faults == 0);
    CHECK(total == 20 * 45);
  }

  TEST_CASE("for_each: concurrent callers all finish with exact coverage and never wait for each other") {
    const ThreadPool pool(3);
    std::vector<std::vector<int>> hits(4, std::vector<int>(300));
    std::vector<std::jthread> callers;
    for (std::size_t caller = 0; caller < hits.size(); ++caller) {
      callers.emplace_back([&, caller] {
        for (int repeat = 0; repeat < 50; ++repeat) {
          pool.for_each(300, [&](Index item, int) { ++hits[caller][static_cast<std::size_t>(item)]; });
        }
      });
    }
    callers.clear();
    for (const auto& row : hits) {
      for (const int count : row) {
        REQUIRE(count == 50);
      }
    }
  }

  TEST_CASE("for_each: a second caller proceeds while the first is stuck in its items") {
    const ThreadPool pool(2);
    std::atomic<bool> started{false};
    std::atomic<bool> release{false};
    std::jthread first([&] {
      pool.for_each(2, [&](Index, int) {
        started = true;
        while (!release) {
          std::this_thread::yield();
        }
      });
    });
    while (!started) {
      std::this_thread::yield();
    }
    int alone = 0;
    pool.for_each(10, [&](Index, int) { ++alone; });  // would hang here if it waited
    CHECK(alone == 10);
    release = true;
  }

  TEST_CASE("for_each: rethrows the exception of the lowest failing item for every pool size") {
    for (const int threads : {1, 2, 4}) {
      const ThreadPool pool(threads);
      for (int repeat = 0; repeat < 20; ++repeat) {
        CAPTURE(threads);
        CHECK_THROWS_WITH_AS(pool.for_each(200,
                                           [](Index item, int) {
                                             if (item >= 17) {
                                               throw std::runtime_error("item " + std::to_string(item));
                                             }
                                           }),
                             "item 17",
                             std::runtime_error);
      }
    }
  }

  TEST_CASE("for_each: finishes all items below the failing one and drops most of the rest") {
    const ThreadPool pool(2);
    std::vector<std::atomic<int>> runs(100000);
    std::atomic<bool> failing{false};
    CHECK_THROWS_AS(pool.for_each(100000,
                                  [&](Index item, int) {
                                    runs[static_cast<std::size_t>(item)] = 1;
                                    if (item == 50) {
                                      failing = true;
                                      failing.notify_all();
                                      throw std::runtime_error("stop");
                                    }
                                    // The other thread can't run to the end while this one is kept from failing.
                                    if (item > 50) {
                                      failing.wait(false);
                                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                    }
                                  }),
                    std::runtime_error);
    for (std::size_t item = 0; item <= 50; ++item) {
      REQUIRE(runs[item] == 1);
    }
    CHECK(runs.back() == 0);
  }

  TEST_CASE("for_each: the pool works again after an exception") {
    const ThreadPool pool(3);
    CHECK_THROWS(pool.for_each(10, [](Index, int) { throw 1; }));
    std::atomic<int> ran{0};
    pool.for_each(10, [&](Index, int) { ++ran; });
    CHECK(ran == 10);
  }

  TEST_CASE("for_each: an exception of a nested call passes through the outer call") {
    const ThreadPool pool(2);
    CHECK_THROWS_WITH_AS(
        pool.for_each(4,
                      [&](Index outer, int) {
                        pool.for_each(4, [&](Index inner, int) {
                          if (inner == 2) {
                            throw std::runtime_error(std::to_string(outer) + "/" + std::to_string(inner));
                          }
                        });
                      }),
        "0/2",
        std::runtime_error);
  }

  TEST_CASE("for_each: refuses a negative count") {
    CHECK_THROWS_WITH_AS(ThreadPool(2).for_each(-3, [](Index, int) {}),
                         "ThreadPool::for_each: count is -3, expected at least 0",
                         re::ShapeError);
  }

  TEST_CASE("for_each: many short calls in a row neither hang nor lose items") {
    const ThreadPool pool(4);
    std::atomic<long> total{0};
    for (int call = 0; call < 2000; ++call) {
      pool.for_each(1 + call % 5, [&](Index, int) { total.fetch_add(1, std::memory_order_relaxed); });
    }
    CHECK(total == 400 * (1 + 2 + 3 + 4 + 5));
  }

  TEST_CASE("for_each_block: the partition depends on count and blocks alone") {
    using Piece = std::array<Index, 3>;
    const auto partition = [](int threads, Index count, Index blocks) {
      const ThreadPool pool(threads);
      std::mutex mutex;
      std::vector<Piece> pieces;
      pool.for_each_block(count, blocks, [&](Index begin, Index end, Index block) {
        const std::scoped_lock lock(mutex);
        pieces.push_back({block, begin, end});
      });
      std::sort(pieces.begin(), pieces.end());
      return pieces;
    };
    for (const Index count : {0, 1, 2, 9, 10, 11, 100}) {
      for (const Index blocks : {1, 2, 3, 10, 11}) {
        CAPTURE(count);
        CAPTURE(blocks);
        const auto pieces = partition(1, count, blocks);
        CHECK(pieces == partition(2, count, blocks));
        CHECK(pieces == partition(5, count, blocks));
        CHECK(static_cast<Index>(pieces.size()) == std::min(count, blocks));
        Index next = 0;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
          const auto [block, begin, end] = pieces[i];
          CHECK(block == static_cast<Index>(i));
          CHECK(begin == next);
          const Index share = count / std::min(count, blocks);
          CHECK((end - begin == share || end - begin == share + 1));
          next = end;
        }
        CHECK(next == count);
      }
    }
    CHECK(partition(2, 10, 4) == std::vector<Piece>{{0, 0, 3}, {1, 3, 6}, {2, 6, 8}, {3, 8, 10}});
  }

  TEST_CASE("for_each_block: a blocked sum has the same bits for every pool size") {
    std::vector<float> values(10007);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = std::sin(static_cast<float>(i)) * 1e3F;
    }
    const auto sum = [&](int threads) {
      std::vector<float> partial(16);
      ThreadPool(threads).for_each_block(
          static_cast<Index>(values.size()), 16, [&](Index begin, Index end, Index block) {
            float total = 0.0F;
            for (Index i = begin; i < end; ++i) {
              total += values[static_cast<std::size_t>(i)];
            }
            partial[static_cast<std::size_t>(block)] = total;
          });
      return std::accumulate(partial.begin(), partial.end(), 0.0F);
    };
    const float one = sum(1);
    CHECK(sum(2) == one);
    CHECK(sum(3) == one);
    CHECK(sum(7) == one);
  }

  TEST_CASE("for_each_block: refuses less than one block and a negative count") {
    const ThreadPool pool(1);
    CHECK_THROWS_WITH_AS(pool.for_each_block(5, 0, [](Index, Index, Index) {}),
                         "ThreadPool::for_each_block: blocks is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(pool.for_each_block(-5, 2, [](Index, Index, Index) {}),
                         "ThreadPool::for_each: count is -5, expected at least 0",
                         re::ShapeError);
  }

  TEST_CASE("destructor: joins sleeping workers at once and works without any call") {
    for (int repeat = 0; repeat < 50; ++repeat) {
      const ThreadPool pool(4);
      if (repeat % 2 == 0) {
        pool.for_each(4, [](Index, int) {});
      }
    }
    CHECK(true);
  }

  TEST_CASE("for_each, for_each_block: allocate nothing, busy or not") {
    const ThreadPool pool(3);
    std::atomic<Index> total{0};
    const auto loops = [&] {
      for (int repeat = 0; repeat < 10; ++repeat) {
        pool.for_each(50, [&](Index item, int) {
          total.fetch_add(item, std::memory_order_relaxed);
          pool.for_each(2, [&](Index inner, int) { total.fetch_add(inner, std::memory_order_relaxed); });
        });
        pool.for_each_block(
            50, 7, [&](Index begin, Index end, Index) { total.fetch_add(end - begin, std::memory_order_relaxed); });
      }
    };
    loops();
    CHECK(test::count_allocations(loops) == 0);
    CHECK(test::count_allocations([] { ::operator delete(::operator new(8)); }) == 1);  // the counter counts
    CHECK(total == 2 * 10 * (49 * 50 / 2 + 50 + 50));
  }

  TEST_CASE("for_each: exceptions thrown by many callers at once reach their own caller") {
    const ThreadPool pool(3);
    std::atomic<int> right{0};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&, caller] {
        for (int repeat = 0; repeat < 50; ++repeat) {
          try {
            pool.for_each(20, [&](Index item, int) {
              if (item >= 3) {
                throw caller * 1000 + static_cast<int>(item);
              }
            });
          } catch (const int thrown) {
            right += static_cast<int>(thrown == caller * 1000 + 3);
          }
        }
      });
    }
    callers.clear();
    CHECK(right == 4 * 50);
  }

  TEST_CASE("for_each: works through a function, a named lambda and a const pool in another object") {
    struct Encoder {  // as an encoder holds its pool: const members may use it
      ThreadPool pool{2};
      [[nodiscard]] Index count(Index items) const {
        std::atomic<Index> seen{0};
        const auto body = [&](Index, int) { ++seen; };
        pool.for_each(items, body);
        return seen;
      }
    };
    CHECK(Encoder().count(33) == 33);
  }
}
