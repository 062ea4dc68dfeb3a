#include <reasonembed/data/qrels.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::data::Qrels;

TEST_SUITE("data/qrels") {
  TEST_CASE("Qrels: empty ones know no query") {
    const Qrels qrels;
    CHECK(qrels.empty());
    CHECK(qrels.size() == 0);
    CHECK(qrels.find("q") == nullptr);
    CHECK_FALSE(qrels.has_relevant("q"));
  }

  TEST_CASE("add: collects the judgements of each query, queries in the order of their first") {
    Qrels qrels;
    CHECK(qrels.add("q2", "b", 1));
    CHECK(qrels.add("q1", "a", 0));
    CHECK(qrels.add("q2", "a", 3));
    CHECK(qrels.queries() == std::vector<std::string>{"q2", "q1"});
    CHECK(*qrels.find("q2") == Qrels::Judgements{{"a", 3}, {"b", 1}});
    CHECK(qrels.judgements(1) == Qrels::Judgements{{"a", 0}});
  }

  TEST_CASE("add: reports a judgement that is there already and counts it once") {
    Qrels qrels;
    CHECK(qrels.add("q", "a", 2));
    CHECK_FALSE(qrels.add("q", "a", 2));
    CHECK(qrels.find("q")->size() == 1);
  }

  TEST_CASE("add: refuses a judgement that contradicts an earlier one") {
    Qrels qrels;
    qrels.add("q", "a", 2);
    CHECK_THROWS_WITH_AS(qrels.add("q", "a", 1),
                         "data::Qrels: query \"q\": relevance of document \"a\" is 1, expected 2, as judged before",
                         re::DataError);
    CHECK(*qrels.find("q") == Qrels::Judgements{{"a", 2}});
    CHECK(qrels.add("r", "a", 1));  // another query may judge it otherwise
  }

  TEST_CASE("has_relevant: only positive relevances count") {
    Qrels qrels;
    qrels.add("none", "a", 0);
    qrels.add("none", "b", -1);
    CHECK_FALSE(qrels.has_relevant("none"));
    qrels.add("none", "c", 1);
    CHECK(qrels.has_relevant("none"));
  }

  TEST_CASE("Qrels: the order of the judgements within a query plays no part") {
    std::vector<std::pair<std::string, int>> judgements;
    for (int i = 0; i < 50; ++i) {
      judgements.emplace_back("d" + std::to_string(i), i % 4 - 1);
    }
    Qrels expected;
    for (const auto& [document, relevance] : judgements) {
      expected.add("q", document, relevance);
    }
    std::mt19937 random(2);
    for (int repeat = 0; repeat < 5; ++repeat) {
      std::shuffle(judgements.begin(), judgements.end(), random);
      Qrels qrels;
      for (const auto& [document, relevance] : judgements) {
        qrels.add("q", document, relevance);
      }
      CHECK(qrels == expected);
    }
  }

  TEST_CASE("Qrels: a copy is independent") {
    Qrels qrels;
    qrels.add("q", "a", 1);
    Qrels copy = qrels;
    copy.add("q", "b", 1);
    CHECK(qrels.find("q")->size() == 1);
    CHECK(copy != qrels);
  }
}
