#include <reasonembed/data/queries.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::data::DuplicateQueries;
using re::data::Queries;
using re::data::Query;
using re::data::QueryFileOptions;
using re::data::read_queries;

namespace {

Queries read(const test::Scratch& scratch, std::string_view content, const QueryFileOptions& options = {}) {
  std::vector<std::string> notes;
  Queries queries = read_queries(scratch.write("queries.jsonl", content), notes, options);
  CHECK(notes.empty());
  return queries;
}

void check_refused(const test::Scratch& scratch,
                   std::string_view content,
                   const std::string& message,
                   const QueryFileOptions& options = {}) {
  CAPTURE(content);
  const std::string path = scratch.write("queries.jsonl", content).string();
  std::vector<std::string> notes;
  CHECK_THROWS_WITH_AS((void)read_queries(path, notes, options), (path + message).c_str(), re::DataError);
}

constexpr std::string_view kRows =
    "{\"id\": \"q1\", \"question\": \"What?\", \"answer\": \"That.\", \"text\": \"What? That.\", \"hypothesis\": \"It "
    "is "
    "that.\"}\n"
    "{\"id\": \"q2\", \"question\": \"Who?\", \"answer\": \"She.\", \"text\": \"Who? She.\", \"hypothesis\": \"It is "
    "her.\"}\n";

}  // namespace

