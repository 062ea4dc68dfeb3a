#include <reasonembed/io/trec_line.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <array>
#include <cstddef>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using Columns = std::vector<std::string>;

namespace {

template <std::size_t N>
Columns split(std::string_view line) {
  std::array<std::string_view, N> columns;
  if (!re::io::split_trec_line(line, columns)) {
    return {};
  }
  return {columns.begin(), columns.end()};
}

}  // namespace

TEST_SUITE("io/trec_line") {
  TEST_CASE("split_trec_line: cuts at runs of blanks") {
    CHECK(split<6>("301 Q0 FR94 1 2.5 tag") == Columns{"301", "Q0", "FR94", "1", "2.5", "tag"});
    CHECK(split<6>("  301  Q0   FR94 \t1  2.5   tag  ") == Columns{"301", "Q0", "FR94", "1", "2.5", "tag"});
    CHECK(split<4>("301 0 FR94 1") == Columns{"301", "0", "FR94", "1"});
  }

  TEST_CASE("split_trec_line: what stays in the middle is the document id, blanks and all") {
    CHECK(split<6>("0 Q0 a b.txt 1 2.5 tag") == Columns{"0", "Q0", "a b.txt", "1", "2.5", "tag"});
    CHECK(split<6>("0 Q0 a  b c 1 2.5 tag") == Columns{"0", "Q0", "a  b c", "1", "2.5", "tag"});
    CHECK(split<4>("0 0 a b 1") == Columns{"0", "0", "a b", "1"});
    CHECK(split<4>("0 0 1 2 3 1") == Columns{"0", "0", "1 2 3", "1"});
  }

  TEST_CASE("split_trec_line: tabs win when their number fits") {
    CHECK(split<6>("q 1\tQ0\td 1\t7\t 2.5\tmy tag here") == Columns{"q 1", "Q0", "d 1", "7", "2.5", "my tag here"});
    CHECK(split<4>("q 1\t0\td 1\t1") == Columns{"q 1", "0", "d 1", "1"});
    // one tab more or fewer: blanks separate, and a tab is a blank
    CHECK(split<4>("q\t0\td 1 1") == Columns{"q", "0", "d 1", "1"});
    CHECK(split<4>("q\t0\td\t1\t1") == Columns{"q", "0", "d\t1", "1"});
  }

  TEST_CASE("split_trec_line: refuses lines with too few columns") {
    for (const std::string_view line :
         {"", " ", "a", "a b", "a b c", "\t\t\t", "a\t\tb\t1", "a\t0\t\t1", "\t0\td\t1", "a\t0\td\t"}) {
      CAPTURE(line);
      CHECK(split<4>(line).empty());
    }
    CHECK(split<6>("a b c d e").empty());
  }

  TEST_CASE("split_trec_line: leaves characters beyond ASCII alone") {
    CHECK(split<4>("0 0 caf\xC3\xA9\xC2\xA0x 1") == Columns{"0", "0", "caf\xC3\xA9\xC2\xA0x", "1"});
  }

  TEST_CASE("split_trec_line: puts random lines back together") {
    std::mt19937 random(3);
    std::uniform_int_distribution<int> words(1, 4);
    std::uniform_int_distribution<int> letter('a', 'z');
    const auto word = [&] {
      return std::string(static_cast<std::size_t>(words(random)), static_cast<char>(letter(random)));
    };
    for (int repeat = 0; repeat < 500; ++repeat) {
      std::string document = word();
      for (int more = words(random); more > 1; --more) {
        document += " " + word();
      }
      const Columns columns = {word(), "Q0", document, word(), word(), word()};
      for (const char separator : {' ', '\t'}) {
        std::string line = columns[0];
        for (std::size_t i = 1; i < columns.size(); ++i) {
          line += separator + columns[i];
        }
        REQUIRE(split<6>(line) == columns);
      }
    }
  }

  TEST_CASE("for_each_trec_line: passes lines with their numbers and skips comments") {
    const test::Scratch scratch;
    const auto path = scratch.write("run", "# head\na 0 b 1\n#\nc 0 #d 1\r\n\n \n");
    std::vector<std::pair<std::size_t, std::string>> lines;
    re::io::for_each_trec_line(path, "columns", [&](std::size_t number, std::string_view text) {
      lines.emplace_back(number, std::string(text));
    });
    CHECK(lines == std::vector<std::pair<std::size_t, std::string>>{{2, "a 0 b 1"}, {4, "c 0 #d 1"}});
  }

  TEST_CASE("for_each_trec_line: refuses a blank line in the middle and text that is not UTF-8") {
    const test::Scratch scratch;
    const auto ignore = [](std::size_t, std::string_view) {};
    const std::string blank = scratch.write("blank", "a 0 b 1\n\nc 0 d 1\n").string();
    CHECK_THROWS_WITH_AS(re::io::for_each_trec_line(blank, "four columns", ignore),
                         (blank + ":2: line is blank, expected four columns").c_str(),
                         re::DataError);
    const std::string bytes = scratch.write("bytes", "a 0 b 1\na 0 \xFF 1\n").string();
    CHECK_THROWS_WITH_AS(re::io::for_each_trec_line(bytes, "four columns", ignore),
                         (bytes + ":2: byte 5 is 0xFF, expected UTF-8 text").c_str(),
                         re::DataError);
    const std::string missing = (scratch / "missing").string();
    CHECK_THROWS_WITH_AS(re::io::for_each_trec_line(missing, "four columns", ignore),
                         (missing + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
  }
}
