#include <reasonembed/remixer/synthesis_files.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <functional>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using rx::AnnotatedQuery;
using rx::GeneratedQuery;
using rx::MinedQuery;

namespace {

const std::string kHostile = std::string("tab\t quote\" line\n nul\0 wave \xF0\x9F\x8C\x8A", 32);

std::string refused(const std::function<void()>& f) {
  try {
    f();
  } catch (const re::DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("remixer/synthesis_files") {
  TEST_CASE("generated: what is written is read") {
    const test::Scratch scratch;
    const std::vector<GeneratedQuery> queries = {{"q", {"id", "source"}, {"100 to 200 words", "college"}},
                                                 {kHostile, {"", kHostile}, {"", ""}}};
    rx::write_generated(scratch / "g.jsonl", queries);
    CHECK(rx::read_generated(scratch / "g.jsonl") == queries);
    CHECK(test::content_of(scratch / "g.jsonl")
              .starts_with("{\"length\":\"100 to 200 "
                           "words\",\"level\":\"college\",\"query\":\"q\",\"source\":\"source\",\"source_id\":"
                           "\"id\"}\n"));
    scratch.write("bare.jsonl", "{\"query\": \"q\"}\n");
    CHECK(rx::read_generated(scratch / "bare.jsonl") == std::vector<GeneratedQuery>{{"q", {}, {}}});
  }

  TEST_CASE("mined: what is written is read, in the form that other tools know") {
    const test::Scratch scratch;
    const std::vector<MinedQuery> queries = {{"q", {"id", "source"}, {"a", "b"}}, {kHostile, {}, {}}};
    rx::write_mined(scratch / "m.jsonl", queries, "Find it.");
    CHECK(rx::read_mined(scratch / "m.jsonl") == queries);
    CHECK(test::content_of(scratch / "m.jsonl")
              .starts_with("{\"docs\":[\"a\",\"b\"],\"prompt\":\"Find "
                           "it.\",\"query\":\"q\",\"source\":\"source\",\"source_id\":\"id\"}\n"));
    scratch.write("other.jsonl", "{\"prompt\": \"p\", \"query\": \"q\", \"docs\": [\"a\"], \"unknown\": [1]}\n");
    CHECK(rx::read_mined(scratch / "other.jsonl") == std::vector<MinedQuery>{{"q", {}, {"a"}}});
  }

  TEST_CASE("mined: a document that many rows hold is in memory once") {
    const test::Scratch scratch;
    scratch.write("m.jsonl", "{\"query\":\"p\",\"docs\":[\"a\",\"b\"]}\n{\"query\":\"q\",\"docs\":[\"b\"]}\n");
    const std::vector<MinedQuery> queries = rx::read_mined(scratch / "m.jsonl");
    CHECK(queries[0].candidates[1].view().data() == queries[1].candidates[0].view().data());
  }

  TEST_CASE("labelled: what is written is read, in the form that other tools know") {
    const test::Scratch scratch;
    const std::vector<AnnotatedQuery> queries = {{"q", {"id", "source"}, {"a", "b"}, {5, -1}, {"because", ""}},
                                                 {kHostile, {}, {}, {}, {}},
                                                 {"r", {}, {"c"}, {1}, {}}};
    rx::write_labelled(scratch / "l.jsonl", queries);
    CHECK(rx::read_labelled(scratch / "l.jsonl") == queries);
    CHECK(test::content_of(scratch / "l.jsonl").ends_with("{\"docs\":[\"c\"],\"labels\":[1],\"query\":\"r\"}\n"));
  }

  TEST_CASE("labelled: refuses labels that are none, and lists that don't fit, with file and line") {
    const test::Scratch scratch;
    const std::string path = (scratch / "l.jsonl").string();
    const auto read = [&](const std::string& row) {
      scratch.write("l.jsonl", "{\"query\":\"q\",\"docs\":[],\"labels\":[]}\n" + row + "\n");
      return refused([&] { (void)rx::read_labelled(path); });
    };
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"],\"labels\":[0]}") ==
          path + ":2: labels[0] is 0, expected 1 to 5, or -1");
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"],\"labels\":[6]}") ==
          path + ":2: labels[0] is 6, expected an integer in [-1, 5]");
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"],\"labels\":[4.0]}").find("labels[0]") != std::string::npos);
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"],\"labels\":[]}") ==
          path + ":2: number of labels is 0, expected 1, one for each of docs");
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"],\"labels\":[1],\"answers\":[\"x\",\"y\"]}") ==
          path + ":2: number of answers is 2, expected 1, one for each of docs");
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"]}").find("labels is missing") != std::string::npos);
    CHECK(read("{\"query\":1,\"docs\":[],\"labels\":[]}").find("query is 1") != std::string::npos);
    CHECK(read("{\"query\":\"q\",\"docs\":\"a\",\"labels\":[]}").find("docs is \"a\"") != std::string::npos);
    CHECK(read("{\"query\":\"q\",\"docs\":[\"a\"").starts_with(path + ":2: JSON"));
    CHECK(read("[]").starts_with(path + ":2: "));
    CHECK(!read("{\"query\":\"\xFF\",\"docs\":[],\"labels\":[]}").empty());
  }

  TEST_CASE("read: an empty file has no records, a missing one is an error") {
    const test::Scratch scratch;
    scratch.write("empty.jsonl", "");
    CHECK(rx::read_generated(scratch / "empty.jsonl").empty());
    CHECK(rx::read_mined(scratch / "empty.jsonl").empty());
    CHECK(rx::read_labelled(scratch / "empty.jsonl").empty());
    CHECK_THROWS_AS((void)rx::read_mined(scratch / "missing.jsonl"), re::IoError);
  }

  TEST_CASE("write: a text that is not UTF-8 leaves the old file as it was") {
    const test::Scratch scratch;
    rx::write_mined(scratch / "m.jsonl", std::vector<MinedQuery>{{"old", {}, {"a"}}}, "");
    CHECK_THROWS_AS(rx::write_mined(scratch / "m.jsonl", std::vector<MinedQuery>{{"new", {}, {"\xFF"}}}, ""),
                    re::DataError);
    CHECK(rx::read_mined(scratch / "m.jsonl")[0].query == "old");
    CHECK(scratch.count() == 1);
    rx::write_mined(scratch / "m.jsonl", {}, "");
    CHECK(rx::read_mined(scratch / "m.jsonl").empty());
    CHECK_THROWS_AS(rx::write_mined(scratch / "none" / "m.jsonl", {}, ""), re::IoError);
  }

  TEST_CASE("read_mined: texts may lie on the disk") {
    const test::Scratch scratch;
    const std::vector<MinedQuery> queries = {{"q", {"id", "source"}, {"a", "b"}}, {"r", {}, {"b", "source", ""}}};
    rx::write_mined(scratch / "m.jsonl", queries, "Find.");
    const std::vector<MinedQuery> read = rx::read_mined(scratch / "m.jsonl", scratch.path());
    CHECK(read == queries);
    CHECK(read[1].candidates[1].view().data() == read[0].source.text.view().data());
    CHECK(scratch.count() == 1);
    CHECK_THROWS_AS((void)rx::read_mined(scratch / "m.jsonl", scratch / "missing"), re::IoError);
  }
}
