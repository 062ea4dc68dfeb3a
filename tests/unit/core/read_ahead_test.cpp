#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/read_ahead.hpp>
#include <reasonembed/core/thread_pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using ReadAhead = re::ReadAhead<Matrix<float>>;

namespace {

void fill(Index piece, int /*reader*/, Matrix<float>& slot) {
  if (slot.rows() == 0) {
    slot = Matrix<float>(3, 4);
  }
  std::fill(slot.flat().begin(), slot.flat().end(), static_cast<float>(piece));
}

bool holds(const ReadAhead::Piece& piece, Index number) {
  const auto values = piece.value().flat();
  return std::all_of(values.begin(), values.end(), [&](float x) { return x == static_cast<float>(number); });
}

}  // namespace

TEST_SUITE("core/read_ahead") {
  TEST_CASE("take: gives every piece what was read for it, in order, for any number of slots and readers") {
    for (const Index slots : {1, 2, 3, 7, 100}) {
      for (const int readers : {1, 2, 5}) {
        CAPTURE(slots);
        CAPTURE(readers);
        ReadAhead pieces(50, slots, readers, fill);
        for (Index piece = 0; piece < 50; ++piece) {
          const ReadAhead::Piece taken = pieces.take(piece);
          CHECK(taken.value().rows() == 3);
          CHECK(taken.value().cols() == 4);
          REQUIRE(holds(taken, piece));
        }
      }
    }
  }
  TEST_CASE("take: from the threads of a pool, each piece once") {
    for (const int threads : {1, 2, 4}) {
      const re::ThreadPool pool(threads);
      std::vector<int> seen(500);
      ReadAhead pieces(500, threads + 2, 2, fill);
      std::atomic<int> wrong{0};
      pool.for_each(500, [&](Index item, int) {
        const ReadAhead::Piece taken = pieces.take(item);
        wrong += holds(taken, item) ? 0 : 1;
        ++seen[static_cast<std::size_t>(item)];
      });
      CHECK(wrong == 0);
      CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
    }
  }
  TEST_CASE("ReadAhead: reads ahead of who takes, and no further than there are slots") {
    std::atomic<int> reads{0};
    ReadAhead pieces(100, 5, 2, [&](Index piece, int reader, Matrix<float>& slot) {
      ++reads;
      fill(piece, reader, slot);
    });
    const auto wait_for = [&](int count) {
      for (int i = 0; i < 2000 && reads < count; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return reads.load();
    };
    CHECK(wait_for(5) == 5);
    {
      const ReadAhead::Piece taken = pieces.take(0);
      CHECK(wait_for(5) == 5);  // its slot is still in use
    }
    CHECK(wait_for(6) == 6);
  }
  TEST_CASE("ReadAhead: a slot is made once and read into again, whatever it holds") {
    re::ReadAhead<std::vector<Index>> pieces(
        12, 4, 1, [](Index piece, int, std::vector<Index>& slot) { slot.push_back(piece); });
    for (Index piece = 0; piece < 12; ++piece) {
      const auto taken = pieces.take(piece);
      REQUIRE(taken.value().size() == static_cast<std::size_t>(piece / 4 + 1));
      CHECK(taken.value().front() == piece % 4);
      CHECK(taken.value().back() == piece);
    }
  }
  TEST_CASE("ReadAhead: no two running reads share a reader") {
    constexpr int kReaders = 3;
    std::vector<std::atomic<int>> inside(kReaders);
    std::atomic<int> shared{0};
    ReadAhead pieces(200, 6, kReaders, [&](Index piece, int reader, Matrix<float>& slot) {
      shared += inside[static_cast<std::size_t>(reader)]++ == 0 ? 0 : 1;
      fill(piece, reader, slot);
      --inside[static_cast<std::size_t>(reader)];
    });
    for (Index piece = 0; piece < 200; ++piece) {
      (void)pieces.take(piece);
    }
    CHECK(shared == 0);
  }
  TEST_CASE("take: throws what the read of its piece threw, and the others go on") {
    ReadAhead pieces(20, 3, 2, [](Index piece, int reader, Matrix<float>& slot) {
      if (piece % 7 == 3) {
        throw std::runtime_error("piece " + std::to_string(piece));
      }
      fill(piece, reader, slot);
    });
    for (Index piece = 0; piece < 20; ++piece) {
      if (piece % 7 == 3) {
        CHECK_THROWS_WITH_AS((void)pieces.take(piece), ("piece " + std::to_string(piece)).c_str(), std::runtime_error);
      } else {
        REQUIRE(holds(pieces.take(piece), piece));
      }
    }
  }
  TEST_CASE("ReadAhead: ends at once when pieces are left, and with none at all") {
    for (const Index taken : {0, 1, 3}) {
      ReadAhead pieces(1'000'000, 4, 2, fill);
      for (Index piece = 0; piece < taken; ++piece) {
        (void)pieces.take(piece);
      }
    }
    const ReadAhead none(0, 1, 1, fill);
  }
  TEST_CASE("ReadAhead: a worker that throws does not stop the others or the end") {
    const re::ThreadPool pool(3);
    ReadAhead pieces(300, 5, 1, fill);
    CHECK_THROWS_WITH_AS(pool.for_each(300,
                                       [&](Index item, int) {
                                         const ReadAhead::Piece taken = pieces.take(item);
                                         if (item == 20) {
                                           throw std::runtime_error("twenty");
                                         }
                                       }),
                         "twenty",
                         std::runtime_error);
  }
  TEST_CASE("ReadAhead: refuses no slots and no readers") {
    CHECK_THROWS_WITH_AS(ReadAhead(1, 0, 1, fill), "ReadAhead: slots is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(ReadAhead(1, 1, 0, fill), "ReadAhead: readers is 0, expected at least 1", re::ConfigError);
  }
}
