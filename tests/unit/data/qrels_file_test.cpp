#include <reasonembed/data/qrels_file.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::data::Qrels;
using re::data::read_qrels;

namespace {

/// The judgements of a file that gives no reason for a note.
Qrels read(const test::Scratch& scratch, std::string_view content, const std::string& name = "qrels.tsv") {
  std::vector<std::string> notes;
  Qrels qrels = read_qrels(scratch.write(name, content), notes);
  CHECK(notes.empty());
  return qrels;
}

void check_refused(const test::Scratch& scratch,
                   std::string_view content,
                   const std::string& message,
                   const std::string& name = "qrels.tsv") {
  CAPTURE(content);
  const std::string path = scratch.write(name, content).string();
  std::vector<std::string> notes;
  CHECK_THROWS_WITH_AS((void)read_qrels(path, notes), (path + message).c_str(), re::DataError);
}

Qrels expected() {
  Qrels qrels;
  qrels.add("q1", "d1", 2);
  qrels.add("q1", "d2", 0);
  qrels.add("q2", "d1", -1);
  return qrels;
}

}  // namespace

TEST_SUITE("data/qrels_file") {
  TEST_CASE("read_qrels: all forms of a file say the same") {
    const test::Scratch scratch;
    CHECK(read(scratch, "q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 -1\n") == expected());
    CHECK(read(scratch, "q1\t0\td1\t2\nq1\t0\td2\t0\nq2\t0\td1\t-1") == expected());
    CHECK(read(scratch, "q1\td1\t2\nq1\td2\t0\nq2\td1\t-1\n") == expected());
    CHECK(read(scratch, "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t-1\n") == expected());
    CHECK(read(scratch, "qid\titer\tdocid\trelevance\r\nq1\t0\td1\t2\r\nq1\t0\td2\t0\r\nq2\t0\td1\t-1\r\n") ==
          expected());
    CHECK(read(scratch, "qid 0 docid rel\nq1 0 d1 2\nq1 0 d2 0\nq2 0 d1 -1\n") == expected());
    CHECK(read(scratch, "# comment\nq1 0 d1 2\n# more\nq1 0 d2 0\nq2 0 d1 -1\n") == expected());
    CHECK(read(scratch,
               "{\"qid\": \"q1\", \"docid\": \"d1\", \"relevance\": 2}\n{\"qid\": \"q1\", \"docid\": \"d2\", "
               "\"relevance\": 0, \"other\": 1}\n{\"qid\": \"q2\", \"docid\": \"d1\", \"relevance\": -1}\n",
               "qrels.jsonl") == expected());
  }

  TEST_CASE("read_qrels: document ids may hold blanks, query ids may in tab-separated files") {
    const test::Scratch scratch;
    Qrels blanks;
    blanks.add("q 1", "a b.txt", 1);
    CHECK(read(scratch, "q 1\t0\ta b.txt\t1\n") == blanks);
    CHECK(read(scratch, "q 1\ta b.txt\t1\n") == blanks);
    Qrels document;
    document.add("q", "a b  c.txt", 1);
    CHECK(read(scratch, "q 0 a b  c.txt 1\n") == document);
  }

  TEST_CASE("read_qrels: integer ids of JSON rows are read as their digits") {
    const test::Scratch scratch;
    Qrels numbers;
    numbers.add("7", "12", 1);
    CHECK(read(scratch, R"({"qid": 7, "docid": 12, "relevance": 1})", "qrels.jsonl") == numbers);
  }

  TEST_CASE("read_qrels: notes judgements given twice") {
    const test::Scratch scratch;
    std::vector<std::string> notes = {"an earlier note"};
    const std::string path = scratch.write("qrels.tsv", "q 0 a 1\nq 0 b 1\nq 0 a 1\nq 0 b 1\n").string();
    const Qrels qrels = read_qrels(path, notes);
    CHECK(qrels.find("q")->size() == 2);
    REQUIRE(notes.size() == 2);
    CHECK(notes[1] == path + ": 2 judgement(s) given twice and counted once (first: " + path + ":3)");
  }

  TEST_CASE("read_qrels: names file and line of what it refuses") {
    const test::Scratch scratch;
    const std::string want = ", expected qid 0 docid relevance, or three tab-separated columns qid docid relevance";
    check_refused(scratch, "q 0 d 1\nq 0 d\n", ":2: line is \"q 0 d\"" + want);
    check_refused(scratch, "q 0 d 1\n\td\t1\n", ":2: line is \"\\x09d\\x091\"" + want);
    check_refused(scratch, "q 0 d 1\nq\t\t1\n", ":2: line is \"q\\x09\\x091\"" + want);
    check_refused(scratch, "q 0 d 1\nq 0 e x\n", ":2: relevance is \"x\", expected an integer");
    check_refused(scratch, "q 0 d 1.5\n", ":1: relevance is \"1.5\", expected an integer");
    check_refused(scratch, "q 0 d 99999999999\n", ":1: relevance is \"99999999999\", expected an integer");
    check_refused(scratch, "q\td\t1\nquery-id\tcorpus-id\tscore\n", ":2: relevance is \"score\", expected an integer");
    check_refused(scratch, "q 0 d 1\n \nq 0 e 1\n", ":2: line is blank" + want);
    check_refused(scratch, "q 0 d 1\nq 0 \xE9t\xE9 1\n", ":2: byte 5 is 0xE9, expected UTF-8 text");
    check_refused(scratch,
                  "q 0 d 1\nq 0 e 1\nq 0 d 2\n",
                  ":3: data::Qrels: query \"q\": relevance of document \"d\" is 2, expected 1, as judged before");
  }

  TEST_CASE("read_qrels: names file and line of broken JSON rows") {
    const test::Scratch scratch;
    const std::string good = "{\"qid\": \"q\", \"docid\": \"d\", \"relevance\": 1}\n";
    check_refused(scratch, good + "{\"qid\": \"q\"}\n", ":2: docid is missing, expected a string", "qrels.jsonl");
    check_refused(scratch,
                  good + "{\"qid\": \"q\", \"docid\": \"e\", \"relevance\": \"1\"}\n",
                  ":2: relevance is \"1\", expected an integer in [-2147483648, 2147483647]",
                  "qrels.jsonl");
    check_refused(scratch, good + "[1]\n", ":2: JSON value is an array, expected an object", "qrels.jsonl");
    std::vector<std::string> notes;
    const auto broken = scratch.write("broken.jsonl", good + "{\"qid\": \n");
    CHECK_THROWS_AS((void)read_qrels(broken, notes), re::DataError);
    CHECK_THROWS_AS((void)read_qrels(scratch / "missing.tsv", notes), re::IoError);
  }

  TEST_CASE("read_qrels: an empty file holds no judgement") {
    const test::Scratch scratch;
    CHECK(read(scratch, "").empty());
    CHECK(read(scratch, "query-id\tcorpus-id\tscore\n").empty());
  }

  TEST_CASE("read_qrels: reads the ids of BRIGHT with their slashes, quotes and accents") {
    const auto data = test::find_data("bright-examples");
    if (!data) {
      return;
    }
    std::vector<std::string> notes;
    const Qrels qrels = read_qrels(*data / "qrels.bright-theoremqa-questions.fixed.txt", notes);
    CHECK(notes.empty());
    CHECK(qrels.size() == 194);
    REQUIRE(qrels.find("TheoremQA_wenhuchen/L'H\xC3\xB4pital_rule1.json") != nullptr);
    CHECK(qrels.find("TheoremQA_wenhuchen/L'H\xC3\xB4pital_rule1.json")
              ->contains("TheoremQA_wenhuchen/L'H\xC3\xB4pital_rule2.json"));
  }
}
