#include <reasonembed/train/mine_hard_negatives.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::data::HardNegativeOptions;
using re::data::TrainingRow;
using re::data::TrainingRows;
using re::train::mine_hard_negatives;

namespace {

/// Puts a text on the unit circle by the number that stands in it: texts rank by how near their numbers are.
class Compass {
 public:
  [[nodiscard]] Matrix<float> encode_query(std::span<const std::string_view> texts, re::Progress* progress) const {
    for (const std::string_view text : texts) {
      queries.emplace_back(text);
    }
    return encode(texts, progress);
  }
  [[nodiscard]] Matrix<float> encode_document(std::span<const std::string> texts, re::Progress* progress) const {
    return encode(texts, progress);
  }
  [[nodiscard]] const re::ThreadPool& pool() const { return pool_; }

  mutable std::vector<std::string> queries;  ///< all that were encoded, in order

 private:
  template <class Texts>
  static Matrix<float> encode(const Texts& texts, re::Progress* progress) {
    Matrix<float> vectors(static_cast<Index>(texts.size()), 2);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string text(texts[i]);
      const double angle = std::stod(text.substr(text.find_first_of("0123456789"))) * std::numbers::pi / 180.0;
      vectors(static_cast<Index>(i), 0) = static_cast<float>(std::cos(angle));
      vectors(static_cast<Index>(i), 1) = static_cast<float>(std::sin(angle));
      if (progress != nullptr) {
        progress->advance();
      }
    }
    return vectors;
  }

  re::ThreadPool pool_{2};
};

static_assert(re::retrieval::TextEmbedder<Compass>);

std::vector<std::string> texts(const std::string& word, std::initializer_list<int> numbers) {
  std::vector<std::string> all;
  for (const int number : numbers) {
    all.push_back(word + " " + std::to_string(number));
  }
  return all;
}
TrainingRows rows_of(std::initializer_list<TrainingRow> rows, const std::string& name = "task") {
  TrainingRows all;
  all.datasets.emplace_back(name);
  for (const TrainingRow& row : rows) {
    all.datasets.back().add(row);
  }
  return all;
}
std::vector<std::string> mined(const std::vector<std::string>& pool,
                               const TrainingRow& row,
                               const HardNegativeOptions& options) {
  return mine_hard_negatives(Compass(), rows_of({row}), pool, options).datasets[0].row(0).neg;
}

}  // namespace

