#include <reasonembed/eval/evaluate.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::Qrels;
using re::eval::AverageOver;
using re::eval::evaluate;
using re::eval::Evaluation;
using re::eval::EvaluationOptions;
using re::eval::JudgedRanking;
using re::eval::ScorePrecision;
using re::retrieval::Run;
using re::retrieval::RunEntry;
using Entries = std::vector<RunEntry>;

namespace {

/// Shows a measure's view of the ranking: the relevances in their order, as digits of a number.
struct Order {
  double operator()(const JudgedRanking& ranking) const {
    double digits = 0;
    for (const int relevance : ranking.retrieved) {
      digits = 10 * digits + relevance;
    }
    return digits;
  }
  [[nodiscard]] std::string name() const { return "order"; }
};

/// Judges a, b, c, ... as 1, 2, 3, ...
Qrels graded(const std::string& query, int count) {
  Qrels qrels;
  for (int i = 0; i < count; ++i) {
    qrels.add(query, std::string(1, static_cast<char>('a' + i)), i + 1);
  }
  return qrels;
}

/// nDCG, average precision and recall at a cut-off from their definitions, with none of the library's code.
struct Reference {
  double ndcg = 0;
  double precision = 0;
  double recall = 0;
};
Reference reference(Entries entries, const std::map<std::string, int>& judgements, std::size_t cutoff) {
  std::sort(entries.begin(), entries.end(), [](const RunEntry& a, const RunEntry& b) {
    return std::make_pair(a.score, a.document) > std::make_pair(b.score, b.document);
  });
  std::vector<int> ideal;
  double relevant = 0;
  for (const auto& [document, relevance] : judgements) {
    ideal.push_back(std::max(relevance, 0));
    relevant += relevance > 0 ? 1 : 0;
  }
  std::sort(ideal.rbegin(), ideal.rend());
  ideal.resize(std::min(ideal.size(), cutoff));
  entries.resize(std::min(entries.size(), cutoff));
  Reference result;
  double found = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto judgement = judgements.find(entries[i].document);
    const int relevance = judgement == judgements.end() ? 0 : std::max(judgement->second, 0);
    result.ndcg += relevance / std::log2(static_cast<double>(i) + 2);
    found += relevance > 0 ? 1 : 0;
    result.precision += relevance > 0 ? found / static_cast<double>(i + 1) : 0;
  }
  double ideal_gain = 0;
  for (std::size_t i = 0; i < ideal.size(); ++i) {
    ideal_gain += ideal[i] / std::log2(static_cast<double>(i) + 2);
  }
  result.ndcg = ideal_gain > 0 ? result.ndcg / ideal_gain : 0;
  result.precision = relevant > 0 ? result.precision / relevant : 0;
  result.recall = relevant > 0 ? found / relevant : 0;
  return result;
}

double order_of(Entries entries, const EvaluationOptions& settings = {}) {
  Run run;
  run.add("q", std::move(entries));
  EvaluationOptions options = settings;
  options.measures = {Order()};
  return evaluate(run, graded("q", 5), options).means[0];
}

}  // namespace

