#include <reasonembed/retrieval/trec_run.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::retrieval::read_trec_run;
using re::retrieval::Run;
using re::retrieval::RunEntry;
using re::retrieval::write_trec_run;
using Entries = std::vector<RunEntry>;

namespace {

std::string written(const test::Scratch& scratch, const Run& run, const re::retrieval::TrecRunOptions& options = {}) {
  write_trec_run(scratch / "written", run, options);
  return test::content_of(scratch / "written");
}

void check_refused(const test::Scratch& scratch, const std::string& content, const std::string& message) {
  CAPTURE(content);
  const std::string path = scratch.write("refused", content).string();
  CHECK_THROWS_WITH_AS((void)read_trec_run(path), (path + message).c_str(), re::DataError);
}

}  // namespace

TEST_SUITE("retrieval/trec_run") {
  TEST_CASE("write_trec_run: writes six columns, ranks from 1, the fewest digits") {
    const test::Scratch scratch;
    Run run;
    run.add("q2", {{"b", 0.1}, {"a", 12345678.5}});
    run.add("q1", {{"c", -1e-20}});
    CHECK(written(scratch, run, {.tag = "bm25"}) ==
          "q2 Q0 a 1 12345678.5 bm25\nq2 Q0 b 2 0.1 bm25\nq1 Q0 c 1 -1e-20 bm25\n");
    CHECK(written(scratch, Run()).empty());
  }

  TEST_CASE("write_trec_run: separates by tabs throughout when an id or the tag holds a blank") {
    const test::Scratch scratch;
    Run document;
    document.add("q", {{"a b", 2}, {"c", 1}});
    CHECK(written(scratch, document) == "q\tQ0\ta b\t1\t2\treasonembed\nq\tQ0\tc\t2\t1\treasonembed\n");
    Run query;
    query.add("a q", {{"c", 1}});
    CHECK(written(scratch, query) == "a q\tQ0\tc\t1\t1\treasonembed\n");
    Run plain;
    plain.add("q", {{"c", 1}});
    CHECK(written(scratch, plain, {.tag = "my tag"}) == "q\tQ0\tc\t1\t1\tmy tag\n");
  }

  TEST_CASE("write_trec_run: refuses what the columns can't hold, and leaves the old file") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch.write("run", "old");
    const std::string want = ", expected a text without tabs, line ends or blanks around it";
    for (const auto& [id, shown] : std::vector<std::pair<std::string, std::string>>{
             {"a\tb", "\"a\\x09b\""}, {"a\nb", "\"a\\x0Ab\""}, {"", "\"\""}, {" a", "\" a\""}, {"a ", "\"a \""}}) {
      CAPTURE(id);
      Run document;
      document.add("q", {{id, 1}});
      CHECK_THROWS_WITH_AS(write_trec_run(path, document),
                           ("retrieval::write_trec_run: document id is " + shown + want).c_str(),
                           re::DataError);
      Run query;
      query.add(id, {{"d", 1}});
      CHECK_THROWS_WITH_AS(write_trec_run(path, query),
                           ("retrieval::write_trec_run: query id is " + shown + want).c_str(),
                           re::DataError);
      CHECK_THROWS_WITH_AS(write_trec_run(path, Run(), {.tag = id}),
                           ("retrieval::write_trec_run: tag is " + shown + want).c_str(),
                           re::DataError);
    }
    for (const std::string& id : {std::string("#1"), std::string("\xEF\xBB\xBF") + "1"}) {  // no reader gives them back
      Run comment;
      comment.add(id, {{"d", 1}});
      CHECK_THROWS_WITH_AS(
          write_trec_run(path, comment),
          ("retrieval::write_trec_run: query id is \"" + id + "\", expected no # or byte-order mark at the start")
              .c_str(),
          re::DataError);
    }
    CHECK(test::content_of(path) == "old");
    CHECK(scratch.count() == 1);
  }

  TEST_CASE("write_trec_run: says when the file can't be written") {
    const test::Scratch scratch;
    CHECK_THROWS_AS(write_trec_run(scratch / "missing" / "run", Run()), re::IoError);
  }

  TEST_CASE("read_trec_run: takes blanks or tabs, and the score alone for the order") {
    const test::Scratch scratch;
    const Run run = read_trec_run(scratch.write("run",
                                                "# a comment\n"
                                                "301\tQ0\td1\t7\t  2.5\tSTANDARD\n"
                                                "302 Q0 e1 1 +1e2 tag\n"
                                                "301 Q0 d 2 1 3 tag\r\n"
                                                "301\tQ0\td  3\t9\t-4\tmy own tag\n\n"));
    CHECK(run.queries() == std::vector<std::string>{"301", "302"});
    CHECK(*run.find("301") == Entries{{"d 2", 3}, {"d1", 2.5}, {"d  3", -4}});
    CHECK(*run.find("302") == Entries{{"e1", 100}});
    CHECK(read_trec_run(scratch.write("empty", "")).empty());
  }

  TEST_CASE("read_trec_run: equal scores keep the order of the lines, not of the rank column") {
    const test::Scratch scratch;
    const Run run = read_trec_run(scratch.write("run", "q Q0 b 2 1 t\nq Q0 a 1 1 t\nq Q0 c 3 1 t\n"));
    CHECK(*run.find("q") == Entries{{"b", 1}, {"a", 1}, {"c", 1}});
  }

  TEST_CASE("read_trec_run: reads every score bit for bit") {
    const test::Scratch scratch;
    const Run run = read_trec_run(scratch.write("run",
                                                "q Q0 a 1 0.45895862579345703 t\n"
                                                "q Q0 b 2 0.1 t\nq Q0 c 3 -0 t\nq Q0 d 4 1e-310 t\n"));
    REQUIRE(run.size() == 1);
    CHECK(*run.find("q") == Entries{{"a", 0.45895862579345703}, {"b", 0.1}, {"d", 1e-310}, {"c", -0.0}});
  }

  TEST_CASE("read_trec_run, write_trec_run: any run survives the round trip") {
    const test::Scratch scratch;
    std::mt19937_64 random(11);
    std::uniform_int_distribution<std::uint64_t> any;
    const std::vector<std::string> pieces = {
        "a", "b c", "/x.txt", "\xC3\xA9", "  ", "#", "Q0", "1", "\xF0\x9F\x98\x80"};
    std::uniform_int_distribution<std::size_t> piece(0, pieces.size() - 1);
    for (int repeat = 0; repeat < 30; ++repeat) {
      Run run;
      for (int query = 0; query < 5; ++query) {
        Entries entries;
        for (int document = 0; document < 20; ++document) {
          double score = 0;
          do {
            score = std::bit_cast<double>(any(random));
          } while (!std::isfinite(score));
          entries.push_back({"d" + pieces[piece(random)] + std::to_string(document), score});
        }
        run.add("q" + pieces[piece(random)] + std::to_string(query), entries);
      }
      write_trec_run(scratch / "run", run, {.tag = "tag" + pieces[piece(random)] + "."});
      REQUIRE(read_trec_run(scratch / "run") == run);
    }
  }

  TEST_CASE("read_trec_run: names file and line of what it refuses") {
    const test::Scratch scratch;
    const std::string good = "q Q0 d 1 2 t\n";
    check_refused(scratch, good + "q Q0 d 1 2\n", ":2: line is \"q Q0 d 1 2\", expected qid Q0 docid rank score tag");
    check_refused(scratch, "q Q0 d 1 high t\n", ":1: score is \"high\", expected a finite number");
    check_refused(scratch, "q Q0 d 1 1e999 t\n", ":1: score is \"1e999\", expected a finite number");
    check_refused(scratch, "q Q0 d 1 nan t\n", ":1: score is \"nan\", expected a finite number");
    check_refused(scratch, "q Q0 d 1 inf t\n", ":1: score is \"inf\", expected a finite number");
    check_refused(scratch, "q Q0 d 1 2x t\n", ":1: score is \"2x\", expected a finite number");
    check_refused(scratch, "q Q0 d 1 ++2 t\n", ":1: score is \"++2\", expected a finite number");
    check_refused(scratch,
                  good + "r Q0 d 1 2 t\nq Q0 d 2 1 t\n",
                  ":3: document \"d\" is ranked twice for query \"q\", expected once");
    check_refused(scratch, good + "\n" + "q Q0 e 2 1 t\n", ":2: line is blank, expected qid Q0 docid rank score tag");
    check_refused(scratch, good + "q Q0 \xC3 2 1 t\n", ":2: byte 6 is 0xC3, expected UTF-8 text");
  }
}
