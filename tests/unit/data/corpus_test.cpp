#include <reasonembed/data/corpus.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::data::Corpus;
using re::data::read_corpus;

namespace {

Corpus read(const test::Scratch& scratch, std::string_view content) {
  std::vector<std::string> notes;
  Corpus corpus = read_corpus(scratch.write("corpus.jsonl", content), notes);
  CHECK(notes.empty());
  return corpus;
}

void check_refused(const test::Scratch& scratch, std::string_view content, const std::string& message) {
  CAPTURE(content);
  const std::string path = scratch.write("corpus.jsonl", content).string();
  std::vector<std::string> notes;
  CHECK_THROWS_WITH_AS((void)read_corpus(path, notes), (path + message).c_str(), re::DataError);
}

}  // namespace

TEST_SUITE("data/corpus") {
  TEST_CASE("add: numbers documents and refuses an id twice") {
    Corpus corpus;
    CHECK(corpus.empty());
    CHECK(corpus.add("b", "text b") == 0);
    CHECK(corpus.add("a", "") == 1);
    CHECK(corpus.ids() == std::vector<std::string>{"b", "a"});
    CHECK(corpus.texts() == std::vector<std::string>{"text b", ""});
    CHECK(corpus.find("a") == 1);
    CHECK(corpus.find("c") == re::StringIndex::kAbsent);
    CHECK_THROWS_WITH_AS(
        corpus.add("a", "other"), "data::Corpus: id is \"a\", expected one that no other document has", re::DataError);
    CHECK(corpus.size() == 2);
    CHECK(corpus.texts().size() == 2);
  }

  TEST_CASE("read_corpus: takes the field names of BEIR, BRIGHT and plain files") {
    const test::Scratch scratch;
    Corpus expected;
    expected.add("1", "one");
    expected.add("2", "two  ");
    CHECK(read(scratch, "{\"id\": \"1\", \"text\": \"one\"}\n{\"id\": \"2\", \"text\": \"two  \"}\n") == expected);
    CHECK(read(scratch, "{\"_id\": \"1\", \"text\": \"one\", \"metadata\": {}}\n{\"_id\": 2, \"text\": \"two  \"}") ==
          expected);
    CHECK(read(scratch, "{\"id\": \"1\", \"content\": \"one\"}\n{\"id\": \"2\", \"contents\": \"two  \"}\n") ==
          expected);
  }

  TEST_CASE("read_corpus: puts the title before the text as BEIR does") {
    const test::Scratch scratch;
    const Corpus corpus = read(scratch,
                               "{\"_id\": \"1\", \"title\": \"Head\", \"text\": \"body \"}\n"
                               "{\"_id\": \"2\", \"title\": \"\", \"text\": \" body\\n\"}\n"
                               "{\"_id\": \"3\", \"title\": \" Head\", \"text\": \"\"}\n"
                               "{\"_id\": \"4\", \"title\": null, \"text\": \" as it stands \"}\n");
    CHECK(corpus.texts() == std::vector<std::string>{"Head body", "body", "Head", " as it stands "});
  }

  TEST_CASE("read_corpus: keeps blanks, slashes and accents of ids, and line ends within texts") {
    const test::Scratch scratch;
    const Corpus corpus = read(scratch, "{\"id\": \"a b/c\\u00e9.txt\", \"content\": \"line\\nline\"}\n");
    CHECK(corpus.find("a b/c\xC3\xA9.txt") == 0);
    CHECK(corpus.texts()[0] == "line\nline");
  }

  TEST_CASE("read_corpus: keeps documents without text, and says so") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const std::string path = scratch
                                 .write("corpus.jsonl",
                                        "{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \"\"}\n{\"id\": "
                                        "\"c\", \"text\": \" \\n\"}\n")
                                 .string();
    const Corpus corpus = read_corpus(path, notes);
    CHECK(corpus.size() == 3);
    CHECK(notes == std::vector<std::string>{path + ": 2 document(s) without text, kept (first: \"b\")"});
  }

  TEST_CASE("read_corpus: refuses an empty corpus") {
    const test::Scratch scratch;
    check_refused(scratch, "", ": number of documents is 0, expected at least 1");
    check_refused(scratch, "\n\n", ": number of documents is 0, expected at least 1");
  }

  TEST_CASE("read_corpus: names file and line of what it refuses") {
    const test::Scratch scratch;
    const std::string good = "{\"id\": \"a\", \"text\": \"x\"}\n";
    check_refused(scratch, good + good, ":2: id is \"a\", expected another one than line 1 has");
    check_refused(scratch,
                  good + "{\"id\": \"b\", \"text\": \"x\"}\n{\"_id\": \"b\", \"text\": \"y\"}\n",
                  ":3: id is \"b\", expected another one than line 2 has");
    check_refused(scratch, good + "{\"text\": \"x\"}\n", ":2: id is missing, expected a string");
    check_refused(scratch, good + "{\"id\": \"b\"}\n", ":2: text is missing, expected a string");
    check_refused(scratch, good + "{\"id\": \"b\", \"text\": 3}\n", ":2: text is 3, expected a string");
    check_refused(
        scratch, good + "{\"id\": \"b\", \"text\": \"x\", \"title\": 3}\n", ":2: title is 3, expected a string");
    check_refused(scratch, good + "\"b\"\n", ":2: JSON value is \"b\", expected an object");
    check_refused(
        scratch, good + "\n" + "{\"id\": \"b\", \"text\": \"x\"}\n", ":2: line is blank, expected a JSON object");
    check_refused(scratch, good + "{\"id\": \"b\", \"text\": \"\xFF\"}\n", ":2: byte 22 is 0xFF, expected UTF-8 text");
  }

  TEST_CASE("read_corpus: names file and line of broken JSON, and a missing file") {
    const test::Scratch scratch;
    std::vector<std::string> notes;
    const auto path =
        scratch.write("corpus.jsonl", "{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \"x\"\n");
    try {
      (void)read_corpus(path, notes);
      FAIL("no error");
    } catch (const re::DataError& error) {
      CHECK(std::string(error.what()).starts_with(path.string() + ":2: JSON is malformed"));
    }
    CHECK_THROWS_AS((void)read_corpus(scratch / "missing.jsonl", notes), re::IoError);
  }

  TEST_CASE("read_corpus: reads the facts of EntailmentBank") {
    const auto data = test::find_data("entailmentbank/corpus.jsonl");
    if (!data) {
      return;
    }
    std::vector<std::string> notes;
    const Corpus corpus = read_corpus(*data, notes);
    CHECK(notes.empty());
    CHECK(corpus.size() == 11399);
    CHECK(corpus.texts()[static_cast<std::size_t>(corpus.find("ET_addon:3"))] ==
          "the earth rotates on its tilted axis");
  }

  TEST_CASE("for_each_document: passes the documents of read_corpus, one after another") {
    const test::Scratch scratch;
    const auto path =
        scratch.write("corpus.jsonl",
                      "{\"_id\": \"a\", \"title\": \"T\", \"text\": \"x\"}\n{\"id\": 7, \"contents\": \"\"}\n"
                      "{\"id\": \"c\", \"content\": \"z\"}\n");
    std::vector<std::string> notes;
    const Corpus expected = read_corpus(path, notes);
    std::vector<std::string> again;
    Corpus got;
    re::data::for_each_document(path, again, [&](std::string_view id, std::string text) { got.add(id, text); });
    CHECK(got == expected);
    CHECK(again == notes);
    CHECK(notes.size() == 1);
    const Corpus ids = re::data::read_corpus_ids(path, again);
    CHECK(ids.ids() == expected.ids());
    CHECK(ids.texts() == std::vector<std::string>(3));
  }

  TEST_CASE("for_each_document: refuses what read_corpus refuses, after the documents before it") {
    const test::Scratch scratch;
    const auto path =
        scratch.write("corpus.jsonl", "{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"a\", \"text\": \"y\"}\n");
    std::vector<std::string> notes;
    int count = 0;
    const std::string message = path.string() + ":2: id is \"a\", expected another one than line 1 has";
    CHECK_THROWS_WITH_AS(
        re::data::for_each_document(path, notes, [&](std::string_view, const std::string&) { ++count; }),
        message.c_str(),
        re::DataError);
    CHECK(count == 1);
    CHECK_THROWS_WITH_AS((void)re::data::read_corpus_ids(path, notes), message.c_str(), re::DataError);
    const auto empty = scratch.write("empty.jsonl", "");
    CHECK_THROWS_AS(re::data::for_each_document(empty, notes, [](std::string_view, const std::string&) {}),
                    re::DataError);
  }
}
