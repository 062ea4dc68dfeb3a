#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/assemble.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using re::data::TrainingRow;
using rx::AnnotatedQuery;
using rx::Assemble;
using rx::AssembleOptions;
using rx::kUnlabelled;

namespace {

struct Assembled {
  std::vector<TrainingRow> rows = {};
  rx::StageReport report = {};
};

Assembled assemble(std::vector<AnnotatedQuery> queries,
                   const AssembleOptions& options = {},
                   const std::string& task = "biology") {
  Assemble stage(rx::bright_task(task), options);
  Assembled assembled;
  assembled.rows = run_stage(stage, std::move(queries), assembled.report);
  return assembled;
}

AnnotatedQuery labelled(const std::vector<int>& labels) {
  AnnotatedQuery query{.query = "the query", .labels = labels};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    query.candidates.emplace_back("document " + std::to_string(i));
  }
  return query;
}

std::string refused(const AnnotatedQuery& query) {
  try {
    (void)assemble({query});
  } catch (const re::DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("remixer/assemble") {
  TEST_CASE("run: scores of 3 and more are positive, 1 and 2 negative, others neither") {
    const Assembled assembled = assemble({labelled({1, 2, 3, 4, 5, kUnlabelled})});
    REQUIRE(assembled.rows.size() == 1);
    CHECK(assembled.rows[0] ==
          TrainingRow{.query = "the query",
                      .pos = {"document 2", "document 3", "document 4"},
                      .neg = {"document 0", "document 1"},
                      .pos_scores = {3, 4, 5},
                      .neg_scores = {1, 2},
                      .prompt = "Given a Biology post, retrieve relevant passages that help answer the post.",
                      .type = "biology",
                      .train_group_size = 16,
                      .batch_size = 8});
    CHECK(assembled.report.counts ==
          std::map<std::string, Index>{{"positive documents", 3}, {"negative documents", 2}});
  }

  TEST_CASE("run: group and batch sizes are the task's") {
    CHECK(assemble({labelled({1, 5})}, {}, "leetcode").rows[0].train_group_size == 2);
    CHECK(assemble({labelled({1, 5})}, {}, "leetcode").rows[0].batch_size == 64);
    CHECK(assemble({labelled({1, 5})}, {}, "pony").rows[0].train_group_size == 64);
    CHECK(assemble({labelled({1, 5})}, {}, "pony").rows[0].batch_size == 2);
  }

  TEST_CASE("run: a query without both kinds is dropped, and counted by what it lacks") {
    const Assembled assembled = assemble({labelled({3, 5}),
                                          labelled({1, 2}),
                                          labelled({}),
                                          labelled({kUnlabelled, kUnlabelled}),
                                          labelled({kUnlabelled, 5}),
                                          labelled({2, 3})});
    CHECK(assembled.rows.size() == 1);
    CHECK(assembled.report.dropped == std::map<std::string, Index>{{"no labelled candidate", 2},
                                                                   {"no negative document", 2},
                                                                   {"no positive document", 1}});
    CHECK(assembled.report.items_in == assembled.report.items_out + assembled.report.all_dropped());
  }

  TEST_CASE("run: documents keep the order of the candidates") {
    const TrainingRow row = assemble({labelled({3, 1, 5, 2, 4})}).rows[0];
    CHECK(row.pos == std::vector<std::string>{"document 0", "document 2", "document 4"});
    CHECK(row.pos_scores == std::vector<double>{3, 5, 4});
    CHECK(row.neg == std::vector<std::string>{"document 1", "document 3"});
  }

  TEST_CASE("run: another threshold") {
    const TrainingRow row = assemble({labelled({1, 2, 3, 4, 5})}, {.least_positive = 5}).rows[0];
    CHECK(row.pos.size() == 1);
    CHECK(row.neg.size() == 4);
    CHECK(assemble({labelled({1, 2, 3, 4, 5})}, {.least_positive = 2}).rows[0].neg.size() == 1);
  }

  TEST_CASE("run: whatever the labels, the threshold is exact and no document is lost") {
    re::RandomStream random(9);
    for (int round = 0; round < 500; ++round) {
      CAPTURE(round);
      std::vector<int> labels;
      std::size_t unlabelled = 0;
      for (std::uint64_t i = random.below(12); i > 0; --i) {
        const auto draw = static_cast<int>(random.below(6));
        labels.push_back(draw == 0 ? kUnlabelled : draw);
        unlabelled += draw == 0 ? 1 : 0;
      }
      const int threshold = 2 + static_cast<int>(random.below(4));
      const Assembled assembled = assemble({labelled(labels)}, {.least_positive = threshold});
      CHECK(assembled.report.items_in == assembled.report.items_out + assembled.report.all_dropped());
      for (const TrainingRow& row : assembled.rows) {
        CHECK(row.pos.size() + row.neg.size() + unlabelled == labels.size());
        for (const double score : row.pos_scores) {
          CHECK(score >= threshold);
        }
        for (const double score : row.neg_scores) {
          CHECK(score >= 1);
          CHECK(score < threshold);
        }
        CHECK(!re::data::find_problem(row, "row").has_value());
      }
    }
  }

  TEST_CASE("run: refuses labels that are none, and lists that don't fit") {
    CHECK(refused(labelled({1, 0})) == "remixer::Assemble: query 0: labels[1] is 0, expected 1 to 5, or -1");
    CHECK(refused(labelled({6})) == "remixer::Assemble: query 0: labels[0] is 6, expected 1 to 5, or -1");
    AnnotatedQuery query = labelled({1, 5});
    query.labels.pop_back();
    CHECK(refused(query) == "remixer::Assemble: query 0: number of labels is 1, expected 2, one for each candidate");
  }

  TEST_CASE("Assemble: refuses impossible thresholds and tasks") {
    CHECK_THROWS_WITH_AS(Assemble(rx::bright_task("pony"), {.least_positive = 1}),
                         "remixer::Assemble: least_positive is 1, expected in [2, 5]",
                         re::ConfigError);
    CHECK_THROWS_AS(Assemble(rx::bright_task("pony"), {.least_positive = 6}), re::ConfigError);
    CHECK_THROWS_AS(Assemble(rx::Task{}), re::ConfigError);
    CHECK(test::named_options(AssembleOptions{}) == std::vector<std::string>{"least_positive 3"});
    CHECK(assemble({}).rows.empty());
  }
}
