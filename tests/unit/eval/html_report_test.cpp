#include <reasonembed/eval/html_report.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/well_formed.hpp>

#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::eval::EvaluationReport;
using re::eval::Histogram;
using re::eval::HtmlReport;
using re::eval::LineChart;
using test::count_of;
using test::markup_fault;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

EvaluationReport table() {
  EvaluationReport report;
  report.add({.name = "bm25", .mean = 0.44114, .seconds = 0.04});
  report.add({.name = "redapter", .mean = 0.5561, .spread = 0.00421, .seeds = 3, .seconds = 183.46});
  return report;
}

HtmlReport everything() {
  HtmlReport report("Title", "first line\nsecond line");
  report.add("Results", table(), "nDCG@10");
  report.add(LineChart{.title = "Loss",
                       .x_label = "step",
                       .y_label = "nats",
                       .note = "falls",
                       .series = {{.name = "infonce", .x = {1, 2}, .y = {3, 2}, .low = {2, 1}, .high = {4, 3}},
                                  {.name = "redapter", .x = {1, 2}, .y = {3, 1}}}});
  report.add(Histogram{.title = "Intensity", .x_label = "w", .edges = {0, 1, 2}, .counts = {3, 4}});
  report.add_note("Seeds", "1, 2, 3");
  return report;
}

}  // namespace

TEST_SUITE("eval/html_report") {
  TEST_CASE("html: is one well-formed document with every part in order") {
    const std::string html = everything().html();
    CHECK(markup_fault(html) == "");
    CHECK(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>"));
    CHECK(html.ends_with("</body>\n</html>\n"));
    CHECK(count_of(html, "<title>Title</title>") == 1);
    std::size_t at = 0;
    for (const char* part : {"<h1>Title</h1>",
                             "first line\nsecond line",
                             "<h2>Results</h2>",
                             "<h2>Loss</h2>",
                             "<li>",
                             "infonce</li>",
                             "<svg class=\"chart\"",
                             ">step</text>",
                             ">nats</text>",
                             "<p class=\"note\">falls</p>",
                             "<h2>Intensity</h2>",
                             "<rect",
                             "<h2>Seeds</h2>",
                             "1, 2, 3"}) {
      CAPTURE(part);
      const std::size_t found = html.find(part, at);
      REQUIRE(found != std::string::npos);
      at = found;
    }
  }
  TEST_CASE("html: needs nothing from outside and runs nothing") {
    const std::string html = everything().html();
    for (const char* part :
         {"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "onload", "<img"}) {
      CAPTURE(part);
      CHECK(count_of(html, part) == 0);
    }
    CHECK(count_of(html, "prefers-color-scheme: dark") == 1);
    CHECK(count_of(html, "color-scheme: light dark") == 1);
  }
  TEST_CASE("html: every colour a chart uses is there in light and dark") {
    const std::string html = HtmlReport("t").html();
    for (int i = 0; i < 8; ++i) {
      CHECK(count_of(html, "--c" + std::to_string(i) + ": #") == 2);
    }
    for (const char* name : {"--page: #", "--ink: #", "--faint: #", "--line: #", "--box: #"}) {
      CHECK(count_of(html, name) == 2);
    }
  }
  TEST_CASE("html: no text is read as HTML, wherever it stands") {
    const std::string evil = "</title><script>alert('\"x\"')</script>&\"'";
    HtmlReport report(evil, evil);
    EvaluationReport rows;
    rows.add({.name = evil, .metric = evil});
    report.add(evil, rows, evil);
    report.add(LineChart{
        .title = evil, .x_label = evil, .y_label = evil, .note = evil, .series = {{.name = evil, .x = {1}, .y = {1}}}});
    report.add(
        Histogram{.title = evil, .x_label = evil, .y_label = evil, .note = evil, .edges = {0, 1}, .counts = {1}});
    report.add_note(evil, evil);
    const std::string html = report.html();
    CHECK(markup_fault(html) == "");
    CHECK(count_of(html, "<script") == 0);
    CHECK(count_of(html, "alert('") == 0);
    CHECK(count_of(html, "&lt;script&gt;alert(&#39;&quot;x&quot;&#39;)&lt;/script&gt;&amp;&quot;&#39;") == 20);
  }
  TEST_CASE("html: the table shows what the report's own table shows") {
    const std::string html = everything().html();
    CHECK(count_of(html,
                   "<tr><td>bm25</td><td>ndcg_cut_10</td><td class=\"number\">0.4411</td><td class=\"number\">-</td>"
                   "<td class=\"number\">1</td><td class=\"number\">0.0</td></tr>") == 1);
    CHECK(count_of(html,
                   "<tr><td>redapter</td><td>ndcg_cut_10</td><td class=\"number\">0.5561</td><td class=\"number\">"
                   "0.0042</td><td class=\"number\">3</td><td class=\"number\">183.5</td></tr>") == 1);
    HtmlReport empty("t");
    empty.add("none", EvaluationReport());
    CHECK(count_of(empty.html(), "<tr>") == 1);
    CHECK(markup_fault(empty.html()) == "");
  }
  TEST_CASE("html: empty texts leave no empty paragraphs") {
    HtmlReport report("t");
    report.add(LineChart{});
    report.add_note("n", "");
    CHECK(count_of(report.html(), "<p") == 0);
    CHECK(markup_fault(report.html()) == "");
  }
  TEST_CASE("html: the same parts give the same bytes") {
    CHECK(everything().html() == everything().html());
    const HtmlReport report = everything();
    const HtmlReport copy = report;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the point
    CHECK(copy.html() == report.html());
    CHECK(report.html() == report.html());
  }
  TEST_CASE("add: a number that is none is refused by name, and the report stays as it was") {
    HtmlReport report("t");
    const std::string before = report.html();
    CHECK_THROWS_WITH_AS(
        report.add(LineChart{.title = "loss", .series = {{.name = "infonce", .x = {1, 2}, .y = {1, kNan}}}}),
        "eval::LineChart \"loss\": series \"infonce\": y[1] is nan, expected a finite number",
        re::NonFiniteError);
    CHECK_THROWS_WITH_AS(report.add(Histogram{.title = "w", .edges = {0, kNan}, .counts = {1}}),
                         "eval::Histogram \"w\": edges[1] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_AS(report.add(LineChart{.title = "loss", .series = {{.name = "a", .x = {1, 2}, .y = {1}}}}),
                    re::ShapeError);
    CHECK_THROWS_AS(report.add_note("title", "\xFF"), re::DataError);
    CHECK_THROWS_AS(report.add(LineChart{.title = "\xC3"}), re::DataError);
    CHECK(report.html() == before);
    CHECK_THROWS_AS((void)HtmlReport("\xFF"), re::DataError);
  }
  TEST_CASE("write: puts the document into a file, replacing an older one") {
    const test::Scratch scratch;
    const HtmlReport report = everything();
    HtmlReport("older").write(scratch / "report.html");
    report.write(scratch / "report.html");
    CHECK(test::content_of(scratch / "report.html") == report.html());
    CHECK(scratch.count() == 1);
    CHECK_THROWS_AS(report.write(scratch / "absent" / "report.html"), re::IoError);
  }
  TEST_CASE("markup_fault: finds the faults it is there for") {
    CHECK(markup_fault("<a><b/></a>") == "");
    for (const char* bad : {"<a>", "</a>", "<a></b>", "<a><b></a></b>", "a & b", "a > b", "<a", "<a b=\"<\"/>"}) {
      CAPTURE(bad);
      CHECK_FALSE(markup_fault(bad).empty());
    }
  }
}
