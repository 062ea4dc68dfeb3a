#include <reasonembed/core/random.hpp>
#include <reasonembed/data/training_batch.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::FalseNegative;
using re::data::TextTable;
using re::data::TrainingBatch;
using re::data::TrainingDataset;
using re::data::TrainingRow;

namespace {

/// A batch of these rows with these documents, as a sampler would put it together.
TrainingBatch batch_of(const TrainingDataset& dataset,
                       const std::vector<Index>& rows,
                       const std::vector<std::string>& documents) {
  TrainingBatch batch;
  batch.rows = rows;
  batch.group_size = rows.empty() ? 1 : static_cast<Index>(documents.size() / rows.size());
  for (const std::string& document : documents) {
    batch.numbers.push_back(dataset.documents().find(document));
    REQUIRE(batch.numbers.back() != TextTable::kAbsent);
  }
  re::data::detail::DocumentPlaces places;
  re::data::detail::find_false_negatives(dataset, places, batch);
  return batch;
}

}  // namespace

TEST_SUITE("data/training_batch") {
  TEST_CASE("find_false_negatives: names relevant documents in the places of others") {
    TrainingDataset dataset;
    dataset.add({.query = "a", .pos = {"x", "y"}, .neg = {"n", "m"}});
    dataset.add({.query = "b", .pos = {"z"}, .neg = {"y", "n"}});
    dataset.add({.query = "c", .pos = {"n", "x"}, .neg = {"m"}});
    using List = std::vector<FalseNegative>;
    // nothing shared
    CHECK(batch_of(dataset, {0}, {"x", "n"}).false_negatives.empty());
    // y is a negative of b, and relevant for a
    CHECK(batch_of(dataset, {0, 1}, {"x", "n", "z", "y"}).false_negatives == List{{0, 3}});
    // a and c are trained to find one document: each other's positive is none of their negatives
    CHECK(batch_of(dataset, {0, 2}, {"x", "x"}).false_negatives == List{{0, 1}, {1, 0}});
    // n is relevant for c, and a negative of both others; x, the positive of c, is relevant for a
    CHECK(batch_of(dataset, {2, 1, 0}, {"x", "m", "z", "n", "y", "n"}).false_negatives == List{{0, 3}, {0, 5}, {2, 0}});
    CHECK(batch_of(dataset, {0, 2, 1}, {"y", "n", "x", "m", "z", "y"}).false_negatives == List{{0, 2}, {0, 5}, {1, 1}});
    CHECK(batch_of(dataset, {}, {}).false_negatives.empty());
  }

  TEST_CASE("find_false_negatives: agrees with the definition on random batches") {
    re::RandomStream random(5);
    TrainingDataset dataset;
    const auto name = [&](std::uint64_t bound) { return "d" + std::to_string(random.below(bound)); };
    for (int i = 0; i < 40; ++i) {
      TrainingRow row{.query = "q"};
      for (std::uint64_t count = 1 + random.below(5); count > 0; --count) {
        row.pos.push_back(name(30));
      }
      for (std::uint64_t count = random.below(9); count > 0; --count) {
        row.neg.push_back(name(30));
      }
      dataset.add(row);
    }
    const auto documents = static_cast<std::uint64_t>(dataset.documents().size());
    for (int trial = 0; trial < 100; ++trial) {
      TrainingBatch batch;
      batch.group_size = static_cast<Index>(1 + random.below(4));
      const std::uint64_t size = 1 + random.below(12);
      for (std::uint64_t i = 0; i < size; ++i) {
        batch.rows.push_back(static_cast<Index>(random.below(40)));
      }
      for (std::uint64_t i = 0; i < size * static_cast<std::uint64_t>(batch.group_size); ++i) {
        batch.numbers.push_back(static_cast<TextTable::Number>(random.below(documents)));
      }
      std::vector<FalseNegative> expected;
      for (Index query = 0; query < batch.size(); ++query) {
        const auto pos = dataset[batch.rows[static_cast<std::size_t>(query)]].pos;
        for (std::size_t place = 0; place < batch.numbers.size(); ++place) {
          if (static_cast<Index>(place) != query * batch.group_size &&
              std::find(pos.begin(), pos.end(), batch.numbers[place]) != pos.end()) {
            expected.push_back({query, static_cast<Index>(place)});
          }
        }
      }
      re::data::detail::DocumentPlaces places = {{0, 99}};  // what a batch before has left
      batch.false_negatives = {{7, 7}};
      re::data::detail::find_false_negatives(dataset, places, batch);
      CHECK(batch.false_negatives == expected);
    }
  }

  TEST_CASE("TrainingBatch: says its size, where positives stand and which queries have reasoning") {
    TrainingBatch batch;
    CHECK(batch.size() == 0);
    batch.rows = {4, 2, 9};
    batch.group_size = 5;
    batch.reasoning = {"r", "", "s"};
    CHECK(batch.size() == 3);
    CHECK(batch.positive(0) == 0);
    CHECK(batch.positive(2) == 10);
    CHECK(batch.has_reasoning(0));
    CHECK_FALSE(batch.has_reasoning(1));
    CHECK(batch.has_reasoning(2));
  }

  TEST_CASE("clear: empties the batch and keeps its memory") {
    TrainingBatch batch;
    batch.rows = {1};
    batch.queries = {"q"};
    batch.reasoning = {"r"};
    batch.reasoning_count = 1;
    batch.documents = {"d"};
    batch.numbers = {0};
    batch.false_negatives = {{0, 1}};
    const TrainingBatch copy = batch;
    CHECK(copy == batch);
    const std::size_t capacity = batch.documents.capacity();
    batch.clear();
    CHECK(batch == TrainingBatch());
    CHECK(batch != copy);
    CHECK(batch.documents.capacity() == capacity);
  }
}
