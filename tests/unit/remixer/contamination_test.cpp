#include <reasonembed/core/random.hpp>
#include <reasonembed/data/rows_from_retrieval.hpp>
#include <reasonembed/remixer/contamination.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/word_embedder.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::TrainingRow;
using re::remixer::BenchmarkItem;
using re::remixer::BenchmarkPart;
using re::remixer::ContaminationGate;
using re::remixer::ContaminationReport;
using re::remixer::Leak;
using re::remixer::LeakKind;
using re::remixer::RowPart;

namespace {

/// `words` words that no other call with another number gives.
std::string make_text(int number, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) {
    text += (i == 0 ? "" : " ") + std::string("w") + std::to_string(number) + "x" + std::to_string(i);
  }
  return text;
}

std::vector<BenchmarkItem> make_items() {
  return {{BenchmarkPart::kQuery, "q0", make_text(0, 30)},
          {BenchmarkPart::kQuery, "q1", "Why is the sky blue?"},
          {BenchmarkPart::kDocument, "d0", make_text(1, 50)},
          {BenchmarkPart::kDocument, "empty", "?!"}};
}

ContaminationGate make_gate(re::remixer::ContaminationOptions options = {}) {
  ContaminationGate gate(options);
  gate.add("bench", make_items());
  return gate;
}

/// Rows of the shipped data whose positives are no gold documents of the test queries.
struct Shipped {
  re::data::RetrievalDataset test;
  std::vector<TrainingRow> rows;         // all of the training split
  std::vector<TrainingRow> independent;  // without the documents that both splits judge relevant
  std::set<std::string> shared;          // texts of those documents
};
Shipped read_shipped() {
  Shipped shipped;
  const auto directory = test::source_path("examples/data");
  shipped.test = re::data::read_retrieval_dataset(directory, {.split = "test"});
  const auto train = re::data::read_retrieval_dataset(directory, {.split = "train"});
  std::set<std::string> gold;
  for (const BenchmarkItem& item : re::remixer::benchmark_items(shipped.test)) {
    if (item.part == BenchmarkPart::kDocument) {
      gold.insert(item.text);
    }
  }
  for (Index i = 0; i < train.queries.size(); ++i) {
    const re::data::Query query = train.queries[i];
    TrainingRow row{.query = query.text, .reasoning_query = query.reasoning};
    TrainingRow own = row;
    for (const auto& [document, relevance] : *train.qrels.find(query.id)) {
      const std::string& text = train.corpus.texts()[static_cast<std::size_t>(train.corpus.find(document))];
      row.pos.push_back(text);
      if (gold.contains(text)) {
        shipped.shared.insert(text);
      } else {
        own.pos.push_back(text);
      }
    }
    shipped.rows.push_back(row);
    shipped.independent.push_back(own);
  }
  return shipped;
}

}  // namespace

