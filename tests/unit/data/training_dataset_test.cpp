#include <reasonembed/core/random.hpp>
#include <reasonembed/data/training_dataset.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::TextTable;
using re::data::TrainingDataset;
using re::data::TrainingRow;
using re::data::TrainingRowView;

namespace {

std::vector<TextTable::Number> list(std::span<const TextTable::Number> numbers) {
  return {numbers.begin(), numbers.end()};
}
std::vector<double> list(std::span<const double> numbers) {
  return {numbers.begin(), numbers.end()};
}
using Numbers = std::vector<TextTable::Number>;

/// A row whose documents are distinct, with every field set or not by chance.
TrainingRow random_row(re::RandomStream& random) {
  const auto text = [&](char kind) { return kind + std::to_string(random.below(40)); };
  const auto distinct = [&](std::vector<std::string>& texts, char kind, std::uint64_t count) {
    while (texts.size() < count) {
      if (const std::string one = text(kind); std::find(texts.begin(), texts.end(), one) == texts.end()) {
        texts.push_back(one);
      }
    }
  };
  TrainingRow row;
  row.query = text('q');
  distinct(row.pos, 'p', 1 + random.below(4));
  distinct(row.neg, 'n', random.below(6));
  const auto scores = [&](std::vector<double>& values, std::size_t count) {
    for (; count > 0; --count) {
      values.push_back(random.normal());
    }
  };
  scores(row.pos_scores, random.below(2) == 0 ? row.pos.size() : 0);
  scores(row.neg_scores, random.below(2) == 0 ? row.neg.size() : 0);
  row.prompt = random.below(2) == 0 ? text('i') : "";
  row.type = random.below(2) == 0 ? text('t') : "";
  row.reasoning_query = random.below(2) == 0 ? text('r') : "";
  row.train_group_size = random.below(2) == 0 ? std::optional<Index>(1 + random.below(9)) : std::nullopt;
  row.batch_size = random.below(2) == 0 ? std::optional<Index>(1 + random.below(9)) : std::nullopt;
  return row;
}

}  // namespace

