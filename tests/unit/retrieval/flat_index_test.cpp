#include <reasonembed/retrieval/flat_index.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::retrieval::FlatIndex;
using re::retrieval::Hit;
using re::retrieval::Rankings;
using re::retrieval::SearchOptions;

namespace {

Matrix<float> unit_rows(Index rows, Index cols, unsigned seed) {
  Matrix<float> matrix(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (Index row = 0; row < rows; ++row) {
    double squares = 0;
    for (float& value : matrix.row(row)) {
      value = normal(random);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    for (float& value : matrix.row(row)) {
      value = squares == 0 ? 0 : static_cast<float>(value / std::sqrt(squares));
    }
  }
  return matrix;
}

double exact_score(MatrixView<const float> queries, Index query, MatrixView<const float> vectors, Index document) {
  double sum = 0;
  for (Index d = 0; d < vectors.cols(); ++d) {
    sum += static_cast<double>(queries(query, d)) * static_cast<double>(vectors(document, d));
  }
  return sum;
}

/// All scores of one query, as the index computes them: bit for bit what any other search must return.
std::vector<float> all_scores(const FlatIndex& index, MatrixView<const float> queries, Index query) {
  std::vector<float> scores(static_cast<std::size_t>(index.size()));
  for (const Hit& hit : index.search(queries.row_block(query, 1), {.top_k = std::max<Index>(1, index.size())})[0]) {
    scores[static_cast<std::size_t>(hit.document)] = hit.score;
  }
  return scores;
}

}  // namespace

TEST_SUITE("retrieval/flat_index") {
  TEST_CASE("search: finds what a sort of all scores finds, for sizes around the blocks") {
    for (const Index documents : {1, 2, 47, 48, 49, 2047, 2048, 2049, 4100}) {
      for (const Index width : {1, 7, 8, 16, 33}) {
        CAPTURE(documents);
        CAPTURE(width);
        const Matrix<float> vectors = unit_rows(documents, width, 1);
        const Matrix<float> queries = unit_rows(3, width, 2);
        const FlatIndex index(vectors);
        const Rankings hits = index.search(queries, {.top_k = documents});
        REQUIRE(hits.size() == 3);
        for (Index query = 0; query < 3; ++query) {
          const std::vector<Hit>& found = hits[static_cast<std::size_t>(query)];
          REQUIRE(static_cast<Index>(found.size()) == documents);
          CHECK(std::is_sorted(found.begin(), found.end(), re::retrieval::ranks_before));
          double worst = 0;
          std::vector<bool> seen(static_cast<std::size_t>(documents), false);
          for (const Hit& hit : found) {
            seen[static_cast<std::size_t>(hit.document)] = true;
            worst =
                std::max(worst, std::abs(hit.score - exact_score(queries.view(), query, vectors.view(), hit.document)));
          }
          CHECK(std::all_of(seen.begin(), seen.end(), [](bool one) { return one; }));
          // a chain of D fma of values whose products sum up to at most 1: D eps/2
          CHECK(worst <= static_cast<double>(width) * std::numeric_limits<float>::epsilon());
        }
      }
    }
  }

  TEST_CASE("search: a smaller top_k is the beginning of a larger one") {
    const Matrix<float> vectors = unit_rows(3000, 12, 3);
    const Matrix<float> queries = unit_rows(5, 12, 4);
    const FlatIndex index(vectors);
    const Rankings all = index.search(queries, {.top_k = 3000});
    for (const Index k : {1, 2, 10, 999, 2999, 3000, 3001, 100000}) {
      const Rankings best = index.search(queries, {.top_k = k});
      for (std::size_t query = 0; query < 5; ++query) {
        REQUIRE(best[query].size() == static_cast<std::size_t>(std::min<Index>(k, 3000)));
        CHECK(std::equal(best[query].begin(), best[query].end(), all[query].begin()));
      }
    }
  }

  TEST_CASE("search: equal vectors are ranked by their number") {
    Matrix<float> vectors(5000, 4);
    for (Index n = 0; n < 5000; ++n) {
      vectors(n, n % 2) = 1;
    }
    Matrix<float> query(1, 4);
    query(0, 0) = 1;
    const FlatIndex index(vectors);
    const std::vector<Hit> hits = index.search(query, {.top_k = 2600})[0];
    for (std::size_t i = 0; i < 2500; ++i) {
      REQUIRE(hits[i] == Hit{static_cast<Index>(2 * i), 1.0F});
    }
    CHECK(hits[2500] == Hit{1, 0.0F});
    CHECK(hits[2599] == Hit{199, 0.0F});
  }

  TEST_CASE("search: bits depend neither on the pool nor on how queries are batched") {
    const Matrix<float> vectors = unit_rows(2500, 37, 5);
    const Matrix<float> queries = unit_rows(70, 37, 6);
    const FlatIndex index(vectors);
    const Rankings expected = index.search(queries, {.top_k = 25});
    for (const int threads : {1, 2, 3, 8}) {
      const re::ThreadPool pool(threads);
      CHECK(index.search(queries, {.top_k = 25, .pool = &pool}) == expected);
    }
    for (const Index batch : {1, 2, 31, 32, 33, 69}) {
      CAPTURE(batch);
      for (Index first = 0; first < 70; first += batch) {
        const Index count = std::min(batch, 70 - first);
        const Rankings part = index.search(queries.view().row_block(first, count), {.top_k = 25});
        REQUIRE(std::equal(part.begin(), part.end(), expected.begin() + first));
      }
    }
  }

  TEST_CASE("search: the score of a document depends neither on its number nor on its neighbours") {
    const Matrix<float> vectors = unit_rows(2100, 20, 7);
    const Matrix<float> query = unit_rows(1, 20, 8);
    const std::vector<float> scores = all_scores(FlatIndex(vectors), query.view(), 0);
    for (const Index first : {1, 40, 2047, 2099}) {
      const FlatIndex part(vectors.view().row_block(first, 2100 - first));
      const std::vector<float> part_scores = all_scores(part, query.view(), 0);
      REQUIRE(std::equal(part_scores.begin(), part_scores.end(), scores.begin() + first));
    }
  }

  TEST_CASE("search: excluded documents are removed before the cut-off") {
    const Matrix<float> vectors = unit_rows(100, 8, 9);
    const Matrix<float> queries = unit_rows(40, 8, 10);  // more than a block of queries
    const FlatIndex index(vectors);
    const Rankings all = index.search(queries, {.top_k = 100});
    std::vector<std::vector<Index>> excluded(40);
    for (std::size_t query = 0; query < 40; ++query) {
      for (std::size_t i = 0; i < query; ++i) {
        excluded[query].push_back(all[query][2 * i % 100].document);
      }
      std::sort(excluded[query].begin(), excluded[query].end());
      excluded[query].erase(std::unique(excluded[query].begin(), excluded[query].end()), excluded[query].end());
    }
    const Rankings hits = index.search(queries, {.top_k = 10, .excluded = excluded});
    for (std::size_t query = 0; query < 40; ++query) {
      std::vector<Hit> expected = all[query];
      std::erase_if(expected, [&](const Hit& hit) {
        return std::binary_search(excluded[query].begin(), excluded[query].end(), hit.document);
      });
      expected.resize(10);
      CHECK(hits[query] == expected);
    }
  }

  TEST_CASE("search: reads strided views and nothing beside them") {
    const Matrix<float> vectors = unit_rows(60, 9, 11);
    const Matrix<float> queries = unit_rows(4, 9, 12);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    Matrix<float> padded(60, 16);
    Matrix<float> padded_queries(4, 13);
    std::fill(padded.flat().begin(), padded.flat().end(), nan);
    std::fill(padded_queries.flat().begin(), padded_queries.flat().end(), nan);
    for (Index n = 0; n < 60; ++n) {
      std::copy(vectors.row(n).begin(), vectors.row(n).end(), padded.row(n).begin() + 3);
    }
    for (Index b = 0; b < 4; ++b) {
      std::copy(queries.row(b).begin(), queries.row(b).end(), padded_queries.row(b).begin() + 1);
    }
    const FlatIndex index(MatrixView<const float>(padded.view()).col_block(3, 9));
    CHECK(index.search(MatrixView<const float>(padded_queries.view()).col_block(1, 9), {.top_k = 60}) ==
          FlatIndex(vectors).search(queries, {.top_k = 60}));
  }

  TEST_CASE("search: no documents, no queries and vectors of no width are legal") {
    const Matrix<float> none(0, 8);
    const FlatIndex empty(none);
    CHECK(empty.size() == 0);
    CHECK(empty.width() == 8);
    CHECK(empty.search(unit_rows(2, 8, 1)) == Rankings(2));
    CHECK(FlatIndex(unit_rows(3, 8, 1)).search(none).empty());
    const FlatIndex flat(Matrix<float>(3, 0));
    CHECK(flat.search(Matrix<float>(1, 0), {.top_k = 2})[0] == std::vector<Hit>{{0, 0.0F}, {1, 0.0F}});
  }

  TEST_CASE("FlatIndex: refuses vectors that are not finite") {
    Matrix<float> vectors = unit_rows(3, 4, 1);
    vectors(2, 1) = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(
        FlatIndex{vectors}, "retrieval::FlatIndex: vectors[2][1] is nan, expected a finite number", re::NonFiniteError);
    vectors(2, 1) = -std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS(FlatIndex{vectors},
                         "retrieval::FlatIndex: vectors[2][1] is -inf, expected a finite number",
                         re::NonFiniteError);
  }

  TEST_CASE("search: refuses queries that are not finite or do not fit") {
    const FlatIndex index(unit_rows(3, 4, 1));
    Matrix<float> queries = unit_rows(2, 4, 2);
    queries(1, 3) = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS((void)index.search(queries),
                         "retrieval::FlatIndex::search: queries[1][3] is inf, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS((void)index.search(unit_rows(2, 5, 1)),
                         "retrieval::FlatIndex::search: queries.cols() is 5, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)index.search(unit_rows(2, 4, 1), {.top_k = -1}),
                         "retrieval::FlatIndex::search: top_k is -1, expected at least 1",
                         re::ConfigError);
    const std::vector<std::vector<Index>> excluded(3);
    CHECK_THROWS_WITH_AS((void)index.search(unit_rows(2, 4, 1), {.excluded = excluded}),
                         "retrieval::FlatIndex::search: excluded.size() is 3, expected 2",
                         re::ShapeError);
  }

  TEST_CASE("search: refuses numbers whose scores would overflow, and takes large ones that do not") {
    Matrix<float> vectors(2, 2);
    vectors(0, 0) = 1e19F;
    vectors(1, 1) = 1;
    const FlatIndex index(vectors);
    Matrix<float> query(1, 2);
    query(0, 0) = 1e18F;
    CHECK(index.search(query)[0][0].document == 0);
    query(0, 0) = 3e19F;
    CHECK_THROWS_AS((void)index.search(query), re::NonFiniteError);
  }

  TEST_CASE("search: many threads may search one index at once, with one pool") {
    const FlatIndex index(unit_rows(2200, 16, 1));
    const Matrix<float> queries = unit_rows(80, 16, 2);
    const Rankings expected = index.search(queries, {.top_k = 15});
    const re::ThreadPool pool(2);
    std::vector<Rankings> found(4);
    {
      std::vector<std::jthread> threads;
      for (Rankings& own : found) {
        threads.emplace_back([&] { own = index.search(queries, {.top_k = 15, .pool = &pool}); });
      }
    }
    for (const Rankings& own : found) {
      CHECK(own == expected);
    }
  }

  TEST_CASE("search: a moved index finds the same") {
    const Matrix<float> queries = unit_rows(2, 6, 2);
    FlatIndex index(unit_rows(50, 6, 1));
    const Rankings before = index.search(queries);
    const FlatIndex moved = std::move(index);
    CHECK(moved.search(queries) == before);
  }

  TEST_CASE("search: 187 queries over 11399 vectors of 384 take well under a second on one thread") {
    const Matrix<float> vectors = unit_rows(11399, 384, 1);
    const Matrix<float> queries = unit_rows(187, 384, 2);
    const FlatIndex index(vectors);
    const auto start = std::chrono::steady_clock::now();
    const Rankings hits = index.search(queries, {.top_k = 100});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(hits.size() == 187);
    MESSAGE("seconds: " << seconds.count());
    // 1.6 GFLOP: 0.02 s in a release build; sanitizers and a busy machine get room, a quadratic slip does not
    CHECK(seconds.count() < 20);
  }
}
