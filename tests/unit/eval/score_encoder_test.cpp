#include <reasonembed/eval/score_encoder.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::data::RetrievalDataset;
using re::eval::score_encoder;
using re::eval::ScoredRun;

namespace {

re::ProgressOptions silent() {
  return {.silent = true};
}

/// Puts a text on the unit circle by the number that is its text: texts rank by how near their numbers are.
struct Compass {
  [[nodiscard]] Matrix<float> encode_query(std::span<const std::string_view> texts, re::Progress* progress) const {
    return encode(texts, progress, query_turn);
  }
  [[nodiscard]] Matrix<float> encode_document(std::span<const std::string> texts, re::Progress* progress) const {
    return encode(texts, progress, 0.0);
  }
  [[nodiscard]] const re::ThreadPool& pool() const { return threads; }

  template <class Texts>
  static Matrix<float> encode(const Texts& texts, re::Progress* progress, double turn) {
    Matrix<float> vectors(static_cast<Index>(texts.size()), 2);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const double angle = (std::stod(std::string(texts[i])) + turn) * std::numbers::pi / 180.0;
      vectors(static_cast<Index>(i), 0) = static_cast<float>(std::cos(angle));
      vectors(static_cast<Index>(i), 1) = static_cast<float>(std::sin(angle));
      if (progress != nullptr) {
        progress->advance();
      }
    }
    return vectors;
  }
  double query_turn = 0.0;
  re::ThreadPool threads{2};
};

/// Three documents, and two queries whose relevant document is the nearest.
RetrievalDataset compass_dataset() {
  RetrievalDataset dataset;
  dataset.corpus.add("north", "90");
  dataset.corpus.add("east", "0");
  dataset.corpus.add("far", "45");
  dataset.queries.add({.id = "q1", .text = "80"});
  dataset.queries.add({.id = "q2", .text = "10"});
  dataset.qrels.add("q1", "north", 1);
  dataset.qrels.add("q2", "east", 1);
  return dataset;
}

}  // namespace

TEST_SUITE("eval/score_encoder") {
  TEST_CASE("score_encoder: an encoder that ranks what is relevant first scores 1") {
    const ScoredRun scored = score_encoder("compass", compass_dataset(), Compass(), {}, silent());
    CHECK(scored.row.name == "compass");
    CHECK(scored.row.metric == "ndcg_cut_10");
    CHECK(scored.row.mean == 1.0);
    CHECK(scored.row.spread == 0.0);
    CHECK(scored.row.seeds == 1);
    CHECK(scored.row.seconds >= 0.0);
  }
  TEST_CASE("score_encoder: what ranks second is worth 1 / log2(3)") {
    const Compass turned{.query_turn = 30.0};  // q2 is at 40, next to `far`; q1 at 110
    const double mean = score_encoder("turned", compass_dataset(), turned, {}, silent()).row.mean;
    CHECK(std::abs(mean - (1.0 + 1.0 / std::log2(3.0)) / 2.0) <= 4e-16);  // three roundings of numbers below 1
  }
  TEST_CASE("score_encoder: the run is that of a search by hand, for every number of threads") {
    const RetrievalDataset dataset = compass_dataset();
    const Compass encoder;
    const auto search = [&](const re::retrieval::SearchOptions& options) {
      const re::retrieval::FlatIndex index(encoder.encode_document(dataset.corpus.texts(), nullptr));
      const std::vector<std::string_view> queries = {"80", "10"};
      return index.search(encoder.encode_query(queries, nullptr), options);
    };
    const ScoredRun by_hand = re::eval::score("by hand", dataset, search);
    const ScoredRun scored = score_encoder("compass", dataset, encoder, {}, silent());
    CHECK(scored.run == by_hand.run);
    CHECK(scored.row.mean == by_hand.row.mean);
  }
  TEST_CASE("score_encoder: documents that a query excludes are not found for it") {
    RetrievalDataset dataset = compass_dataset();
    re::data::Queries queries;
    queries.add({.id = "q1", .text = "80", .excluded = {"north"}});
    queries.add({.id = "q2", .text = "10"});
    dataset.queries = queries;
    CHECK(score_encoder("compass", dataset, Compass(), {}, silent()).row.mean == 0.5);
  }
  TEST_CASE("score_encoder: shows the texts that are encoded, documents and queries") {
    std::string written;
    re::ProgressOptions progress;
    progress.unit = "overwritten";
    progress.bar_width = 0;
    progress.terminal = false;
    progress.sink = [&](std::string_view text) { written += text; };
    progress.clock = [] { return 0.0; };
    (void)score_encoder("compass", compass_dataset(), Compass(), {}, progress);
    CHECK(written == "encode 5/5 texts  in 0:00\n");
  }
  TEST_CASE("score_encoder: a vector that is no number is refused") {
    const Compass broken{.query_turn = std::numeric_limits<double>::quiet_NaN()};
    CHECK_THROWS_AS((void)score_encoder("broken", compass_dataset(), broken, {}, silent()), re::NonFiniteError);
  }
}