TEST_SUITE("data/queries") {
  TEST_CASE("add: numbers queries, gives them back whole and refuses an id twice") {
    Queries queries;
    CHECK(queries.empty());
    const Query first{"q1", "text", "reasoning", {"d1", "d2"}};
    CHECK(queries.add(first) == 0);
    CHECK(queries.add({.id = "q0", .text = "other"}) == 1);
    CHECK(queries[0] == first);
    CHECK(queries[1] == Query{"q0", "other", "", {}});
    CHECK(queries.ids() == std::vector<std::string>{"q1", "q0"});
    CHECK(queries.texts() == std::vector<std::string>{"text", "other"});
    CHECK(queries.reasoning() == std::vector<std::string>{"reasoning", ""});
    CHECK(queries.excluded()[0] == std::vector<std::string>{"d1", "d2"});
    CHECK(queries.find("q0") == 1);
    CHECK_THROWS_WITH_AS(
        queries.add({.id = "q1"}), "data::Queries: id is \"q1\", expected one that no other query has", re::DataError);
    CHECK(queries.size() == 2);
    CHECK(queries.texts().size() == 2);
  }

  TEST_CASE("read_queries: takes text, query or question, in this order, unless told otherwise") {
    const test::Scratch scratch;
    CHECK(read(scratch, kRows).texts() == std::vector<std::string>{"What? That.", "Who? She."});
    CHECK(read(scratch, kRows, {.query_field = "question"}).texts() == std::vector<std::string>{"What?", "Who?"});
    CHECK(read(scratch, "{\"_id\": 1, \"query\": \"a\", \"question\": \"b\"}").texts()[0] == "a");
    CHECK(read(scratch, "{\"_id\": 1, \"question\": \"b\"}").texts()[0] == "b");
  }

  TEST_CASE("read_queries: takes reasoning_query, or the field named, as the reasoning text") {
    const test::Scratch scratch;
    CHECK(read(scratch, kRows).reasoning() == std::vector<std::string>{"", ""});
    CHECK(read(scratch, kRows, {.reasoning_field = "hypothesis"}).reasoning() ==
          std::vector<std::string>{"It is that.", "It is her."});
    CHECK(read(scratch, "{\"id\": \"a\", \"text\": \"b\", \"reasoning_query\": \"c\"}").reasoning()[0] == "c");
    // half of the rows with, half without: one of the two is a mistake
    check_refused(scratch,
                  "{\"id\": \"a\", \"text\": \"b\", \"reasoning_query\": \"c\"}\n{\"id\": \"d\", \"text\": \"e\"}\n",
                  ":2: reasoning field is \"reasoning_query\", expected one of the row's fields id, text");
  }

  TEST_CASE("read_queries: drops BRIGHT's word for nothing from the excluded ids") {
    const test::Scratch scratch;
    const Queries queries = read(scratch,
                                 "{\"id\": \"a\", \"text\": \"t\", \"excluded_ids\": [\"N/A\"]}\n"
                                 "{\"id\": \"b\", \"text\": \"t\", \"excluded_ids\": [\"x y\", \"b\"]}\n"
                                 "{\"id\": \"c\", \"text\": \"t\", \"excluded_ids\": null}\n"
                                 "{\"id\": \"d\", \"text\": \"t\"}\n");
    CHECK(queries.excluded() == std::vector<std::vector<std::string>>{{}, {"x y", "b"}, {}, {}});
  }

  TEST_CASE("read_queries: a missing field is named together with those there are") {
    const test::Scratch scratch;
    check_refused(
        scratch,
        kRows,
        ":1: query field is \"title\", expected one of the row's fields answer, hypothesis, id, question, text",
        {.query_field = "title"});
    check_refused(
        scratch,
        kRows,
        ":1: reasoning field is \"why\", expected one of the row's fields answer, hypothesis, id, question, text",
        {.reasoning_field = "why"});
    check_refused(scratch,
                  "{\"id\": 1, \"n\": 2}",
                  ":1: query field is \"text\", expected a field with text, of which the row has none");
    check_refused(scratch, "{\"id\": 1, \"n\": 2, \"text\": 3}", ":1: text is 3, expected a string");
  }

  TEST_CASE("read_queries: leaves out a row that repeats a query, and says so") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const std::string path = scratch
                                 .write("queries.jsonl",
                                        "{\"id\": \"a\", \"text\": \"t\", \"why\": \"1\"}\n"
                                        "{\"id\": \"b\", \"text\": \"u\", \"why\": \"2\"}\n"
                                        "{\"id\": \"a\", \"text\": \"t\", \"why\": \"3\"}\n"
                                        "{\"id\": \"c\", \"text\": \"t\", \"why\": \"4\"}\n")
                                 .string();
    const Queries queries = read_queries(path, notes, {.reasoning_field = "why"});
    CHECK(queries.ids() == std::vector<std::string>{"a", "b", "c"});
    CHECK(queries.reasoning() == std::vector<std::string>{"1", "2", "4"});  // equal texts under two ids may stay
    CHECK(notes == std::vector<std::string>{
                       path + ": 1 row(s) left out whose ids earlier rows have, 0 of them with another text (first: " +
                       path + ":3)"});
  }

  TEST_CASE("read_queries: an id that stands for two queries keeps the first, or is refused") {
    const test::Scratch scratch;
    const std::string text =
        "{\"id\": \"a\", \"text\": \"t\"}\n{\"id\": \"b\", \"text\": \"u\"}\n{\"id\": \"b\", \"text\": \"t\"}\n";
    check_refused(scratch,
                  text,
                  ":3: id is \"b\", expected another one than line 2 has, or the same query",
                  {.duplicates = DuplicateQueries::kRefuse});
    const std::string excluded =
        "{\"id\": \"a\", \"text\": \"t\"}\n{\"id\": \"a\", \"text\": \"t\", \"excluded_ids\": [\"d\"]}\n";
    check_refused(scratch,
                  excluded,
                  ":2: id is \"a\", expected another one than line 1 has, or the same query",
                  {.duplicates = DuplicateQueries::kRefuse});
    std::vector<std::string> notes;
    const std::string path = scratch.write("queries.jsonl", text).string();
    CHECK(read_queries(path, notes).texts() == std::vector<std::string>{"t", "u"});
    CHECK(notes == std::vector<std::string>{
                       path + ": 1 row(s) left out whose ids earlier rows have, 1 of them with another text (first: " +
                       path + ":3)"});
  }

  TEST_CASE("read_queries: names file and line of what it refuses") {
    const test::Scratch scratch;
    const std::string good = "{\"id\": \"a\", \"text\": \"t\"}\n";
    check_refused(scratch, "", ": number of queries is 0, expected at least 1");
    check_refused(scratch,
                  good + "{\"id\": \"b\", \"text\": \" \\t\"}\n",
                  ":2: field \"text\" is blank, expected the text of a query");
    check_refused(scratch, good + "{\"text\": \"t\"}\n", ":2: id is missing, expected a string");
    check_refused(scratch, good + "{\"id\": \"\", \"text\": \"t\"}\n", ":2: id is empty, expected an id");
    check_refused(scratch,
                  good + "{\"id\": \"b\", \"text\": \"t\", \"excluded_ids\": \"d\"}\n",
                  ":2: excluded_ids is \"d\", expected an array of strings");
    check_refused(scratch, good + "{\"id\": \"b\", \"text\": \"\xE9\"}\n", ":2: byte 22 is 0xE9, expected UTF-8 text");
    std::vector<std::string> notes;
    CHECK_THROWS_AS((void)read_queries(scratch / "missing.jsonl", notes), re::IoError);
  }

  TEST_CASE("read_queries: reads EntailmentBank, whose training file gives five questions twice") {
    const auto data = test::find_data("entailmentbank");
    if (!data) {
      return;
    }
    std::vector<std::string> notes;
    const QueryFileOptions options{.query_field = "question", .reasoning_field = "hypothesis"};
    CHECK(read_queries(*data / "dev.queries.jsonl", notes, options).size() == 187);
    CHECK(notes.empty());
    CHECK(read_queries(*data / "train.queries.jsonl", notes, options).size() == 1308);
    CHECK(notes.size() == 1);
    CHECK_NOTHROW((void)read_queries(
        *data / "train.queries.jsonl", notes, {.query_field = "question", .duplicates = DuplicateQueries::kRefuse}));
    // with their answers four of them differ
    CHECK(read_queries(*data / "train.queries.jsonl", notes).size() == 1308);
    CHECK(notes.back().find("5 row(s) left out whose ids earlier rows have, 4 of them") != std::string::npos);
    CHECK_THROWS_AS((void)read_queries(*data / "train.queries.jsonl", notes, {.duplicates = DuplicateQueries::kRefuse}),
                    re::DataError);
  }
}
