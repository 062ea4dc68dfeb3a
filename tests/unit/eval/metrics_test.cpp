#include <reasonembed/eval/metrics.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::eval::AveragePrecision;
using re::eval::JudgedRanking;
using re::eval::kNotJudged;
using re::eval::Ndcg;
using re::eval::Precision;
using re::eval::Recall;
using re::eval::ReciprocalRank;
using re::eval::RPrecision;
using re::eval::Success;
using Relevances = std::vector<int>;

namespace {

/// A ranking with what it points to.
struct Example {
  Relevances retrieved;
  Relevances ideal;  // descending
  int level = 1;

  [[nodiscard]] JudgedRanking view() const {
    return {retrieved, ideal, level, std::count_if(ideal.begin(), ideal.end(), [this](int relevance) {
              return relevance >= level;
            })};
  }
};

Example random_example(std::mt19937& random) {
  std::uniform_int_distribution<int> size(0, 30);
  std::uniform_int_distribution<int> relevance(-2, 3);
  Example example;
  for (int i = size(random); i > 0; --i) {
    example.retrieved.push_back(relevance(random));
  }
  for (const int one : example.retrieved) {
    if (one > 0) {
      example.ideal.push_back(one);
    }
  }
  for (int i = size(random) / 3; i > 0; --i) {  // judged, but not retrieved
    example.ideal.push_back(1 + i % 3);
  }
  std::sort(example.ideal.begin(), example.ideal.end(), std::greater<>());
  example.level = 1 + static_cast<int>(random() % 3);
  return example;
}

/// All measures at once, as (name, value).
std::vector<std::pair<std::string, double>> all_measures(const Example& example) {
  std::vector<std::pair<std::string, double>> values;
  const auto add = [&](const auto& measure) { values.emplace_back(measure.name(), measure(example.view())); };
  add(Ndcg());
  add(AveragePrecision());
  add(ReciprocalRank());
  add(RPrecision());
  for (const Index cutoff : {1, 3, 10, 1000}) {
    add(Ndcg(cutoff));
    add(AveragePrecision(cutoff));
    add(ReciprocalRank(cutoff));
    add(Recall(cutoff));
    add(Precision(cutoff));
    add(Success(cutoff));
  }
  return values;
}

// a handful of additions and divisions of numbers up to 10
constexpr double kRounding = 100 * std::numeric_limits<double>::epsilon();

void check_close(double value, double expected) {
  CHECK(std::abs(value - expected) <= kRounding);
}

}  // namespace

