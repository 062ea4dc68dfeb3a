#include <reasonembed/core/random.hpp>
#include <reasonembed/data/hard_negatives.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::ExistingNegatives;
using re::data::HardNegativeOptions;
using re::data::HardNegatives;
using re::data::TrainingDataset;
using re::data::TrainingRow;
using re::data::with_hard_negatives;

namespace {

using Lists = std::vector<std::vector<Index>>;
using Texts = std::vector<std::string>;

/// One row, asked "why?", whose answers are a and b.
TrainingDataset one_row(const Texts& neg = {}, const std::vector<double>& neg_scores = {}) {
  TrainingDataset rows("task");
  rows.add({.query = "why?",
            .pos = {"a", "b b"},
            .neg = neg,
            .pos_scores = {5, 4},
            .neg_scores = neg_scores,
            .prompt = "Say.",
            .type = "t",
            .reasoning_query = "because",
            .train_group_size = 4,
            .batch_size = 2});
  return rows;
}

const Texts kPool = {"a", "x", " b\n b ", "y", "why?", "x", "", "z", "\t", "x ", "w"};
const Lists kRanked = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};

}  // namespace

TEST_SUITE("data/hard_negatives") {
  TEST_CASE("collapsed: writes each run of white space as one blank, and none at the ends") {
    using re::data::detail::collapsed;
    CHECK(collapsed("") == "");
    CHECK(collapsed(" \t\n") == "");
    CHECK(collapsed("a") == "a");
    CHECK(collapsed(" a\r\n\tb  c ") == "a b c");
    CHECK(collapsed("\xC3\xA4 \xC2\xA0x") == "\xC3\xA4 \xC2\xA0x");  // white space of ASCII alone
  }

  TEST_CASE("with_hard_negatives: takes the best candidates that are neither relevant nor the query nor there twice") {
    const HardNegatives found = with_hard_negatives(one_row(), kPool, kRanked, {.count = 10});
    CHECK(found.rows.row(0).neg == Texts{"x", "y", "z", "w"});
    CHECK(found.taken == 4);
    CHECK(found.relevant == 2);  // "a", and "b b" in other white space
    CHECK(found.same_as_query == 1);
    CHECK(found.repeated == 4);  // x twice more, and two blank ones
    CHECK(found.excluded == 0);
    CHECK(found.short_rows == 1);
    CHECK(with_hard_negatives(one_row(), kPool, kRanked, {.count = 2}).rows.row(0).neg == Texts{"x", "y"});
  }

  TEST_CASE("with_hard_negatives: leaves everything else of a row as it is") {
    const HardNegatives found = with_hard_negatives(one_row({"old"}, {0.5}), kPool, kRanked, {.count = 1});
    TrainingRow expected = one_row().row(0);
    expected.neg = {"x"};
    CHECK(found.rows.row(0) == expected);
    CHECK(found.rows.name() == "task");
    CHECK(found.short_rows == 0);
    CHECK(found.dropped_scores == 0);  // the scores went with their negatives
  }

  TEST_CASE("with_hard_negatives: passes over excluded documents and their copies") {
    const Lists excluded = {{9, 3}};  // unsorted; 9 is a copy of x
    const HardNegatives found = with_hard_negatives(one_row(), kPool, kRanked, {.count = 10, .excluded = excluded});
    CHECK(found.rows.row(0).neg == Texts{"z", "w"});
    CHECK(found.excluded == 4);  // x three times, y
    CHECK(found.repeated == 2);
  }

  TEST_CASE("with_hard_negatives: skips the first admissible candidates if told to") {
    CHECK(with_hard_negatives(one_row(), kPool, kRanked, {.count = 2, .skip = 1}).rows.row(0).neg == Texts{"y", "z"});
    CHECK(with_hard_negatives(one_row(), kPool, kRanked, {.count = 2, .skip = 3}).rows.row(0).neg == Texts{"w"});
    const HardNegatives none = with_hard_negatives(one_row({"old"}), kPool, kRanked, {.count = 2, .skip = 99});
    CHECK(none.rows.row(0).neg.empty());
    CHECK(none.taken == 0);
    CHECK(none.short_rows == 1);
  }

  TEST_CASE("with_hard_negatives: appends behind the negatives there are, which it does not repeat") {
    const HardNegativeOptions options{.count = 2, .existing = ExistingNegatives::kAppend};
    const HardNegatives found = with_hard_negatives(one_row({"y", "old"}, {1, 2}), kPool, kRanked, options);
    CHECK(found.rows.row(0).neg == Texts{"y", "old", "x", "z"});
    CHECK(found.rows.row(0).neg_scores.empty());  // found ones have none, and half of the scores are no scores
    CHECK(found.rows.row(0).pos_scores == std::vector<double>{5, 4});
    CHECK(found.dropped_scores == 1);
    CHECK(found.taken == 2);
    const HardNegatives nothing = with_hard_negatives(one_row({"y"}, {1}), kPool, Lists{{0, 3, 3}}, options);
    CHECK(nothing.rows.row(0).neg == Texts{"y"});
    CHECK(nothing.rows.row(0).neg_scores == std::vector<double>{1});
    CHECK(nothing.dropped_scores == 0);
    CHECK(nothing.short_rows == 1);
  }

  TEST_CASE("with_hard_negatives: no row ever gets a document that answers it, on random rows") {
    re::RandomStream random(11);
    Texts pool;
    for (int i = 0; i < 60; ++i) {
      pool.push_back("d" + std::to_string(random.below(40)) + std::string(random.below(3), ' '));
    }
    TrainingDataset rows("task");
    Lists candidates;
    Lists excluded;
    for (int i = 0; i < 50; ++i) {
      TrainingRow row{.query = "d" + std::to_string(random.below(40))};
      for (std::uint64_t count = 1 + random.below(6); count > 0; --count) {
        row.pos.push_back(pool[random.below(60)]);
      }
      rows.add(row);
      candidates.emplace_back(60);
      std::iota(candidates.back().begin(), candidates.back().end(), Index{0});
      random.shuffle(candidates.back());
      excluded.push_back({static_cast<Index>(random.below(60)), static_cast<Index>(random.below(60))});
    }
    const HardNegatives found = with_hard_negatives(rows, pool, candidates, {.count = 1000, .excluded = excluded});
    REQUIRE(found.rows.size() == 50);
    const auto trimmed = [](std::string text) { return text.substr(0, text.find(' ')); };
    for (Index row = 0; row < 50; ++row) {
      const auto i = static_cast<std::size_t>(row);
      const TrainingRow made = found.rows.row(row);
      CHECK(made.query == rows.row(row).query);
      CHECK(made.pos == rows.row(row).pos);
      std::set<std::string> refused = {made.query};
      for (const std::string& text : made.pos) {
        refused.insert(trimmed(text));
      }
      for (const Index document : excluded[i]) {
        refused.insert(trimmed(pool[static_cast<std::size_t>(document)]));
      }
      std::set<std::string> expected;  // all others, once each
      for (const std::string& text : pool) {
        if (refused.count(trimmed(text)) == 0) {
          expected.insert(trimmed(text));
        }
      }
      std::set<std::string> taken;
      for (const std::string& text : made.neg) {
        CHECK(taken.insert(trimmed(text)).second);
      }
      CHECK(taken == expected);
    }
    CHECK(found.taken + found.relevant + found.same_as_query + found.excluded + found.repeated == 50 * 60);
  }

  TEST_CASE("with_hard_negatives: refuses lists that don't fit the rows or the documents") {
    const auto refused = [](const Lists& candidates, const HardNegativeOptions& options) {
      try {
        (void)with_hard_negatives(one_row(), kPool, candidates, options);
      } catch (const re::Error& error) {
        return std::string(error.what());
      }
      return std::string("no error");
    };
    CHECK(refused({}, {}) == "data::with_hard_negatives: candidates.size() is 0, expected 1");
    CHECK(refused({{1}, {2}}, {}) == "data::with_hard_negatives: candidates.size() is 2, expected 1");
    CHECK(refused({{1, 11}}, {}) ==
          "data::with_hard_negatives: a document of candidates[0] is 11, expected in [0, 11), the documents searched");
    CHECK(refused({{-1}}, {}) ==
          "data::with_hard_negatives: a document of candidates[0] is -1, expected in [0, 11), the documents searched");
    const Lists two = {{}, {}};
    CHECK(refused({{1}}, {.excluded = two}) == "data::with_hard_negatives: excluded.size() is 2, expected 1");
    const Lists beyond = {{99}};
    CHECK(refused({{1}}, {.excluded = beyond}) ==
          "data::with_hard_negatives: a document of excluded[0] is 99, expected in [0, 11), the documents searched");
    CHECK(refused({{1}}, {.count = 0}) == "data::with_hard_negatives: count is 0, expected at least 1");
    CHECK(refused({{1}}, {.skip = -1}) == "data::with_hard_negatives: skip is -1, expected at least 0");
    CHECK(refused({{}}, {}) == "no error");
    CHECK_THROWS_AS((void)with_hard_negatives(one_row(), Texts{"\xFF"}, Lists{{0}}), re::DataError);
    CHECK(with_hard_negatives(TrainingDataset(), kPool, Lists{}).rows.empty());
  }
}
