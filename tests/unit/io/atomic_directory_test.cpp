#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/text_file.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::io::write_directory_atomically;

namespace {

void write_one(const fs::path& directory, const std::string& name, const std::string& content) {
  re::io::write_file_atomically(directory / name, content);
}

/// Replaces `directory` by one that holds a file `name`.
void replace_by(const fs::path& directory, const std::string& name, const std::string& content) {
  write_directory_atomically(directory, [&](const fs::path& place) { write_one(place, name, content); });
}

/// The message of the IoError that replacing `directory` throws.
template <class Produce>
std::string refusal(const fs::path& directory, const Produce& produce) {
  try {
    write_directory_atomically(directory, produce);
  } catch (const re::IoError& error) {
    return error.what();
  }
  return "nothing thrown";
}

bool swaps_in_one_step(const test::Scratch& scratch) {
  fs::create_directory(scratch / "one");
  fs::create_directory(scratch / "two");
  const int result =
      ::renameat2(AT_FDCWD, (scratch / "one").c_str(), AT_FDCWD, (scratch / "two").c_str(), RENAME_EXCHANGE);
  fs::remove(scratch / "one");
  fs::remove(scratch / "two");
  return result == 0;
}

/// The number of a process that has ended, and that no other has yet.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  REQUIRE(child > 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  return child;
}

}  // namespace