TEST_SUITE("eval/evaluate") {
  TEST_CASE("evaluate: ranks by score, ties by the bytes of the id, descending") {
    CHECK(order_of({{"a", 3}, {"b", 2}, {"c", 1}}) == 123);
    CHECK(order_of({{"a", 1}, {"b", 2}, {"c", 3}}) == 321);
    CHECK(order_of({{"a", 1}, {"b", 1}, {"c", 1}}) == 321);
    CHECK(order_of({{"c", 1}, {"a", 1}, {"b", 2}}) == 231);
    CHECK(order_of({{"a", 0.0}, {"b", -0.0}}) == 21);  // the two zeros are a tie
  }

  TEST_CASE("evaluate: ids are compared as bytes, not as characters or signed numbers") {
    Qrels qrels;
    qrels.add("q", "\xC3\xA9", 1);
    qrels.add("q", "z", 2);
    qrels.add("q", "Z", 3);
    qrels.add("q", "z ", 4);
    Run run;
    run.add("q", {{"Z", 1}, {"z", 1}, {"\xC3\xA9", 1}, {"z ", 1}});
    CHECK(evaluate(run, qrels, {.measures = {Order()}}).means[0] == 1423);
  }

  TEST_CASE("evaluate: single precision makes ties of scores that only doubles tell apart") {
    const Entries entries = {{"a", 1.0 + 1e-12}, {"b", 1.0}};
    CHECK(order_of(entries) == 12);
    CHECK(order_of(entries, {.score_precision = ScorePrecision::kSingle}) == 21);
    // and keeps apart what floats tell apart
    CHECK(order_of({{"a", 1.0 + 1e-6}, {"b", 1.0}}, {.score_precision = ScorePrecision::kSingle}) == 12);
  }

  TEST_CASE("evaluate: neither the order of the run nor that of the judgements plays a part") {
    std::mt19937 random(6);
    Entries entries;
    std::vector<std::pair<std::string, int>> judgements;
    for (int i = 0; i < 60; ++i) {
      const std::string id = "d" + std::to_string(i);
      entries.push_back({id, static_cast<double>(i % 5)});
      judgements.emplace_back(id, i % 4 - 1);
    }
    std::vector<double> expected;
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::shuffle(entries.begin(), entries.end(), random);
      std::shuffle(judgements.begin(), judgements.end(), random);
      Run run;
      run.add("q", entries);
      Qrels qrels;
      for (const auto& [document, relevance] : judgements) {
        qrels.add("q", document, relevance);
      }
      const Evaluation result = evaluate(run, qrels, {.measures = {"ndcg_cut_10", "map", "recip_rank", "P_7"}});
      expected = repeat == 0 ? result.means : expected;
      CHECK(result.means == expected);
    }
  }

  TEST_CASE("evaluate: equals the definitions on random runs with ties, holes and negative judgements") {
    std::mt19937 random(12);
    std::uniform_int_distribution<int> any(0, 39);
    std::uniform_int_distribution<int> relevance(-2, 3);
    for (int repeat = 0; repeat < 100; ++repeat) {
      Run run;
      Qrels qrels;
      std::vector<Reference> expected;
      for (const std::string query : {"q1", "q2", "q3"}) {
        std::map<std::string, double> scores;
        std::map<std::string, int> judgements;
        for (int i = any(random); i > 0; --i) {
          scores["d" + std::to_string(any(random))] = any(random) / 8;
        }
        for (int i = 1 + any(random); i > 0; --i) {
          judgements["d" + std::to_string(any(random))] = relevance(random);
        }
        Entries entries;
        for (const auto& [document, score] : scores) {
          entries.push_back({document, score});
        }
        std::shuffle(entries.begin(), entries.end(), random);
        run.add(query, entries);
        for (const auto& [document, grade] : judgements) {
          qrels.add(query, document, grade);
        }
        expected.push_back(reference(entries, judgements, 10));
      }
      const Evaluation result = evaluate(run, qrels, {.measures = {"ndcg_cut_10", "map_cut_10", "recall_10"}});
      double mean = 0;
      for (std::size_t query = 0; query < 3; ++query) {
        // at most ten terms of each sum are rounded
        const double bound = 40 * std::numeric_limits<double>::epsilon();
        REQUIRE(std::abs(result.values[query][0] - expected[query].ndcg) <= bound);
        REQUIRE(std::abs(result.values[query][1] - expected[query].precision) <= bound);
        REQUIRE(std::abs(result.values[query][2] - expected[query].recall) <= bound);
        mean += expected[query].ndcg / 3;
      }
      REQUIRE(std::abs(result.mean("ndcg_cut_10") - mean) <= 1e-14);
    }
  }

  TEST_CASE("evaluate: documents of equal score and relevance may be exchanged") {
    Qrels qrels;
    for (const char* id : {"a", "b", "c", "d"}) {
      qrels.add("q", id, 1);
    }
    qrels.add("q", "x", 0);
    const auto value = [&](const Entries& entries) {
      Run run;
      run.add("q", entries);
      return evaluate(run, qrels, {.measures = {"ndcg", "map"}}).means;
    };
    CHECK(value({{"a", 3}, {"x", 2}, {"b", 1}}) == value({{"d", 3}, {"x", 2}, {"c", 1}}));
    CHECK(value({{"a", 30}, {"x", 20}, {"b", 10}}) == value({{"a", 3}, {"x", 2}, {"b", 1}}));  // only order counts
  }

  TEST_CASE("evaluate: the depth cuts after ties are broken") {
    const Entries entries = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 5}};
    CHECK(order_of(entries, {.depth = 2}) == 43);
    CHECK(order_of(entries, {.depth = 4}) == 4321);
    CHECK(order_of(entries, {.depth = 100}) == 4321);
    Run run;
    run.add("q", entries);
    const Evaluation cut = evaluate(run, graded("q", 4), {.measures = {"recall_1000"}, .depth = 3});
    CHECK(cut.retrieved == 3);
    CHECK(cut.means[0] == 0.75);
  }

  TEST_CASE("evaluate: documents without a judgement count as retrieved and not relevant") {
    Run run;
    run.add("q", {{"unknown", 9}, {"a", 8}, {"zero", 7}});
    Qrels qrels;
    qrels.add("q", "a", 1);
    qrels.add("q", "zero", 0);
    qrels.add("q", "elsewhere", 2);
    const Evaluation result = evaluate(run, qrels, {.measures = {"recip_rank", "recall_10"}});
    CHECK(result.means == std::vector<double>{0.5, 0.5});
    CHECK(result.retrieved == 3);
    CHECK(result.relevant == 2);
    CHECK(result.relevant_retrieved == 1);
  }

  TEST_CASE("evaluate: a judged query without a ranking scores 0, or is left out") {
    Run run;
    run.add("q2", {{"a", 1}});
    Qrels qrels = graded("q1", 2);
    qrels.add("q2", "a", 1);
    const Evaluation judged = evaluate(run, qrels);
    CHECK(judged.queries == std::vector<std::string>{"q1", "q2"});
    CHECK(judged.values == std::vector<std::vector<double>>{{0}, {1}});
    CHECK(judged.means == std::vector<double>{0.5});
    CHECK(judged.queries_without_ranking == 1);
    CHECK(judged.relevant == 3);
    const Evaluation ranked = evaluate(run, qrels, {.average_over = AverageOver::kRunQueries});
    CHECK(ranked.queries == std::vector<std::string>{"q2"});
    CHECK(ranked.means == std::vector<double>{1});
    CHECK(ranked.queries_without_ranking == 1);
    CHECK(ranked.relevant == 1);
  }

  TEST_CASE("evaluate: an empty ranking is a ranking") {
    Run run;
    run.add("q", {});
    const Evaluation result = evaluate(run, graded("q", 1), {.average_over = AverageOver::kRunQueries});
    CHECK(result.means == std::vector<double>{0});
    CHECK(result.queries_without_ranking == 0);
  }

  TEST_CASE("evaluate: rankings of queries without judgements are left out and counted") {
    Run run;
    run.add("q", {{"a", 1}});
    run.add("stray", {{"a", 1}});
    const Evaluation result = evaluate(run, graded("q", 1));
    CHECK(result.queries.size() == 1);
    CHECK(result.queries_without_judgements == 1);
    CHECK(result.means[0] == 1);
  }

  TEST_CASE("evaluate: a query whose judgements are all negative scores 0 and is counted") {
    Run run;
    run.add("good", {{"a", 1}});
    run.add("bad", {{"a", 1}});
    Qrels qrels = graded("good", 1);
    qrels.add("bad", "a", 0);
    qrels.add("bad", "b", -1);
    const Evaluation result = evaluate(run, qrels);
    CHECK(result.means[0] == 0.5);
    CHECK(result.queries_without_relevant == 1);
    CHECK(evaluate(run, qrels, {.relevance_level = 2}).queries_without_relevant == 2);
  }

  TEST_CASE("Evaluation: finds means by name and names those there are otherwise") {
    Run run;
    run.add("q", {{"a", 1}});
    const Evaluation result = evaluate(run, graded("q", 1), {.measures = {"map", "P_5"}});
    CHECK(result.mean("map") == 1);
    CHECK(result.mean("P_5") == 0.2);
    CHECK(result.measure("P_5") == 1);
    CHECK_THROWS_WITH_AS(
        (void)result.mean("P_10"), "eval::Evaluation: measure is \"P_10\", expected one of map, P_5", re::ConfigError);
  }

  TEST_CASE("evaluate: the default measure is nDCG@10") {
    Run run;
    run.add("q", {{"a", 1}});
    CHECK(evaluate(run, graded("q", 1)).measures == std::vector<std::string>{"ndcg_cut_10"});
  }

  TEST_CASE("evaluate: refuses judgements that belong to other queries, and none at all") {
    const std::string message =
        "eval::evaluate: number of queries with a ranking and judgements is 0, expected at least 1";
    Run run;
    run.add("q", {{"a", 1}});
    CHECK_THROWS_WITH_AS((void)evaluate(run, Qrels()), message.c_str(), re::DataError);
    CHECK_THROWS_WITH_AS((void)evaluate(run, graded("other", 1)), message.c_str(), re::DataError);
    CHECK_THROWS_WITH_AS((void)evaluate(Run(), graded("q", 1), {.average_over = AverageOver::kRunQueries}),
                         message.c_str(),
                         re::DataError);
    CHECK(evaluate(Run(), graded("q", 1)).means[0] == 0);  // a run that found nothing for anybody
  }

  TEST_CASE("evaluate: refuses options out of range and measures that are no numbers") {
    Run run;
    run.add("q", {{"a", 1}});
    const Qrels qrels = graded("q", 1);
    CHECK_THROWS_WITH_AS((void)evaluate(run, qrels, {.relevance_level = 0}),
                         "eval::evaluate: relevance_level is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)evaluate(run, qrels, {.depth = -1}), "eval::evaluate: depth is -1, expected at least 0", re::ConfigError);
    struct Broken {
      double operator()(const JudgedRanking&) const { return std::numeric_limits<double>::quiet_NaN(); }
      [[nodiscard]] std::string name() const { return "broken"; }
    };
    CHECK_THROWS_WITH_AS((void)evaluate(run, qrels, {.measures = {Broken()}}),
                         "eval::evaluate: query \"q\": broken is nan, expected a finite number",
                         re::NonFiniteError);
  }
}
