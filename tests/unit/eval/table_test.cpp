#include <reasonembed/eval/html_report.hpp>
#include <reasonembed/eval/table.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::eval::markdown;
using re::eval::plain_text;
using re::eval::Table;

namespace {

Table example() {
  return {.title = "Scores",
          .columns = {"name", "a", "long"},
          .rows = {{"x", "1", "2"}, {"\u00e9t\u00e9", "10", "-"}},
          .note = "So it is."};
}

}  // namespace

TEST_SUITE("eval/table") {
  TEST_CASE("plain_text: words stand to the left, numbers to the right, in columns of characters") {
    CHECK(plain_text(example()) ==
          "name   a  long\n"
          "x      1     2\n"
          "\u00e9t\u00e9   10     -\n");
  }
  TEST_CASE("plain_text: has no blanks at the ends of lines") {
    CHECK(plain_text({.columns = {"a", "b"}, .rows = {{"long", ""}}, .text_columns = 2}) == "a     b\nlong\n");
  }
  TEST_CASE("markdown: is a table in which no cell ends early") {
    CHECK(markdown(example()) ==
          "| name | a | long |\n"
          "|---|---:|---:|\n"
          "| x | 1 | 2 |\n"
          "| \u00e9t\u00e9 | 10 | - |\n");
    CHECK(markdown({.columns = {"a"}, .rows = {{"x|y\nz\\ <b> `c`"}}}) ==
          "| a |\n|---|\n| x\\|y z\\\\ \\<b> \\`c\\` |\n");
  }
  TEST_CASE("plain_text, markdown: no rows and no columns are legal") {
    CHECK(plain_text({.columns = {"a", "b"}}) == "a  b\n");
    CHECK(markdown({.columns = {"a"}}) == "| a |\n|---|\n");
    CHECK(plain_text({}) == "\n");
  }
  TEST_CASE("require_drawable: every row has a cell for each column") {
    Table table = example();
    table.rows[1].pop_back();
    const char* message = "eval::Table \"Scores\": rows[1].size() is 2, expected 3";
    CHECK_THROWS_WITH_AS((void)plain_text(table), message, re::ShapeError);
    CHECK_THROWS_WITH_AS((void)markdown(table), message, re::ShapeError);
    re::eval::HtmlReport report("r");
    CHECK_THROWS_WITH_AS(report.add(table), message, re::ShapeError);
  }
  TEST_CASE("HtmlReport: shows a table as text, never as HTML") {
    re::eval::HtmlReport report("r");
    Table table = example();
    table.rows[0][0] = "<script>";
    report.add(table);
    const std::string html = report.html();
    CHECK(html.find("<h2>Scores</h2>") != std::string::npos);
    CHECK(html.find("<tr><th>name</th><th class=\"number\">a</th><th class=\"number\">long</th></tr>") !=
          std::string::npos);
    CHECK(html.find("<tr><td>&lt;script&gt;</td><td class=\"number\">1</td><td class=\"number\">2</td></tr>") !=
          std::string::npos);
    CHECK(html.find("So it is.") != std::string::npos);
    table.rows[0][0] = "\xFF";
    CHECK_THROWS_AS(report.add(table), re::DataError);
  }
}