TEST_SUITE("eval/metrics") {
  TEST_CASE("Ndcg: gains are relevances, discounted by log2 of rank + 1") {
    const Example example{{1, kNotJudged, 3, 0}, {3, 2, 1}};
    const double gained = 1 + 3 / std::log2(4.0);
    const double ideal = 3 + 2 / std::log2(3.0) + 1 / std::log2(4.0);
    check_close(Ndcg()(example.view()), gained / ideal);
    check_close(Ndcg(10)(example.view()), gained / ideal);
    check_close(Ndcg(2)(example.view()), 1 / (3 + 2 / std::log2(3.0)));
    check_close(Ndcg(1)(example.view()), 1.0 / 3);
  }

  TEST_CASE("Ndcg: negative relevances gain nothing, and the level plays no part") {
    Example example{{-5, 2, -1}, {2}};
    check_close(Ndcg()(example.view()), 1 / std::log2(3.0));
    example.level = 3;
    check_close(Ndcg()(example.view()), 1 / std::log2(3.0));
  }

  TEST_CASE("AveragePrecision: averages precision over all relevant documents") {
    const Example example{{1, 0, 1, kNotJudged, 1}, {1, 1, 1, 1}};
    check_close(AveragePrecision()(example.view()), (1.0 + 2.0 / 3 + 3.0 / 5) / 4);
    check_close(AveragePrecision(3)(example.view()), (1.0 + 2.0 / 3) / 4);
    check_close(AveragePrecision(1)(example.view()), 0.25);
  }

  TEST_CASE("ReciprocalRank: the first relevant document counts") {
    const Example example{{0, kNotJudged, 2, 1}, {2, 1}};
    check_close(ReciprocalRank()(example.view()), 1.0 / 3);
    check_close(ReciprocalRank(3)(example.view()), 1.0 / 3);
    CHECK(ReciprocalRank(2)(example.view()) == 0);
    Example second = example;
    second.retrieved = {1, 2};
    second.level = 2;
    check_close(ReciprocalRank()(second.view()), 1.0 / 2);
  }

  TEST_CASE("Recall, Precision, Success, RPrecision: count what is found early") {
    const Example example{{1, 0, 1}, {1, 1, 1, 1}};
    check_close(Recall(1)(example.view()), 0.25);
    check_close(Recall(100)(example.view()), 0.5);
    check_close(Precision(2)(example.view()), 0.5);
    check_close(Precision(10)(example.view()), 0.2);  // of 10, although 3 were retrieved
    CHECK(Success(1)(example.view()) == 1);
    check_close(RPrecision()(example.view()), 0.5);  // 2 among the first 4
    const Example late{{0, 0, 1}, {1}};
    CHECK(Success(2)(late.view()) == 0);
    CHECK(Success(3)(late.view()) == 1);
    CHECK(RPrecision()(late.view()) == 0);
  }

  TEST_CASE("measures: the level decides what is relevant") {
    const Example example{{1, 2, 3}, {3, 2, 1}, 2};
    check_close(Recall(2)(example.view()), 0.5);
    check_close(Precision(3)(example.view()), 2.0 / 3);
    check_close(AveragePrecision()(example.view()), (1.0 / 2 + 2.0 / 3) / 2);
    check_close(RPrecision()(example.view()), 0.5);
  }

  TEST_CASE("measures: are 0 where nothing is relevant or nothing was retrieved") {
    for (const Example& example :
         {Example{{}, {}}, Example{{}, {2, 1}}, Example{{0, -1, kNotJudged}, {}}, Example{{1, 1}, {1, 1}, 2}}) {
      for (const auto& [name, value] : all_measures(example)) {
        CAPTURE(name);
        if (name.starts_with("ndcg") && !example.ideal.empty() && !example.retrieved.empty()) {
          CHECK(value == 1);  // gains know no level
        } else {
          CHECK(value == 0);
        }
      }
    }
  }

  TEST_CASE("measures: the ideal ranking has nDCG, average precision, reciprocal rank and R-precision of 1") {
    for (const Relevances& relevances : {Relevances{1}, Relevances{3, 2, 1}, Relevances{2, 2, 2, 1, 1, 1, 1}}) {
      const Example example{relevances, relevances};
      for (const Index cutoff : {1, 2, 3, 100}) {
        check_close(Ndcg(cutoff)(example.view()), 1);
      }
      check_close(AveragePrecision()(example.view()), 1);
      check_close(ReciprocalRank()(example.view()), 1);
      check_close(RPrecision()(example.view()), 1);
      check_close(Recall(static_cast<Index>(relevances.size()))(example.view()), 1);
    }
  }

  TEST_CASE("measures: lie in [0, 1], grow with the cut-off where they count, and ignore what is not judged") {
    std::mt19937 random(3);
    for (int repeat = 0; repeat < 300; ++repeat) {
      const Example example = random_example(random);
      for (const auto& [name, value] : all_measures(example)) {
        CAPTURE(name);
        REQUIRE(value >= 0);
        REQUIRE(value <= 1 + kRounding);
      }
      for (Index cutoff = 1; cutoff < 30; ++cutoff) {
        REQUIRE(Recall(cutoff)(example.view()) <= Recall(cutoff + 1)(example.view()));
        REQUIRE(Success(cutoff)(example.view()) <= Success(cutoff + 1)(example.view()));
        REQUIRE(AveragePrecision(cutoff)(example.view()) <= AveragePrecision(cutoff + 1)(example.view()));
        REQUIRE(ReciprocalRank(cutoff)(example.view()) <= ReciprocalRank(cutoff + 1)(example.view()));
      }
      Example padded = example;  // trailing documents without a judgement change nothing
      padded.retrieved.insert(padded.retrieved.end(), 7, kNotJudged);
      REQUIRE(all_measures(padded) == all_measures(example));
      Example zeros = example;  // judged irrelevant, negative or not judged: all the same
      for (int& relevance : zeros.retrieved) {
        relevance = relevance <= 0 ? 0 : relevance;
      }
      REQUIRE(all_measures(zeros) == all_measures(example));
    }
  }

  TEST_CASE("measures: moving a relevant document up never lowers a value") {
    std::mt19937 random(4);
    for (int repeat = 0; repeat < 300; ++repeat) {
      const Example example = random_example(random);
      for (std::size_t i = 1; i < example.retrieved.size(); ++i) {
        if (example.retrieved[i] > example.retrieved[i - 1]) {
          Example better = example;
          std::swap(better.retrieved[i], better.retrieved[i - 1]);
          const auto before = all_measures(example);
          const auto after = all_measures(better);
          for (std::size_t m = 0; m < before.size(); ++m) {
            CAPTURE(before[m].first);
            REQUIRE(after[m].second >= before[m].second - kRounding);
          }
        }
      }
    }
  }

  TEST_CASE("measures: a cut-off beyond the ranking is none") {
    std::mt19937 random(5);
    for (int repeat = 0; repeat < 50; ++repeat) {
      const Example example = random_example(random);
      CHECK(Ndcg(1000)(example.view()) == Ndcg()(example.view()));
      CHECK(AveragePrecision(1000)(example.view()) == AveragePrecision()(example.view()));
      CHECK(ReciprocalRank(1000)(example.view()) == ReciprocalRank()(example.view()));
    }
  }

  TEST_CASE("name: is what trec_eval prints") {
    CHECK(Ndcg().name() == "ndcg");
    CHECK(Ndcg(10).name() == "ndcg_cut_10");
    CHECK(AveragePrecision().name() == "map");
    CHECK(AveragePrecision(100).name() == "map_cut_100");
    CHECK(ReciprocalRank().name() == "recip_rank");
    CHECK(ReciprocalRank(10).name() == "recip_rank_cut_10");
    CHECK(Recall(1000).name() == "recall_1000");
    CHECK(Precision(5).name() == "P_5");
    CHECK(Success(1).name() == "success_1");
    CHECK(RPrecision().name() == "Rprec");
  }

  TEST_CASE("measures: refuse cut-offs out of range") {
    CHECK_THROWS_WITH_AS(Ndcg(-1), "eval::Ndcg: cutoff is -1, expected at least 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        AveragePrecision(-1), "eval::AveragePrecision: cutoff is -1, expected at least 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        ReciprocalRank(-2), "eval::ReciprocalRank: cutoff is -2, expected at least 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(Recall(0), "eval::Recall: cutoff is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(Precision(0), "eval::Precision: cutoff is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(Success(0), "eval::Success: cutoff is 0, expected at least 1", re::ConfigError);
  }
}
