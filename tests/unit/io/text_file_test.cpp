#include <reasonembed/io/text_file.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>

namespace re = reasonembed;
namespace fs = std::filesystem;

static_assert(!std::is_copy_constructible_v<re::io::AtomicFile> && !std::is_move_constructible_v<re::io::AtomicFile>);

namespace {

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>(i * 31 % 251);
  }
  return text;
}

mode_t mode_of(const fs::path& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_SUITE("io/text_file") {
  TEST_CASE("read_text_file: gives back every byte, whatever the size") {
    const test::Scratch scratch;
    for (const std::size_t size : {0, 1, 4095, 65535, 65536, 65537, 300001}) {
      CAPTURE(size);
      const std::string content = pattern(size);
      CHECK(re::io::read_text_file(scratch.write("a", content)) == content);
    }
  }
  TEST_CASE("read_text_file: reads a pipe, whose size nobody knows") {
    const test::Scratch scratch;
    const fs::path pipe = scratch / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const std::string content = pattern(200000);
    std::thread writer([&] { re::io::FileHandle(pipe, O_WRONLY).write(content); });
    const std::string got = re::io::read_text_file(pipe);
    writer.join();
    CHECK(got == content);
  }
  TEST_CASE("read_text_file: a missing file and a directory are errors that name the path") {
    const test::Scratch scratch;
    const std::string path = (scratch / "absent.json").string();
    CHECK_THROWS_WITH_AS((void)re::io::read_text_file(path),
                         (path + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
    CHECK_THROWS_WITH_AS(
        (void)re::io::read_text_file(scratch.path()),
        (scratch.path().string() + ": read is refused by the system (Is a directory), expected a readable file")
            .c_str(),
        re::IoError);
  }
  TEST_CASE("write_file_atomically: creates and replaces, and leaves nothing else behind") {
    const test::Scratch scratch;
    for (const std::size_t size : {0, 5, 262143, 262144, 262145, 1000000, 3}) {
      CAPTURE(size);
      re::io::write_file_atomically(scratch / "a", pattern(size));
      CHECK(test::content_of(scratch / "a") == pattern(size));
      CHECK(scratch.count() == 1);
    }
  }
  TEST_CASE("write_file_atomically: the callback's pieces become one file") {
    const test::Scratch scratch;
    std::string want;
    re::io::write_file_atomically(scratch / "a", [&](re::io::AtomicFile& file) {
      for (std::size_t size = 0; size < 1500; size += 7) {
        file.write(pattern(size));
        want += pattern(size);
      }
      file.write(pattern(600000));  // larger than the buffer, which is not empty
      want += pattern(600000);
      file.write("end");
      want += "end";
    });
    CHECK(test::content_of(scratch / "a") == want);
  }
  TEST_CASE("write_file_atomically: a relative name without a directory is in the current one") {
    const test::Scratch scratch;
    const fs::path before = fs::current_path();
    fs::current_path(scratch.path());
    CHECK_NOTHROW(re::io::write_file_atomically("plain", "text"));
    fs::current_path(before);
    CHECK(test::content_of(scratch / "plain") == "text");
  }
  TEST_CASE("write_file_atomically: what the callback throws leaves the old file whole") {
    const test::Scratch scratch;
    scratch.write("a", "old");
    const auto fail = [](re::io::AtomicFile& file) {
      file.write(pattern(1000000));
      throw std::runtime_error("no more");
    };
    CHECK_THROWS_WITH_AS(re::io::write_file_atomically(scratch / "a", fail), "no more", std::runtime_error);
    CHECK(test::content_of(scratch / "a") == "old");
    CHECK_THROWS_AS(re::io::write_file_atomically(scratch / "b", fail), std::runtime_error);
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_file_atomically: a disk without room leaves the old file whole and says so") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a", "old").string();
    {
      const test::FileSizeLimit limit(100000);
      CHECK_THROWS_WITH_AS(re::io::write_file_atomically(path, pattern(100001)),
                           (path + ": write is refused by the system (File too large), expected room for all bytes; "
                                   "the path still holds what it held before")
                               .c_str(),
                           re::IoError);
      CHECK_THROWS_AS(re::io::write_file_atomically(path, pattern(300000)), re::IoError);  // past the buffer
      CHECK_NOTHROW(re::io::write_file_atomically(scratch / "b", pattern(100000)));
    }
    CHECK(test::content_of(path) == "old");
    CHECK(scratch.count() == 2);
  }
  TEST_CASE("write_file_atomically: a directory that is missing or is the target is an error") {
    const test::Scratch scratch;
    const std::string inside = (scratch / "no/such/file").string();
    CHECK_THROWS_WITH_AS(re::io::write_file_atomically(inside, "x"),
                         (inside + ": directory is missing, expected a writable directory").c_str(),
                         re::IoError);
    CHECK_THROWS_WITH_AS(re::io::write_file_atomically(scratch.path(), "x"),
                         (scratch.path().string() + ": path is a directory, expected a regular file").c_str(),
                         re::IoError);
    CHECK(scratch.count() == 0);
  }
  TEST_CASE("write_file_atomically: a device is refused, not replaced by a file") {
    CHECK_THROWS_WITH_AS(re::io::write_file_atomically("/dev/null", "x"),
                         "/dev/null: path is a special file, expected a regular file",
                         re::IoError);
    CHECK(fs::is_character_file("/dev/null"));
  }
  TEST_CASE("write_file_atomically: keeps permissions and symbolic links") {
    const test::Scratch scratch;
    const fs::path file = scratch.write("a", "old");
    REQUIRE(::chmod(file.c_str(), 0640) == 0);
    fs::create_symlink("a", scratch / "link");
    re::io::write_file_atomically(scratch / "link", "new");
    CHECK(fs::is_symlink(scratch / "link"));
    CHECK(test::content_of(file) == "new");
    CHECK(mode_of(file) == 0640);
    const mode_t mask = ::umask(027);
    re::io::write_file_atomically(scratch / "fresh", "new");
    (void)::umask(mask);
    CHECK(mode_of(scratch / "fresh") == 0640);  // 0666 less the umask
  }
  TEST_CASE("write_file_atomically: writes the target of a link that points nowhere yet") {
    const test::Scratch scratch;
    fs::create_symlink("later", scratch / "link");
    re::io::write_file_atomically(scratch / "link", "new");
    CHECK(fs::is_symlink(scratch / "link"));
    CHECK(test::content_of(scratch / "later") == "new");
    fs::create_directory(scratch / "sub");
    fs::create_symlink("../link", scratch / "sub/second");
    fs::create_symlink(scratch / "sub/second", scratch / "third");  // third -> sub/second -> link -> later
    re::io::write_file_atomically(scratch / "third", "newer");
    CHECK(test::content_of(scratch / "later") == "newer");
    CHECK(fs::is_symlink(scratch / "sub/second"));
  }
  TEST_CASE("AtomicFile: nothing appears before commit") {
    const test::Scratch scratch;
    {
      re::io::AtomicFile file(scratch / "a");
      file.write("lost");
      CHECK_FALSE(fs::exists(scratch / "a"));
    }
    CHECK(scratch.count() == 0);
    re::io::AtomicFile first(scratch / "a");
    re::io::AtomicFile second(scratch / "a");
    first.write("first");
    second.write("second");
    second.commit();
    CHECK(test::content_of(scratch / "a") == "second");
    first.commit();
    CHECK(test::content_of(scratch / "a") == "first");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("AtomicFile: a temporary file left by a crash is stepped over") {
    const test::Scratch scratch;
    for (int i = 0; i < 200; ++i) {  // more names than this process has used so far
      scratch.write("a.tmp." + std::to_string(::getpid()) + "." + std::to_string(i), "left");
    }
    re::io::write_file_atomically(scratch / "a", "new");
    CHECK(test::content_of(scratch / "a") == "new");
    CHECK(scratch.count() == 201);
  }
  TEST_CASE("overwrite: changes the bytes asked for and writing goes on at the end") {
    const test::Scratch scratch;
    re::io::AtomicFile file(scratch / "a");
    file.write("0123456789");
    file.overwrite(2, "xy");
    file.write("ab");
    file.overwrite(0, "z");
    file.overwrite(11, "c");
    file.commit();
    CHECK(test::content_of(scratch / "a") == "z1xy456789ac");
  }
}
