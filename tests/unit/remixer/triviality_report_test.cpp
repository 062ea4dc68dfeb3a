#include <reasonembed/remixer/triviality_report.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/word_embedder.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::measure_triviality;
using re::remixer::PositivePair;
using re::remixer::triviality;
using re::remixer::Triviality;
using re::remixer::TrivialityReport;
using re::remixer::TrivialityRow;

namespace {

const std::vector<PositivePair> kPairs = {{"a b c d", "a b x y"}, {"one two", "one two"}, {"p q", "r s"}};

}  // namespace

TEST_SUITE("remixer/triviality_report") {
  TEST_CASE("triviality: ROUGE-1 counts repetitions, the overlap counts distinct words") {
    const Triviality found = triviality({"the cat and the dog", "the dog barks"});
    CHECK(found.rouge.recall == 2.0 / 5.0);
    CHECK(found.rouge.precision == 2.0 / 3.0);
    CHECK(found.word_overlap == 2.0 / 5.0);  // the, dog of the, cat, and, dog, barks
    CHECK(!found.similarity);
    CHECK(triviality({"", ""}).word_overlap == 0.0);
    CHECK(triviality({"Same words", "same WORDS!"}).word_overlap == 1.0);
    CHECK(triviality({"running", "runs"}, {.stemming = true}).word_overlap == 1.0);
  }
  TEST_CASE("measure_triviality: means over pairs, with the standard error") {
    const TrivialityRow row = measure_triviality("mined", kPairs);
    CHECK(row.pairs == 3);
    CHECK(row.f1 == std::vector<double>{0.5, 1.0, 0.0});
    CHECK(row.mean.rouge.f1 == 0.5);
    CHECK(row.mean.word_overlap == doctest::Approx((2.0 / 6.0 + 1.0) / 3.0).epsilon(1e-15));
    CHECK(row.f1_error == doctest::Approx(std::sqrt(0.25 / 3.0)).epsilon(1e-15));  // deviation 0.5 of three
    CHECK(!row.mean.similarity);
    CHECK(measure_triviality("one", std::span(kPairs).first(1)).f1_error == 0.0);
  }
  TEST_CASE("measure_triviality: similarities of a model enter as their mean") {
    const std::vector<float> similarities = {0.25F, 1.0F, -0.5F};
    CHECK(measure_triviality("mined", kPairs, {}, similarities).mean.similarity.value() == 0.25);
    const std::vector<float> short_list = {1.0F};
    CHECK_THROWS_WITH_AS((void)measure_triviality("m", kPairs, {}, short_list),
                         "remixer::measure_triviality: \"m\": similarities.size() is 1, expected 3",
                         re::ShapeError);
    const std::vector<float> bad = {1.0F, std::numeric_limits<float>::quiet_NaN(), 0.0F};
    CHECK_THROWS_WITH_AS((void)measure_triviality("m", kPairs, {}, bad),
                         "remixer::measure_triviality: \"m\": similarities[1] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS((void)measure_triviality("m", {}),
                         "remixer::measure_triviality: \"m\": number of pairs is 0, expected at least 1",
                         re::DataError);
  }
  TEST_CASE("pair_similarities: are the inner products of an embedder's vectors") {
    const test::WordEmbedder model(4096);
    const std::vector<float> found = pair_similarities(std::span(kPairs), model);
    REQUIRE(found.size() == 3);
    CHECK(found[0] == doctest::Approx(0.5).epsilon(1e-6));  // two of four words each
    CHECK(found[1] == doctest::Approx(1.0).epsilon(1e-6));
    CHECK(found[2] == doctest::Approx(0.0).epsilon(1e-6));
    CHECK(pair_similarities(std::span<const PositivePair>(), model).empty());
  }
  TEST_CASE("positive_pairs: every positive of every row") {
    const std::vector<re::data::TrainingRow> rows = {{.query = "q", .pos = {"a", "b"}, .neg = {"c"}}, {.query = "r"}};
    CHECK(re::remixer::positive_pairs(rows) == std::vector<PositivePair>{{"q", "a"}, {"q", "b"}});
  }

  TEST_CASE("TrivialityReport: a table with the paper's numbers beside ours") {
    TrivialityReport report;
    TrivialityRow source = measure_triviality("source as positive", std::span(kPairs).subspan(1, 1));
    source.published = re::remixer::kPublishedSourceRouge;
    report.add(source);
    const std::vector<float> similarities = {0.25F, 1.0F, -0.5F};
    report.add(measure_triviality("mined", kPairs, {}, similarities));
    const re::eval::Table table = report.table();
    CHECK(table.rows[0] ==
          std::vector<std::string>{
              "source as positive", "1", "1.0000", "0.0000", "0.3216", "1.0000", "1.0000", "1.0000", "-"});
    CHECK(table.rows[1][4] == "-");
    CHECK(table.rows[1][8] == "0.2500");
    CHECK(report.to_markdown().find("| source as positive | 1 | 1.0000 |") != std::string::npos);
    CHECK(report.to_markdown().find("without stemming") != std::string::npos);
    CHECK(TrivialityReport({.stemming = true}).to_markdown().find("with stemming") != std::string::npos);
    CHECK_THROWS_WITH_AS(report.add(source),
                         "remixer::TrivialityReport: name is \"source as positive\", expected another one",
                         re::ConfigError);
  }
  TEST_CASE("TrivialityReport: the chart's parts sum to one, the best score included") {
    TrivialityReport report;
    report.add(measure_triviality("mined", kPairs));
    const re::eval::LineChart chart = report.chart();
    REQUIRE(chart.series.size() == 1);
    const auto& y = chart.series[0].y;
    CHECK(std::accumulate(y.begin(), y.end(), 0.0) == doctest::Approx(2.0));  // each bin has two corners
    CHECK(y.back() == doctest::Approx(1.0 / 3.0));
    re::eval::require_drawable(chart);
  }
  TEST_CASE("TrivialityReport: JSON has every number, a model's only if there was one") {
    TrivialityReport report({.stemming = true});
    const std::vector<float> similarities = {0.25F, 1.0F, -0.5F};
    report.add(measure_triviality("with", kPairs, {.stemming = true}, similarities));
    TrivialityRow without = measure_triviality("without", kPairs, {.stemming = true});
    without.published = 0.2411;
    report.add(without);
    const re::io::Json json = report.json();
    CHECK(json.at("stemming") == true);
    CHECK(json.at("rows").at(0).at("similarity") == 0.25);
    CHECK(json.at("rows").at(0).at("rouge1_f1") == 0.5);
    CHECK(!json.at("rows").at(0).contains("published_rouge1"));
    CHECK(json.at("rows").at(1).at("published_rouge1") == 0.2411);
    CHECK(!json.at("rows").at(1).contains("similarity"));
  }
  TEST_CASE("TrivialityReport: is written as JSON and as a page, the same bytes each time") {
    const test::Scratch scratch;
    TrivialityReport report;
    report.add(measure_triviality("<mined>", kPairs));
    report.write(scratch / "triviality.json");
    const std::string html = test::content_of(scratch / "triviality.html");
    CHECK(re::io::read_json(scratch / "triviality.json") == report.json());
    CHECK(html.find("&lt;mined&gt;") != std::string::npos);
    CHECK(html.find("<svg") != std::string::npos);
    report.write(scratch / "triviality.json");
    CHECK(test::content_of(scratch / "triviality.html") == html);
    CHECK(scratch.count() == 2);
    CHECK_THROWS_AS(report.write(scratch / "absent" / "a.json"), re::IoError);
  }
  TEST_CASE("TrivialityReport: is made of rows and, where there is one, a model") {
    const test::Scratch scratch;
    const test::WordEmbedder model;
    const std::vector<re::data::TrainingRow> rows = {{.query = "a b", .pos = {"b c", "c d"}}};
    const auto path = scratch / "triviality.json";
    // example-begin triviality
    const auto pairs = re::remixer::positive_pairs(rows);
    const auto cosines = re::remixer::pair_similarities(std::span(pairs), model);  // any encoder of the library
    re::remixer::TrivialityReport report;
    report.add(re::remixer::measure_triviality("mined", pairs, {}, cosines));
    report.write(path);  // and the same with .html
    // example-end triviality
    CHECK(report.rows()[0].mean.rouge.f1 == 0.25);
    CHECK(report.rows()[0].mean.similarity.has_value());
    CHECK(scratch.count() == 2);
  }
  TEST_CASE("TrivialityReport: without rows is a table of headings") {
    const test::Scratch scratch;
    TrivialityReport().write(scratch / "t.json");
    CHECK(re::io::read_json(scratch / "t.json").at("rows").empty());
  }
}
