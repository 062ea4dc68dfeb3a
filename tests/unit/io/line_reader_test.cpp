#include <reasonembed/io/line_reader.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using namespace std::string_view_literals;
using Lines = std::vector<std::string>;

namespace {

Lines lines_of(std::string_view content) {
  const test::Scratch scratch;
  return re::io::read_lines(scratch.write("a.txt", content));
}

/// The records of a file, as `line:text`.
Lines records_of(const std::filesystem::path& path) {
  Lines records;
  re::io::LineReader reader(path);
  re::io::for_each_record(
      reader, "a record", [&] { records.push_back(std::to_string(reader.line()) + ":" + std::string(reader.text())); });
  return records;
}

}  // namespace

TEST_SUITE("io/line_reader") {
  TEST_CASE("read_lines: line ends are not part of lines, and the last line may lack its end") {
    CHECK(lines_of("").empty());
    CHECK(lines_of("a") == Lines{"a"});
    CHECK(lines_of("a\n") == Lines{"a"});
    CHECK(lines_of("\n") == Lines{""});
    CHECK(lines_of("a\n\nb") == Lines{"a", "", "b"});
    CHECK(lines_of("a\n\n") == Lines{"a", ""});
  }
  TEST_CASE("read_lines: Windows line ends are line ends, a lone carriage return is content") {
    CHECK(lines_of("a\r\nb\r\n") == Lines{"a", "b"});
    CHECK(lines_of("a\r\nb\r") == Lines{"a", "b"});
    CHECK(lines_of("a\rb\n") == Lines{"a\rb"});
    CHECK(lines_of("a\r\r\n") == Lines{"a\r"});
    CHECK(lines_of("\r\n") == Lines{""});
  }
  TEST_CASE("read_lines: only a byte order mark at the start of the file is dropped") {
    CHECK(lines_of("\xEF\xBB\xBF") == Lines{""});
    CHECK(lines_of("\xEF\xBB\xBF"
                   "a\nb") == Lines{"a", "b"});
    CHECK(lines_of("a\n\xEF\xBB\xBF"
                   "b") == Lines{"a",
                                 "\xEF\xBB\xBF"
                                 "b"});
  }
  TEST_CASE("read_lines: a NUL byte is content") {
    CHECK(lines_of("a\0b\n\0"sv) == Lines{std::string("a\0b"sv), std::string("\0"sv)});
  }
  TEST_CASE("next: lines around the size of a chunk come whole") {
    const test::Scratch scratch;
    for (const std::size_t size : {65534, 65535, 65536, 65537, 131072, 200000}) {
      for (const char* end : {"\n", "\r\n"}) {
        CAPTURE(size);
        const std::string first(size, 'a');
        const std::string second(70000, 'b');
        CHECK(re::io::read_lines(scratch.write("a", first + end + second + end + "c")) == Lines{first, second, "c"});
      }
    }
  }
  TEST_CASE("next: a character that straddles two chunks is valid") {
    const test::Scratch scratch;
    for (std::size_t size = 65530; size < 65540; ++size) {
      const std::string line = std::string(size, 'a') + "\xF0\x9F\x98\x80";
      CHECK(re::io::read_lines(scratch.write("a", line)) == Lines{line});
    }
  }
  TEST_CASE("next: many short lines keep their numbers") {
    const test::Scratch scratch;
    std::string content;
    for (std::size_t i = 1; i <= 50000; ++i) {
      content += std::to_string(i) + "\n";
    }
    std::size_t count = 0;
    std::size_t wrong = 0;
    re::io::for_each_line(scratch.write("a", content), [&](std::size_t line, std::string_view text) {
      wrong += line == ++count && text == std::to_string(line) ? 0 : 1;
    });
    CHECK(count == 50000);
    CHECK(wrong == 0);
  }
  TEST_CASE("next: stays at the end") {
    const test::Scratch scratch;
    re::io::LineReader reader(scratch.write("a", "x\n"));
    CHECK(reader.line() == 0);
    CHECK(reader.next());
    CHECK(reader.where() == (scratch / "a").string() + ":1");
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.next());
    CHECK(reader.text().empty());
    CHECK(reader.line() == 1);
  }
  TEST_CASE("next: text that is not UTF-8 is refused with file, line and byte") {
    const test::Scratch scratch;
    const std::string path = scratch
                                 .write("a.txt",
                                        "good\r\nba\xE4"
                                        "d\n")
                                 .string();
    CHECK_THROWS_WITH_AS(
        (void)re::io::read_lines(path), (path + ":2: byte 3 is 0xE4, expected UTF-8 text").c_str(), re::DataError);
    const std::string utf16 = scratch.write("b.txt", "\xFF\xFEh\0i\0"sv).string();
    CHECK_THROWS_WITH_AS(
        (void)re::io::read_lines(utf16), (utf16 + ":1: byte 1 is 0xFF, expected UTF-8 text").c_str(), re::DataError);
  }
  TEST_CASE("next: a line over the limit is refused, one at the limit is read") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a", "12345\n123456\n").string();
    re::io::LineReader reader(path, {.longest = 5});
    CHECK(reader.next());
    CHECK_THROWS_WITH_AS(
        (void)reader.next(), (path + ":2: line is longer than 5 bytes, expected lines of text").c_str(), re::DataError);
    re::io::LineReader endless("/dev/zero", {.longest = 100000});
    CHECK_THROWS_WITH_AS(
        (void)endless.next(), "/dev/zero:1: line is longer than 100000 bytes, expected lines of text", re::DataError);
  }
  TEST_CASE("LineReader: a missing file is an error that names it") {
    const test::Scratch scratch;
    const std::string path = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS(
        re::io::LineReader{path}, (path + ": file is missing, expected a readable file").c_str(), re::IoError);
  }
  TEST_CASE("LineReaderOptions: compare by value") {
    CHECK(re::io::LineReaderOptions{} == re::io::LineReaderOptions{});
    CHECK_FALSE(re::io::LineReaderOptions{.longest = 1} == re::io::LineReaderOptions{});
  }
  TEST_CASE("for_each_line: what the callback throws reaches the caller") {
    const test::Scratch scratch;
    const auto path = scratch.write("a", "x\ny\n");
    const auto fail = [](std::size_t line, std::string_view) {
      if (line == 2) {
        throw std::runtime_error("at two");
      }
    };
    CHECK_THROWS_WITH_AS(re::io::for_each_line(path, fail), "at two", std::runtime_error);
  }
  TEST_CASE("for_each_record: blank lines at the end are skipped") {
    const test::Scratch scratch;
    CHECK(records_of(scratch.write("a", "x\ny\n\n \t\n\r\n")) == Lines{"1:x", "2:y"});
    CHECK(records_of(scratch.write("a", "\n\n")).empty());
    CHECK(records_of(scratch.write("a", "")).empty());
    CHECK(records_of(scratch.write("a", " x ")) == Lines{"1: x "});
  }
  TEST_CASE("for_each_record: a blank line before a record is refused at the blank line") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a", "x\n\n \ny\n").string();
    CHECK_THROWS_WITH_AS(
        (void)records_of(path), (path + ":2: line is blank, expected a record").c_str(), re::DataError);
    const std::string first = scratch.write("b", "\nx\n").string();
    CHECK_THROWS_WITH_AS(
        (void)records_of(first), (first + ":1: line is blank, expected a record").c_str(), re::DataError);
  }
}
