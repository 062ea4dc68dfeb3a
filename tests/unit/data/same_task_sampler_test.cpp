#include <reasonembed/data/same_task_sampler.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/named_options.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::BatchSizes;
using re::data::SameTaskSampler;
using re::data::SameTaskSamplerOptions;
using re::data::SamplerState;
using re::data::SmallDatasets;
using re::data::TrainingBatch;
using re::data::TrainingDataset;
using re::data::TrainingRow;
using re::data::TrainingRows;
using re::data::WithoutNegatives;

namespace {

/// A batch with texts of its own, to be kept and compared.
struct Kept {
  Index dataset = 0;
  Index group_size = 0;
  std::vector<Index> rows;
  std::vector<std::string> queries;
  std::vector<std::string> documents;
  friend bool operator==(const Kept&, const Kept&) = default;
};

Kept next(SameTaskSampler& sampler) {
  TrainingBatch batch;
  sampler.next(batch);
  return {batch.dataset,
          batch.group_size,
          batch.rows,
          {batch.queries.begin(), batch.queries.end()},
          {batch.documents.begin(), batch.documents.end()}};
}
std::vector<Kept> batches(SameTaskSampler& sampler, Index count) {
  std::vector<Kept> found;
  for (Index i = 0; i < count; ++i) {
    found.push_back(next(sampler));
  }
  return found;
}

/// The row's number stands in its texts: "t/q3", positives "t/p3.0", negatives "t/n3.0".
TrainingRow numbered_row(const std::string& task, int number, int positives, int negatives) {
  const std::string row = std::to_string(number);
  TrainingRow made{.query = task + "/q" + row};
  for (int i = 0; i < positives; ++i) {
    made.pos.push_back(task + "/p" + row + "." + std::to_string(i));
  }
  for (int i = 0; i < negatives; ++i) {
    made.neg.push_back(task + "/n" + row + "." + std::to_string(i));
  }
  return made;
}
TrainingDataset numbered_dataset(const std::string& task, int rows, int positives, int negatives) {
  TrainingDataset dataset(task);
  for (int row = 0; row < rows; ++row) {
    dataset.add(numbered_row(task, row, positives, negatives));
  }
  return dataset;
}

/// Three tasks whose rows state different sizes, a tail each.
TrainingRows three_tasks() {
  TrainingRows rows;
  rows.datasets.push_back(numbered_dataset("a", 19, 3, 6));
  TrainingDataset leetcode("b");
  for (int row = 0; row < 11; ++row) {
    TrainingRow made = numbered_row("b", row, 1, 2);
    made.train_group_size = 2;
    made.batch_size = 5;
    leetcode.add(made);
  }
  rows.datasets.push_back(leetcode);
  TrainingDataset pony("c");
  for (int row = 0; row < 7; ++row) {
    TrainingRow made = numbered_row("c", row, 2, 3);
    made.train_group_size = 8;
    made.batch_size = 2;
    pony.add(made);
  }
  rows.datasets.push_back(pony);
  return rows;
}
constexpr SameTaskSamplerOptions kSizes = {.seed = 7, .group_size = 4, .batch_size = 4};

std::string message_of(const TrainingRows& rows, const SameTaskSamplerOptions& options) {
  try {
    const SameTaskSampler sampler(rows, options);
  } catch (const re::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

/// How often each text stands at these places of the groups, over a number of epochs of one batch each.
std::map<std::string, int> counts(const TrainingRows& rows,
                                  const SameTaskSamplerOptions& options,
                                  int epochs,
                                  std::size_t place) {
  SameTaskSampler sampler(rows, options);
  std::map<std::string, int> found;
  for (Index i = 0; i < epochs * sampler.epoch_batches(); ++i) {
    const Kept batch = next(sampler);
    for (std::size_t row = 0; row < batch.rows.size(); ++row) {
      ++found[batch.documents[row * static_cast<std::size_t>(batch.group_size) + place]];
    }
  }
  return found;
}

}  // namespace

TEST_SUITE("data/same_task_sampler") {
  TEST_CASE("next: batches hold rows of one dataset with its sizes, positives first") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    CHECK(sampler.epoch_batches() == 4 + 2 + 3);
    const std::vector<std::pair<std::size_t, std::size_t>> sizes = {{4, 4}, {5, 2}, {2, 8}};  // B, G
    TrainingBatch batch;
    for (Index i = 0; i < 3 * sampler.epoch_batches(); ++i) {
      sampler.next(batch);
      const auto dataset = static_cast<std::size_t>(batch.dataset);
      const auto [size, group] = sizes[dataset];
      REQUIRE(batch.rows.size() == size);
      REQUIRE(batch.group_size == static_cast<Index>(group));
      REQUIRE(batch.queries.size() == size);
      REQUIRE(batch.reasoning.size() == size);
      REQUIRE(batch.documents.size() == size * group);
      REQUIRE(batch.numbers.size() == size * group);
      CHECK(batch.reasoning_count == 0);
      CHECK(batch.false_negatives.empty());
      const std::string task = rows.datasets[dataset].name() + "/";
      for (std::size_t query = 0; query < size; ++query) {
        const std::string row = std::to_string(batch.rows[query]);
        CHECK(batch.queries[query] == task + "q" + row);
        for (std::size_t place = 0; place < group; ++place) {
          const std::string_view document = batch.documents[query * group + place];
          CHECK(document.starts_with(task + (place == 0 ? "p" : "n") + row + "."));
          CHECK(document == rows.datasets[dataset].documents()[batch.numbers[query * group + place]]);
        }
      }
    }
  }

  TEST_CASE("next: an epoch visits every row once, less the tails that are reported") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    CHECK(sampler.epoch_rows() == 16 + 10 + 6);
    CHECK(sampler.dropped_rows() == 3 + 1 + 1);
    CHECK(sampler.notes() ==
          std::vector<std::string>{
              "a: 3 of 19 row(s) with groups of 4 are left out of each epoch, other ones each time, by batches of 4",
              "b: 1 of 11 row(s) with groups of 2 are left out of each epoch, other ones each time, by batches of 5",
              "c: 1 of 7 row(s) with groups of 8 are left out of each epoch, other ones each time, by batches of 2"});
    std::set<std::string> ever;
    for (int epoch = 0; epoch < 20; ++epoch) {
      std::set<std::string> seen;
      for (const Kept& batch : batches(sampler, sampler.epoch_batches())) {
        for (const std::string& query : batch.queries) {
          CHECK(seen.insert(query).second);
        }
      }
      CHECK(seen.size() == 32);
      ever.insert(seen.begin(), seen.end());
    }
    CHECK(ever.size() == 37);  // no row is in the tail for ever
  }