TEST_SUITE("remixer/contamination") {
  TEST_CASE("check: an exact leak is found in any part, whatever case and punctuation") {
    const ContaminationGate gate = make_gate();
    const std::vector<TrainingRow> rows = {{.query = "Something else", .pos = {"a", "b"}},
                                           {.query = "WHY -- is the\tsky blue", .pos = {"a"}},
                                           {.query = "c", .pos = {"a", "why is the sky blue"}},
                                           {.query = "d", .reasoning_query = "Why is the sky, blue?"}};
    const ContaminationReport report = gate.check(rows);
    REQUIRE(report.leaks.size() == 3);
    CHECK(
        report.leaks[0] ==
        Leak{1, RowPart::kQuery, 0, LeakKind::kExact, "bench", BenchmarkPart::kQuery, "q1", 1, "why is the sky blue"});
    CHECK(report.leaks[1].part == RowPart::kPositive);
    CHECK(report.leaks[1].positive == 1);
    CHECK(report.leaks[2].part == RowPart::kReasoningQuery);
    CHECK(report.leaking_rows() == std::vector<Index>{1, 2, 3});
    CHECK(report.rows == 4);
    CHECK(report.benchmarks == std::vector<re::remixer::CheckedBenchmark>{{"bench", 2, 2}});
  }
  TEST_CASE("check: a planted run of words is found where it has the length, with the longest span as evidence") {
    const std::vector<std::string> item = re::remixer::normalized_words(make_text(1, 50));
    for (const Index ngram : {1, 2, 5, 13, 50}) {
      const ContaminationGate gate = make_gate({.ngram = ngram});
      for (const int length : {1, 4, 5, 12, 13, 14, 49}) {
        CAPTURE(ngram);
        CAPTURE(length);
        std::string planted;
        for (int i = 0; i < length; ++i) {
          planted += (i == 0 ? "" : " ") + item[static_cast<std::size_t>(50 - length + i)];
        }
        const std::vector<TrainingRow> rows = {
            {.query = "q", .pos = {make_text(7, 9) + " " + planted + ", and so on"}}};
        const ContaminationReport report = gate.check(rows);
        REQUIRE(report.leaks.size() == (length >= ngram ? 1U : 0U));
        if (length >= ngram) {
          CHECK(report.leaks[0].kind == LeakKind::kNgram);
          CHECK(report.leaks[0].item == "d0");
          CHECK(report.leaks[0].score == length);
          if (length <= 40) {
            CHECK(report.leaks[0].evidence == planted);
          } else {
            CHECK(report.leaks[0].evidence.find(" ... ") != std::string::npos);
            CHECK(report.leaks[0].evidence.ends_with(item.back()));
          }
        }
      }
    }
  }
  TEST_CASE("check: of several runs in common the longest is shown, an exact match hides them") {
    const ContaminationGate gate = make_gate({.ngram = 2});
    const std::vector<TrainingRow> rows = {{.query = "w0x3 w0x4 and w0x10 w0x11 w0x12 and w0x3 w0x4"},
                                           {.query = make_text(0, 30)}};
    const ContaminationReport report = gate.check(rows);
    REQUIRE(report.leaks.size() == 2);
    CHECK(report.leaks[0].evidence == "w0x10 w0x11 w0x12");
    CHECK(report.leaks[1].kind == LeakKind::kExact);
  }
  TEST_CASE("check: property: random texts leak exactly where a slow search finds a common run") {
    re::RandomStream random(3);
    const auto text = [&](std::uint64_t words) {
      std::string joined;
      for (std::uint64_t i = 0; i < words; ++i) {
        joined += std::string(1, static_cast<char>('a' + random.below(3))) + " ";
      }
      return joined;
    };
    const auto longest_common = [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
      std::size_t longest = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        for (std::size_t j = 0; j < b.size(); ++j) {
          std::size_t length = 0;
          while (i + length < a.size() && j + length < b.size() && a[i + length] == b[j + length]) {
            ++length;
          }
          longest = std::max(longest, length);
        }
      }
      return longest;
    };
    for (int round = 0; round < 200; ++round) {
      const std::string theirs = text(5 + random.below(40));
      const std::vector<TrainingRow> rows = {{.query = text(1 + random.below(60))}};
      ContaminationGate gate({.ngram = 6});
      gate.add("b", std::vector<BenchmarkItem>{{BenchmarkPart::kQuery, "q", theirs}});
      const std::size_t want =
          longest_common(re::remixer::normalized_words(rows[0].query), re::remixer::normalized_words(theirs));
      const ContaminationReport report = gate.check(rows);
      if (report.count(LeakKind::kExact) > 0) {
        continue;
      }
      REQUIRE(report.leaks.size() == (want >= 6 ? 1U : 0U));
      if (want >= 6) {
        CHECK(report.leaks[0].score == static_cast<double>(want));
      }
    }
  }
  TEST_CASE("check: an embedding leak is found that shares no run of words") {
    const test::WordEmbedder model(4096, 3.0F);  // vectors of length 3: the cosine is what counts
    const ContaminationGate gate = make_gate({.ngram = 13, .cosine = 0.9});
    std::vector<std::string> words = re::remixer::normalized_words(make_text(1, 50));
    std::reverse(words.begin(), words.end());
    std::string backwards;
    for (const std::string& word : words) {
      backwards += word + " ";
    }
    const std::vector<TrainingRow> rows = {{.query = "blue sky, why is the", .pos = {"nothing", backwards}},
                                           {.query = "the sky is green", .pos = {backwards}},
                                           {.query = "unrelated"}};
    const ContaminationReport report = gate.check(rows, model);
    REQUIRE(report.leaks.size() == 3);
    CHECK(report.leaks[0].kind == LeakKind::kEmbedding);
    CHECK(report.leaks[0].item == "q1");
    CHECK(report.leaks[0].score == doctest::Approx(1.0).epsilon(1e-5));
    CHECK(report.leaks[1].positive == 1);
    CHECK(report.leaks[1].item == "d0");
    CHECK(report.leaks[2].row == 1);
    CHECK(model.count() == 3 + 2 + 2 + 2);  // three queries, two distinct positives, the benchmark's own
  }
  TEST_CASE("check: what words have given away is not told again by vectors") {
    const test::WordEmbedder model(4096);
    const ContaminationGate gate = make_gate({.cosine = 0.99});
    const std::vector<TrainingRow> rows = {{.query = "why is the sky blue", .pos = {make_text(1, 50)}}};
    const ContaminationReport report = gate.check(rows, model);
    CHECK(report.leaks.size() == 2);
    CHECK(report.count(LeakKind::kExact) == 2);
    CHECK(report.count(LeakKind::kEmbedding) == 0);
  }
  TEST_CASE("check: a threshold of vectors needs a model, and none is asked without") {
    const std::vector<TrainingRow> rows = {{.query = "why is the sky blue"}};
    CHECK_THROWS_WITH_AS((void)make_gate({.cosine = 0.9}).check(rows),
                         "remixer::ContaminationGate::check: cosine is 0.900000, expected 0, or a model to embed with",
                         re::ConfigError);
    const test::WordEmbedder model;
    CHECK(make_gate().check(rows, model).leaks.size() == 1);
    CHECK(model.count() == 0);
  }
  TEST_CASE("check: property: every leak at a threshold is a leak at a lower one") {
    const test::WordEmbedder model(64);
    const Shipped shipped = read_shipped();
    std::size_t before = 0;
    for (const double cosine : {0.95, 0.8, 0.6}) {
      ContaminationGate gate({.ngram = 0, .cosine = cosine});
      gate.add("test", re::remixer::benchmark_items(shipped.test));
      const ContaminationReport report = gate.check(shipped.independent, model);
      for (const Leak& leak : report.leaks) {
        CHECK((leak.kind != LeakKind::kEmbedding || leak.score >= cosine - 1e-6));
      }
      CHECK(report.leaks.size() >= before);
      before = report.leaks.size();
    }
    CHECK(before > 0);
  }
  TEST_CASE("check: positives by switch") {
    const std::vector<TrainingRow> rows = {{.query = "a", .pos = {make_text(1, 50)}}};
    CHECK(make_gate().check(rows).leaks.size() == 1);
    CHECK(make_gate({.positives = false}).check(rows).leaks.empty());
  }
  TEST_CASE("check: texts without words, without rows and without benchmarks are no leaks") {
    const std::vector<TrainingRow> rows = {{.query = "?!", .pos = {"", "..."}}};
    CHECK(make_gate({.ngram = 1}).check(rows).leaks.empty());
    CHECK(make_gate().check({}).rows == 0);
    CHECK(ContaminationGate().check(rows).leaks.empty());
    const test::WordEmbedder model;
    CHECK(make_gate({.cosine = 0.5}).check({}, model).leaks.empty());
    CHECK(ContaminationGate({.cosine = 0.5}).check(rows, model).leaks.empty());
    const std::vector<TrainingRow> bytes = {{.query = "w\xFFhy is the sky \x80 blue"}};
    CHECK(make_gate().check(bytes).leaks.empty());
  }
  TEST_CASE("check: the same for every pool") {
    const Shipped shipped = read_shipped();
    ContaminationGate gate({.ngram = 3});
    gate.add("test", re::remixer::benchmark_items(shipped.test));
    const auto expected = gate.check(shipped.rows).leaks;
    CHECK(!expected.empty());
    for (const int threads : {1, 2, 4}) {
      const re::ThreadPool pool(threads);
      CHECK(gate.check(shipped.rows, &pool).leaks == expected);
    }
  }
  TEST_CASE("check: an honest set gives no alarm: the shipped data, train against test") {
    const Shipped shipped = read_shipped();
    ContaminationGate gate;
    gate.add("test", re::remixer::benchmark_items(shipped.test));
    CHECK(gate.check(shipped.independent).leaks.empty());
    // the two splits share a few gold documents; each is told, and nothing else
    std::set<std::string> told;
    for (const Leak& leak : gate.check(shipped.rows).leaks) {
      CHECK(leak.kind == LeakKind::kExact);
      REQUIRE(leak.part == RowPart::kPositive);
      told.insert(shipped.rows[static_cast<std::size_t>(leak.row)].pos[static_cast<std::size_t>(leak.positive)]);
    }
    CHECK(told == shipped.shared);
    CHECK(!told.empty());
  }
  TEST_CASE("check: strict mode drops the planted rows and no other") {
    Shipped shipped = read_shipped();
    ContaminationGate gate;
    gate.add("test", re::remixer::benchmark_items(shipped.test));
    std::vector<TrainingRow> rows = shipped.independent;
    rows[5].query = shipped.test.queries.texts()[0];
    rows[9].pos.push_back("By the way: " + shipped.test.queries.texts()[3] + " That is all.");
    const ContaminationReport report = gate.check(rows);
    CHECK(report.leaking_rows() == std::vector<Index>{5, 9});
    CHECK(re::remixer::drop_leaking_rows(rows, report) == 2);
    CHECK(rows.size() == shipped.independent.size() - 2);
    CHECK(gate.check(rows).leaks.empty());
  }
  TEST_CASE("ContaminationGate: keeps a benchmark out of training rows") {
    const Shipped shipped = read_shipped();
    std::vector<TrainingRow> rows = shipped.independent;
    rows[2].query = shipped.test.queries.texts()[7];
    const re::data::RetrievalDataset& dataset = shipped.test;
    // example-begin contamination
    re::remixer::ContaminationGate gate({.ngram = 13});
    gate.add("my benchmark", re::remixer::benchmark_items(dataset));  // its queries and gold documents
    const re::remixer::ContaminationReport report = gate.check(rows);
    const Index dropped = re::remixer::drop_leaking_rows(rows, report);
    const std::string model_card = report.to_markdown();
    // example-end contamination
    CHECK(dropped == 1);
    CHECK(model_card.find("1 of 131 training rows") != std::string::npos);
  }
  TEST_CASE("ContaminationGate: several benchmarks are told apart, and one name is one benchmark") {
    ContaminationGate gate;
    gate.add("a", std::vector<BenchmarkItem>{{BenchmarkPart::kQuery, "1", "the same question"}});
    gate.add("b", std::vector<BenchmarkItem>{{BenchmarkPart::kDocument, "2", "The same question!"}});
    const std::vector<TrainingRow> rows = {{.query = "the same question"}};
    const ContaminationReport report = gate.check(rows);
    REQUIRE(report.leaks.size() == 2);
    CHECK(report.leaks[0].benchmark == "a");
    CHECK(report.leaks[1].benchmark == "b");
    CHECK(report.leaks[1].item_part == BenchmarkPart::kDocument);
    CHECK_THROWS_WITH_AS(
        gate.add("a", {}), "remixer::ContaminationGate: name is \"a\", expected another one", re::ConfigError);
  }
  TEST_CASE("ContaminationGate: refuses options out of range") {
    CHECK_THROWS_AS(ContaminationGate({.ngram = -1}), re::ConfigError);
    CHECK_THROWS_AS(ContaminationGate({.cosine = 1.5}), re::ConfigError);
    CHECK_THROWS_AS(ContaminationGate({.cosine = std::nan("")}), re::ConfigError);
  }
}
