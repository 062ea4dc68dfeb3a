#include <reasonembed/core/error.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/document_pool.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using re::remixer::DocumentPool;
using re::remixer::SharedText;

namespace {

void check_pool(DocumentPool pool) {
  CHECK(pool.size() == 0);
  CHECK(pool.corpus_size() == 0);
  const std::vector<std::string> corpus = {"b", "", "a", "b", " \n\t", "c", "a"};
  std::vector<Index> numbers;
  for (const std::string& text : corpus) {
    numbers.push_back(pool.add(text));
  }
  CHECK(numbers == std::vector<Index>{0, DocumentPool::kAbsent, 1, 0, DocumentPool::kAbsent, 2, 1});
  CHECK(pool.size() == 3);
  CHECK(pool.corpus_size() == 7);
  CHECK(std::vector<Index>(pool.rows().begin(), pool.rows().end()) == std::vector<Index>{0, 2, 5});
  CHECK(pool[1] == "a");
  CHECK(pool.find("c") == 2);
  CHECK(pool.find("") == DocumentPool::kAbsent);
  CHECK(pool.find("d") == DocumentPool::kAbsent);
  pool.release();
  CHECK(pool.text(2) == SharedText("c"));
  CHECK(pool.text(DocumentPool::kAbsent).empty());
}

}  // namespace

TEST_SUITE("remixer/document_pool") {
  TEST_CASE("add: distinct texts without blank ones, and where each stood first") {
    check_pool(DocumentPool());
    const test::Scratch scratch;
    check_pool(DocumentPool(scratch.path()));
    CHECK(scratch.count() == 0);
  }

  TEST_CASE("text: outlives the pool") {
    const test::Scratch scratch;
    SharedText text;
    {
      DocumentPool pool(scratch.path());
      text = pool.text(pool.add("a text"));
      (void)pool.add(std::string(1 << 20, 'x'));
    }
    CHECK(text == SharedText("a text"));
  }

  TEST_CASE("DocumentPool: names a directory that it can't write to") {
    const test::Scratch scratch;
    CHECK_THROWS_AS(DocumentPool{scratch / "missing"}, re::IoError);
  }

  TEST_CASE("DocumentPool: documents are added one by one, and mined") {
    const test::Scratch scratch;
    scratch.write("corpus.jsonl",
                  "{\"id\": \"1\", \"text\": \"salt draws water\"}\n{\"id\": \"2\", \"text\": \"water boils\"}\n");
    std::vector<std::string> notes;
    const std::vector<rx::GeneratedQuery> queries = {{"why water", {"1", "salt draws water"}, {}}};
    // example-begin mine
    const auto pool = std::make_shared<rx::DocumentPool>(scratch.path());  // a directory on a disk
    re::data::for_each_document(
        scratch / "corpus.jsonl", notes, [&](std::string_view /*id*/, const std::string& text) { pool->add(text); });
    rx::MineCandidates mine(rx::Bm25Retriever<>(), pool);
    // example-end mine
    rx::StageReport report;
    const auto mined = run_stage(mine, queries, report);
    REQUIRE(mined.size() == 1);
    CHECK(mined[0].candidates == std::vector<rx::SharedText>{"water boils"});
  }
}