TEST_SUITE("io/atomic_directory") {
  TEST_CASE("write_directory_atomically: makes a directory with what was produced, and nothing beside it") {
    const test::Scratch scratch;
    write_directory_atomically(scratch / "a", [](const fs::path& place) {
      write_one(place, "file", "content");
      fs::create_directories(place / "deep" / "er");
      write_one(place / "deep" / "er", "file", "inner");
    });
    CHECK(test::content_of(scratch / "a" / "file") == "content");
    CHECK(test::content_of(scratch / "a/deep/er/file") == "inner");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: the directories above are made, and a slash at the end means nothing") {
    const test::Scratch scratch;
    replace_by(scratch / "x/y/z/", "file", "1");
    replace_by(scratch / "x/y/../y/z", "other", "2");
    CHECK(test::content_of(scratch / "x/y/z/other") == "2");
    CHECK_FALSE(fs::exists(scratch / "x/y/z/file"));
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: a relative name is in the current directory") {
    const test::Scratch scratch;
    const fs::path before = fs::current_path();
    fs::current_path(scratch.path());
    replace_by("model", "file", "1");
    replace_by("./model", "file", "2");
    fs::current_path(before);
    CHECK(test::content_of(scratch / "model/file") == "2");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: replaces the whole of the old content, and keeps its permissions") {
    const test::Scratch scratch;
    replace_by(scratch / "a", "old", "1");
    fs::permissions(scratch / "a", fs::perms::owner_all);
    replace_by(scratch / "a", "new", "2");
    CHECK_FALSE(fs::exists(scratch / "a/old"));
    CHECK(test::content_of(scratch / "a/new") == "2");
    CHECK(fs::status(scratch / "a").permissions() == fs::perms::owner_all);
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: a link stays, and what it leads to is replaced") {
    const test::Scratch scratch;
    replace_by(scratch / "real", "file", "1");
    fs::create_directory_symlink("real", scratch / "link");
    replace_by(scratch / "link", "file", "2");
    CHECK(fs::is_symlink(scratch / "link"));
    CHECK(test::content_of(scratch / "real/file") == "2");
    CHECK(scratch.count() == 2);
  }
  TEST_CASE("write_directory_atomically: whatever is thrown leaves the old content whole and nothing beside it") {
    const test::Scratch scratch;
    replace_by(scratch / "a", "file", "old");
    const auto fail = [](const fs::path& place) {
      write_one(place, "file", "new");
      throw std::runtime_error("in the middle");
    };
    CHECK_THROWS_WITH_AS(write_directory_atomically(scratch / "a", fail), "in the middle", std::runtime_error);
    CHECK_THROWS_WITH_AS(write_directory_atomically(scratch / "b", fail), "in the middle", std::runtime_error);
    CHECK(test::content_of(scratch / "a/file") == "old");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: a full disk leaves the old content whole, and the message says so") {
    const test::Scratch scratch;
    const std::string a = (scratch / "a").string();
    const std::string b = (scratch / "b").string();
    replace_by(a, "file", "old");
    const auto fill = [](const fs::path& place) { write_one(place, "big", std::string(100000, 'x')); };
    std::string replacing;
    std::string making;
    {
      const test::FileSizeLimit limit(4096);
      replacing = refusal(a, fill);
      making = refusal(b, fill);
    }
    const std::string reason = "/big: write is refused by the system (File too large), expected room for all bytes";
    CHECK(replacing == a + reason + "; the directory still holds what it held before");
    CHECK(making == b + reason + "; the directory was not made");
    CHECK(test::content_of(scratch / "a/file") == "old");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_directory_atomically: an error of the standard library names the directory, too") {
    const test::Scratch scratch;
    const std::string a = (scratch / "a").string();
    CHECK(refusal(a, [](const fs::path& place) { fs::create_directory(place / "x" / "y"); }) ==
          a + "/x/y: directory is missing, expected one that can be written; the directory was not made");
    CHECK(scratch.count() == 0);
  }
  TEST_CASE("write_directory_atomically: a place that can't be one is refused") {
    const test::Scratch scratch;
    const std::string file = scratch.write("file", "text").string();
    const auto nothing = [](const fs::path&) {};
    CHECK(refusal(file, nothing) == file + ": path is a file, expected a directory, or nothing yet");
    CHECK(refusal(file + "/below", nothing) ==
          file +
              "/below: directory above it is refused by the system (Not a directory), expected one that can be made");
    CHECK(refusal("", nothing) == "io::write_directory_atomically: path is empty, expected the name of a directory");
    CHECK(refusal("/proc/absent/a", nothing) ==
          "/proc/absent/a: directory above it is missing, expected one that can be made");
    CHECK(test::content_of(file) == "text");
    CHECK(scratch.count() == 1);
    fs::create_symlink("nowhere", scratch / "dangling");
    CHECK(refusal(scratch / "dangling", nothing) ==
          (scratch / "dangling").string() +
              ": rename is refused by the system (Not a directory), expected a "
              "replaceable directory; the directory was not made");
  }
  TEST_CASE("write_directory_atomically: readers always see one whole content") {
    const test::Scratch scratch;
    if (!swaps_in_one_step(scratch)) {
      MESSAGE("SKIPPED: the file system of the temporary directory can't swap two directories in one step");
      return;
    }
    const auto write_version = [&](const std::string& version) {
      write_directory_atomically(scratch / "a", [&](const fs::path& place) {
        write_one(place, "first", version);
        write_one(place, "second", version);
      });
    };
    write_version("0");
    bool gap = false;
    std::thread writer([&] {
      for (int i = 1; i <= 40; ++i) {
        write_version(std::to_string(i));
      }
    });
    for (int i = 0; i < 4000; ++i) {
      gap = gap || !fs::exists(scratch / "a");
    }
    writer.join();
    CHECK_FALSE(gap);
    CHECK(test::content_of(scratch / "a/first") == "40");
    CHECK(test::content_of(scratch / "a/second") == "40");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("remove_abandoned_directories: removes what processes that run no more have left, with all it holds") {
    const test::Scratch scratch;
    const std::string dead = std::to_string(dead_process());
    replace_by(scratch / "a", "file", "kept");
    for (const std::string& name : {"a.tmp." + dead + ".0", "a.tmp." + dead + ".17"}) {
      fs::create_directories(scratch / name / "deep");
      scratch.write(name + "/deep/file", "half");
    }
    CHECK(re::io::remove_abandoned_directories(scratch / "a") == 2);
    CHECK(test::content_of(scratch / "a/file") == "kept");
    CHECK(scratch.count() == 1);
    CHECK(re::io::remove_abandoned_directories(scratch / "a") == 0);
  }
  TEST_CASE("remove_abandoned_directories: leaves those of processes that run, and whatever has another name") {
    const test::Scratch scratch;
    const std::string dead = std::to_string(dead_process());
    const std::vector<std::string> names = {"a.tmp." + std::to_string(::getpid()) + ".0",
                                            "a.tmp.1.0",  // runs, and may not be signalled
                                            "a",
                                            "b.tmp." + dead + ".0",
                                            "ba.tmp." + dead + ".0",
                                            "a.tmp",
                                            "a.tmp.",
                                            "a.tmp." + dead,
                                            "a.tmp." + dead + ".",
                                            "a.tmp." + dead + ".x",
                                            "a.tmp." + dead + "-copy",
                                            "a.tmp." + dead + ".0.old",  // what stood at `a` before a crash
                                            "a.tmp." + dead + ".0 copy",
                                            "a.tmp.x." + dead,
                                            "a.tmp.-" + dead + ".0",
                                            "a.tmp. " + dead + ".0",
                                            "a.tmp.0.0",
                                            "a.tmp.99999999999999999999.0"};
    for (const std::string& name : names) {
      fs::create_directory(scratch / name);
    }
    CHECK(re::io::remove_abandoned_directories(scratch / "a") == 0);
    for (const std::string& name : names) {
      CAPTURE(name);
      CHECK(fs::exists(scratch / name));
    }
  }
  TEST_CASE("remove_abandoned_directories: leaves files, and follows no link out of the directory") {
    const test::Scratch scratch;
    const std::string dead = std::to_string(dead_process());
    scratch.write("a.tmp." + dead + ".0", "a file that is replaced has such a name, too");
    fs::create_directory(scratch / "elsewhere");
    scratch.write("elsewhere/file", "kept");
    fs::create_directory_symlink("../elsewhere", [&] {
      fs::create_directory(scratch / ("a.tmp." + dead + ".1"));
      return scratch / ("a.tmp." + dead + ".1/link");
    }());
    CHECK(re::io::remove_abandoned_directories(scratch / "a") == 1);
    CHECK(test::content_of(scratch / "elsewhere/file") == "kept");
    CHECK(fs::exists(scratch / ("a.tmp." + dead + ".0")));
  }
  TEST_CASE("remove_abandoned_directories: does nothing where there is nothing, and takes names as they are written") {
    const test::Scratch scratch;
    CHECK(re::io::remove_abandoned_directories(scratch / "a") == 0);
    CHECK(re::io::remove_abandoned_directories(scratch / "absent/a") == 0);
    CHECK(re::io::remove_abandoned_directories(scratch.write("file", "") / "a") == 0);
    CHECK(re::io::remove_abandoned_directories("") == 0);
    const std::string dead = std::to_string(dead_process());
    fs::create_directory(scratch / "a");
    for (const std::string_view written : {"a", "a/", "b/../a", "c", "c/", "./c/"}) {  // `c` was never there
      CAPTURE(written);
      fs::create_directory(scratch / ("a.tmp." + dead + ".0"));
      fs::create_directory(scratch / ("c.tmp." + dead + ".0"));
      CHECK(re::io::remove_abandoned_directories(scratch / written) == 1);
      CHECK(scratch.count() == 3);
      fs::remove(scratch / ("a.tmp." + dead + ".0"));
      fs::remove(scratch / ("c.tmp." + dead + ".0"));
    }
    const fs::path before = fs::current_path();
    fs::current_path(scratch.path());
    fs::create_directory("a.tmp." + dead + ".0");
    CHECK(re::io::remove_abandoned_directories("a") == 1);
    fs::current_path(before);
  }
  TEST_CASE("remove_abandoned_directories: a write that is under way is left alone") {
    const test::Scratch scratch;
    write_directory_atomically(scratch / "a", [&](const fs::path& place) {
      write_one(place, "file", "content");
      CHECK(re::io::remove_abandoned_directories(scratch / "a") == 0);
    });
    CHECK(test::content_of(scratch / "a/file") == "content");
  }
  TEST_CASE("swap_in_three_steps: swaps, and an error puts the old directory back") {
    const test::Scratch scratch;
    fs::create_directory(scratch / "new");
    fs::create_directory(scratch / "old");
    scratch.write("new/file", "new");
    scratch.write("old/file", "old");
    CHECK(re::io::detail::swap_in_three_steps(scratch / "new", scratch / "old") == 0);
    CHECK(test::content_of(scratch / "old/file") == "new");
    CHECK(test::content_of(scratch / "new/file") == "old");
    CHECK(re::io::detail::swap_in_three_steps(scratch / "absent", scratch / "old") == ENOENT);
    CHECK(test::content_of(scratch / "old/file") == "new");
    CHECK(re::io::detail::swap_in_three_steps(scratch / "new", scratch / "absent") == ENOENT);
    CHECK(scratch.count() == 2);
  }
  TEST_CASE("restore_interrupted_directory: puts the old content back where a crash has left nothing") {
    const test::Scratch scratch;
    std::filesystem::create_directory(scratch / "model.tmp.4194305.3.old");
    (void)scratch.write("model.tmp.4194305.3.old/content", "old");
    std::filesystem::create_directory(scratch / "model.tmp.4194305.3");
    CHECK(re::io::restore_interrupted_directory(scratch / "model"));
    CHECK(test::content_of(scratch / "model/content") == "old");
    CHECK_FALSE(re::io::restore_interrupted_directory(scratch / "model"));
    CHECK(re::io::remove_abandoned_directories(scratch / "model") == 1);
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("restore_interrupted_directory: leaves what is whole, and other names, alone") {
    const test::Scratch scratch;
    std::filesystem::create_directory(scratch / "model");
    std::filesystem::create_directory(scratch / "model.tmp.4194305.3.old");
    std::filesystem::create_directory(scratch / "models.tmp.4194305.3.old");
    CHECK_FALSE(re::io::restore_interrupted_directory(scratch / "model"));
    CHECK_FALSE(re::io::restore_interrupted_directory(scratch / "mode"));
    CHECK_FALSE(re::io::restore_interrupted_directory(scratch / "nowhere/model"));
    CHECK_FALSE(re::io::restore_interrupted_directory(""));
    CHECK(scratch.count() == 3);
  }
  TEST_CASE("find_foreign_entry: names the first entry that is not the writer's own") {
    const test::Scratch scratch;
    constexpr std::string_view kOwn[] = {"state.json", "weights"};
    CHECK(re::io::find_foreign_entry(scratch.path(), kOwn).empty());
    CHECK(re::io::find_foreign_entry(scratch / "nowhere", kOwn).empty());
    (void)scratch.write("state.json", "");
    std::filesystem::create_directory(scratch / "weights");
    CHECK(re::io::find_foreign_entry(scratch.path(), kOwn).empty());
    (void)scratch.write("zebra", "");
    (void)scratch.write(".hidden", "");
    CHECK(re::io::find_foreign_entry(scratch.path(), kOwn) == ".hidden");
    CHECK(re::io::find_foreign_entry(scratch.path(), {}) == ".hidden");
    CHECK_THROWS_WITH_AS((void)re::io::find_foreign_entry(scratch / "zebra", kOwn),
                         ((scratch / "zebra").string() +
                          ": directory is refused by the system (Not a directory), expected a readable directory")
                             .c_str(),
                         re::IoError);
  }
}
