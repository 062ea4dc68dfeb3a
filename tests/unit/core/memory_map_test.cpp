#include <reasonembed/core/memory_map.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::MappedPart;
using re::MemoryMap;

static_assert(std::is_nothrow_move_constructible_v<MappedPart> && !std::is_copy_constructible_v<MappedPart>);
static_assert(std::is_nothrow_move_constructible_v<MemoryMap> && !std::is_copy_constructible_v<MemoryMap>);

namespace {

/// A directory that goes away with the test.
struct Scratch {
  Scratch() : path(fs::temp_directory_path() / ("reasonembed_memory_map_" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Scratch() { fs::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const {
    const std::string file = (path / name).string();
    std::FILE* out = std::fopen(file.c_str(), "wb");
    REQUIRE(out != nullptr);
    REQUIRE(std::fwrite(content.data(), 1, content.size(), out) == content.size());
    std::fclose(out);
    return file;
  }

  fs::path path;
};

/// @return  KiB of a mapped file that this process holds, as /proc/self/smaps says; 0 where it says nothing
long resident_kib(const std::string& file) {
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  long total = 0;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find('-') < line.find(' ')) {  // the first line of a mapping: addresses, permissions, path
      inside = line.ends_with(file);
    } else if (inside && line.starts_with("Rss:")) {
      total += std::stol(line.substr(4));
    }
  }
  return total;
}

}  // namespace

TEST_SUITE("core/memory_map") {
  TEST_CASE("release: gives back whole pages of a part, whose content stays") {
    const Scratch scratch;
    std::string content(std::size_t{5} * 4096 + 100, '\0');
    for (std::size_t i = 0; i < content.size(); ++i) {
      content[i] = static_cast<char>(i * 41 % 253);
    }
    const MemoryMap map(scratch.write("pages", content));
    CHECK(map.text() == content);
    for (const auto& [first, size] : {std::pair<std::size_t, std::size_t>{0, content.size()},
                                      {0, 0},
                                      {1, 4095},
                                      {4096, 8192},
                                      {100, 9000},
                                      {content.size(), 0},
                                      {content.size() - 50, 50}}) {
      map.release(map.bytes().subspan(first, size));
      CHECK(map.text() == content);
    }
  }
  TEST_CASE("release: the process holds no page of a part that was given back") {
    const Scratch scratch;
    const std::string file = scratch.write("large", std::string(std::size_t{4} << 20, 'x'));
    const MemoryMap map(file);
    CHECK(std::count(map.text().begin(), map.text().end(), 'x') == 4 << 20);
    if (resident_kib(file) == 0) {
      MESSAGE("SKIPPED: /proc/self/smaps does not say what is resident here");
      return;
    }
    CHECK(resident_kib(file) == 4096);
    map.release(map.bytes().first(std::size_t{3} << 20));
    CHECK(resident_kib(file) <= 1024);  // less where the system maps large pages, and drops one of them whole
    map.release(map.bytes());
    CHECK(resident_kib(file) == 0);
    CHECK(map.text().back() == 'x');
  }
  TEST_CASE("constructor: maps exactly the bytes of the file") {
    const Scratch scratch;
    for (const std::size_t size : {1UL, 2UL, 4095UL, 4096UL, 4097UL, 100000UL}) {  // around a page
      CAPTURE(size);
      std::string content(size, '\0');
      for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<char>(i * 37 % 251);
      }
      const MemoryMap map(scratch.write("bytes", content));
      CHECK(map.size() == size);
      CHECK(map.text() == content);
      CHECK(map.bytes().size() == size);
      CHECK(reinterpret_cast<std::uintptr_t>(map.bytes().data()) % 4096 == 0);
    }
  }

  TEST_CASE("constructor: an empty file is an empty span") {
    const Scratch scratch;
    const MemoryMap map(scratch.write("empty", ""));
    CHECK(map.size() == 0);
    CHECK(map.bytes().empty());
    CHECK(map.text().empty());
  }

  TEST_CASE("constructor: accepts a filesystem path") {
    const Scratch scratch;
    CHECK(MemoryMap(fs::path(scratch.write("p", "abc"))).text() == "abc");
  }

  TEST_CASE("constructor: names a missing file") {
    CHECK_THROWS_WITH_AS(
        MemoryMap("/no/such/file"), "/no/such/file: file is missing, expected a readable regular file", re::IoError);
  }

