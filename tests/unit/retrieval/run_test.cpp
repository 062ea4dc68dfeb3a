#include <reasonembed/retrieval/run.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::retrieval::Run;
using re::retrieval::RunEntry;
using Entries = std::vector<RunEntry>;

TEST_SUITE("retrieval/run") {
  TEST_CASE("Run: an empty one has no ranking") {
    const Run run;
    CHECK(run.empty());
    CHECK(run.size() == 0);
    CHECK(run.queries().empty());
    CHECK(run.find("q") == nullptr);
  }

  TEST_CASE("add: sorts by score, descending, and keeps the order of equal scores") {
    Run run;
    run.add("q", {{"low", 1}, {"b", 2}, {"a", 2}, {"top", 3}, {"negative", -1}, {"c", 2}});
    REQUIRE(run.find("q") != nullptr);
    CHECK(*run.find("q") == Entries{{"top", 3}, {"b", 2}, {"a", 2}, {"c", 2}, {"low", 1}, {"negative", -1}});
  }

  TEST_CASE("add: keeps queries in their order, with empty rankings") {
    Run run;
    run.add("q2", {{"d", 1}});
    run.add("q1", {});
    run.add("", {{"", 0}});
    CHECK(run.queries() == std::vector<std::string>{"q2", "q1", ""});
    CHECK(run.size() == 3);
    CHECK(run.ranking(1).empty());
    REQUIRE(run.find("q1") != nullptr);
    CHECK(run.find("q1")->empty());
    CHECK(*run.find("") == Entries{{"", 0}});
  }

  TEST_CASE("add: refuses a second ranking for a query and leaves the run as it was") {
    Run run;
    run.add("q", {{"d", 1}});
    const Run before = run;
    CHECK_THROWS_WITH_AS(run.add("q", {{"e", 1}}),
                         "retrieval::Run: query \"q\": ranking is added twice, expected one ranking",
                         re::DataError);
    CHECK(run == before);
  }

  TEST_CASE("add: refuses a document that stands twice in a ranking") {
    Run run;
    CHECK_THROWS_WITH_AS(run.add("q", {{"d", 1}, {"e", 2}, {"d", 3}}),
                         "retrieval::Run: query \"q\": document \"d\" is ranked twice, expected once",
                         re::DataError);
    CHECK(run.empty());
    run.add("q", {{"d", 1}});
    run.add("r", {{"d", 1}});  // in another ranking it may stand
    CHECK(run.size() == 2);
  }

  TEST_CASE("add: refuses scores that are no numbers") {
    Run run;
    CHECK_THROWS_WITH_AS(run.add("q", {{"d", 1}, {"e", std::numeric_limits<double>::quiet_NaN()}}),
                         "retrieval::Run: query \"q\": score[1] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS(run.add("q", {{"d", -std::numeric_limits<double>::infinity()}}),
                         "retrieval::Run: query \"q\": score[0] is -inf, expected a finite number",
                         re::NonFiniteError);
    CHECK(run.empty());
  }

  TEST_CASE("add: errors show ids that would spoil a terminal in escaped form") {
    Run run;
    CHECK_THROWS_WITH_AS(run.add("a\nb", {{"d\x01", 1}, {"d\x01", 1}}),
                         "retrieval::Run: query \"a\\x0Ab\": document \"d\\x01\" is ranked twice, expected once",
                         re::DataError);
  }

  TEST_CASE("add: entries without equal scores end in one order, however they come") {
    Entries entries;
    for (int i = 0; i < 200; ++i) {
      entries.push_back({"d" + std::to_string(i), 0.25 * i});
    }
    Run sorted;
    sorted.add("q", entries);
    std::mt19937 random(5);
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::shuffle(entries.begin(), entries.end(), random);
      Run run;
      run.add("q", entries);
      REQUIRE(run == sorted);
    }
  }

  TEST_CASE("Run: a copy is independent of its origin") {
    Run run;
    run.add("q", {{"d", 1}});
    Run copy = run;
    copy.add("r", {});
    CHECK(run.size() == 1);
    CHECK(copy.size() == 2);
    CHECK(run != copy);
    const Run moved = std::move(copy);
    CHECK(moved.size() == 2);
  }
}
