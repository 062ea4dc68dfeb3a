#include <reasonembed/data/bright_examples.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/gzip.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::data::BrightDocuments;
using re::data::BrightExamples;
using re::data::Qrels;
using re::data::read_bright_examples;

namespace {

constexpr std::string_view kRows =
    "{\"query\": \"Why?\", \"reasoning\": \"because\", \"id\": \"0\", \"excluded_ids\": [\"N/A\"], \"gold_ids_long\": "
    "[\"a.txt\"], \"gold_ids\": [\"a_1.txt\", \"a 2.txt\"], \"gold_answer\": \"N/A\"}\n"
    "{\"query\": \"How?\", \"reasoning\": \"so\", \"id\": \"1\", \"excluded_ids\": [\"1\", \"x\"], \"gold_ids_long\": "
    "[\"N/A\"], \"gold_ids\": [\"b\", \"c\", \"b\"], \"gold_answer\": \"N/A\"}\n";

}  // namespace

TEST_SUITE("data/bright_examples") {
  TEST_CASE("read_bright_examples: takes queries, exclusions and gold ids from one row") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const std::string path = scratch.write("examples.jsonl", kRows).string();
    const BrightExamples examples = read_bright_examples(path, notes);
    CHECK(examples.queries.ids() == std::vector<std::string>{"0", "1"});
    CHECK(examples.queries.texts() == std::vector<std::string>{"Why?", "How?"});
    CHECK(examples.queries.reasoning() == std::vector<std::string>{"", ""});
    CHECK(examples.queries.excluded() == std::vector<std::vector<std::string>>{{}, {"1", "x"}});
    CHECK(*examples.qrels.find("0") == Qrels::Judgements{{"a_1.txt", 1}, {"a 2.txt", 1}});
    CHECK(*examples.qrels.find("1") == Qrels::Judgements{{"b", 1}, {"c", 1}});
    CHECK(notes ==
          std::vector<std::string>{path + ": 1 judgement(s) given twice and counted once (first: " + path + ":2)"});
  }

  TEST_CASE("read_bright_examples: takes the long documents when asked to") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const auto path = scratch.write("examples.jsonl", kRows);
    const BrightExamples examples = read_bright_examples(path, notes, BrightDocuments::kLong);
    CHECK(notes.empty());
    CHECK(*examples.qrels.find("0") == Qrels::Judgements{{"a.txt", 1}});
    CHECK(examples.qrels.find("1") == nullptr);  // "N/A": the query stays, without judgements
    CHECK(examples.queries.size() == 2);
  }

  TEST_CASE("read_bright_examples: takes other fields when asked to") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const auto path = scratch.write("examples.jsonl", kRows);
    const BrightExamples examples = read_bright_examples(
        path, notes, BrightDocuments::kPassages, {.query_field = "reasoning", .reasoning_field = "query"});
    CHECK(examples.queries.texts() == std::vector<std::string>{"because", "so"});
    CHECK(examples.queries.reasoning() == std::vector<std::string>{"Why?", "How?"});
  }

  TEST_CASE("read_bright_examples: names file and line of what it refuses") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const std::string path =
        scratch
            .write("examples.jsonl",
                   "{\"query\": \"a\", \"id\": \"0\", \"gold_ids\": [\"d\"]}\n{\"query\": \"b\", \"id\": \"1\"}\n")
            .string();
    CHECK_THROWS_WITH_AS((void)read_bright_examples(path, notes),
                         (path + ":2: gold_ids is missing, expected an array of strings").c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)read_bright_examples(path, notes, BrightDocuments::kLong),
                         (path + ":1: gold_ids_long is missing, expected an array of strings").c_str(),
                         re::DataError);
    const std::string empty = scratch.write("empty.jsonl", "").string();
    CHECK_THROWS_WITH_AS((void)read_bright_examples(empty, notes),
                         (empty + ": number of queries is 0, expected at least 1").c_str(),
                         re::DataError);
  }

  TEST_CASE("read_bright_examples: finds in all 12 tasks what the published judgements say") {
    const auto data = test::find_data("bright-examples");
    if (!data || !test::has_gzip()) {
      return;
    }
    const test::Scratch scratch;
    re::Index queries = 0;
    std::set<std::string> texts;
    std::size_t own = 0;
    for (const std::string task : {"aops",
                                   "biology",
                                   "earth-science",
                                   "economics",
                                   "leetcode",
                                   "pony",
                                   "psychology",
                                   "robotics",
                                   "stackoverflow",
                                   "sustainable-living",
                                   "theoremqa-questions",
                                   "theoremqa-theorems"}) {
      CAPTURE(task);
      const auto rows = scratch / "examples.jsonl";
      test::unpack_gzip(*data / ("topics.bright-" + task + "-original.jsonl.gz"), rows);
      std::vector<std::string> notes;
      const BrightExamples examples = read_bright_examples(rows, notes);
      std::vector<std::string> none;
      const Qrels published = re::data::read_qrels(*data / ("qrels.bright-" + task + ".txt"), none);
      REQUIRE(examples.qrels.size() == published.size());
      for (const std::string& query : published.queries()) {
        REQUIRE(examples.qrels.find(query) != nullptr);
        CHECK(*examples.qrels.find(query) == *published.find(query));
      }
      queries += examples.queries.size();
      texts.insert(examples.queries.texts().begin(), examples.queries.texts().end());
      for (re::Index i = 0; i < examples.queries.size(); ++i) {
        const auto excluded = examples.queries[i].excluded;
        CHECK(std::find(excluded.begin(), excluded.end(), "N/A") == excluded.end());
        own += std::find(excluded.begin(), excluded.end(), examples.queries[i].id) == excluded.end() ? 0 : 1;
      }
    }
    CHECK(queries == 1384);
    CHECK(texts.size() == 1308);
    CHECK(own == 305);  // queries that stand on their own list
  }
}
