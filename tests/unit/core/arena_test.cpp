#include <reasonembed/core/arena.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::ArenaScope;
using re::Index;

static_assert(!std::is_copy_constructible_v<Arena> && std::is_move_constructible_v<Arena>);
static_assert(!std::is_copy_constructible_v<ArenaScope> && !std::is_move_constructible_v<ArenaScope>);

namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

bool aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % re::kAlignment == 0;
}

}  // namespace

TEST_SUITE("core/arena") {
  TEST_CASE("allocate: pieces are aligned, disjoint and writable") {
    Arena arena;
    std::vector<std::span<std::uint8_t>> pieces;
    for (Index size = 0; size < 200; size += 7) {
      pieces.push_back(arena.allocate<std::uint8_t>(size));
      CHECK(aligned(pieces.back().data()));
      CHECK(pieces.back().size() == static_cast<std::size_t>(size));
      std::fill(pieces.back().begin(), pieces.back().end(), static_cast<std::uint8_t>(size));
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      CHECK(std::all_of(
          pieces[i].begin(), pieces[i].end(), [&](std::uint8_t x) { return x == static_cast<std::uint8_t>(7 * i); }));
    }
  }

  TEST_CASE("allocate: refuses sizes that are negative or can't exist") {
    Arena arena;
    CHECK_THROWS_AS((void)arena.allocate<float>(-1), std::bad_array_new_length);
    CHECK_THROWS_AS((void)arena.allocate<double>(std::numeric_limits<Index>::max() / 4), std::bad_array_new_length);
    CHECK(arena.allocate<float>(3).size() == 3);
  }

  TEST_CASE("matrix: is contiguous and has the shape asked for") {
    Arena arena;
    const auto matrix = arena.matrix<double>(3, 5);
    CHECK(matrix.rows() == 3);
    CHECK(matrix.cols() == 5);
    CHECK(matrix.contiguous());
    CHECK(aligned(matrix.data()));
    CHECK(arena.matrix<double>(0, 5).empty());
    CHECK_THROWS_WITH_AS(
        (void)arena.matrix<double>(-3, -5),
        "Arena::matrix: shape is (-3, -5), expected extents of at least 0 with a representable product",
        re::ShapeError);
  }

  TEST_CASE("rewind: gives the same memory again") {
    Arena arena;
    (void)arena.allocate<float>(10);
    const Arena::Mark mark = arena.mark();
    const std::size_t used = arena.used();
    const float* first = arena.allocate<float>(100).data();
    CHECK(arena.used() > used);
    arena.rewind(mark);
    CHECK(arena.used() == used);
    CHECK(arena.allocate<float>(50).data() == first);
  }

  TEST_CASE("rewind: before the first allocation is harmless") {
    Arena arena;
    const Arena::Mark mark = arena.mark();
    arena.rewind(mark);
    CHECK(arena.used() == 0);
    CHECK(arena.capacity() == 0);
    (void)arena.allocate<float>(1);
    arena.rewind(mark);
    CHECK(arena.used() == 0);
  }

  TEST_CASE("growth: earlier pieces stay where they are") {
    Arena arena;
    auto small = arena.allocate<std::uint8_t>(1000);
    std::fill(small.begin(), small.end(), std::uint8_t{42});
    const auto large = arena.allocate<std::uint8_t>(static_cast<Index>(5 * kMegabyte));
    std::fill(large.begin(), large.end(), std::uint8_t{7});
    CHECK(std::all_of(small.begin(), small.end(), [](std::uint8_t x) { return x == 42; }));
    CHECK(arena.capacity() >= 6 * kMegabyte);
  }

  TEST_CASE("growth: an arena that is empty again has one slab that holds the peak") {
    Arena arena;
    const Arena::Mark empty = arena.mark();
    const auto pass = [&] {
      for (int i = 0; i < 8; ++i) {
        (void)arena.allocate<std::uint8_t>(700'000);
      }
    };
    pass();
    const std::size_t peak = arena.peak();
    CHECK(peak >= 8 * 700'000U);
    arena.rewind(empty);
    const std::size_t capacity = arena.capacity();
    CHECK(capacity >= peak);
    const std::uint8_t* start = arena.allocate<std::uint8_t>(1).data();
    arena.rewind(empty);
    for (int repeat = 0; repeat < 3; ++repeat) {
      pass();
      CHECK(arena.capacity() == capacity);  // the second pass allocates nothing
      arena.rewind(empty);
      CHECK(arena.allocate<std::uint8_t>(1).data() == start);
      arena.rewind(empty);
    }
    CHECK(arena.peak() == peak);
  }

  TEST_CASE("rewind: to a mark in the middle keeps what lies below, over slab borders") {
    Arena arena;
    const auto below = arena.allocate<std::uint8_t>(900'000);
    std::fill(below.begin(), below.end(), std::uint8_t{1});
    const Arena::Mark mark = arena.mark();
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (int i = 0; i < 5; ++i) {
        const auto above = arena.allocate<std::uint8_t>(900'000);
        std::fill(above.begin(), above.end(), std::uint8_t{2});
      }
      const std::size_t capacity = arena.capacity();
      arena.rewind(mark);
      CHECK(arena.used() == 900'032);  // rounded up to 64
      CHECK(arena.capacity() == capacity);
    }
    CHECK(std::all_of(below.begin(), below.end(), [](std::uint8_t x) { return x == 1; }));
  }

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // which touch memory of their own
  TEST_CASE("allocate: a slab takes memory only where it is touched, and gives it back") {
    const auto resident = [] {
      std::ifstream file("/proc/self/statm");
      std::size_t size = 0;
      std::size_t pages = 0;
      file >> size >> pages;
      return pages * 4096;
    };
    const std::size_t before = resident();
    Arena arena;
    const Arena::Mark empty = arena.mark();
    (void)arena.allocate<std::uint8_t>(static_cast<Index>(512 * kMegabyte));
    CHECK(resident() < before + 64 * kMegabyte);
    auto touched = arena.allocate<std::uint8_t>(static_cast<Index>(96 * kMegabyte));
    std::fill(touched.begin(), touched.end(), std::uint8_t{1});
    CHECK(resident() >= before + 90 * kMegabyte);
    arena.rewind(empty);  // joins
    CHECK(resident() < before + 64 * kMegabyte);
    CHECK(arena.capacity() >= 608 * kMegabyte);
  }
#endif

  TEST_CASE("constructor: reserves at once") {
    Arena arena(3 * kMegabyte + 1);
    const std::size_t capacity = arena.capacity();
    CHECK(capacity >= 3 * kMegabyte + 1);
    CHECK(capacity % re::kAlignment == 0);
    (void)arena.allocate<std::uint8_t>(static_cast<Index>(3 * kMegabyte));
    CHECK(arena.capacity() == capacity);
  }

  TEST_CASE("ArenaScope: frees at its end, also nested and through exceptions") {
    Arena arena;
    (void)arena.allocate<float>(4);
    const std::size_t before = arena.used();
    {
      const ArenaScope outer(arena);
      (void)arena.allocate<float>(100);
      const std::size_t inside = arena.used();
      {
        const ArenaScope inner(arena);
        (void)arena.allocate<float>(1000);
      }
      CHECK(arena.used() == inside);
    }
    CHECK(arena.used() == before);
    try {
      const ArenaScope scope(arena);
      (void)arena.allocate<float>(100);
      throw 1;
    } catch (int) {
    }
    CHECK(arena.used() == before);
  }

  TEST_CASE("ArenaScope: keep leaves everything alive") {
    Arena arena;
    {
      ArenaScope scope(arena);
      (void)arena.allocate<float>(16);
      scope.keep();
    }
    CHECK(arena.used() == 64);
  }

  TEST_CASE("move: carries the pieces along and leaves a usable arena") {
    Arena arena;
    const auto piece = arena.allocate<int>(4);
    piece[3] = 9;
    Arena moved(std::move(arena));
    CHECK(piece[3] == 9);
    CHECK(moved.used() == 64);
    CHECK(arena.allocate<int>(1).size() == 1);  // NOLINT(bugprone-use-after-move): documented state
  }
  TEST_CASE("level_arenas: gives all the size of the largest, and leaves one alone that is in use") {
    std::vector<Arena> arenas(3);
    (void)arenas[1].allocate<char>(re::Index{3} << 20);
    arenas[1].rewind({});
    const std::size_t largest = arenas[1].capacity();
    (void)arenas[2].allocate<char>(1);
    const std::size_t in_use = arenas[2].capacity();
    re::level_arenas(arenas);
    CHECK(arenas[0].capacity() == largest);
    CHECK(arenas[1].capacity() == largest);
    CHECK(arenas[2].capacity() == in_use);
    CHECK_NOTHROW(re::level_arenas({}));
  }
}
