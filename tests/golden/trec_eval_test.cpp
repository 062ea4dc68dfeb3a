/// @file Every measure the library has, against what NIST's trec_eval printed for its own regression inputs (four
/// digits). The values are a fact about another program: they change only if that program's definition does.
#include <reasonembed/data/qrels_file.hpp>
#include <reasonembed/eval/evaluate.hpp>
#include <reasonembed/retrieval/trec_run.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;

namespace {

/// One line of trec_eval's output: measure, query or "all", value.
struct Printed {
  std::string measure;
  std::string query;
  double value = 0;
};

std::vector<Printed> read_printed(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Printed> lines;
  for (std::string line; std::getline(file, line);) {
    std::istringstream columns(line);
    Printed printed;
    if (columns >> printed.measure >> printed.query >> printed.value) {  // relstring, runid hold no number
      lines.push_back(printed);
    }
  }
  return lines;
}

/// Names of the measures in `lines` that the library has.
std::vector<re::eval::Measure> supported(const std::vector<Printed>& lines) {
  std::vector<re::eval::Measure> measures;
  for (const Printed& line : lines) {
    const auto same = [&](const re::eval::Measure& known) { return known.name() == line.measure; };
    if (std::none_of(measures.begin(), measures.end(), same)) {
      try {
        measures.emplace_back(line.measure);
      } catch (const re::ConfigError&) {  // one of those the library does not have
      }
    }
  }
  return measures;
}

double value_of(const re::eval::Evaluation& result, const std::string& query, std::size_t measure) {
  if (query == "all") {
    return result.means[measure];
  }
  const auto found = std::find(result.queries.begin(), result.queries.end(), query);
  REQUIRE(found != result.queries.end());
  return result.values[static_cast<std::size_t>(found - result.queries.begin())][measure];
}

/// @return  number of values compared
std::size_t compare(const fs::path& data,
                    const std::string& qrels_name,
                    const std::string& run_name,
                    const std::string& expected,
                    re::eval::EvaluationOptions options) {
  CAPTURE(expected);
  std::vector<std::string> notes;
  const re::data::Qrels qrels = re::data::read_qrels(data / qrels_name, notes);
  CHECK(notes.empty());
  const re::retrieval::Run run = re::retrieval::read_trec_run(data / run_name);
  const std::vector<Printed> lines = read_printed(data / expected);
  options.measures = supported(lines);
  const re::eval::Evaluation result = re::eval::evaluate(run, qrels, options);
  const std::map<std::string, re::Index> counts = {{"num_q", static_cast<re::Index>(result.queries.size())},
                                                   {"num_ret", result.retrieved},
                                                   {"num_rel", result.relevant},
                                                   {"num_rel_ret", result.relevant_retrieved}};
  std::size_t compared = 0;
  for (const Printed& line : lines) {
    CAPTURE(line.measure);
    CAPTURE(line.query);
    const auto count = counts.find(line.measure);
    const auto known = std::find(result.measures.begin(), result.measures.end(), line.measure);
    if (count != counts.end() && line.query == "all") {
      CHECK(static_cast<double>(count->second) == line.value);
      ++compared;
    } else if (known != result.measures.end()) {
      const double value = value_of(result, line.query, static_cast<std::size_t>(known - result.measures.begin()));
      CHECK(std::abs(value - line.value) <= 0.5e-4 + 1e-12);  // half a unit of the last printed digit, and rounding
      ++compared;
    }
  }
  return compared;
}

}  // namespace

TEST_SUITE("golden/trec_eval") {
  TEST_CASE("evaluate: prints what trec_eval prints, per query and on average") {
    const auto data = test::find_data("trec-eval-vectors");
    if (!data) {
      return;
    }
    const re::eval::EvaluationOptions run_queries{.average_over = re::eval::AverageOver::kRunQueries};
    // 43 measures of 3 queries and their mean, and 4 counts
    CHECK(compare(*data, "qrels.test", "results.test", "out.test.aq", run_queries) == 43 * 4 + 4);
    CHECK(compare(*data, "qrels.test", "results.test", "out.test.a", run_queries) == 43 + 4);
    CHECK(compare(*data, "qrels.test", "results.test", "out.test", run_queries) > 10);
    CHECK(compare(*data, "qrels.test", "results.test", "out.test.meas_params", run_queries) > 40);
  }

  TEST_CASE("evaluate: counts queries without a ranking as trec_eval -c does") {
    const auto data = test::find_data("trec-eval-vectors");
    if (!data) {
      return;
    }
    CHECK(compare(*data, "qrels.test", "results.trunc", "out.test.aqc", {}) == 43 * 4 + 4);
  }

  TEST_CASE("evaluate: cuts rankings as trec_eval -M does") {
    const auto data = test::find_data("trec-eval-vectors");
    if (!data) {
      return;
    }
    CHECK(compare(*data, "qrels.test", "results.trunc", "out.test.aqcM", {.depth = 100}) == 43 * 4 + 4);
  }

  TEST_CASE("evaluate: takes the relevance level as trec_eval -l does, and gains without it") {
    const auto data = test::find_data("trec-eval-vectors");
    if (!data) {
      return;
    }
    CHECK(compare(*data, "qrels.rel_level", "results.test", "out.test.aql", {.relevance_level = 2}) == 43 * 4 + 4);
  }

  TEST_CASE("read_qrels: skips lines that begin with #, and keeps a # within an id") {
    const auto data = test::find_data("trec-eval-vectors");
    if (!data) {
      return;
    }
    std::vector<std::string> notes;
    const re::data::Qrels plain = re::data::read_qrels(*data / "qrels.test", notes);
    const re::data::Qrels commented = re::data::read_qrels(*data / "qrels.test.with-comments", notes);
    CHECK(notes.empty());
    REQUIRE(commented.queries() == plain.queries());
    re::data::Qrels::Judgements expected = *plain.find("301");
    expected.erase("CR93E-1860");  // the one id that the commented file spells otherwise
    expected.emplace("CR#93E-1860", 0);
    CHECK(*commented.find("301") == expected);
    CHECK(*commented.find("302") == *plain.find("302"));
    CHECK(*commented.find("303") == *plain.find("303"));
  }
}
