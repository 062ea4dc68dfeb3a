#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/agreement.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::AgreementReport;
using re::remixer::confusion_table;
using re::remixer::ConfusionTable;
using re::remixer::exact_agreement;
using re::remixer::kappa;
using re::remixer::KappaWeights;

TEST_SUITE("remixer/agreement") {
  TEST_CASE("ConfusionTable: counts pairs of scores, and leaves out what is not on the scale") {
    const std::vector<int> first = {1, 1, 5, 3, -1, 2, 6};
    const std::vector<int> second = {1, 2, 5, 5, 3, -1, 1};
    const ConfusionTable table = confusion_table(first, second);
    CHECK(table.items() == 4);
    CHECK(table.left_out() == 3);
    CHECK(table.count(1, 1) == 1);
    CHECK(table.count(1, 2) == 1);
    CHECK(table.count(3, 5) == 1);
    CHECK(table.count(5, 3) == 0);
    CHECK(table.size() == 5);
    CHECK(exact_agreement(table) == 0.5);
  }
  TEST_CASE("kappa: the example of Cohen's own paper on weights") {
    // p. 215: three diagnoses, 200 cases; unweighted kappa .492
    ConfusionTable table(1, 3);
    const int counts[3][3] = {{88, 10, 2}, {14, 40, 6}, {18, 10, 12}};
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        for (int n = 0; n < counts[i][j]; ++n) {
          table.add(i + 1, j + 1);
        }
      }
    }
    CHECK(kappa(table, KappaWeights::kNone).value() == doctest::Approx(0.492).epsilon(0.001));
  }
  TEST_CASE("kappa: is 1 for the same scores, about 0 for independent ones, below 0 for opposite ones") {
    re::RandomStream random(1);
    std::vector<int> first;
    std::vector<int> second;
    std::vector<int> opposite;
    for (int i = 0; i < 20'000; ++i) {
      first.push_back(1 + static_cast<int>(random.below(5)));
      second.push_back(1 + static_cast<int>(random.below(5)));
      opposite.push_back(6 - first.back());
    }
    for (const KappaWeights weights : {KappaWeights::kNone, KappaWeights::kLinear, KappaWeights::kQuadratic}) {
      CHECK(kappa(confusion_table(first, first), weights) == 1.0);
      CHECK(std::fabs(kappa(confusion_table(first, second), weights).value()) <= 0.03);  // four standard errors
      CHECK(kappa(confusion_table(first, opposite), weights).value() < 0.0);
    }
    CHECK(kappa(confusion_table(first, opposite), KappaWeights::kQuadratic).value() ==
          doctest::Approx(-1).epsilon(0.02));
  }
  TEST_CASE("kappa: weights forgive neighbours") {
    const std::vector<int> first = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5};
    const std::vector<int> near = {2, 3, 4, 5, 4, 1, 2, 3, 4, 5};
    const std::vector<int> far = {5, 5, 1, 1, 1, 1, 2, 3, 4, 5};
    const auto near_table = confusion_table(first, near);
    CHECK(kappa(near_table, KappaWeights::kNone).value() < kappa(near_table, KappaWeights::kLinear).value());
    CHECK(kappa(near_table, KappaWeights::kLinear).value() < kappa(near_table, KappaWeights::kQuadratic).value());
    const auto far_table = confusion_table(first, far);
    CHECK(exact_agreement(far_table) == exact_agreement(near_table));
    CHECK(kappa(far_table, KappaWeights::kQuadratic).value() < kappa(far_table, KappaWeights::kNone).value());
  }
  TEST_CASE("kappa: of the annotators changed about is the same") {
    const std::vector<int> first = {1, 2, 3, 3, 5, 1, 4};
    const std::vector<int> second = {2, 2, 5, 3, 5, 1, 1};
    for (const KappaWeights weights : {KappaWeights::kNone, KappaWeights::kLinear, KappaWeights::kQuadratic}) {
      CHECK(kappa(confusion_table(first, second), weights).value() ==
            doctest::Approx(kappa(confusion_table(second, first), weights).value()).epsilon(1e-14));
    }
  }
  TEST_CASE("kappa, exact_agreement: are not defined for no items, nor kappa where both give one score") {
    const ConfusionTable empty;
    CHECK(!exact_agreement(empty));
    CHECK(!kappa(empty, KappaWeights::kLinear));
    const std::vector<int> threes = {3, 3, 3};
    CHECK(exact_agreement(confusion_table(threes, threes)) == 1.0);
    CHECK(!kappa(confusion_table(threes, threes), KappaWeights::kNone));
    const std::vector<int> twos = {2, 2, 2};
    CHECK(kappa(confusion_table(threes, twos), KappaWeights::kNone) == 0.0);
  }
  TEST_CASE("ConfusionTable: refuses a scale of one score and lists of two lengths") {
    CHECK_THROWS_WITH_AS(
        ConfusionTable(3, 3), "remixer::ConfusionTable: most is 3, expected above least", re::ConfigError);
    const std::vector<int> one = {1};
    const std::vector<int> two = {1, 2};
    CHECK_THROWS_WITH_AS(
        (void)confusion_table(one, two), "remixer::confusion_table: second.size() is 2, expected 1", re::ShapeError);
  }

  TEST_CASE("AgreementReport: shows the confusion and says what it could not use") {
    const std::vector<int> first = {1, 2, 2, -1};
    const std::vector<int> second = {1, 2, 1, 2};
    const AgreementReport report("large", "small", confusion_table(first, second, 1, 2));
    CHECK(report.summary() ==
          "3 items (1 left out); same score 0.6667, kappa 0.4000, linear 0.4000, quadratic 0.4000.");
    CHECK(report.to_markdown() ==
          "## Agreement of annotators\n\nScores of large (rows) and small (columns)\n\n"
          "| score | 1 | 2 |\n|---|---:|---:|\n| 1 | 1 | 0 |\n| 2 | 1 | 1 |\n\n" +
              report.summary() + "\n");
    const re::io::Json json = report.json();
    CHECK(json.at("items") == 3);
    CHECK(json.at("left_out") == 1);
    CHECK(json.at("confusion") == re::io::Json::parse("[[1,0],[1,1]]"));
    CHECK(json.at("kappa_linear").get<double>() == doctest::Approx(0.4));
  }
  TEST_CASE("AgreementReport: what is not defined is null and says so") {
    const AgreementReport report("a", "b", ConfusionTable());
    CHECK(report.json().at("kappa").is_null());
    CHECK(report.summary().find("kappa not defined") != std::string::npos);
  }
}
