#include <reasonembed/remixer/conditions.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::ConditionOptions;
using re::remixer::Conditions;
using re::remixer::describe;
using re::remixer::draw_conditions;
using re::remixer::EducationLevel;
using re::remixer::LengthBucket;

namespace {

/// sum_i (observed_i - expected_i)^2 / expected_i                                                    [Pearson 1900]
double chi_square(const std::vector<double>& observed, const std::vector<double>& weights, double count) {
  double total = 0;
  for (const double weight : weights) {
    total += weight;
  }
  double sum = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const double expected = count * weights[i] / total;
    sum += (observed[i] - expected) * (observed[i] - expected) / expected;
  }
  return sum;
}

const std::vector<std::string> kLengths = {"fewer than 100 words",
                                           "100 to 200 words",
                                           "200 to 300 words",
                                           "300 to 400 words",
                                           "400 to 500 words",
                                           "at least 500 words"};
const std::vector<std::string> kLevels = {"high school", "college", "PhD"};
constexpr int kDraws = 60000;

struct Drawn {
  std::map<std::string, double> lengths = {};
  std::map<std::string, double> levels = {};
  std::map<std::string, double> pairs = {};
};

Drawn draw_many(std::uint64_t seed) {
  Drawn drawn;
  for (int i = 0; i < kDraws; ++i) {
    const Conditions conditions = draw_conditions("document " + std::to_string(i), seed);
    ++drawn.lengths[conditions.length];
    ++drawn.levels[conditions.level];
    ++drawn.pairs[conditions.length + "/" + conditions.level];
  }
  return drawn;
}

std::vector<double> counts_of(const std::map<std::string, double>& counts, const std::vector<std::string>& names) {
  std::vector<double> all;
  for (const std::string& name : names) {
    all.push_back(counts.contains(name) ? counts.at(name) : 0.0);
  }
  return all;
}

}  // namespace

TEST_SUITE("remixer/conditions") {
  TEST_CASE("ConditionOptions: the defaults are the paper's") {
    const ConditionOptions options;
    REQUIRE(options.lengths.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(describe(options.lengths[i]) == kLengths[i]);
      CHECK(options.lengths[i].weight == std::array{1, 2, 3, 3, 2, 1}[i]);
    }
    CHECK(options.levels == std::vector<EducationLevel>{{"high school", 1}, {"college", 2}, {"PhD", 2}});
    CHECK(test::named_options(options).front() ==
          "lengths [{least 0, most 100, weight 1}, {least 100, most 200, weight 2}, {least 200, most 300, weight 3}, "
          "{least 300, most 400, weight 3}, {least 400, most 500, weight 2}, {least 500, most 0, weight 1}]");
  }

  TEST_CASE("draw_conditions: lengths and levels have their frequencies, independently of each other") {
    for (const std::uint64_t seed : {42ULL, 7ULL}) {
      CAPTURE(seed);
      const Drawn drawn = draw_many(seed);
      CHECK(drawn.lengths.size() == 6);
      CHECK(drawn.levels.size() == 3);
      // Upper 0.1% points of chi-square with 5, 2 and 17 degrees of freedom.
      CHECK(chi_square(counts_of(drawn.lengths, kLengths), {1, 2, 3, 3, 2, 1}, kDraws) < 20.515);
      CHECK(chi_square(counts_of(drawn.levels, kLevels), {1, 2, 2}, kDraws) < 13.816);
      std::vector<std::string> names;
      std::vector<double> weights;
      for (std::size_t i = 0; i < 6; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
          names.push_back(kLengths[i] + "/" + kLevels[j]);
          weights.push_back(std::array{1.0, 2.0, 3.0, 3.0, 2.0, 1.0}[i] * std::array{1.0, 2.0, 2.0}[j]);
        }
      }
      CHECK(chi_square(counts_of(drawn.pairs, names), weights, kDraws) < 40.790);
    }
  }

  TEST_CASE("draw_conditions: the test of frequencies notices other ones") {
    const Drawn drawn = draw_many(42);
    CHECK(chi_square(counts_of(drawn.lengths, kLengths), {1, 2, 3, 3, 2, 1.2}, kDraws) > 20.515);
    CHECK(chi_square(counts_of(drawn.levels, kLevels), {1, 2, 2.1}, kDraws) > 13.816);
  }

  TEST_CASE("draw_conditions: is a function of text, seed and options") {
    const Conditions first = draw_conditions("a text", 42);
    CHECK(draw_conditions("a text", 42) == first);
    int differ = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      differ += draw_conditions("a text", seed) == first ? 0 : 1;
    }
    CHECK(differ > 0);
    CHECK(draw_conditions("", 42) == draw_conditions("", 42));
    (void)draw_conditions(std::string(1 << 20, 'x'), 42);
    (void)draw_conditions("\xFF not UTF-8 \x80", 42);
  }

  TEST_CASE("draw_conditions: known draws, for recorded answers depend on them") {
    CHECK(draw_conditions("Osmosis", 42) == Conditions{"fewer than 100 words", "PhD"});
    CHECK(draw_conditions("Turgor", 42) == Conditions{"400 to 500 words", "PhD"});
  }

  TEST_CASE("draw_conditions: a weight of 0 is never drawn, a single choice always") {
    ConditionOptions options{.lengths = {{0, 10, 0}, {10, 20, 1}, {20, 0, 0}}, .levels = {{"none", 1}}};
    for (int i = 0; i < 100; ++i) {
      CHECK(draw_conditions(std::to_string(i), 1, options) == Conditions{"10 to 20 words", "none"});
    }
  }

  TEST_CASE("draw_conditions: refuses what can't be drawn from") {
    const auto refused = [](const ConditionOptions& options) {
      try {
        (void)draw_conditions("text", 1, options);
      } catch (const re::ConfigError& error) {
        return std::string(error.what());
      }
      return std::string();
    };
    CHECK(refused({.lengths = {}}) ==
          "remixer::ConditionOptions: sum of the weights of lengths is 0, expected in [1, 2^31]");
    CHECK(refused({.levels = {{"a", 0}, {"b", 0}}}) ==
          "remixer::ConditionOptions: sum of the weights of levels is 0, expected in [1, 2^31]");
    CHECK(refused({.levels = {{"a", 1}, {"b", -1}}}) ==
          "remixer::ConditionOptions: levels[1].weight is -1, expected in [0, 2^31]");
    CHECK(refused({.levels = {{"a", Index{1} << 40}}}) ==
          "remixer::ConditionOptions: levels[0].weight is 1099511627776, expected in [0, 2^31]");
    CHECK(refused({.lengths = {{0, 10, 1}, {20, 20, 1}}}) ==
          "remixer::ConditionOptions: lengths[1] is 20 to 20, expected a range of words that begins at 0 or more and "
          "ends later, or at 0 for no limit");
    CHECK(!refused({.lengths = {{-1, 10, 1}}}).empty());
    CHECK(!refused({.lengths = {{5, -1, 1}}}).empty());
    CHECK(refused({.lengths = {{0, 0, 1}}}).empty());  // any length
  }

  TEST_CASE("describe: says a range in words") {
    CHECK(describe(LengthBucket{0, 50, 1}) == "fewer than 50 words");
    CHECK(describe(LengthBucket{50, 60, 1}) == "50 to 60 words");
    CHECK(describe(LengthBucket{60, 0, 1}) == "at least 60 words");
  }
}