TEST_SUITE("data/training_dataset") {
  TEST_CASE("add: every row comes back as it was") {
    re::RandomStream random(3);
    TrainingDataset dataset("task");
    std::vector<TrainingRow> rows;
    Index reasoning = 0;
    std::optional<Index> batch_size;
    for (int i = 0; i < 300; ++i) {
      rows.push_back(random_row(random));
      dataset.add(rows.back());
      reasoning += rows.back().reasoning_query.empty() ? 0 : 1;
      batch_size = batch_size ? batch_size : rows.back().batch_size;
    }
    REQUIRE(dataset.size() == 300);
    for (Index i = 0; i < 300; ++i) {
      CAPTURE(i);
      CHECK(dataset.row(i) == rows[static_cast<std::size_t>(i)]);
    }
    CHECK(dataset.name() == "task");
    CHECK(dataset.reasoning_count() == reasoning);
    CHECK(dataset.batch_size() == batch_size);
    CHECK(dataset.repeated_documents() == 0);
    CHECK(dataset.documents().size() == 80);  // p0 .. p39 and n0 .. n39, once each
  }

  TEST_CASE("operator[]: queries stand with and without their prompts") {
    TrainingDataset dataset;
    CHECK(dataset.empty());
    dataset.add({.query = "why?", .pos = {"p"}, .prompt = "Say.", .type = "t", .reasoning_query = "because"});
    dataset.add({.query = "who?", .pos = {"p"}, .reasoning_query = "him"});
    dataset.add({.query = "when?", .pos = {"p"}, .prompt = "Say.", .reasoning_query = " \n"});
    const TrainingRowView first = dataset[0];
    CHECK(first.query == "why?");
    CHECK(first.instructed_query == "Instruct: Say.\nQuery: why?");
    CHECK(first.reasoning_query == "because");
    CHECK(first.instructed_reasoning == "Instruct: Say.\nQuery: because");
    CHECK(first.prompt == "Say.");
    CHECK(first.type == "t");
    const TrainingRowView second = dataset[1];
    CHECK(second.query == "who?");
    CHECK(second.instructed_query == "who?");
    CHECK(second.reasoning_query == "him");
    CHECK(second.instructed_reasoning == "him");
    CHECK(second.prompt.empty());
    const TrainingRowView third = dataset[2];  // a blank reasoning query is none
    CHECK(third.instructed_query == "Instruct: Say.\nQuery: when?");
    CHECK(third.reasoning_query.empty());
    CHECK(third.instructed_reasoning.empty());
    CHECK(dataset.reasoning_count() == 2);
  }

  TEST_CASE("add: a text has one number in all rows, whatever part it plays") {
    TrainingDataset dataset;
    dataset.add({.query = "a", .pos = {"x", "y"}, .neg = {"z"}});
    dataset.add({.query = "b", .pos = {"z"}, .neg = {"y", "w"}});
    CHECK(list(dataset[0].pos) == Numbers{0, 1});
    CHECK(list(dataset[0].neg) == Numbers{2});
    CHECK(list(dataset[1].pos) == Numbers{2});
    CHECK(list(dataset[1].neg) == Numbers{1, 3});
    CHECK(dataset.documents()[3] == "w");
    CHECK(dataset.bytes() == 4 + 2);  // four documents, two queries
  }

  TEST_CASE("add: a document named twice in a row counts once, with its first score, as a positive if it is one") {
    TrainingDataset dataset;
    dataset.add({.query = "a",
                 .pos = {"x", "y", "x"},
                 .neg = {"n", "y", "n", "m"},
                 .pos_scores = {1, 2, 3},
                 .neg_scores = {4, 5, 6, 7}});
    CHECK(dataset.repeated_documents() == 3);
    CHECK(dataset.row(0) ==
          TrainingRow{.query = "a", .pos = {"x", "y"}, .neg = {"n", "m"}, .pos_scores = {1, 2}, .neg_scores = {4, 7}});
    dataset.add({.query = "b", .pos = {"n"}, .neg = {"x"}, .neg_scores = {8}});  // other rows are none of its business
    CHECK(dataset.repeated_documents() == 3);
    CHECK(list(dataset[1].neg_scores) == std::vector<double>{8});
    CHECK(dataset[1].pos_scores.empty());
    dataset.add({.query = "c", .pos = {"x"}, .neg = {"x"}});
    CHECK(dataset[2].neg.empty());
  }

  TEST_CASE("add: refuses what can't be trained on, and changes nothing") {
    TrainingDataset dataset("task");
    dataset.add({.query = "a", .pos = {"x"}});
    CHECK_THROWS_WITH_AS(dataset.add({.query = "b", .batch_size = 3}),
                         "data::TrainingDataset \"task\": row 1: number of pos is 0, expected at least 1",
                         re::DataError);
    CHECK_THROWS_WITH_AS(dataset.add({.query = "b", .pos = {"y"}, .neg = {" "}}),
                         "data::TrainingDataset \"task\": row 1: neg[0] is blank, expected text",
                         re::DataError);
    const auto problem = dataset.try_add({.query = "b", .pos = {"y"}, .train_group_size = 0}, "file:9");
    REQUIRE(problem.has_value());
    CHECK(problem->fault == re::data::RowFault::kSize);
    CHECK(problem->message == "file:9: train_group_size is 0, expected in [1, 1048576]");
    CHECK(dataset.size() == 1);
    CHECK(dataset.documents().size() == 1);
    CHECK(dataset.bytes() == 2);
    CHECK_FALSE(dataset.batch_size().has_value());
    CHECK_FALSE(dataset.try_add({.query = "b", .pos = {"y"}}, "file:10").has_value());
    CHECK(dataset.size() == 2);
  }

  TEST_CASE("batch_size: is that of the first row which states one") {
    TrainingDataset dataset;
    dataset.add({.query = "a", .pos = {"x"}});
    CHECK_FALSE(dataset.batch_size().has_value());
    dataset.add({.query = "b", .pos = {"x"}, .batch_size = 4});
    dataset.add({.query = "c", .pos = {"x"}, .batch_size = 5});
    CHECK(dataset.batch_size() == std::optional<Index>(4));
    CHECK(dataset[0].batch_size == std::nullopt);
    CHECK(dataset[2].batch_size == std::optional<Index>(5));
  }

  TEST_CASE("TrainingDataset: copies are independent, and a moved one keeps its views") {
    TrainingDataset dataset("a");
    dataset.add({.query = "q", .pos = {"x"}, .neg = {"y"}});
    TrainingDataset copy = dataset;
    copy.add({.query = "r", .pos = {"y"}});
    CHECK(dataset.size() == 1);
    CHECK(copy.row(0) == dataset.row(0));
    const TrainingRowView view = copy[1];
    const std::string_view document = copy.documents()[1];
    const TrainingDataset moved = std::move(copy);
    CHECK(view.query == "r");
    CHECK(list(view.pos) == Numbers{1});
    CHECK(document == "y");
    CHECK(document.data() == moved.documents()[1].data());
    static_assert(std::is_nothrow_move_constructible_v<TrainingDataset>);
  }
}
