/// @file A published run over all 12 BRIGHT tasks, against what NIST's trec_eval printed for it (four digits), with the
/// official and the widened judgements. The values are a fact about other programs and never change.
#include <reasonembed/data/qrels_file.hpp>
#include <reasonembed/eval/evaluate.hpp>
#include <reasonembed/retrieval/trec_run.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/gzip.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;

namespace {

/// (run, task, judgements) to the measures and their values
using Expected = std::map<std::vector<std::string>, std::vector<std::pair<std::string, double>>>;

Expected read_expected(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  REQUIRE(line == "run\ttask\tqrels\tmetric\tvalue");
  Expected expected;
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string run;
    std::string task;
    std::string qrels;
    std::string metric;
    double value = 0;
    columns >> run >> task >> qrels >> metric >> value;
    REQUIRE(!columns.fail());
    expected[{run, task, qrels}].emplace_back(metric, value);
  }
  return expected;
}

fs::path qrels_path(const fs::path& examples, std::string task, const std::string& variant) {
  std::replace(task.begin(), task.end(), '_', '-');
  return examples / ("qrels.bright-" + task + (variant == "fixed" ? ".fixed.txt" : ".txt"));
}

}  // namespace

TEST_SUITE("golden/bright_runs") {
  TEST_CASE("evaluate: reproduces trec_eval on every task, with blanks in document ids") {
    const auto runs = test::find_data("bright-runs");
    const auto examples = test::find_data("bright-examples");
    if (!runs || !examples || !test::has_gzip()) {
      return;
    }
    const test::Scratch scratch;
    const Expected expected = read_expected(*runs / "expected.tsv");
    CHECK(expected.size() == 24);
    for (const auto& [key, values] : expected) {
      CAPTURE(key[1]);
      CAPTURE(key[2]);
      const fs::path plain = scratch / "run.txt";
      test::unpack_gzip(*runs / key[0] / (key[1] + ".txt.gz"), plain);
      std::vector<std::string> notes;
      const re::data::Qrels qrels = re::data::read_qrels(qrels_path(*examples, key[1], key[2]), notes);
      re::eval::EvaluationOptions options;
      options.measures.clear();
      for (const auto& [metric, value] : values) {
        options.measures.emplace_back(metric);
      }
      const re::retrieval::Run run = re::retrieval::read_trec_run(plain);
      const re::eval::Evaluation result = re::eval::evaluate(run, qrels, options);
      CHECK(result.queries_without_ranking == 0);
      CHECK(result.queries_without_judgements == 0);
      options.score_precision = re::eval::ScorePrecision::kSingle;
      const re::eval::Evaluation single = re::eval::evaluate(run, qrels, options);
      for (std::size_t m = 0; m < values.size(); ++m) {
        CAPTURE(values[m].first);
        // half a unit of the last printed digit, and rounding
        CHECK(std::abs(result.means[m] - values[m].second) <= 0.5e-4 + 1e-12);
        if (values[m].first == "ndcg_cut_10") {
          CHECK(std::abs(single.means[m] - values[m].second) <= 0.5e-4 + 1e-12);
        }
      }
    }
  }

  TEST_CASE("read_trec_run, write_trec_run: a run survives writing and reading with every bit") {
    const auto runs = test::find_data("bright-runs");
    if (!runs || !test::has_gzip()) {
      return;
    }
    const test::Scratch scratch;
    for (const std::string task : {"stackoverflow", "aops"}) {  // with and without blanks in ids
      CAPTURE(task);
      const fs::path plain = scratch / (task + ".txt");
      test::unpack_gzip(*runs / "reasonir_gpt4cot_top100" / (task + ".txt.gz"), plain);
      const re::retrieval::Run run = re::retrieval::read_trec_run(plain);
      const fs::path copy = scratch / (task + ".copy.txt");
      re::retrieval::write_trec_run(copy, run, {.tag = "reasonir"});
      CHECK(re::retrieval::read_trec_run(copy) == run);
      if (task == "aops") {
        CHECK(test::content_of(plain) == test::content_of(copy));
      }
    }
  }
}