  TEST_CASE("next: without tails an epoch is a permutation") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 12, 1, 3));
    SameTaskSampler sampler(rows, {.group_size = 2, .batch_size = 4});
    CHECK(sampler.notes().empty());
    CHECK(sampler.dropped_rows() == 0);
    std::set<std::vector<Index>> orders;
    for (int epoch = 0; epoch < 10; ++epoch) {
      std::vector<Index> order;
      for (const Kept& batch : batches(sampler, 3)) {
        order.insert(order.end(), batch.rows.begin(), batch.rows.end());
      }
      orders.insert(order);
      std::sort(order.begin(), order.end());
      CHECK(order == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    }
    CHECK(orders.size() == 10);  // one of 12! each
  }

  TEST_CASE("next: the batches of the datasets stand in another order in each epoch") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    std::set<std::vector<Index>> orders;
    std::map<Index, int> first;
    for (int epoch = 0; epoch < 300; ++epoch) {
      std::vector<Index> order;
      for (const Kept& batch : batches(sampler, sampler.epoch_batches())) {
        order.push_back(batch.dataset);
      }
      ++first[order.front()];
      orders.insert(order);
      CHECK(std::count(order.begin(), order.end(), 0) == 4);
      CHECK(std::count(order.begin(), order.end(), 1) == 2);
    }
    CHECK(orders.size() > 200);  // of 1260
    // A dataset comes first in proportion to its batches: 4/9, 2/9, 3/9 of 300, within 5 standard deviations (<= 8.7)
    CHECK(std::abs(first[0] - 133) < 44);
    CHECK(std::abs(first[1] - 67) < 44);
    CHECK(std::abs(first[2] - 100) < 44);
  }

  TEST_CASE("next: the same seed gives the same batches, another seed others") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler one(rows, kSizes);
    SameTaskSampler two(rows, kSizes);
    SameTaskSamplerOptions other = kSizes;
    other.seed = 8;
    SameTaskSampler three(rows, other);
    const std::vector<Kept> expected = batches(one, 30);
    CHECK(batches(two, 30) == expected);
    CHECK(batches(three, 30) != expected);
    other.seed = kSizes.seed + (std::uint64_t{1} << 32);  // every bit of a seed counts
    SameTaskSampler four(rows, other);
    CHECK(batches(four, 30) != expected);
  }

  TEST_CASE("next: the stream is pinned: a change of it would break the resume of old checkpoints") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 6, 2, 4));
    SameTaskSampler sampler(rows, {.seed = 42, .group_size = 3, .batch_size = 2});
    std::string text;
    for (const Kept& batch : batches(sampler, 2)) {
      for (const std::string& document : batch.documents) {
        text += document.substr(2) + " ";
      }
    }
    CHECK(text == "p5.1 n5.1 n5.3 p4.0 n4.2 n4.3 p2.0 n2.2 n2.3 p0.1 n0.3 n0.1 ");
  }

  TEST_CASE("seek: from every position the batches are those of an uninterrupted run") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler whole(rows, kSizes);
    const Index total = 3 * whole.epoch_batches();
    std::vector<SamplerState> states;
    std::vector<Kept> expected;
    for (Index i = 0; i < total; ++i) {
      states.push_back(whole.state());
      CHECK(states.back().epoch == i / whole.epoch_batches());
      CHECK(states.back().batch == i % whole.epoch_batches());
      expected.push_back(next(whole));
    }
    for (std::size_t from = 0; from < states.size(); ++from) {
      CAPTURE(from);
      SameTaskSampler resumed(rows, kSizes);
      resumed.seek(states[from]);
      CHECK(resumed.state() == states[from]);
      const std::vector<Kept> rest = batches(resumed, total - static_cast<Index>(from));
      CHECK(std::equal(rest.begin(), rest.end(), expected.begin() + static_cast<std::ptrdiff_t>(from), expected.end()));
    }
    for (std::size_t step = 0; step < states.size(); ++step) {  // back and forth in one sampler
      const std::size_t at = (step * 11) % states.size();
      whole.seek(states[at]);
      CHECK(next(whole) == expected[at]);
    }
  }

  TEST_CASE("seek: the end of an epoch is the start of the next, and epochs have no end") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    sampler.seek({2, sampler.epoch_batches()});
    CHECK(sampler.state().epoch == 3);
    CHECK(sampler.state().batch == 0);
    const Kept batch = next(sampler);
    sampler.seek({3, 0});
    CHECK(next(sampler) == batch);
    constexpr Index kFar = Index{1} << 40;  // beyond 32 bits the epoch still counts
    sampler.seek({kFar, 1});
    const Kept far = next(sampler);
    sampler.seek({0, 1});
    CHECK(next(sampler) != far);
    sampler.seek({kFar, 1});
    CHECK(next(sampler) == far);
  }

  TEST_CASE("seek: refuses positions of nowhere, and those of other rows or options") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    CHECK_THROWS_WITH_AS(
        sampler.seek({-1, 0}), "data::SameTaskSampler: epoch is -1, expected at least 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(sampler.seek({0, 10}),
                         "data::SameTaskSampler: batch is 10, expected in [0, 9], the batches of an epoch",
                         re::ConfigError);
    CHECK_THROWS_AS(sampler.seek({0, -1}), re::ConfigError);
    CHECK(sampler.state().batch == 0);
    const SamplerState state = sampler.state();
    CHECK(state.fingerprint > 0);
    const auto refuses = [&](const TrainingRows& other_rows, const SameTaskSamplerOptions& options) {
      SameTaskSampler other(other_rows, options);
      CHECK_THROWS_WITH_AS(
          other.seek(state),
          ("data::SameTaskSampler: fingerprint of the position is " + std::to_string(state.fingerprint) +
           ", expected " + std::to_string(other.state().fingerprint) + ", that of these rows and options")
              .c_str(),
          re::ConfigError);
      other.seek({state.epoch, state.batch});  // without a fingerprint nothing is known and nothing checked
    };
    SameTaskSamplerOptions options = kSizes;
    options.seed = 8;
    refuses(rows, options);
    options = kSizes;
    options.batch_size = 3;
    refuses(rows, options);
    options = kSizes;
    options.prompts = false;
    refuses(rows, options);
    TrainingRows other = three_tasks();
    other.datasets[0].add(numbered_row("a", 19, 1, 1));
    refuses(other, kSizes);
    other = three_tasks();
    std::swap(other.datasets[1], other.datasets[2]);
    refuses(other, kSizes);
    SameTaskSampler same(rows, kSizes);
    same.seek({1, 3, state.fingerprint});
    CHECK(same.state() == SamplerState{1, 3, state.fingerprint});
  }

  TEST_CASE("next: documents of a row depend on seed, epoch, dataset and row alone") {
    const TrainingRows rows = three_tasks();
    const auto drawn = [&](Index batch_size) {  // row of dataset a, epoch 0 -> its documents
      SameTaskSamplerOptions options = kSizes;
      options.batch_size = batch_size;
      SameTaskSampler sampler(rows, options);
      std::map<Index, std::vector<std::string>> found;
      for (const Kept& batch : batches(sampler, sampler.epoch_batches())) {
        for (std::size_t i = 0; batch.dataset == 0 && i < batch.rows.size(); ++i) {
          found[batch.rows[i]] = {batch.documents.begin() + static_cast<std::ptrdiff_t>(4 * i),
                                  batch.documents.begin() + static_cast<std::ptrdiff_t>(4 * i + 4)};
        }
      }
      return found;
    };
    CHECK(drawn(1) == drawn(19));  // both without a tail
  }

  TEST_CASE("next: positives are drawn uniformly, and differ between epochs") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 1, 4, 1));
    constexpr int kEpochs = 4000;
    const auto found = counts(rows, {.group_size = 2, .batch_size = 1}, kEpochs, 0);
    REQUIRE(found.size() == 4);
    for (const auto& [document, count] : found) {  // 1000 with a standard deviation of 27.4; 5 of them
      CHECK(std::abs(count - 1000) < 137);
    }
  }

  TEST_CASE("next: negatives are drawn uniformly at every place") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 1, 1, 5));
    constexpr int kEpochs = 4000;
    for (const std::size_t place : {1, 2, 3}) {
      const auto found = counts(rows, {.group_size = 4, .batch_size = 1}, kEpochs, place);
      REQUIRE(found.size() == 5);
      for (const auto& [document, count] : found) {  // 800 with a standard deviation of 25.3; 5 of them
        CHECK(std::abs(count - 800) < 127);
      }
    }
  }

  TEST_CASE("next: negatives come without replacement, from the list repeated if it is short") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 6, 1, 5));
    for (const Index group_size : {1, 2, 5, 6, 7, 11, 12, 40, 1001}) {
      CAPTURE(group_size);
      SameTaskSampler sampler(rows, {.group_size = group_size, .batch_size = 3});
      const auto group = static_cast<std::size_t>(group_size);
      const std::size_t wanted = group - 1;
      const int most = static_cast<int>(std::max<std::size_t>(1, (wanted + 4) / 5));  // copies of the list
      for (const Kept& batch : batches(sampler, 6)) {
        for (std::size_t query = 0; query < 3; ++query) {
          std::map<std::string, int> used;
          for (std::size_t i = 1; i < group; ++i) {
            ++used[batch.documents[query * group + i]];
          }
          for (const auto& [document, count] : used) {
            CHECK(count <= most);
          }
          if (wanted % 5 == 0) {
            CHECK(used.size() == (wanted == 0 ? 0 : 5));  // the repeated list is used up: all equally often
            CHECK(std::all_of(used.begin(), used.end(), [&](const auto& entry) { return entry.second == most; }));
          }
          if (wanted < 5) {
            CHECK(used.size() == wanted);
          }
        }
      }
    }
  }

  TEST_CASE("next: rows without negatives are batched with their like, in groups of 1") {
    TrainingRows rows;
    TrainingDataset mixed("m");
    for (int row = 0; row < 10; ++row) {
      mixed.add(numbered_row("m", row, 2, row % 2 == 0 ? 3 : 0));
    }
    rows.datasets.push_back(mixed);
    SameTaskSampler sampler(rows, {.group_size = 3, .batch_size = 2});
    CHECK(sampler.epoch_batches() == 4);
    CHECK(sampler.notes() ==
          std::vector<std::string>{
              "m: 1 of 5 row(s) with groups of 3 are left out of each epoch, other ones each time, by batches of 2",
              "m: 1 of 5 row(s) with groups of 1 are left out of each epoch, other ones each time, by batches of 2"});
    for (const Kept& batch : batches(sampler, 40)) {
      const Index parity = batch.rows[0] % 2;
      CHECK(batch.rows[1] % 2 == parity);
      CHECK(batch.group_size == (parity == 0 ? 3 : 1));
      CHECK(batch.documents.size() == (parity == 0 ? 6 : 2));
    }
    CHECK(message_of(rows, {.group_size = 3, .batch_size = 2, .without_negatives = WithoutNegatives::kRefuse}) ==
          "data::SameTaskSampler: number of negatives of row 1 of \"m\" is 0, expected at least 1 for a group of 3");
    // a group of 1 asks for none
    CHECK(message_of(rows, {.group_size = 1, .batch_size = 2, .without_negatives = WithoutNegatives::kRefuse}) ==
          "no error");
  }

  TEST_CASE("next: rows of one file that state different group sizes are batched by them") {
    TrainingRows rows;
    TrainingDataset dataset("d");
    for (int row = 0; row < 12; ++row) {
      TrainingRow made = numbered_row("d", row, 1, 4);
      made.train_group_size = row % 3 == 0 ? std::nullopt : std::optional<Index>(1 + row % 3);
      dataset.add(made);
    }
    rows.datasets.push_back(dataset);
    SameTaskSampler sampler(rows, {.group_size = 5, .batch_size = 4});
    CHECK(sampler.epoch_batches() == 3);
    std::set<Index> seen;
    for (const Kept& batch : batches(sampler, 3)) {
      for (const Index row : batch.rows) {
        CHECK(batch.group_size == (row % 3 == 0 ? 5 : 1 + row % 3));
        CHECK(seen.insert(row).second);
      }
    }
    CHECK(seen.size() == 12);
  }

  TEST_CASE("SameTaskSampler: options overrule rows if told to, and devices multiply batch sizes") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler plain(rows, {.group_size = 3, .batch_size = 6, .sizes = BatchSizes::kFromOptions});
    CHECK(plain.epoch_batches() == 3 + 1 + 1);
    for (const Kept& batch : batches(plain, 10)) {
      CHECK(batch.rows.size() == 6);
      CHECK(batch.group_size == 3);
    }
    SameTaskSampler devices(rows, {.group_size = 4, .batch_size = 4, .devices = 2});
    for (const Kept& batch : batches(devices, 10)) {
      CHECK(batch.rows.size() == (batch.dataset == 0 ? 8 : batch.dataset == 1 ? 10 : 4));
    }
    CHECK(devices.epoch_batches() == 2 + 1 + 1);
  }

  TEST_CASE("next: queries stand with their prompts, or without") {
    TrainingRows rows;
    TrainingDataset dataset("d");
    dataset.add({.query = "q0", .pos = {"p0"}, .prompt = "Do.", .reasoning_query = "r0"});
    dataset.add({.query = "q1", .pos = {"p1"}, .prompt = "Do."});
    dataset.add({.query = "q2", .pos = {"p2"}, .reasoning_query = "r2"});
    rows.datasets.push_back(dataset);
    const auto texts = [&](bool prompts) {
      SameTaskSampler sampler(rows, {.batch_size = 3, .prompts = prompts});
      TrainingBatch batch;
      sampler.next(batch);
      CHECK(batch.reasoning_count == 2);
      std::map<Index, std::pair<std::string, std::string>> found;
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(batch.has_reasoning(static_cast<Index>(i)) == (batch.rows[i] != 1));
        found[batch.rows[i]] = {std::string(batch.queries[i]), std::string(batch.reasoning[i])};
      }
      return found;
    };
    using Texts = std::map<Index, std::pair<std::string, std::string>>;
    CHECK(texts(true) == Texts{{0, {"Instruct: Do.\nQuery: q0", "Instruct: Do.\nQuery: r0"}},
                               {1, {"Instruct: Do.\nQuery: q1", ""}},
                               {2, {"q2", "r2"}}});
    CHECK(texts(false) == Texts{{0, {"q0", "r0"}}, {1, {"q1", ""}}, {2, {"q2", "r2"}}});
  }

  TEST_CASE("next: false negatives of a batch are told") {
    TrainingRows rows;
    TrainingDataset dataset("d");
    dataset.add({.query = "q0", .pos = {"x", "y"}, .neg = {"n"}});
    dataset.add({.query = "q1", .pos = {"y"}, .neg = {"x"}});
    rows.datasets.push_back(dataset);
    SameTaskSampler sampler(rows, {.group_size = 2, .batch_size = 2});
    TrainingBatch batch;
    for (int i = 0; i < 20; ++i) {
      sampler.next(batch);
      const Index first = batch.rows[0] == 0 ? 0 : 1;  // place of row 0 in the batch
      std::vector<re::data::FalseNegative> expected;
      for (Index place = 0; place < 4; ++place) {  // row 0 knows x and y, of which one is its own positive
        const std::string_view document = batch.documents[static_cast<std::size_t>(place)];
        if (place != 2 * first && document != "n") {
          expected.push_back({first, place});
        }
      }
      if (batch.documents[static_cast<std::size_t>(2 * first)] == "y") {
        expected.push_back({1 - first, 2 * first});
      }
      std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
        return std::pair(a.query, a.document) < std::pair(b.query, b.document);
      });
      CHECK(batch.false_negatives == expected);
      CHECK_FALSE(expected.empty());
    }
  }

  TEST_CASE("SameTaskSampler: rows too few for a batch are left out and said, or are a smaller batch") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("big", 8, 1, 1));
    rows.datasets.push_back(numbered_dataset("small", 3, 1, 1));
    const SameTaskSampler without(rows, {.group_size = 2, .batch_size = 4});
    CHECK(without.epoch_batches() == 2);
    CHECK(without.dropped_rows() == 3);
    CHECK(without.notes() == std::vector<std::string>{
                                 "small: 3 of 3 row(s) with groups of 2 are never visited, too few for a batch of 4"});
    SameTaskSampler with(rows, {.group_size = 2, .batch_size = 4, .small_datasets = SmallDatasets::kShrink});
    CHECK(with.epoch_batches() == 3);
    CHECK(with.dropped_rows() == 0);
    CHECK(with.notes().empty());
    std::size_t seen = 0;
    for (const Kept& batch : batches(with, 3)) {
      CHECK(batch.rows.size() == (batch.dataset == 0 ? 4 : 3));
      seen += batch.rows.size();
    }
    CHECK(seen == 11);
  }

  TEST_CASE("SameTaskSampler: no batch at all is an error that names the sizes") {
    TrainingRows rows;
    CHECK(message_of(rows, {}) == "data::SameTaskSampler: number of batches is 0, expected rows to train on");
    rows.datasets.push_back(numbered_dataset("a", 3, 1, 1));
    rows.datasets.push_back(numbered_dataset("b", 7, 1, 0));
    CHECK(message_of(rows, {.batch_size = 8}) ==
          "data::SameTaskSampler: number of batches is 0 (\"a\" has 3 row(s) for batches of 8, \"b\" has 7 row(s) for "
          "batches of 8), expected at least 1: a smaller batch_size, or SmallDatasets::kShrink");
    CHECK(message_of(rows, {.batch_size = 8, .small_datasets = SmallDatasets::kShrink}) == "no error");
  }

  TEST_CASE("SameTaskSampler: a single row is a batch and an epoch") {
    TrainingRows rows;
    rows.datasets.push_back(numbered_dataset("a", 1, 1, 1));
    SameTaskSampler sampler(rows, {.group_size = 2, .batch_size = 1});
    CHECK(sampler.epoch_batches() == 1);
    for (Index epoch = 0; epoch < 3; ++epoch) {
      CHECK(sampler.state().epoch == epoch);
      CHECK(next(sampler) == Kept{0, 2, {0}, {"a/q0"}, {"a/p0.0", "a/n0.0"}});
    }
  }

  TEST_CASE("SameTaskSampler: refuses options and sizes out of range before anything is allocated for them") {
    TrainingRows rows = three_tasks();
    CHECK(message_of(rows, {.group_size = 0}) == "data::SameTaskSampler: group_size is 0, expected at least 1");
    CHECK(message_of(rows, {.batch_size = -1}) == "data::SameTaskSampler: batch_size is -1, expected at least 1");
    CHECK(message_of(rows, {.devices = 0}) == "data::SameTaskSampler: devices is 0, expected at least 1");
    CHECK(message_of(rows, {.batch_size = Index{1} << 60, .devices = 8}) ==
          "data::SameTaskSampler: batch size of \"a\" is 1152921504606846976 on each of 8 devices, expected at most "
          "16777216 in all");
    CHECK(message_of(rows, {.group_size = Index{1} << 62, .batch_size = 4}) ==
          "data::SameTaskSampler: batch of \"a\" is 4 groups of 4611686018427387904, expected at most 16777216 "
          "documents");
    rows.datasets.resize(1);
    CHECK(message_of(rows, {.group_size = Index{1} << 22, .batch_size = 4}) == "no error");  // 2^24 documents
  }

  TEST_CASE("next: samplers on threads of their own don't disturb each other") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler alone(rows, kSizes);
    const std::vector<Kept> expected = batches(alone, 40);
    std::vector<std::vector<Kept>> found(4);
    std::vector<std::thread> threads;
    for (std::vector<Kept>& mine : found) {
      threads.emplace_back([&rows, &mine] {
        SameTaskSampler sampler(rows, kSizes);
        mine = batches(sampler, 40);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const std::vector<Kept>& mine : found) {
      CHECK(mine == expected);
    }
  }

  TEST_CASE("next: allocates nothing once its buffers and the batch's have grown") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    TrainingBatch batch;
    const auto epoch = [&] {
      for (Index i = 0; i < sampler.epoch_batches(); ++i) {
        sampler.next(batch);
      }
    };
    epoch();
    CHECK(test::count_allocations(epoch) == 0);
    sampler.seek({0, 0});
    CHECK(test::count_allocations(epoch) == 0);
  }

  TEST_CASE("SameTaskSampler: goes from a file to batches and on from a checkpoint, as the documentation shows") {
    const test::Scratch scratch;
    const auto path = scratch.write("biology.jsonl",
                                    "{\"query\": \"why?\", \"pos\": [\"so\"], \"neg\": [\"no\", \"nor this\"]}\n"
                                    "{\"query\": \"who?\", \"pos\": [\"he\"], \"neg\": [\"she\"]}\n"
                                    "{\"query\": \"bad\", \"pos\": []}\n");
    // example-begin training_rows
    const re::data::TrainingRows rows = re::data::read_rows(path);  // a file, or a directory with one for each task
    for (const std::string& note : rows.notes) {
      std::fprintf(stderr, "note: %s\n", note.c_str());
    }
    re::data::SameTaskSampler sampler(rows, {.seed = 42, .group_size = 2, .batch_size = 2});
    re::data::TrainingBatch batch;
    sampler.next(batch);                                        // batch.queries (B), batch.documents (B G)
    const re::data::SamplerState checkpoint = sampler.state();  // three integers: epoch, batch, fingerprint
    sampler.next(batch);

    re::data::SameTaskSampler resumed(rows, {.seed = 42, .group_size = 2, .batch_size = 2});
    re::data::TrainingBatch again;
    resumed.seek(checkpoint);
    resumed.next(again);  // the same rows, the same documents
    // example-end training_rows
    CHECK(rows.notes.size() == 1);
    CHECK(batch == again);
    CHECK(batch.documents.size() == 4);
    CHECK(checkpoint.epoch == 1);
  }

  TEST_CASE("SameTaskSampler: a copy goes on from where the original stands, on its own") {
    const TrainingRows rows = three_tasks();
    SameTaskSampler sampler(rows, kSizes);
    (void)batches(sampler, 5);
    SameTaskSampler copy = sampler;
    const std::vector<Kept> expected = batches(sampler, 12);
    CHECK(batches(copy, 12) == expected);
    static_assert(!std::is_constructible_v<SameTaskSampler, TrainingRows&&, SameTaskSamplerOptions>);
    CHECK(sampler.options() == kSizes);
  }
  TEST_CASE("visit: names every option, in their order") {
    CHECK(test::named_options(SameTaskSamplerOptions{}) == std::vector<std::string>{"seed 42",
                                                                                    "group_size 16",
                                                                                    "batch_size 8",
                                                                                    "devices 1",
                                                                                    "sizes 0",
                                                                                    "prompts true",
                                                                                    "without_negatives 0",
                                                                                    "small_datasets 0"});
    CHECK(test::named_options(SameTaskSamplerOptions{.seed = 1,
                                                     .group_size = 2,
                                                     .batch_size = 3,
                                                     .devices = 4,
                                                     .sizes = BatchSizes::kFromOptions,
                                                     .prompts = false,
                                                     .without_negatives = re::data::WithoutNegatives::kRefuse,
                                                     .small_datasets = re::data::SmallDatasets::kShrink}) ==
          std::vector<std::string>{"seed 1",
                                   "group_size 2",
                                   "batch_size 3",
                                   "devices 4",
                                   "sizes 1",
                                   "prompts false",
                                   "without_negatives 1",
                                   "small_datasets 1"});
  }
}
