#include <reasonembed/io/file_handle.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <array>
#include <cerrno>
#include <string>
#include <type_traits>
#include <utility>

namespace re = reasonembed;
namespace fs = std::filesystem;

static_assert(!std::is_copy_constructible_v<re::io::FileHandle>);
static_assert(std::is_nothrow_move_constructible_v<re::io::FileHandle>);
static_assert(std::is_nothrow_move_assignable_v<re::io::FileHandle>);

namespace {

bool is_open(int number) {
  return ::fcntl(number, F_GETFD) != -1;
}

}  // namespace

TEST_SUITE("io/file_handle") {
  TEST_CASE("FileHandle: reads what it wrote") {
    const test::Scratch scratch;
    {
      re::io::FileHandle file(scratch / "a", O_WRONLY | O_CREAT);
      file.write("one ");
      file.write("");
      file.write("two");
      file.sync();
      file.close();
    }
    const re::io::FileHandle file(scratch / "a", O_RDONLY);
    CHECK(file.path() == (scratch / "a").string());
    std::array<char, 16> buffer{};
    REQUIRE(file.read(buffer.data(), 4) == 4);
    CHECK(std::string(buffer.data(), 4) == "one ");
    CHECK(file.read(buffer.data(), buffer.size()) == 3);
    CHECK(file.read(buffer.data(), buffer.size()) == 0);
  }
  TEST_CASE("FileHandle: a file that can't be opened is an error that names it") {
    const test::Scratch scratch;
    const std::string path = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS(re::io::FileHandle(path, O_RDONLY),
                         (path + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
    CHECK_THROWS_WITH_AS(re::io::FileHandle(scratch / "no/such", O_WRONLY | O_CREAT),
                         ((scratch / "no/such").string() + ": file is missing, expected a writable file").c_str(),
                         re::IoError);
    CHECK_THROWS_WITH_AS(
        re::io::FileHandle(scratch.path(), O_WRONLY),
        (scratch.path().string() + ": file is refused by the system (Is a directory), expected a writable file")
            .c_str(),
        re::IoError);
  }
  TEST_CASE("FileHandle: closes once, and a moved-from handle closes nothing") {
    const test::Scratch scratch;
    int number = -1;
    {
      re::io::FileHandle first(scratch / "a", O_WRONLY | O_CREAT);
      number = first.number();
      re::io::FileHandle second(std::move(first));
      CHECK(second.number() == number);
      CHECK(first.number() == -1);  // NOLINT(bugprone-use-after-move): the documented state
      CHECK(is_open(number));
      first = std::move(second);
      CHECK(first.number() == number);
      re::io::FileHandle other(scratch / "b", O_WRONLY | O_CREAT);
      const int replaced = other.number();
      other = std::move(first);
      CHECK_FALSE(is_open(replaced));
      CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
  }
  TEST_CASE("adopt: owns the descriptor it is given") {
    const test::Scratch scratch;
    const int number = ::open((scratch / "a").c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(number >= 0);
    {
      const re::io::FileHandle file = re::io::FileHandle::adopt("a name", number);
    }
    CHECK_FALSE(is_open(number));
  }
  TEST_CASE("write: a full disk is an error") {
    const fs::path full = "/dev/full";
    if (!fs::exists(full)) {
      MESSAGE("SKIPPED: no /dev/full on this system");
      return;
    }
    const re::io::FileHandle file(full, O_WRONLY);
    CHECK_THROWS_WITH_AS(
        file.write("x"),
        "/dev/full: write is refused by the system (No space left on device), expected room for all bytes",
        re::IoError);
  }
  TEST_CASE("read, write, sync and close: a closed descriptor is an error, never silence") {
    re::io::FileHandle closed = re::io::FileHandle::adopt("gone", -1);
    char c = 0;
    CHECK_THROWS_WITH_AS((void)closed.read(&c, 1),
                         "gone: read is refused by the system (Bad file descriptor), expected a readable file",
                         re::IoError);
    CHECK_THROWS_AS(closed.write("x"), re::IoError);
    CHECK_NOTHROW(closed.write(""));
    CHECK_THROWS_AS(closed.sync(), re::IoError);
    CHECK_THROWS_WITH_AS(closed.close(),
                         "gone: close is refused by the system (Bad file descriptor), expected a complete file",
                         re::IoError);
  }
  TEST_CASE("system_reason: a missing file is called missing") {
    CHECK(re::io::system_reason(ENOENT) == "missing");
    CHECK(re::io::system_reason(EACCES) == "refused by the system (Permission denied)");
  }
}
