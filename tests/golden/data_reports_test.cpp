// What rouge-score, nltk and scikit-learn compute, made by data_reports.py. Pinned, because the figures of the
// triviality and agreement reports stand beside published ones that were made with these packages. May change only with
// the generator.
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/line_reader.hpp>
#include <reasonembed/remixer/agreement.hpp>
#include <reasonembed/remixer/rouge.hpp>
#include <reasonembed/text/porter_stemmer.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::remixer::KappaWeights;
using re::remixer::RougeScore;

namespace {

const std::map<std::string, std::string>& example_texts() {
  static const auto texts = [] {
    std::map<std::string, std::string> found;
    for (const char* name : {"corpus.jsonl", "train.queries.jsonl", "test.queries.jsonl"}) {
      re::io::for_each_json_line(test::source_path(std::string("examples/data/") + name),
                                 [&](const auto& row) { found[row.get_string("id")] = row.get_string("text"); });
    }
    return found;
  }();
  return texts;
}

RougeScore score_of(const re::io::JsonFields& row, std::string_view name) {
  const re::io::Json& numbers = row.get_array(name);
  return {numbers.at(0).get<double>(), numbers.at(1).get<double>(), numbers.at(2).get<double>()};
}

}  // namespace

TEST_SUITE("golden/data_reports") {
  TEST_CASE("rouge_1: equals rouge-score to the bit on 1,000 pairs and on texts that are hard to cut") {
    std::size_t pairs = 0;
    re::io::for_each_json_line(test::source_path("tests/golden/data_reports/rouge.jsonl"), [&](const auto& row) {
      CAPTURE(row.where());
      const bool by_id = row.has("query");
      const std::string target = by_id ? example_texts().at(row.get_string("query")) : row.get_string("target");
      const std::string prediction = by_id ? example_texts().at(row.get_string("doc")) : row.get_string("prediction");
      CHECK(re::remixer::rouge_1(target, prediction) == score_of(row, "plain"));
      CHECK(re::remixer::rouge_1(target, prediction, {.stemming = true}) == score_of(row, "stemmed"));
      ++pairs;
    });
    CHECK(pairs >= 1100);
  }

  TEST_CASE("PorterStemmer: gives the stems of nltk for words of texts and for every suffix of its rules") {
    const re::text::PorterStemmer stemmer;
    std::size_t words = 0;
    re::io::for_each_line(test::source_path("tests/golden/data_reports/stems.tsv"),
                          [&](std::size_t, std::string_view line) {
                            const std::size_t tab = line.find('\t');
                            CAPTURE(line);
                            CHECK(stemmer.stem(line.substr(0, tab)) == line.substr(tab + 1));
                            ++words;
                          });
    CHECK(words >= 4000);
  }

  TEST_CASE("kappa: equals scikit-learn's cohen_kappa_score") {
    std::size_t cases = 0;
    re::io::for_each_json_line(test::source_path("tests/golden/data_reports/kappa.jsonl"), [&](const auto& row) {
      CAPTURE(row.where());
      re::remixer::ConfusionTable table;
      const auto first = row.get_ints("first");
      const auto second = row.get_ints("second");
      for (std::size_t i = 0; i < first.size(); ++i) {
        table.add(static_cast<int>(first[i]), static_cast<int>(second[i]));
      }
      for (const auto& [name, weights] : {std::pair{"none", KappaWeights::kNone},
                                          std::pair{"linear", KappaWeights::kLinear},
                                          std::pair{"quadratic", KappaWeights::kQuadratic}}) {
        const std::optional<double> want = row.find_double(name);
        const std::optional<double> got = re::remixer::kappa(table, weights);
        REQUIRE(got.has_value() == want.has_value());
        if (want) {
          CHECK(std::fabs(*got - *want) <= 1e-14);  // a quotient of sums of at most 25 terms
        }
      }
      ++cases;
    });
    CHECK(cases == 15);
  }
}
