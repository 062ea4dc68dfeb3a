#include <reasonembed/data/training_row.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::data::describe;
using re::data::find_problem;
using re::data::instructed_query;
using re::data::kRowFaults;
using re::data::parse_training_row;
using re::data::RowFault;
using re::data::RowProblem;
using re::data::training_row_json;
using re::data::TrainingRow;

namespace {

constexpr std::string_view kFull =
    R"({"query": "why?", "pos": ["p0", "p1"], "neg": ["n0"], "pos_scores": [1, 0.5], "neg_scores": [-2e-3],)"
    R"( "prompt": "Answer.", "type": "normal", "train_group_size": 4, "batch_size": 2, "reasoning_query": "because",)"
    R"( "pos_id": [7], "anything": {"else": null}})";

TrainingRow full_row() {
  return {.query = "why?",
          .pos = {"p0", "p1"},
          .neg = {"n0"},
          .pos_scores = {1, 0.5},
          .neg_scores = {-2e-3},
          .prompt = "Answer.",
          .type = "normal",
          .reasoning_query = "because",
          .train_group_size = 4,
          .batch_size = 2};
}

/// The problem that parsing or checking finds in a line.
RowProblem problem_of(std::string_view line) {
  CAPTURE(line);
  const auto row = parse_training_row(line, "f:3");
  if (!row) {
    return row.error();
  }
  const std::optional<RowProblem> problem = find_problem(*row, "f:3");
  REQUIRE(problem.has_value());
  return *problem;
}

}  // namespace

