#include <reasonembed/remixer/distillation.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::AnnotationRecord;
using re::remixer::distill;
using re::remixer::DistillationSet;

namespace {

AnnotationRecord record(int query, int document, int score) {
  const std::string q = "query " + std::to_string(query);
  const std::string d = "document " + std::to_string(document);
  return {q,
          d,
          {{"system", "You judge."}, {"user", q + "\n" + d}},
          "Because of this and that. <score>" + std::to_string(score) + "</score>",
          score};
}

/// Queries with ten documents each, whose scores are mostly low.
std::vector<AnnotationRecord> many(int queries) {
  std::vector<AnnotationRecord> records;
  for (int query = 0; query < queries; ++query) {
    for (int document = 0; document < 10; ++document) {
      records.push_back(record(query, document, document < 5 ? 1 : document < 8 ? 2 : document == 8 ? 4 : 5));
    }
  }
  return records;
}

std::map<int, int> counts_of(const std::vector<AnnotationRecord>& records) {
  std::map<int, int> counts;
  for (const AnnotationRecord& one : records) {
    ++counts[one.score];
  }
  return counts;
}

}  // namespace

TEST_SUITE("remixer/distillation") {
  TEST_CASE("distill: the two parts share no query, and about the part asked for is held out") {
    const std::vector<AnnotationRecord> records = many(2000);
    for (const double part : {0.0, 0.05, 0.5}) {
      const DistillationSet set = distill(records, {.held_out = part});
      std::set<std::string> train;
      std::set<std::string> held_out;
      for (const AnnotationRecord& one : set.train) {
        train.insert(one.query);
      }
      for (const AnnotationRecord& one : set.held_out) {
        held_out.insert(one.query);
        CHECK(!train.contains(one.query));
      }
      CHECK(train.size() + held_out.size() == 2000);
      CHECK(set.train.size() + set.held_out.size() == records.size());
      // five standard deviations of 2000 coins
      CHECK(std::fabs(static_cast<double>(held_out.size()) - 2000 * part) <= 5 * std::sqrt(2000 * part * (1 - part)));
    }
  }
  TEST_CASE("distill: the choice depends on seed and texts, not on order or company") {
    std::vector<AnnotationRecord> records = many(100);
    const DistillationSet all = distill(records, {.balance = 1, .held_out = 0.3, .seed = 7});
    CHECK(distill(records, {.balance = 1, .held_out = 0.3, .seed = 7}).train == all.train);
    CHECK(distill(records, {.balance = 1, .held_out = 0.3, .seed = 8}).train != all.train);
    std::reverse(records.begin(), records.end());
    DistillationSet reversed = distill(records, {.balance = 1, .held_out = 0.3, .seed = 7});
    std::reverse(reversed.train.begin(), reversed.train.end());
    std::reverse(reversed.held_out.begin(), reversed.held_out.end());
    CHECK(reversed.train == all.train);
    CHECK(reversed.held_out == all.held_out);
    records.resize(500);
    for (const AnnotationRecord& one : distill(records, {.held_out = 0.3, .seed = 7}).held_out) {
      CHECK(std::count(all.held_out.begin(), all.held_out.end(), one) == 1);
    }
  }
  TEST_CASE("distill: balance leaves each score at most so many times the rarest") {
    const std::vector<AnnotationRecord> records = many(200);
    for (const double balance : {1.0, 1.5, 3.0, 100.0}) {
      const DistillationSet set = distill(records, {.balance = balance, .held_out = 0.1});
      const std::map<int, int> counts = counts_of(set.train);
      REQUIRE(counts.size() == 4);
      for (const auto& [score, count] : counts) {
        CHECK(count <= balance * counts.at(5));
        CHECK(count >= std::min(balance, 1.0) * counts.at(5));
      }
      CHECK(set.train.size() + set.held_out.size() + static_cast<std::size_t>(set.unbalanced) == records.size());
      const std::map<int, int> held_out = counts_of(set.held_out);
      CHECK(held_out.at(1) == 5 * held_out.at(5));  // as the annotator gave them
    }
  }
  TEST_CASE("distill: says what it leaves out and why") {
    std::vector<AnnotationRecord> records = {record(1, 1, 3), record(1, 2, -1), record(1, 3, 6), record(1, 1, 3)};
    records.push_back(record(2, 1, 2));
    records.back().answer = std::string(900, 'x');
    records.push_back(record(2, 2, 2));
    records.back().answer.clear();
    for (int i = 0; i < 450; ++i) {
      records.back().answer += "\u00e9";  // characters count, not bytes
    }
    const DistillationSet set = distill(records, {.longest = 500, .held_out = 0});
    CHECK(set.train == std::vector<AnnotationRecord>{records[0], records[5]});
    CHECK(set.unscored == 2);
    CHECK(set.repeated == 1);
    CHECK(set.too_long == 1);
    CHECK(set.summary() ==
          "2 examples to train on and 0 held out; left out: 2 without a score, 1 too long, 1 repeated, 0 for the "
          "balance of scores.");
    CHECK(distill({}).train.empty());
    CHECK(distill({}, {.balance = 2}).train.empty());
  }
  TEST_CASE("distill: refuses options out of range") {
    for (const auto& options : {re::remixer::DistillationOptions{.least_score = 3, .most_score = 2},
                                re::remixer::DistillationOptions{.longest = 0},
                                re::remixer::DistillationOptions{.balance = 0.5},
                                re::remixer::DistillationOptions{.balance = std::nan("")},
                                re::remixer::DistillationOptions{.held_out = 1.0},
                                re::remixer::DistillationOptions{.held_out = -0.1}}) {
      CHECK_THROWS_AS((void)distill({}, options), re::ConfigError);
    }
    CHECK_THROWS_WITH_AS((void)distill({}, {.held_out = 1.0}),
                         "remixer::distill: held_out is 1.000000, expected a number in [0, 1)",
                         re::ConfigError);
  }

  TEST_CASE("chat_example: the answer with its reasoning is the last message") {
    CHECK(re::remixer::chat_example(record(1, 2, 4)) ==
          re::io::Json::parse(R"({"messages":[{"role":"system","content":"You judge."},
            {"role":"user","content":"query 1\ndocument 2"},
            {"role":"assistant","content":"Because of this and that. <score>4</score>"}]})"));
  }
  TEST_CASE("write_chat_examples: one line an example, whole or not at all") {
    const test::Scratch scratch;
    const std::vector<AnnotationRecord> records = many(3);
    re::remixer::write_chat_examples(scratch / "train.jsonl", records);
    std::size_t lines = 0;
    re::io::for_each_json_line(scratch / "train.jsonl", [&](const re::io::JsonFields& row) {
      CHECK(row.json() == re::remixer::chat_example(records[lines++]));
    });
    CHECK(lines == 30);
    std::vector<AnnotationRecord> bad = many(1);
    bad.back().answer = "\xFF";
    CHECK_THROWS_AS(re::remixer::write_chat_examples(scratch / "train.jsonl", bad), re::DataError);
    CHECK(test::content_of(scratch / "train.jsonl").size() > 1000);  // the old one
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("read_annotation_records: reads what annotation_record_json writes, and names what is broken") {
    const test::Scratch scratch;
    std::string lines;
    const std::vector<AnnotationRecord> records = many(2);
    for (const AnnotationRecord& one : records) {
      lines += re::io::dump_json(re::remixer::annotation_record_json(one), -1) + "\n";
    }
    CHECK(re::remixer::read_annotation_records(scratch.write("a.jsonl", lines)) == records);
    CHECK(re::remixer::read_annotation_records(scratch.write("a.jsonl", "")).empty());
    const std::string path = (scratch / "a.jsonl").string();
    const auto message = [&](const std::string& line) {
      scratch.write("a.jsonl", line);
      try {
        (void)re::remixer::read_annotation_records(path);
      } catch (const re::DataError& error) {
        return std::string(error.what()).substr(path.size());
      }
      return std::string("accepted");
    };
    CHECK(message("{}") == ":1: query is missing, expected a string");
    CHECK(message(R"({"query":"q","document":"d","answer":"a","score":1.5,"messages":[]})").find(":1: score is 1.5") ==
          0);
    CHECK(message(R"({"query":"q","document":"d","answer":"a","score":1,"messages":[{"role":"user"}]})") ==
          ":1: messages[0]: content is missing, expected a string");
    CHECK(message(R"({"query":"q","document":"d","answer":"a","score":1,"messages":["x"]})").find(":1: messages[0]") ==
          0);
    CHECK(message("{\"query\":\"\xFF\"}").find(":1") == 0);
  }
}
