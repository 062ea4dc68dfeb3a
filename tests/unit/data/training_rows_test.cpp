#include <reasonembed/data/training_rows.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::BadRows;
using re::data::read_rows;
using re::data::RowFault;
using re::data::TrainingDataset;
using re::data::TrainingRow;
using re::data::TrainingRows;
using re::data::write_rows;

namespace {

constexpr std::string_view kGood = "{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": [\"n\"]}\n";

std::string good(const std::string& query) {
  return "{\"query\": \"" + query + "\", \"pos\": [\"p\"]}\n";
}

/// A file with a good row on each odd line and something bad on line 2: what the default reports and strict refuses.
void check_left_out(const std::string& bad, RowFault fault, const std::string& kind, const std::string& message) {
  CAPTURE(bad);
  const test::Scratch scratch;
  const std::filesystem::path file = scratch.write("a.jsonl", good("one") + bad + "\n" + good("three"));
  const TrainingRows rows = read_rows(file);
  REQUIRE(rows.datasets.size() == 1);
  CHECK(rows.size() == 2);
  CHECK(rows.datasets[0][1].query == "three");
  CHECK(rows.left_out_by(fault) == 1);
  CHECK(std::count(rows.left_out.begin(), rows.left_out.end(), 0) + 1 ==
        static_cast<std::ptrdiff_t>(rows.left_out.size()));
  CHECK(rows.notes == std::vector<std::string>{file.string() + ": 1 row(s) left out for " + kind +
                                               " (first: " + file.string() + ":2: " + message + ")"});
  CHECK_THROWS_WITH_AS(
      (void)read_rows(file, {.bad_rows = BadRows::kRefuse}), (file.string() + ":2: " + message).c_str(), re::DataError);
}

}  // namespace

TEST_SUITE("data/training_rows") {
  TEST_CASE("read_rows: a file is one dataset with its name") {
    const test::Scratch scratch;
    const TrainingRows rows = read_rows(scratch.write(
        "biology.v1.jsonl",
        std::string(kGood) +
            R"({"query": "r", "pos": ["p", "p2"], "prompt": "Say.", "reasoning_query": "why", "batch_size": 2})"));
    REQUIRE(rows.datasets.size() == 1);
    CHECK(rows.notes.empty());
    CHECK(rows.datasets[0].name() == "biology.v1");
    CHECK(rows.size() == 2);
    CHECK(rows.reasoning_count() == 1);
    CHECK(rows.datasets[0].row(0) == TrainingRow{.query = "q", .pos = {"p"}, .neg = {"n"}});
    CHECK(rows.datasets[0][1].instructed_query == "Instruct: Say.\nQuery: r");
    CHECK(rows.datasets[0].documents().size() == 3);
  }

  TEST_CASE(
      "read_rows: byte order mark, carriage returns, a last line without end and blank lines behind it are fine") {
    const test::Scratch scratch;
    const TrainingRows rows = read_rows(
        scratch.write("a.jsonl", "\xEF\xBB\xBF{\"query\": \"a\", \"pos\": [\"p\"]}\r\n" + good("b") + "\n \t\r\n\n"),
        {.bad_rows = BadRows::kRefuse});
    CHECK(rows.size() == 2);
    CHECK(rows.notes.empty());
    CHECK(read_rows(scratch.write("b.jsonl", R"({"query": "a", "pos": ["p"]})")).size() == 1);
  }

  TEST_CASE("read_rows: a bad row is left out, counted and reported, or refused with file and line") {
    check_left_out(R"({"query": "q", "neg": ["n"]})",
                   RowFault::kNoPositive,
                   "no positive document",
                   "number of pos is 0, expected at least 1");
    check_left_out(
        R"({"query": " ", "pos": ["p"]})", RowFault::kEmptyText, "an empty text", "query is blank, expected text");
    check_left_out(R"({"query": "q", "pos": ["p"], "neg": [null]})",
                   RowFault::kWrongField,
                   "a field missing or of another type",
                   "neg[0] is null, expected a string");
    check_left_out(R"({"query": "q", "pos": ["p"], "train_group_size": -8})",
                   RowFault::kSize,
                   "a group or batch size out of range",
                   "train_group_size is -8, expected in [1, 1048576]");
    check_left_out(R"({"query": "q", "pos": ["p"], "batch_size": 0})",
                   RowFault::kSize,
                   "a group or batch size out of range",
                   "batch_size is 0, expected in [1, 1048576]");
    check_left_out(R"({"query": "q", "pos": ["p"], "neg": ["n"], "neg_scores": [1, 2]})",
                   RowFault::kScores,
                   "scores that don't fit the documents",
                   "number of neg_scores is 2, expected 1, one for each of neg");
    check_left_out("{\"query\": \"caf\xE9\", \"pos\": [\"p\"]}",  // Latin-1
                   RowFault::kNotUtf8,
                   "not UTF-8",
                   "byte 15 is 0xE9, expected UTF-8 text");
    check_left_out("[1]", RowFault::kNotJson, "not a JSON object", "JSON value is an array, expected an object");
    check_left_out("", RowFault::kBlankLine, "a blank line", "line is blank, expected a JSON object");
    check_left_out(" \t", RowFault::kBlankLine, "a blank line", "line is blank, expected a JSON object");
  }

  TEST_CASE("read_rows: a line cut off by a crash is left out, wherever it stands") {
    const test::Scratch scratch;
    const std::filesystem::path file = scratch.write("a.jsonl", good("a") + "{\"query\": \"b\", \"po");
    const TrainingRows rows = read_rows(file);
    CHECK(rows.size() == 1);
    CHECK(rows.left_out_by(RowFault::kNotJson) == 1);
    REQUIRE(rows.notes.size() == 1);
    CHECK(rows.notes[0].find(file.string() + ":2: JSON is malformed at byte") != std::string::npos);
  }

  TEST_CASE("read_rows: kinds are counted apart, each with its first line, blank runs line by line") {
    const test::Scratch scratch;
    const std::filesystem::path file =
        scratch.write("a.jsonl",
                      "\xFF\n{}\n" + good("a") +
                          "\n\n\n\xFE\n{\"query\": 3}\n{\"query\": \"q\"}\n{\"query\": \"q\"}\n" + good("b") + "\n\n");
    const TrainingRows rows = read_rows(file);
    CHECK(rows.size() == 2);
    CHECK(rows.left_out_by(RowFault::kNotUtf8) == 2);
    CHECK(rows.left_out_by(RowFault::kWrongField) == 2);
    CHECK(rows.left_out_by(RowFault::kBlankLine) == 3);
    CHECK(rows.left_out_by(RowFault::kNoPositive) == 2);
    const std::string at = file.string() + ":";
    CHECK(rows.notes ==
          std::vector<std::string>{
              at + " 2 row(s) left out for not UTF-8 (first: " + at + "1: byte 1 is 0xFF, expected UTF-8 text)",
              at + " 3 row(s) left out for a blank line (first: " + at + "4: line is blank, expected a JSON object)",
              at + " 2 row(s) left out for a field missing or of another type (first: " + at +
                  "2: query is missing, expected a string)",
              at + " 2 row(s) left out for no positive document (first: " + at +
                  "9: number of pos is 0, expected at least 1)"});
  }

  TEST_CASE("read_rows: rows of one file that state another batch size are noted, or refused") {
    const test::Scratch scratch;
    const std::filesystem::path file = scratch.write("a.jsonl",
                                                     good("a") + R"({"query": "b", "pos": ["p"], "batch_size": 8})" +
                                                         "\n" + R"({"query": "c", "pos": ["p"], "batch_size": 4})" +
                                                         "\n" + R"({"query": "d", "pos": ["p"], "batch_size": 2})" +
                                                         "\n" + R"({"query": "e", "pos": ["p"], "batch_size": 8})");
    const TrainingRows rows = read_rows(file);
    CHECK(rows.size() == 5);
    CHECK(rows.datasets[0].batch_size().value_or(0) == 8);
    CHECK(rows.notes ==
          std::vector<std::string>{file.string() +
                                   ": 2 row(s) that state another batch size than the file's 8, not followed (first: " +
                                   file.string() + ":3)"});
    CHECK_THROWS_WITH_AS((void)read_rows(file, {.bad_rows = BadRows::kRefuse}),
                         (file.string() + ":3: batch_size is 4, expected 8, as earlier rows of the file have").c_str(),
                         re::DataError);
  }

  TEST_CASE("read_rows: documents that a row names twice are noted in either mode") {
    const test::Scratch scratch;
    const std::filesystem::path file =
        scratch.write("a.jsonl", good("a") + R"({"query": "b", "pos": ["p", "p"], "neg": ["p", "n"]})");
    for (const BadRows mode : {BadRows::kLeaveOut, BadRows::kRefuse}) {
      const TrainingRows rows = read_rows(file, {.bad_rows = mode});
      CHECK(rows.size() == 2);
      CHECK(rows.datasets[0].row(1) == TrainingRow{.query = "b", .pos = {"p"}, .neg = {"n"}});
      CHECK(rows.notes == std::vector<std::string>{file.string() +
                                                   ": 2 document(s) that their row names twice, counted once (first: " +
                                                   file.string() + ":2)"});
    }
  }

  TEST_CASE("read_rows: a directory is many datasets, by the bytes of their names, and says what it did not read") {
    const test::Scratch scratch;
    scratch.write("b.jsonl", good("1") + good("2"));
    scratch.write("a.jsonl", good("3") + "{}\n");
    scratch.write("Z.jsonl", good("4") + "{}\n");
    scratch.write("README.md", "rows");
    scratch.write("a.json", "{}");
    scratch.write(".hidden", "");
    scratch.write("._a.jsonl", "left by another file system");
    std::filesystem::create_directory(scratch / "more.jsonl");
    const TrainingRows rows = read_rows(scratch.path());
    REQUIRE(rows.datasets.size() == 3);
    CHECK(rows.datasets[0].name() == "Z");
    CHECK(rows.datasets[1].name() == "a");
    CHECK(rows.datasets[2].name() == "b");
    CHECK(rows.size() == 4);
    CHECK(rows.left_out_by(RowFault::kWrongField) == 2);  // of all files
    REQUIRE(rows.notes.size() == 3);
    CHECK(rows.notes[0] ==
          scratch.path().string() + ": 3 entries other than .jsonl files, not read (first: \"README.md\")");
    CHECK(rows.notes[1].starts_with((scratch / "Z.jsonl").string() + ": 1 row(s)"));
    CHECK(rows.notes[2].starts_with((scratch / "a.jsonl").string() + ": 1 row(s)"));
    CHECK_THROWS_AS((void)read_rows(scratch.path(), {.bad_rows = BadRows::kRefuse}), re::DataError);
  }

  TEST_CASE("read_rows: a contamination report beside the rows is read, and its other forms are no surprise") {
    const test::Scratch scratch;
    const auto file = scratch.write("a.jsonl", "{\"query\":\"q\",\"pos\":[\"p\"],\"neg\":[\"n\"]}\n");
    CHECK(re::data::read_rows(scratch.path()).contamination.empty());
    scratch.write("contamination.md", "## Contamination\n");
    scratch.write("contamination.json", "{}");
    scratch.write("contamination.html", "");
    const re::data::TrainingRows rows = re::data::read_rows(scratch.path());
    CHECK(rows.contamination == "## Contamination\n");
    CHECK(rows.notes.empty());
    CHECK(re::data::read_rows(file).contamination == "## Contamination\n");
    scratch.write("contamination.md", "\xFF");
    CHECK(re::data::read_rows(file).contamination == "\xFF");  // a card refuses it by name
  }
  TEST_CASE("read_rows: one file without a good row is an error that says what is wrong with its first") {
    const test::Scratch scratch;
    const std::string a = scratch.write("a.jsonl", good("1")).string();
    const std::string b = scratch.write("b.jsonl", "{}\n{\"query\": 1}\n").string();
    const std::string message = b + ": number of rows to train on is 0 (the first row: " + b +
                                ":1: query is missing, expected a string), expected at least 1";
    CHECK_THROWS_WITH_AS((void)read_rows(b), message.c_str(), re::DataError);
    CHECK_THROWS_WITH_AS((void)read_rows(scratch.path()), message.c_str(), re::DataError);
    for (const std::string_view nothing : {"", "\n", " \n\n", "\xEF\xBB\xBF"}) {
      const std::string file = scratch.write("c.jsonl", nothing).string();
      CHECK_THROWS_WITH_AS((void)read_rows(file),
                           (file + ": number of rows to train on is 0, expected at least 1").c_str(),
                           re::DataError);
    }
  }

  TEST_CASE("read_rows: a directory without files, and a path that is not there, are errors") {
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS((void)read_rows(scratch.path()),
                         (scratch.path().string() + ": number of .jsonl files is 0, expected at least 1").c_str(),
                         re::DataError);
    scratch.write("a.json", "{}");
    CHECK_THROWS_AS((void)read_rows(scratch.path()), re::DataError);
    CHECK_THROWS_WITH_AS((void)read_rows(scratch / "none"),
                         ((scratch / "none").string() + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
    std::filesystem::create_symlink(scratch / "none", scratch / "link.jsonl");
    CHECK_THROWS_WITH_AS((void)read_rows(scratch.path()),
                         ((scratch / "link.jsonl").string() + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
  }

  TEST_CASE("read_rows: follows links to files") {
    const test::Scratch scratch;
    const test::Scratch elsewhere;
    const std::filesystem::path target = elsewhere.write("rows.jsonl", good("a"));
    std::filesystem::create_symlink(target, scratch / "task.jsonl");
    const TrainingRows rows = read_rows(scratch.path());
    REQUIRE(rows.datasets.size() == 1);
    CHECK(rows.datasets[0].name() == "task");
  }

  TEST_CASE("read_rows: rows that share documents take little memory") {
    const test::Scratch scratch;
    std::string content;
    std::string negatives;
    for (int i = 0; i < 20; ++i) {
      negatives += (i == 0 ? "\"" : ", \"") + std::string(200, static_cast<char>('a' + i)) + "\"";
    }
    for (int i = 0; i < 500; ++i) {
      content += "{\"query\": \"" + std::to_string(i) + "\", \"pos\": [\"p\"], \"neg\": [" + negatives + "]}\n";
    }
    const TrainingRows rows = read_rows(scratch.write("a.jsonl", content));
    CHECK(rows.size() == 500);
    CHECK(rows.datasets[0].documents().size() == 21);
    CHECK(rows.datasets[0].documents().bytes() == 20 * 200 + 1);
    CHECK(rows.datasets[0].bytes() < 6000);
    CHECK(rows.datasets[0].row(499).neg[19] == std::string(200, 't'));
  }

  TEST_CASE("write_rows: is read back the same, and leaves the old file if it can't be written") {
    const test::Scratch scratch;
    TrainingDataset dataset("out");
    dataset.add({.query = "a\n\"b\"", .pos = {"x", "\xC3\xA4"}, .neg = {"n"}, .pos_scores = {0.1, 1e300}});
    dataset.add({.query = "c", .pos = {"n"}, .prompt = "P", .type = "t", .reasoning_query = "r", .batch_size = 3});
    dataset.add({.query = "d", .pos = {"n"}, .neg = {"m"}, .neg_scores = {-1}, .train_group_size = 2});
    write_rows(scratch / "out.jsonl", dataset);
    const TrainingRows rows = read_rows(scratch / "out.jsonl", {.bad_rows = BadRows::kRefuse});
    REQUIRE(rows.datasets.size() == 1);
    REQUIRE(rows.size() == dataset.size());
    CHECK(rows.datasets[0].name() == "out");
    for (Index row = 0; row < dataset.size(); ++row) {
      CHECK(rows.datasets[0].row(row) == dataset.row(row));
    }
    CHECK_THROWS_AS(write_rows(scratch / "no" / "out.jsonl", dataset), re::IoError);
    CHECK(scratch.count() == 1);
  }
}
