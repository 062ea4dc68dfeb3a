// The first claim of the library: a pretrained encoder finds what BM25 can't. Pinned as an order, not as numbers, so it
// changes only if an encoder, an index or a metric breaks.
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/eval/score.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/retrieval/bm25.hpp>
#include <reasonembed/retrieval/flat_index.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/minilm.hpp>

namespace re = reasonembed;

namespace {

/// nDCG@10 of BM25 and of the encoder as it is.
std::pair<double, double> scores(const re::data::RetrievalDataset& dataset, const re::model::MiniLm& encoder) {
  const auto bm25 = re::eval::score("bm25", dataset, [&](const auto& options) {
    return re::retrieval::Bm25(dataset.corpus.texts()).search(dataset.queries.texts(), options);
  });
  const auto zero_shot = re::eval::score("zero-shot", dataset, [&](const auto& options) {
    const re::retrieval::FlatIndex index(encoder.encode_document(dataset.corpus.texts()));
    return index.search(encoder.encode_query(dataset.queries.texts()), options);
  });
  return {bm25.row.mean, zero_shot.row.mean};
}

}  // namespace

TEST_SUITE("golden/zero_shot") {
  TEST_CASE("score: zero-shot MiniLM is above BM25 on our own corpus, where BM25 is weak") {
    const auto directory = test::find_minilm();
    if (!directory) {
      return;
    }
    const auto dataset = re::data::read_retrieval_dataset(test::source_path("examples/data"), {.split = "test"});
    const auto [bm25, zero_shot] = scores(dataset, re::model::MiniLm::load(*directory));
    MESSAGE("bm25 " << bm25 << ", zero-shot " << zero_shot);
    CHECK(bm25 < 0.4);
    CHECK(zero_shot > bm25 + 0.08);
  }
  TEST_CASE("score: zero-shot MiniLM is above BM25 on EntailmentBank's bare questions") {
    const auto directory = test::find_minilm();
    const auto data = test::find_data("entailmentbank");
    if (!directory || !data) {
      return;
    }
    const auto dataset = re::data::read_retrieval_dataset(*data, {.split = "dev", .query_field = "question"});
    const auto [bm25, zero_shot] = scores(dataset, re::model::MiniLm::load(*directory));
    MESSAGE("bm25 " << bm25 << ", zero-shot " << zero_shot);
    CHECK(zero_shot > bm25 + 0.05);
  }
}
