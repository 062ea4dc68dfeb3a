#include <reasonembed/io/tsv.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

namespace {

Rows rows_of(const std::filesystem::path& path) {
  Rows rows;
  re::io::for_each_tsv_line(path, [&](std::size_t line, std::span<const std::string_view> columns) {
    CHECK(line == rows.size() + 1);
    rows.emplace_back(columns.begin(), columns.end());
  });
  return rows;
}

}  // namespace

TEST_SUITE("io/tsv") {
  TEST_CASE("for_each_tsv_line: every tab separates and nothing else does") {
    const test::Scratch scratch;
    CHECK(rows_of(scratch.write("a", "q1\t0\td 1\t1\r\n\"q\t2\"\t\t\n\t\t")) ==
          Rows{{"q1", "0", "d 1", "1"}, {"\"q", "2\"", "", ""}});
    CHECK(rows_of(scratch.write("a", "one column\n a , b \n")) == Rows{{"one column"}, {" a , b "}});
    CHECK(rows_of(scratch.write("a", "\tb\n")) == Rows{{"", "b"}});
    CHECK(rows_of(scratch.write("a", "\xEF\xBB\xBFquery-id\tscore\n")) == Rows{{"query-id", "score"}});
    CHECK(rows_of(scratch.write("a", "")).empty());
  }
  TEST_CASE("for_each_tsv_line: a line of ten thousand columns comes whole") {
    const test::Scratch scratch;
    const Rows rows = rows_of(scratch.write("a", std::string(9999, '\t') + "x"));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].size() == 10000);
    CHECK(rows[0].back() == "x");
  }
  TEST_CASE("for_each_tsv_line: a blank line is refused but at the end") {
    const test::Scratch scratch;
    CHECK(rows_of(scratch.write("a", "a\tb\n\n\n")) == Rows{{"a", "b"}});
    const std::string path = scratch.write("b", "a\tb\n\nc\td\n").string();
    CHECK_THROWS_WITH_AS(
        (void)rows_of(path), (path + ":2: line is blank, expected tab-separated columns").c_str(), re::DataError);
  }
  TEST_CASE("for_each_tsv_line: text that is not UTF-8 is refused with file and line") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a", "a\tb\nc\t\xC3\n").string();
    CHECK_THROWS_WITH_AS(
        (void)rows_of(path), (path + ":2: byte 3 is 0xC3, expected UTF-8 text").c_str(), re::DataError);
  }
  TEST_CASE("for_each_tsv_line: a missing file is an error that names it") {
    const test::Scratch scratch;
    const std::string path = (scratch / "qrels.tsv").string();
    CHECK_THROWS_WITH_AS(
        (void)rows_of(path), (path + ": file is missing, expected a readable file").c_str(), re::IoError);
  }
}
