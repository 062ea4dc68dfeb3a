#include <reasonembed/data/rows_from_retrieval.hpp>
#include <reasonembed/data/same_task_sampler.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::JudgedNegatives;
using re::data::RetrievalDataset;
using re::data::RetrievalRows;
using re::data::rows_from_retrieval;
using re::data::TrainingRow;

namespace {

RetrievalDataset small_dataset() {
  RetrievalDataset dataset;
  dataset.corpus.add("d0", "zero");
  dataset.corpus.add("d1", "one");
  dataset.corpus.add("d2", "two");
  dataset.corpus.add("copy of d1", "one");
  dataset.corpus.add("blank", " ");
  dataset.queries.add({.id = "q0", .text = "first", .reasoning = "because"});
  dataset.queries.add({.id = "q1", .text = "second"});
  dataset.queries.add({.id = "q2", .text = "third"});
  dataset.queries.add({.id = "q3", .text = "fourth"});
  dataset.qrels.add("q0", "d0", 1);
  dataset.qrels.add("q0", "d1", 2);
  dataset.qrels.add("q0", "d2", 0);
  dataset.qrels.add("q0", "copy of d1", 1);
  dataset.qrels.add("q0", "elsewhere", 1);
  dataset.qrels.add("q1", "d2", -1);
  dataset.qrels.add("q3", "d2", 1);
  dataset.qrels.add("q3", "blank", 1);
  return dataset;
}

}  // namespace

TEST_SUITE("data/rows_from_retrieval") {
  TEST_CASE("rows_from_retrieval: every query with a relevant document is a row with all of them, the best first") {
    const RetrievalRows made = rows_from_retrieval(small_dataset(), {.name = "dev", .prompt = "Find."});
    REQUIRE(made.rows.datasets.size() == 1);
    const auto& rows = made.rows.datasets[0];
    CHECK(rows.name() == "dev");
    REQUIRE(rows.size() == 2);
    CHECK(made.queries == std::vector<Index>{0, 3});
    CHECK(rows.row(0) == TrainingRow{.query = "first",
                                     .pos = {"one", "zero"},  // relevance 2 before 1; the copy is the same text
                                     .neg = {"two"},
                                     .prompt = "Find.",
                                     .reasoning_query = "because"});
    CHECK(rows[0].instructed_query == "Instruct: Find.\nQuery: first");
    CHECK(rows.row(1) == TrainingRow{.query = "fourth", .pos = {"two"}, .prompt = "Find."});
    CHECK(rows.repeated_documents() == 1);
    CHECK(made.rows.reasoning_count() == 1);
  }

  TEST_CASE("rows_from_retrieval: says what it left out") {
    const RetrievalRows made = rows_from_retrieval(small_dataset());
    CHECK(made.rows.notes ==
          std::vector<std::string>{
              "retrieval: 1 judged document(s) that the corpus lacks, left out (first: \"elsewhere\")",
              "retrieval: 1 judged document(s) without text, left out (first: \"blank\")",
              "retrieval: 2 query id(s) without a relevant document, left out (first: \"q1\")"});
  }

  TEST_CASE("rows_from_retrieval: documents judged not relevant are negatives, unless told otherwise") {
    CHECK(rows_from_retrieval(small_dataset()).rows.datasets[0].row(0).neg == std::vector<std::string>{"two"});
    CHECK(rows_from_retrieval(small_dataset(), {.judged_negatives = JudgedNegatives::kIgnore})
              .rows.datasets[0]
              .row(0)
              .neg.empty());
  }

  TEST_CASE("rows_from_retrieval: refuses a dataset that gives no row") {
    RetrievalDataset dataset = small_dataset();
    dataset.qrels = {};
    CHECK_THROWS_WITH_AS(
        (void)rows_from_retrieval(dataset),
        "data::rows_from_retrieval: number of queries with a relevant document is 0 of 4, expected at least 1",
        re::DataError);
    CHECK_THROWS_AS((void)rows_from_retrieval(RetrievalDataset()), re::DataError);
    dataset.qrels.add("q2", "blank", 1);
    CHECK_THROWS_AS((void)rows_from_retrieval(dataset), re::DataError);
  }

  TEST_CASE("rows_from_retrieval: false negatives within a batch are known from the judgements") {
    RetrievalDataset dataset;
    for (const char* id : {"a", "b", "c"}) {
      dataset.corpus.add(id, std::string("text of ") + id);
    }
    dataset.queries.add({.id = "1", .text = "x"});
    dataset.queries.add({.id = "2", .text = "y"});
    dataset.qrels.add("1", "a", 1);
    dataset.qrels.add("1", "b", 1);
    dataset.qrels.add("2", "b", 1);
    const RetrievalRows made = rows_from_retrieval(dataset);
    re::data::SameTaskSampler sampler(made.rows, {.batch_size = 2});
    re::data::TrainingBatch batch;
    for (int i = 0; i < 10; ++i) {
      sampler.next(batch);
      REQUIRE(batch.group_size == 1);
      const Index first = batch.rows[0] == 0 ? 0 : 1;
      const bool shared = batch.documents[0] == batch.documents[1];
      std::vector<re::data::FalseNegative> expected = {{first, 1 - first}};  // b is relevant for both
      if (shared) {
        expected = {{0, 1}, {1, 0}};
      }
      CHECK(batch.false_negatives == expected);
    }
  }

  TEST_CASE("rows_from_retrieval: EntailmentBank's train queries become rows, their relevant documents kept") {
    const auto path = test::find_data("entailmentbank");
    if (!path) {
      return;
    }
    const RetrievalDataset dataset =
        re::data::read_retrieval_dataset(*path, {.split = "train", .reasoning_field = "hypothesis"});
    const RetrievalRows made = rows_from_retrieval(dataset);
    const auto& rows = made.rows.datasets[0];
    CHECK(rows.size() == static_cast<Index>(made.queries.size()));
    CHECK(rows.size() > 1000);
    CHECK(rows.reasoning_count() == rows.size());
    std::size_t positives = 0;
    for (Index row = 0; row < rows.size(); ++row) {
      const re::data::Query query = dataset.queries[made.queries[static_cast<std::size_t>(row)]];
      REQUIRE(rows[row].query == query.text);
      std::set<std::string> relevant;
      for (const auto& [id, relevance] : *dataset.qrels.find(query.id)) {
        if (const Index document = dataset.corpus.find(id); relevance > 0 && document >= 0) {
          relevant.insert(dataset.corpus.texts()[static_cast<std::size_t>(document)]);
        }
      }
      const std::vector<std::string> pos = rows.row(row).pos;
      REQUIRE(std::set<std::string>(pos.begin(), pos.end()) == relevant);
      positives += pos.size();
    }
    CHECK(positives > static_cast<std::size_t>(rows.size()));
  }
}
