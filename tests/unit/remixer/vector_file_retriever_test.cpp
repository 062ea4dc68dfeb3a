#include <reasonembed/core/random.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/remixer/any_retriever.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/dense_retriever.hpp>
#include <reasonembed/remixer/document_pool.hpp>
#include <reasonembed/remixer/fused_retriever.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/source_exclusion.hpp>
#include <reasonembed/remixer/vector_file_retriever.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"
#include "support/word_embedder.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using Files = std::vector<std::filesystem::path>;
using Texts = std::vector<std::string>;

namespace {

const Texts kCorpus = {"red apple", "green pear", "red pear", "blue plum", "red red apple", "fig"};

/// Writes the vectors of texts as `shards` files.
Files write_vectors(const test::Scratch& scratch,
                    const test::WordEmbedder& encoder,
                    std::span<const std::string> texts,
                    Index shards = 1) {
  const re::Matrix<float> vectors = encoder.encode_document(texts, nullptr);
  Files files;
  for (Index shard = 0; shard < shards; ++shard) {
    const Index first = vectors.rows() * shard / shards;
    const Index last = vectors.rows() * (shard + 1) / shards;
    files.push_back(scratch / ("vectors" + std::to_string(shard) + ".npy"));
    re::io::write_npy(files.back(), vectors.view().row_block(first, last - first));
  }
  return files;
}

/// Random texts over few words: many are equal, many have equal scores, some are blank.
Texts random_texts(re::RandomStream& random, std::uint64_t count) {
  Texts texts;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string text;
    for (std::uint64_t words = random.below(4); words > 0; --words) {
      text += (text.empty() ? "w" : " w") + std::to_string(random.below(5));
    }
    texts.push_back(std::move(text));
  }
  return texts;
}
std::vector<rx::GeneratedQuery> random_queries(re::RandomStream& random, const Texts& corpus) {
  std::vector<rx::GeneratedQuery> queries;
  for (std::string& text : random_texts(random, 6)) {
    const bool elsewhere = corpus.empty() || random.below(4) == 0;
    const std::string source =
        elsewhere ? "w1 new" + std::to_string(random.below(3)) : corpus[random.below(corpus.size())];
    queries.push_back({"w" + std::to_string(random.below(5)) + " " + text, {"id", source}, {}});
  }
  return queries;
}
std::shared_ptr<const rx::DocumentPool> pool_on_disk(const test::Scratch& scratch, const Texts& corpus) {
  auto pool = std::make_shared<rx::DocumentPool>(scratch.path());
  for (const std::string& text : corpus) {
    pool->add(text);
  }
  return pool;
}

std::string refused(const rx::VectorFileRetriever<test::WordEmbedder>& retriever, const rx::DocumentTexts& documents) {
  try {
    (void)retriever.index(documents);
  } catch (const re::Error& error) {
    const std::string message = error.what();
    return message.substr(message.find("vectors0.npy"));
  }
  return "";
}

static_assert(rx::Retriever<rx::VectorFileRetriever<test::WordEmbedder>>);

}  // namespace