TEST_SUITE("train/mine_hard_negatives") {
  TEST_CASE("mine_hard_negatives: a row gets the documents that rank highest for its query, best first") {
    const std::vector<std::string> pool = texts("d", {90, 4, 50, 2, 7, 30});
    CHECK(mined(pool, {.query = "q 1", .pos = {"p 0"}}, {.count = 3}) == texts("d", {2, 4, 7}));
    CHECK(mined(pool, {.query = "q 40", .pos = {"p 0"}}, {.count = 1}) == texts("d", {50}));
    CHECK(mined(pool, {.query = "q 1", .pos = {"p 0"}}, {.count = 2, .skip = 1}) == texts("d", {4, 7}));
  }
  TEST_CASE("mine_hard_negatives: relevant documents and their copies are left out, and the query itself") {
    const std::vector<std::string> pool = {"d 1", " d \t1\n", "d  1", "d 2", "q 0", "d 3", "d 4"};
    const TrainingRows rows = rows_of({{.query = "q 0", .pos = {"d 1", "d 3"}, .neg = {"n 90"}}});
    const TrainingRows found = mine_hard_negatives(Compass(), rows, pool, {.count = 2});
    CHECK(found.datasets[0].row(0).neg == texts("d", {2, 4}));
    CHECK(found.datasets[0].row(0).pos == texts("d", {1, 3}));
    CHECK(found.notes ==
          std::vector<std::string>{"task: 2 hard negatives mined for 1 row(s), 4 relevant candidates left out"});
  }
  TEST_CASE("mine_hard_negatives: enough is searched for rows with many relevant documents") {
    TrainingRow row{.query = "q 0"};
    std::vector<std::string> pool;
    for (int i = 1; i <= 60; ++i) {
      pool.push_back("d " + std::to_string(i));
      row.pos.push_back(pool.back());
    }
    for (int i = 61; i <= 64; ++i) {
      pool.push_back("d " + std::to_string(i));
    }
    CHECK(mined(pool, row, {.count = 3}) == texts("d", {61, 62, 63}));
    CHECK(mined(pool, row, {.count = 3, .skip = 2}) == texts("d", {63, 64}));
  }
  TEST_CASE("mine_hard_negatives: enough is searched for rows with many excluded documents") {
    std::vector<std::string> pool;
    std::vector<std::vector<Index>> excluded(1);
    for (int i = 1; i <= 64; ++i) {
      pool.push_back("d " + std::to_string(i));
      if (i <= 60) {
        excluded[0].push_back(i - 1);
      }
    }
    CHECK(mined(pool, {.query = "q 0", .pos = {"p 0"}}, {.count = 2, .excluded = excluded}) == texts("d", {61, 62}));
  }
  TEST_CASE("mine_hard_negatives: what a row excludes is found by its place among the rows of all datasets") {
    const std::vector<std::string> pool = texts("d", {1, 2, 3});
    TrainingRows rows = rows_of({{.query = "q 0", .pos = {"p 0"}}, {.query = "q 1", .pos = {"p 0"}}}, "first");
    rows.datasets.push_back(rows_of({{.query = "q 2", .pos = {"p 0"}}}, "second").datasets[0]);
    const std::vector<std::vector<Index>> excluded = {{0}, {}, {1, 2}};
    const TrainingRows found = mine_hard_negatives(Compass(), rows, pool, {.count = 1, .excluded = excluded});
    CHECK(found.datasets[0].row(0).neg == texts("d", {2}));
    CHECK(found.datasets[0].row(1).neg == texts("d", {1}));
    CHECK(found.datasets[1].row(0).neg == texts("d", {1}));
    const std::vector<std::vector<Index>> few = {{0}, {}};
    CHECK_THROWS_WITH_AS((void)mine_hard_negatives(Compass(), rows, pool, {.count = 1, .excluded = few}),
                         "train::mine_hard_negatives: excluded.size() is 2, expected 3",
                         re::ShapeError);
  }
  TEST_CASE("mine_hard_negatives: negatives that are there are replaced, or kept and added to") {
    const std::vector<std::string> pool = texts("d", {1, 2, 3});
    const TrainingRow row{.query = "q 0", .pos = {"p 0"}, .neg = {"d 1", "n 90"}};
    CHECK(mined(pool, row, {.count = 1}) == texts("d", {1}));
    CHECK(mined(pool, row, {.count = 1, .existing = re::data::ExistingNegatives::kAppend}) ==
          std::vector<std::string>{"d 1", "n 90", "d 2"});
  }
  TEST_CASE("mine_hard_negatives: every dataset keeps its name, its rows and its order, and has a note") {
    TrainingRows rows = rows_of(
        {{.query = "q 0", .pos = {"d 2"}, .reasoning_query = "r 1", .batch_size = 3}, {.query = "q 9", .pos = {"p 8"}}},
        "first");
    rows.datasets.push_back(rows_of({{.query = "q 50", .pos = {"p 51"}}}, "second").datasets[0]);
    rows.datasets.emplace_back("empty");
    rows.notes = {"a note of the reader"};
    rows.left_out[0] = 7;
    const TrainingRows found = mine_hard_negatives(Compass(), rows, texts("d", {1, 2, 60, 10}), {.count = 3});
    REQUIRE(found.datasets.size() == 3);
    CHECK(found.datasets[0].name() == "first");
    CHECK(found.datasets[0].row(0).neg == texts("d", {1, 10, 60}));
    CHECK(found.datasets[0].row(0).reasoning_query == "r 1");
    CHECK(found.datasets[0].row(0).batch_size == 3);
    CHECK(found.datasets[0].row(1).neg == texts("d", {10, 2, 1}));
    CHECK(found.datasets[1].name() == "second");
    CHECK(found.datasets[1].row(0).neg == texts("d", {60, 10, 2}));
    CHECK(found.datasets[2].empty());
    CHECK(found.left_out[0] == 7);
    CHECK(found.notes ==
          std::vector<std::string>{"a note of the reader",
                                   "first: 6 hard negatives mined for 2 row(s), 1 relevant candidates left out",
                                   "second: 3 hard negatives mined for 1 row(s), 0 relevant candidates left out",
                                   "empty: 0 hard negatives mined for 0 row(s), 0 relevant candidates left out"});
  }
  TEST_CASE("mine_hard_negatives: queries are encoded with the prompts of their rows") {
    const Compass encoder;
    const TrainingRows rows =
        rows_of({{.query = "why 4?", .pos = {"p 0"}, .prompt = "find it"}, {.query = "why 5?", .pos = {"p 0"}}});
    (void)mine_hard_negatives(encoder, rows, texts("d", {1}), {.count = 1});
    CHECK(encoder.queries == std::vector<std::string>{"Instruct: find it\nQuery: why 4?", "why 5?"});
  }
  TEST_CASE("mine_hard_negatives: progress counts every document once, and every query") {
    re::Progress progress("mine", 0, {.silent = true});
    TrainingRows rows = rows_of({{.query = "q 0", .pos = {"p 0"}}, {.query = "q 1", .pos = {"p 0"}}});
    rows.datasets.push_back(rows.datasets[0]);
    (void)mine_hard_negatives(Compass(), rows, texts("d", {1, 2, 3}), {.count = 1}, &progress);
    CHECK(progress.done() == 3 + 4);
  }
  TEST_CASE("mine_hard_negatives: a pool with less than was asked for gives what there is, and the note says so") {
    const TrainingRows rows =
        rows_of({{.query = "q 0", .pos = {"d 1"}}, {.query = "q 0", .pos = {"p 0"}}, {.query = "q 0", .pos = {"p 0"}}});
    const TrainingRows found = mine_hard_negatives(Compass(), rows, texts("d", {1, 2}), {.count = 2});
    CHECK(found.datasets[0].row(0).neg == texts("d", {2}));
    CHECK(found.datasets[0].row(1).neg == texts("d", {1, 2}));
    CHECK(found.notes == std::vector<std::string>{"task: 5 hard negatives mined for 3 row(s), 1 relevant candidates "
                                                  "left out, 1 row(s) found fewer than 2"});
    const std::vector<std::string> one = texts("d", {1});
    CHECK(mined(one, {.query = "q 0", .pos = {"d 1"}}, {.count = 2}).empty());
    constexpr Index kMost = std::numeric_limits<Index>::max();
    CHECK(mined(one, {.query = "q 0", .pos = {"p 0"}}, {.count = kMost}) == one);
    CHECK(mined(one, {.query = "q 0", .pos = {"p 0"}}, {.count = kMost, .skip = kMost}).empty());
  }
  TEST_CASE("mine_hard_negatives: options out of range are refused before anything is encoded") {
    const Compass encoder;
    const TrainingRows rows = rows_of({{.query = "q 0", .pos = {"p 0"}}});
    const std::vector<std::string> pool = texts("d", {1});
    CHECK_THROWS_WITH_AS((void)mine_hard_negatives(encoder, rows, pool, {.count = 0}),
                         "data::with_hard_negatives: count is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)mine_hard_negatives(encoder, rows, pool, {.skip = -1}),
                         "data::with_hard_negatives: skip is -1, expected at least 0",
                         re::ConfigError);
    CHECK(encoder.queries.empty());
  }
  TEST_CASE("mine_hard_negatives: no rows give no rows") {
    CHECK(mine_hard_negatives(Compass(), TrainingRows{}, texts("d", {1})).datasets.empty());
  }
}
