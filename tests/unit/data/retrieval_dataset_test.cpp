#include <reasonembed/data/retrieval_dataset.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::Index;
using re::data::Qrels;
using re::data::read_retrieval_dataset;
using re::data::RetrievalDataset;
using re::data::RetrievalDatasetOptions;
using re::data::WithoutRelevant;
using Texts = std::vector<std::string>;

namespace {

constexpr std::string_view kCorpus =
    "{\"id\": \"d1\", \"text\": \"one\"}\n{\"id\": \"d 2\", \"text\": \"two\"}\n{\"id\": \"d3\", \"text\": "
    "\"three\"}\n";
constexpr std::string_view kQueries =
    "{\"id\": \"q1\", \"text\": \"first\", \"excluded_ids\": [\"d3\", \"x\", \"d1\", \"d3\"]}\n"
    "{\"id\": \"q2\", \"text\": \"second\", \"excluded_ids\": [\"N/A\"]}\n";

/// A plain directory with a dev split.
void write_plain(const test::Scratch& scratch, std::string_view qrels, std::string_view queries = kQueries) {
  scratch.write("corpus.jsonl", kCorpus);
  scratch.write("dev.queries.jsonl", queries);
  scratch.write("dev.qrels.tsv", qrels);
}

}  // namespace

TEST_SUITE("data/retrieval_dataset") {
  TEST_CASE("read_retrieval_dataset: reads a plain directory") {
    const test::Scratch scratch;
    write_plain(scratch, "q2\t0\td1\t1\nq1\t0\td 2\t2\nq1\t0\td1\t0\n");
    const RetrievalDataset dataset = read_retrieval_dataset(scratch.path());
    CHECK(dataset.notes.empty());
    CHECK(dataset.corpus.ids() == Texts{"d1", "d 2", "d3"});
    CHECK(dataset.corpus.texts() == Texts{"one", "two", "three"});
    CHECK(dataset.queries.texts() == Texts{"first", "second"});
    CHECK(dataset.qrels.queries() == Texts{"q1", "q2"});  // in the order of the queries, not of the file
    CHECK(*dataset.qrels.find("q1") == Qrels::Judgements{{"d 2", 2}, {"d1", 0}});
  }

  TEST_CASE("excluded_documents: numbers ascending, once each, those of the corpus only") {
    const test::Scratch scratch;
    write_plain(scratch, "q1 0 d1 1\nq2 0 d1 1\n");
    CHECK(read_retrieval_dataset(scratch.path()).excluded_documents() == std::vector<std::vector<Index>>{{0, 2}, {}});
  }

  TEST_CASE("read_retrieval_dataset: takes of a BEIR directory the queries that the split judges") {
    const test::Scratch scratch;
    fs::create_directory(scratch / "qrels");
    scratch.write(
        "corpus.jsonl",
        "{\"_id\": \"d1\", \"title\": \"One\", \"text\": \"first text\", \"metadata\": {}}\n{\"_id\": \"d2\", "
        "\"title\": \"\", \"text\": \"second text\"}\n");
    scratch.write("queries.jsonl",
                  "{\"_id\": \"1\", \"text\": \"a\"}\n{\"_id\": \"2\", \"text\": \"b\"}\n{\"_id\": \"3\", \"text\": "
                  "\"c\"}\n");
    scratch.write("qrels/dev.tsv", "query-id\tcorpus-id\tscore\n3\td1\t1\n1\td2\t2\n");
    scratch.write("qrels/test.tsv", "query-id\tcorpus-id\tscore\n2\td2\t1\n");
    const RetrievalDataset dev = read_retrieval_dataset(scratch.path());
    CHECK(dev.notes.empty());
    CHECK(dev.corpus.texts() == Texts{"One first text", "second text"});
    CHECK(dev.queries.ids() == Texts{"1", "3"});
    CHECK(*dev.qrels.find("1") == Qrels::Judgements{{"d2", 2}});
    const RetrievalDataset test = read_retrieval_dataset(scratch.path(), {.split = "test"});
    CHECK(test.queries.texts() == Texts{"b"});
    CHECK(test.qrels.size() == 1);
  }

  TEST_CASE("read_retrieval_dataset: reads a BRIGHT task") {
    const test::Scratch scratch;
    scratch.write("documents.jsonl",
                  "{\"id\": \"a b.txt\", \"content\": \"one\"}\n{\"id\": \"c.txt\", \"content\": \"two\"}\n");
    scratch.write("long_documents.jsonl", "{\"id\": \"long.txt\", \"content\": \"one two\"}\n");
    scratch.write(
        "examples.jsonl",
        "{\"query\": \"q\", \"reasoning\": \"r\", \"id\": \"0\", \"excluded_ids\": [\"c.txt\", \"0\"], "
        "\"gold_ids\": [\"a b.txt\", \"a b.txt\"], \"gold_ids_long\": [\"long.txt\"], \"gold_answer\": \"\"}\n");
    const RetrievalDataset passages = read_retrieval_dataset(scratch.path());
    CHECK(passages.notes.size() == 1);  // the gold id listed twice
    CHECK(*passages.qrels.find("0") == Qrels::Judgements{{"a b.txt", 1}});
    CHECK(passages.excluded_documents() == std::vector<std::vector<Index>>{{1}});
    const RetrievalDataset whole =
        read_retrieval_dataset(scratch.path(), {.bright_documents = re::data::BrightDocuments::kLong});
    CHECK(whole.notes.empty());
    CHECK(whole.corpus.size() == 1);
    CHECK(*whole.qrels.find("0") == Qrels::Judgements{{"long.txt", 1}});
  }

  TEST_CASE("read_retrieval_dataset: hands the fields on") {
    const test::Scratch scratch;
    write_plain(scratch, "q 0 d1 1\n", "{\"id\": \"q\", \"text\": \"a\", \"short\": \"b\", \"why\": \"c\"}");
    const RetrievalDataset dataset =
        read_retrieval_dataset(scratch.path(), {.query_field = "short", .reasoning_field = "why"});
    CHECK(dataset.queries.texts() == Texts{"b"});
    CHECK(dataset.queries.reasoning() == Texts{"c"});
    CHECK_THROWS_AS((void)read_retrieval_dataset(scratch.path(), {.query_field = "long"}), re::DataError);
  }

  TEST_CASE("read_retrieval_dataset: notes judgements of unknown queries and documents") {
    const test::Scratch scratch;
    write_plain(scratch, "q1 0 d1 1\nq2 0 nowhere 1\nq1 0 nothing 0\nq8 0 d1 1\nq9 0 d1 1\n");
    const RetrievalDataset dataset = read_retrieval_dataset(scratch.path());
    const std::string path = (scratch / "dev.qrels.tsv").string();
    CHECK(
        dataset.notes ==
        Texts{path + ": 2 query id(s) with judgements but without a text, left out (first: \"q8\")",
              path + ": 1 relevant document id(s) that the corpus lacks, counted as never found (first: \"nowhere\")"});
    CHECK(dataset.qrels.queries() == Texts{"q1", "q2"});
    CHECK(dataset.qrels.find("q2")->contains("nowhere"));  // as trec_eval counts it
  }

  TEST_CASE("read_retrieval_dataset: a query without relevant documents is kept, left out or refused") {
    const test::Scratch scratch;
    write_plain(scratch, "q1 0 d1 1\nq2 0 d1 0\n");
    const std::string path = (scratch / "dev.qrels.tsv").string();
    const RetrievalDataset kept = read_retrieval_dataset(scratch.path());
    CHECK(kept.queries.size() == 2);
    CHECK(kept.qrels.size() == 2);
    CHECK(kept.notes ==
          Texts{path + ": 1 query id(s) without a relevant document, scored 0 if judged at all (first: \"q2\")"});
    const RetrievalDataset left_out =
        read_retrieval_dataset(scratch.path(), {.without_relevant = WithoutRelevant::kLeaveOut});
    CHECK(left_out.queries.ids() == Texts{"q1"});
    CHECK(left_out.qrels.queries() == Texts{"q1"});
    CHECK(left_out.notes == Texts{path + ": 1 query id(s) without a relevant document, left out (first: \"q2\")"});
    CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path(), {.without_relevant = WithoutRelevant::kRefuse}),
                         (path + ": number of relevant documents of query \"q2\" is 0, expected at least 1").c_str(),
                         re::DataError);
  }

  TEST_CASE("read_retrieval_dataset: a query that nobody judged counts as one without relevant documents") {
    const test::Scratch scratch;
    write_plain(scratch, "q1 0 d1 1\n");
    const RetrievalDataset kept = read_retrieval_dataset(scratch.path());
    CHECK(kept.queries.size() == 2);
    CHECK(kept.qrels.size() == 1);
    CHECK(kept.notes.size() == 1);
    CHECK(read_retrieval_dataset(scratch.path(), {.without_relevant = WithoutRelevant::kLeaveOut}).queries.size() == 1);
  }

  TEST_CASE("read_retrieval_dataset: refuses a dataset in which there is nothing to find") {
    const test::Scratch scratch;
    const std::string path = (scratch / "dev.qrels.tsv").string();
    const std::string message = path + ": number of queries with a relevant document is 0, expected at least 1";
    for (const std::string_view qrels : {"", "q1 0 d1 0\nq2 0 d1 -1\n", "other 0 d1 1\n"}) {
      CAPTURE(qrels);
      write_plain(scratch, qrels);
      CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path()), message.c_str(), re::DataError);
    }
  }

  TEST_CASE("read_retrieval_dataset: passes on what its files are refused for") {
    const test::Scratch scratch;
    write_plain(scratch, "q1 0 d1 1\n");
    const std::string corpus = scratch.write("corpus.jsonl", "").string();
    CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path()),
                         (corpus + ": number of documents is 0, expected at least 1").c_str(),
                         re::DataError);
    scratch.write("corpus.jsonl", "{\"id\": \"d1\", \"text\": \"a\"}\n{\"id\": \"d1\", \"text\": \"b\"}\n");
    CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path()),
                         (corpus + ":2: id is \"d1\", expected another one than line 1 has").c_str(),
                         re::DataError);
    scratch.write("corpus.jsonl", "{\"id\": \"d1\", \"text\": \"\xFF\"}\n");
    CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path()),
                         (corpus + ":1: byte 23 is 0xFF, expected UTF-8 text").c_str(),
                         re::DataError);
    fs::remove(scratch / "corpus.jsonl");
    CHECK_THROWS_WITH_AS((void)read_retrieval_dataset(scratch.path(), {.layout = re::data::DatasetLayout::kPlain}),
                         (corpus + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
  }

  TEST_CASE("RetrievalDatasetOptions: compare by value") {
    CHECK(RetrievalDatasetOptions{} == RetrievalDatasetOptions{.split = "dev"});
    CHECK(RetrievalDatasetOptions{} != RetrievalDatasetOptions{.split = "test"});
  }

  TEST_CASE("read_retrieval_dataset: reads EntailmentBank and NovelEval without a note") {
    const auto entailment = test::find_data("entailmentbank");
    const auto novel = test::find_data("noveleval");
    if (!entailment || !novel) {
      return;
    }
    const RetrievalDataset dev =
        read_retrieval_dataset(*entailment, {.query_field = "question", .reasoning_field = "hypothesis"});
    CHECK(dev.notes.empty());
    CHECK(dev.corpus.size() == 11399);
    CHECK(dev.queries.size() == 187);
    CHECK(dev.qrels.size() == 187);
    CHECK(dev.queries[0].text == "Which event occurs on a daily cycle?");
    CHECK(dev.queries[0].reasoning == "the sun rising and setting is the event that occurs once per day");
    const RetrievalDataset graded = read_retrieval_dataset(*novel, {.split = ""});
    CHECK(graded.notes.empty());
    CHECK(graded.corpus.size() == 420);
    CHECK(graded.queries.size() == 21);
  }

  TEST_CASE("read_retrieval_dataset: without texts everything else is the same") {
    const auto with = re::data::read_retrieval_dataset(test::source_path("examples/data"), {.split = "test"});
    const auto without =
        re::data::read_retrieval_dataset(test::source_path("examples/data"), {.split = "test", .texts = false});
    CHECK(without.corpus.ids() == with.corpus.ids());
    CHECK(without.corpus.texts() == std::vector<std::string>(with.corpus.texts().size()));
    CHECK(without.qrels == with.qrels);
    CHECK(without.queries == with.queries);
    CHECK(without.notes == with.notes);
  }
}