TEST_SUITE("remixer/vector_file_retriever") {
  TEST_CASE("search: finds what the encoder's vectors find in memory, score for score") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    const Texts queries = {"red", "apple pear", "none of these", ""};
    for (const Index shards : {1, 2, 6}) {
      CAPTURE(shards);
      const rx::VectorFileRetriever on_disk(encoder, write_vectors(scratch, encoder, kCorpus, shards));
      for (const Index top_k : {1, 3, 6, 100}) {
        CHECK(on_disk.index(kCorpus).search(queries, "", top_k) ==
              rx::DenseRetriever(encoder).index(kCorpus).search(queries, "", top_k));
      }
    }
  }

  TEST_CASE("search: property: candidates on disk are those in memory, whatever corpus, copies, blanks and sources") {
    const test::WordEmbedder encoder(8);
    re::RandomStream random(77);
    for (int round = 0; round < 150; ++round) {
      CAPTURE(round);
      const test::Scratch scratch;
      const Texts corpus = random_texts(random, 1 + random.below(40));
      const Files files = write_vectors(scratch, encoder, corpus, static_cast<Index>(1 + random.below(3)));
      const auto queries = random_queries(random, corpus);
      const rx::MineCandidatesOptions options{.top_k = static_cast<Index>(1 + random.below(12)),
                                              .kept = static_cast<Index>(1 + random.below(8)),
                                              .fill_gaps = random.below(2) == 0};
      rx::MineCandidates in_memory(rx::DenseRetriever{encoder}, corpus, "Find.", options);
      rx::MineCandidates on_disk(
          rx::VectorFileRetriever(encoder, files), pool_on_disk(scratch, corpus), "Find.", options);
      rx::StageReport expected;
      rx::StageReport got;
      CHECK(run_stage(on_disk, queries, got) == run_stage(in_memory, queries, expected));
      CHECK(got == expected);
    }
  }

  TEST_CASE("search: a document with thousands of copies takes no other's place") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    Texts corpus(3000, "red apple");
    corpus.insert(corpus.end(), 2000, " ");
    corpus.insert(corpus.begin() + 1234, {"red pear", "apple", "plum"});
    const rx::VectorFileRetriever retriever(encoder, write_vectors(scratch, encoder, corpus, 3));
    rx::MineCandidates stage(retriever, corpus, "", {.top_k = 4, .kept = 4});
    rx::MineCandidates expected(rx::DenseRetriever{encoder}, corpus, "", {.top_k = 4, .kept = 4});
    const std::vector<rx::GeneratedQuery> queries = {{"red apple pie", {"id", "plum"}, {}}};
    rx::StageReport report;
    const auto mined = run_stage(stage, queries, report);
    CHECK(mined == run_stage(expected, queries, report));
    CHECK(mined[0].candidates.size() == 3);
  }

  TEST_CASE("run: property: no retriever gives a query its source, nor a near-copy where that is wanted") {
    const test::WordEmbedder encoder(8);
    re::RandomStream random(5);
    for (int round = 0; round < 60; ++round) {
      CAPTURE(round);
      const test::Scratch scratch;
      const Texts corpus = random_texts(random, 2 + random.below(40));
      const auto queries = random_queries(random, corpus);
      const rx::AnyRetriever bm25 = rx::Bm25Retriever<>();
      const rx::AnyRetriever dense = rx::DenseRetriever(encoder);
      const rx::AnyRetriever files = rx::VectorFileRetriever(encoder, write_vectors(scratch, encoder, corpus));
      const rx::NearSource near({.near_duplicates = random.below(2) == 0, .near = {.threshold = 0.5}});
      for (const rx::AnyRetriever& retriever : {bm25,
                                                dense,
                                                files,
                                                rx::AnyRetriever(rx::FusedRetriever(bm25, dense)),
                                                rx::AnyRetriever(rx::FusedRetriever(bm25, files))}) {
        rx::MineCandidates stage(
            retriever, pool_on_disk(scratch, corpus), "", {.top_k = 20, .kept = 10, .fill_gaps = round % 2 == 0}, near);
        rx::StageReport report;
        for (const rx::MinedQuery& found : run_stage(stage, queries, report)) {
          std::set<std::string_view> distinct;
          for (const rx::SharedText& candidate : found.candidates) {
            CHECK(!(candidate == found.source.text));
            CHECK(candidate.view() != found.query);
            CHECK(!near(found.source.text, candidate));
            CHECK(distinct.insert(candidate).second);
          }
        }
      }
    }
  }

  TEST_CASE("index: encodes three documents and those that the corpus lacks, and no others") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    const Files files = write_vectors(scratch, encoder, kCorpus);
    const std::vector<Index> rows = {0, 1, 2, 3, 4, 5};
    std::vector<std::string_view> texts(kCorpus.begin(), kCorpus.end());
    texts.emplace_back("an apple from elsewhere");
    const rx::DocumentTexts documents(texts, rows, 6);
    const std::size_t before = encoder.count();
    re::Progress progress("index", 7, {.silent = true});
    const auto index = rx::VectorFileRetriever(encoder, files).index(documents, &progress);
    CHECK(encoder.count() == before + 4);
    CHECK(progress.done() == 7);
    CHECK(index.search(Texts{"an apple from elsewhere"}, "", 2)[0][0].document == 6);
  }

  TEST_CASE("index: refuses files of another corpus, model, order or width, and names them") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    const rx::VectorFileRetriever right(encoder, write_vectors(scratch, encoder, kCorpus));
    CHECK(refused(right, kCorpus).empty());
    const Texts fewer(kCorpus.begin(), kCorpus.end() - 1);
    CHECK(refused(right, fewer) ==
          "vectors0.npy: number of vectors is 6, expected 5, one for each document of the corpus");
    Texts swapped = kCorpus;
    std::swap(swapped.front(), swapped[3]);
    CHECK(refused(right, swapped) ==
          "vectors0.npy: row 0: cosine with the vector that the model gives document 0 is 0.000000, expected at least "
          "0.990000: vectors of this model, role, corpus and order");
    swapped = kCorpus;
    std::swap(swapped.back(), swapped[4]);
    CHECK(refused(right, swapped).find("row 5") != std::string::npos);
    const test::WordEmbedder wider(32);
    CHECK(refused(rx::VectorFileRetriever(wider, {scratch / "vectors0.npy"}), kCorpus) ==
          "vectors0.npy: width of the vectors is 16, expected 32, the model's");
    CHECK_THROWS_AS((void)rx::VectorFileRetriever(wider, {scratch / "vectors0.npy"}).index(kCorpus), re::ShapeError);
    CHECK_THROWS_AS((void)right.index(fewer), re::DataError);
    const rx::VectorFileRetriever careless(encoder, {scratch / "vectors0.npy"}, {.least_cosine = -1});
    CHECK(refused(careless, swapped).empty());
  }

  TEST_CASE("index: a row of another shard is named by its file") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    Texts swapped = kCorpus;
    std::swap(swapped[5], swapped[4]);
    const rx::VectorFileRetriever retriever(encoder, write_vectors(scratch, encoder, swapped, 2));
    CHECK_THROWS_WITH_AS(
        (void)retriever.index(kCorpus), doctest::Contains("vectors1.npy: row 2: cosine with the"), re::DataError);
  }

  TEST_CASE("index: scaled vectors are of the same model, vectors that are not finite of none") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    const test::WordEmbedder scaled(16, 3.0F);
    CHECK(refused(rx::VectorFileRetriever(encoder, write_vectors(scratch, scaled, kCorpus)), kCorpus).empty());
    re::Matrix<float> vectors = encoder.encode_document(kCorpus, nullptr);
    vectors.row(0)[3] = std::numeric_limits<float>::quiet_NaN();
    re::io::write_npy(scratch / "vectors0.npy", vectors.view());
    CHECK(refused(rx::VectorFileRetriever(encoder, {scratch / "vectors0.npy"}), kCorpus).find("row 0") !=
          std::string::npos);
  }

  TEST_CASE("index: no document at all, or none that is not blank") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    const Texts blank = {"", " "};
    const rx::VectorFileRetriever retriever(encoder, write_vectors(scratch, encoder, blank));
    const std::vector<rx::GeneratedQuery> queries = {{"q", {"id", "a source"}, {}}, {"p", {"id", "another"}, {}}};
    rx::MineCandidates stage(retriever, blank);
    rx::StageReport report;
    const auto mined = run_stage(stage, queries, report);
    REQUIRE(mined.size() == 2);
    CHECK(mined[0].candidates == std::vector<rx::SharedText>{"another"});
    const rx::VectorFileRetriever none(encoder, write_vectors(scratch, encoder, {}));
    CHECK(none.index({}).search(Texts{"q"}, "", 5)[0].empty());
  }

  TEST_CASE("VectorFileRetriever: refuses impossible options, and files that are none") {
    const test::Scratch scratch;
    const test::WordEmbedder encoder(16);
    CHECK_THROWS_WITH_AS((void)rx::VectorFileRetriever(encoder, {}),
                         "remixer::VectorFileRetriever: number of files is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_AS((void)rx::VectorFileRetriever(encoder, {"x"}, {.least_cosine = 1.5}), re::ConfigError);
    CHECK_THROWS_AS(
        (void)rx::VectorFileRetriever(encoder, {"x"}, {.least_cosine = std::numeric_limits<double>::quiet_NaN()}),
        re::ConfigError);
    CHECK_THROWS_AS((void)rx::VectorFileRetriever(encoder, {scratch / "missing.npy"}).index(kCorpus), re::IoError);
    CHECK_THROWS_AS((void)rx::VectorFileRetriever(encoder, {scratch.write("v.npy", "text")}).index(kCorpus),
                    re::DataError);
  }
}