  TEST_CASE("constructor: names a path below a file") {
    const Scratch scratch;
    const std::string path = scratch.write("plain", "x") + "/below";
    CHECK_THROWS_WITH_AS(
        MemoryMap{path}, (path + ": file is missing, expected a readable regular file").c_str(), re::IoError);
  }

  TEST_CASE("constructor: refuses a directory") {
    const Scratch scratch;
    CHECK_THROWS_WITH_AS(MemoryMap(scratch.path.string()),
                         (scratch.path.string() + ": path is a directory, expected a regular file").c_str(),
                         re::IoError);
  }

  TEST_CASE("constructor: refuses a device") {
    CHECK_THROWS_WITH_AS(
        MemoryMap("/dev/null"), "/dev/null: path is a special file, expected a regular file", re::IoError);
  }

  TEST_CASE("constructor: reports the reason of the system for a file without permission") {
    if (::geteuid() == 0) {
      MESSAGE("SKIPPED: root may read every file");
      return;
    }
    const Scratch scratch;
    const std::string path = scratch.write("secret", "x");
    fs::permissions(path, fs::perms::none);
    CHECK_THROWS_WITH_AS(
        MemoryMap{path},
        (path + ": file is refused by the system (Permission denied), expected a readable regular file").c_str(),
        re::IoError);
  }

  TEST_CASE("move: hands the mapping over and leaves an empty map") {
    const Scratch scratch;
    MemoryMap first(scratch.write("a", "first"));
    MemoryMap second(std::move(first));
    CHECK(second.text() == "first");
    CHECK(first.size() == 0);  // NOLINT(bugprone-use-after-move): documented state
    CHECK(first.bytes().data() == nullptr);
    MemoryMap third(scratch.write("b", "third"));
    third = std::move(second);
    CHECK(third.text() == "first");
    CHECK(second.size() == 0);  // NOLINT(bugprone-use-after-move)
    MemoryMap& alias = third;
    third = std::move(alias);
    CHECK(third.text() == "first");
  }

  TEST_CASE("mapping: outlives the name of the file") {
    const Scratch scratch;
    const std::string path = scratch.write("gone", "still here");
    const MemoryMap map(path);
    fs::remove(path);
    CHECK(map.text() == "still here");
  }

  TEST_CASE("default constructor: is an empty map") {
    const MemoryMap map;
    CHECK(map.size() == 0);
    CHECK(map.text().empty());
  }

  TEST_CASE("MappedPart: holds the bytes asked for, wherever they begin, and moves") {
    const Scratch scratch;
    std::string content(5'000'000, '\0');
    for (std::size_t i = 0; i < content.size(); ++i) {
      content[i] = static_cast<char>(i * 7 + i / 4096);
    }
    const std::string path = scratch.write("part", content);
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0);
    MappedPart part;
    CHECK(part.bytes().empty());
    for (const std::size_t offset : {0UL, 1UL, 128UL, 4095UL, 4096UL, 2'097'151UL, 2'097'152UL, 4'999'999UL}) {
      for (const std::size_t size : {1UL, 4096UL, 3'000'000UL}) {
        if (offset + size <= content.size() && part.map(file, offset, size)) {
          const std::string_view text(reinterpret_cast<const char*>(part.bytes().data()), part.bytes().size());
          CHECK(text == std::string_view(content).substr(offset, size));
        }
      }
    }
#if defined(MADV_POPULATE_READ)
    REQUIRE(part.map(file, 5, 3));
    MappedPart moved(std::move(part));
    CHECK(part.bytes().empty());
    CHECK(moved.bytes().size() == 3);
    part = std::move(moved);
    CHECK(part.bytes()[0] == static_cast<std::byte>(content[5]));
#endif
    ::close(file);
  }
  TEST_CASE("MappedPart: what can't be mapped is refused, and nothing is left of what was mapped before") {
    const Scratch scratch;
    const std::string path = scratch.write("part", std::string(10'000, 'x'));
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    MappedPart part;
    (void)part.map(file, 0, 10);
    CHECK_FALSE(part.map(file, 0, 20'000));  // the file ends a page before
    CHECK(part.bytes().empty());
    CHECK_FALSE(part.map(-1, 0, 10));
    CHECK(part.map(file, 7, 0));  // no bytes are always there
    CHECK(part.bytes().empty());
    ::close(file);
  }
}
