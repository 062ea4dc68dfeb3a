#include <reasonembed/eval/measure.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::eval::JudgedRanking;
using re::eval::Measure;

namespace {

struct FirstRelevance {
  double factor = 1;
  double operator()(const JudgedRanking& ranking) const {
    return ranking.retrieved.empty() ? 0 : factor * ranking.retrieved[0];
  }
  [[nodiscard]] std::string name() const { return "first"; }
};

static_assert(std::is_convertible_v<FirstRelevance, Measure>);
static_assert(std::is_convertible_v<const char*, Measure>);
static_assert(!std::is_convertible_v<int, Measure>);
static_assert(std::is_copy_constructible_v<Measure> && std::is_nothrow_move_constructible_v<Measure>);

}  // namespace

TEST_SUITE("eval/measure") {
  TEST_CASE("Measure: knows trec_eval's names, and prints them") {
    for (const char* name : {"ndcg",
                             "ndcg_cut_1",
                             "ndcg_cut_10",
                             "map",
                             "map_cut_1000",
                             "recip_rank",
                             "recip_rank_cut_10",
                             "Rprec",
                             "recall_5",
                             "P_30",
                             "success_10"}) {
      CHECK(Measure(name).name() == name);
      CHECK(Measure(std::string(name)).name() == name);
    }
  }

  TEST_CASE("Measure: has the value of the measure that is named") {
    const std::vector<int> retrieved = {0, 2, re::eval::kNotJudged, 1};
    const std::vector<int> ideal = {2, 1, 1};
    const JudgedRanking ranking{retrieved, ideal, 1, 3};
    CHECK(Measure("ndcg")(ranking) == re::eval::Ndcg()(ranking));
    CHECK(Measure("ndcg_cut_2")(ranking) == re::eval::Ndcg(2)(ranking));
    CHECK(Measure("map")(ranking) == re::eval::AveragePrecision()(ranking));
    CHECK(Measure("map_cut_2")(ranking) == re::eval::AveragePrecision(2)(ranking));
    CHECK(Measure("recip_rank")(ranking) == re::eval::ReciprocalRank()(ranking));
    CHECK(Measure("recip_rank_cut_1")(ranking) == 0);
    CHECK(Measure("Rprec")(ranking) == re::eval::RPrecision()(ranking));
    CHECK(Measure("recall_4")(ranking) == re::eval::Recall(4)(ranking));
    CHECK(Measure("P_4")(ranking) == 0.5);
    CHECK(Measure("success_1")(ranking) == 0);
    CHECK(Measure("success_2")(ranking) == 1);
  }

  TEST_CASE("Measure: takes a measure of one's own, by value") {
    const std::vector<int> retrieved = {3};
    const JudgedRanking ranking{retrieved, retrieved, 1, 1};
    FirstRelevance own{.factor = 2};
    const Measure measure = own;
    own.factor = 5;
    CHECK(measure.name() == "first");
    CHECK(measure(ranking) == 6);
    const Measure copy = measure;
    CHECK(copy(ranking) == 6);
  }

  TEST_CASE("Measure: a list may mix names and types") {
    const std::vector<Measure> measures = {"ndcg_cut_10", re::eval::Recall(100), FirstRelevance{}};
    REQUIRE(measures.size() == 3);
    CHECK(measures[0].name() == "ndcg_cut_10");
    CHECK(measures[1].name() == "recall_100");
    CHECK(measures[2].name() == "first");
    const std::vector<Measure> two_names = {"map", "Rprec"};  // not a pair of iterators
    CHECK(two_names.size() == 2);
  }

  TEST_CASE("Measure: refuses names that it does not know") {
    for (const std::string name : {"",           "nope",        "ndcg_cut",     "ndcg_cut_",
                                   "ndcg_cut_0", "ndcg_cut_-1", "ndcg_cut_1.5", "ndcg_cut_10x",
                                   "ndcg_10",    "NDCG",        "recall",       "P_",
                                   "P_ 5",       "P_+5",        "Rprec_5",      "P_99999999999999999999",
                                   "ndcg@10",    "_",           "10",           "all_P_5"}) {
      CAPTURE(name);
      CHECK_THROWS_WITH_AS(Measure{name},
                           ("eval::Measure: name is \"" + name +
                            "\", expected ndcg, map, recip_rank, Rprec, or with a cut-off K >= 1 ndcg_cut_K, "
                            "map_cut_K, recip_rank_cut_K, recall_K, P_K, success_K")
                               .c_str(),
                           re::ConfigError);
    }
  }
}