TEST_SUITE("data/training_row") {
  TEST_CASE("instructed_query: has the protocol's form, letter by letter") {
    CHECK(instructed_query("Given a Biology post, retrieve.", "Why?") ==
          "Instruct: Given a Biology post, retrieve.\nQuery: Why?");
    CHECK(instructed_query("p", "") == "Instruct: p\nQuery: ");
    CHECK(instructed_query("", "Why?") == "Why?");
    CHECK(instructed_query("", "").empty());
    for (const std::string_view prompt : {"", "p", "a longer prompt"}) {
      CHECK(instructed_query(prompt, "").size() == re::data::detail::instruction_size(prompt));
    }
  }

  TEST_CASE("parse_training_row: reads every field and ignores unknown ones") {
    const auto row = parse_training_row(kFull, "f:3");
    REQUIRE(row.has_value());
    CHECK(*row == full_row());
    CHECK_FALSE(find_problem(*row, "f:3").has_value());
  }

  TEST_CASE("parse_training_row: what is absent or null is not set") {
    const TrainingRow small{.query = "q", .pos = {"p"}};
    const auto absent = parse_training_row(R"({"query": "q", "pos": ["p"]})", "f:3");
    REQUIRE(absent.has_value());
    CHECK(*absent == small);
    const auto null = parse_training_row(
        R"({"query": "q", "pos": ["p"], "neg": null, "pos_scores": null, "neg_scores": null, "prompt": null,)"
        R"( "type": null, "train_group_size": null, "batch_size": null, "reasoning_query": null})",
        "f:3");
    REQUIRE(null.has_value());
    CHECK(*null == small);
    const auto empty = parse_training_row(R"({"query": "q", "pos": ["p"], "neg": [], "pos_scores": []})", "f:3");
    REQUIRE(empty.has_value());
    CHECK(*empty == small);
    CHECK_FALSE(find_problem(*empty, "f:3").has_value());
  }

  TEST_CASE("parse_training_row: names what is no row") {
    CHECK(problem_of("{\"query\": ").fault == RowFault::kNotJson);
    CHECK(problem_of("3") == RowProblem{RowFault::kNotJson, "f:3: JSON value is 3, expected an object"});
    CHECK(problem_of("[]").fault == RowFault::kNotJson);
    CHECK(problem_of(R"({"query": "a", "query": "b"})") ==
          RowProblem{RowFault::kNotJson, "f:3: JSON key \"query\" is given twice in one object, expected one value"});
    CHECK(problem_of("{\"query\": \"\xFF\"}").fault == RowFault::kNotJson);  // a file's lines are checked before
  }

  TEST_CASE("parse_training_row: names fields that are missing or of another type") {
    const auto check = [](std::string_view line, const std::string& message) {
      CHECK(problem_of(line) == RowProblem{RowFault::kWrongField, "f:3: " + message});
    };
    check("{}", "query is missing, expected a string");
    check(R"({"query": 1, "pos": ["p"]})", "query is 1, expected a string");
    check(R"({"query": null, "pos": ["p"]})", "query is null, expected a string");
    check(R"({"query": "q", "pos": "p"})", "pos is \"p\", expected an array of strings");
    check(R"({"query": "q", "pos": ["p", 2]})", "pos[1] is 2, expected a string");
    check(R"({"query": "q", "pos": ["p"], "neg": {"a": 1}})", "neg is an object, expected an array of strings");
    check(R"({"query": "q", "pos": ["p"], "pos_scores": 1})", "pos_scores is 1, expected an array");
    check(R"({"query": "q", "pos": ["p"], "neg_scores": [1, "2"]})",
          "neg_scores[1] is a JSON string, expected a number");
    check(R"({"query": "q", "pos": ["p"], "prompt": 5})", "prompt is 5, expected a string");
    check(R"({"query": "q", "pos": ["p"], "type": []})", "type is an array, expected a string");
    check(R"({"query": "q", "pos": ["p"], "reasoning_query": false})", "reasoning_query is false, expected a string");
    check(R"({"query": "q", "pos": ["p"], "train_group_size": 2.0})", "train_group_size is 2.0, expected an integer");
    check(R"({"query": "q", "pos": ["p"], "batch_size": "8"})", "batch_size is \"8\", expected an integer");
  }

  TEST_CASE("find_problem: a row needs a positive, and every text something in it") {
    const auto check = [](std::string_view line, RowFault fault, const std::string& message) {
      CHECK(problem_of(line) == RowProblem{fault, "f:3: " + message});
    };
    check(R"({"query": "q"})", RowFault::kNoPositive, "number of pos is 0, expected at least 1");
    check(R"({"query": "q", "pos": []})", RowFault::kNoPositive, "number of pos is 0, expected at least 1");
    check(R"({"query": "", "pos": ["p"]})", RowFault::kEmptyText, "query is blank, expected text");
    check(R"({"query": " \t\n", "pos": ["p"]})", RowFault::kEmptyText, "query is blank, expected text");
    check(R"({"query": "q", "pos": ["p", " "]})", RowFault::kEmptyText, "pos[1] is blank, expected text");
    check(R"({"query": "q", "pos": ["p"], "neg": ["n", "n", ""]})",
          RowFault::kEmptyText,
          "neg[2] is blank, expected text");
    // prompts and reasoning queries may be empty: that is how files say that there is none
    const auto blank =
        parse_training_row(R"({"query": "q", "pos": ["p"], "prompt": "", "reasoning_query": " "})", "f:3");
    REQUIRE(blank.has_value());
    CHECK_FALSE(find_problem(*blank, "f:3").has_value());
  }

  TEST_CASE("find_problem: sizes lie in [1, 2^20]") {
    const auto row_with = [](std::string_view field, const std::string& value) {
      return R"({"query": "q", "pos": ["p"], ")" + std::string(field) + "\": " + value + "}";
    };
    for (const std::string_view field : {"train_group_size", "batch_size"}) {
      for (const std::string value : {"0", "-1", "-9223372036854775808", "1048577", "9223372036854775807"}) {
        CHECK(
            problem_of(row_with(field, value)) ==
            RowProblem{RowFault::kSize, "f:3: " + std::string(field) + " is " + value + ", expected in [1, 1048576]"});
      }
      CHECK(problem_of(row_with(field, "18446744073709551615")).fault == RowFault::kWrongField);
      for (const std::string value : {"1", "1048576"}) {
        const auto row = parse_training_row(row_with(field, value), "f:3");
        REQUIRE(row.has_value());
        CHECK_FALSE(find_problem(*row, "f:3").has_value());
      }
    }
  }

  TEST_CASE("find_problem: scores are one finite number for each document") {
    CHECK(problem_of(R"({"query": "q", "pos": ["p"], "pos_scores": [1, 2]})") ==
          RowProblem{RowFault::kScores, "f:3: number of pos_scores is 2, expected 1, one for each of pos"});
    CHECK(problem_of(R"({"query": "q", "pos": ["p"], "neg": ["a", "b"], "neg_scores": [1]})") ==
          RowProblem{RowFault::kScores, "f:3: number of neg_scores is 1, expected 2, one for each of neg"});
    CHECK(problem_of(R"({"query": "q", "pos": ["p"], "neg_scores": [1]})").fault == RowFault::kScores);
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
      TrainingRow row = full_row();
      row.pos_scores[1] = bad;
      CHECK(find_problem(row, "here") ==
            RowProblem{RowFault::kScores, "here: pos_scores[1] is not finite, expected a finite number"});
    }
  }

  TEST_CASE("find_problem: every text of a row made in a program is checked to be UTF-8") {
    const auto check = [](TrainingRow row, const std::string& message) {
      CHECK(find_problem(row, "here") == RowProblem{RowFault::kNotUtf8, "here: " + message + ", expected UTF-8 text"});
    };
    TrainingRow row = full_row();
    row.query = "ab\xFF";
    check(row, "byte 3 of query is 0xFF");
    row = full_row();
    row.prompt = "\xC3";
    check(row, "byte 1 of prompt is 0xC3");
    row = full_row();
    row.type = "\xC0\x80";
    check(row, "byte 1 of type is 0xC0");
    row = full_row();
    row.reasoning_query = "\x80";
    check(row, "byte 1 of reasoning_query is 0x80");
    row = full_row();
    row.pos[1] = "p\xED\xA0\x80";
    check(row, "byte 2 of pos[1] is 0xED");
    row = full_row();
    row.neg[0] = "\xF8";
    check(row, "byte 1 of neg[0] is 0xF8");
  }

  TEST_CASE("training_row_json: is read back as the same row, whatever is set") {
    const TrainingRow full = full_row();
    std::vector<TrainingRow> rows = {full, {.query = "q", .pos = {"p"}}};
    rows.push_back({.query = "line\nbreak \"quoted\" \xC3\xA4 \xF0\x9F\x98\x80", .pos = {"p\t"}, .neg = {"\x01"}});
    rows.push_back({.query = "q", .pos = {"p"}, .pos_scores = {0.1 + 0.2}});
    rows.push_back({.query = "q", .pos = {"p"}, .neg = {"n"}, .neg_scores = {5e-324}, .batch_size = 1});
    for (const TrainingRow& row : rows) {
      const auto read = parse_training_row(re::io::dump_json(training_row_json(row), -1), "f:3");
      REQUIRE(read.has_value());
      CHECK(*read == row);
    }
    CHECK(re::io::dump_json(training_row_json(rows[1]), -1) == R"({"neg":[],"pos":["p"],"query":"q"})");
  }

  TEST_CASE("describe: has words of its own for each fault") {
    std::set<std::string_view> words;
    for (std::size_t fault = 0; fault < kRowFaults; ++fault) {
      words.insert(describe(static_cast<RowFault>(fault)));
    }
    CHECK(words.size() == kRowFaults);
    CHECK(words.count("") == 0);
    CHECK(describe(RowFault::kScores) == "scores that don't fit the documents");
  }
}
