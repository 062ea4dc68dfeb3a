#include <reasonembed/core/random.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/retrieval/file_index.hpp>
#include <reasonembed/retrieval/flat_index.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::retrieval::FileIndex;
using re::retrieval::FlatIndex;
using re::retrieval::Hit;
using re::retrieval::Rankings;

namespace {

Matrix<float> random_rows(Index rows, Index cols, std::uint64_t seed) {
  Matrix<float> matrix(rows, cols);
  re::RandomStream random(seed);
  for (float& value : matrix.flat()) {
    value = random.uniform() - 0.5F;
  }
  return matrix;
}

/// Writes rows as files of the given sizes, one behind the other. @return  their paths
std::vector<std::filesystem::path> write_shards(const test::Scratch& scratch,
                                                const Matrix<float>& rows,
                                                const std::vector<Index>& sizes) {
  std::vector<std::filesystem::path> paths;
  Index first = 0;
  for (const Index size : sizes) {
    paths.push_back(scratch / ("shard" + std::to_string(paths.size()) + ".npy"));
    re::io::write_npy(paths.back(), rows.view().row_block(first, size));
    first += size;
  }
  REQUIRE(first == rows.rows());
  return paths;
}

}  // namespace

TEST_SUITE("retrieval/file_index") {
  TEST_CASE("search: finds what FlatIndex finds, bit for bit, for sizes around the steps") {
    const test::Scratch scratch;
    for (const Index documents : {1, 47, 48, 143, 144, 145, 1000}) {
      for (const Index width : {1, 7, 33, 384}) {
        for (const Index count : {1, 5, 53}) {
          CAPTURE(documents);
          CAPTURE(width);
          CAPTURE(count);
          const Matrix<float> vectors = random_rows(documents, width, 1);
          const Matrix<float> queries = random_rows(count, width, 2);
          re::io::write_npy(scratch / "v.npy", vectors.view());
          const FileIndex index(scratch / "v.npy");
          CHECK(index.size() == documents);
          CHECK(index.width() == width);
          CHECK(index.search(queries, {.top_k = 20}) == FlatIndex(vectors).search(queries, {.top_k = 20}));
        }
      }
    }
  }

  TEST_CASE("search: the same however the vectors are cut into files, empty files included") {
    const test::Scratch scratch;
    const Matrix<float> vectors = random_rows(700, 24, 3);
    const Matrix<float> queries = random_rows(9, 24, 4);
    const Rankings expected = FlatIndex(vectors).search(queries, {.top_k = 700});
    for (const std::vector<Index>& sizes : {std::vector<Index>{700},
                                            std::vector<Index>{1, 699},
                                            std::vector<Index>{0, 300, 0, 400, 0},
                                            std::vector<Index>{100, 100, 100, 100, 100, 100, 100}}) {
      const FileIndex index(write_shards(scratch, vectors, sizes));
      CHECK(index.size() == 700);
      CHECK(index.search(queries, {.top_k = 700}) == expected);
    }
  }

  TEST_CASE("search: the same for every pool, over many blocks") {
    const test::Scratch scratch;
    const Matrix<float> vectors = random_rows(40000, 64, 5);  // 10 MB: five blocks
    const Matrix<float> queries = random_rows(20, 64, 6);
    re::io::write_npy(scratch / "v.npy", vectors.view());
    const FileIndex index(scratch / "v.npy");
    const Rankings expected = FlatIndex(vectors).search(queries, {.top_k = 50});
    CHECK(index.search(queries, {.top_k = 50}) == expected);
    for (const int threads : {1, 2, 3, 8}) {
      const re::ThreadPool pool(threads);
      CHECK(index.search(queries, {.top_k = 50, .pool = &pool}) == expected);
    }
  }

  TEST_CASE("search: equal vectors are ranked by their number, across files and threads") {
    const test::Scratch scratch;
    Matrix<float> vectors(30000, 40);
    for (Index n = 0; n < 30000; ++n) {
      vectors(n, n % 2) = 1;
    }
    const FileIndex index(write_shards(scratch, vectors, {13000, 17000}));
    Matrix<float> query(1, 40);
    query(0, 0) = 1;
    const re::ThreadPool pool(3);
    const std::vector<Hit> hits = index.search(query, {.top_k = 15001, .pool = &pool})[0];
    for (std::size_t i = 0; i < 15000; ++i) {
      REQUIRE(hits[i] == Hit{static_cast<Index>(2 * i), 1.0F});
    }
    CHECK(hits[15000] == Hit{1, 0.0F});
  }

  TEST_CASE("search: excluded documents are removed before the cut-off") {
    const test::Scratch scratch;
    const Matrix<float> vectors = random_rows(300, 8, 7);
    const Matrix<float> queries = random_rows(6, 8, 8);
    re::io::write_npy(scratch / "v.npy", vectors.view());
    std::vector<std::vector<Index>> excluded(6);
    const Rankings all = FlatIndex(vectors).search(queries, {.top_k = 300});
    for (std::size_t query = 0; query < 6; ++query) {
      for (std::size_t i = 0; i < 3 * query; ++i) {
        excluded[query].push_back(all[query][2 * i].document);
      }
      std::sort(excluded[query].begin(), excluded[query].end());
    }
    const FileIndex index(scratch / "v.npy");
    CHECK(index.search(queries, {.top_k = 10, .excluded = excluded}) ==
          FlatIndex(vectors).search(queries, {.top_k = 10, .excluded = excluded}));
  }

  TEST_CASE("search: takes a corpus in shards, and several rankings become one") {
    const test::Scratch scratch;
    const auto paths = write_shards(scratch, random_rows(600, 32, 1), {200, 400});
    const Matrix<float> queries = random_rows(3, 32, 2);
    const std::vector<std::vector<Index>> sources = {{5}, {200, 599}, {}};
    // example-begin file_index
    const re::ThreadPool pool;
    const re::retrieval::FileIndex index(paths);  // .npy files, as `reasonembed encode` writes them
    const Rankings hits = index.search(queries, {.top_k = 100, .excluded = sources, .pool = &pool});
    // example-end file_index
    CHECK(hits[0].size() == 100);
    CHECK(std::none_of(hits[1].begin(), hits[1].end(), [](const Hit& hit) { return hit.document == 200; }));
  }

  TEST_CASE("search: no vectors, no queries and vectors of no width are legal") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "none.npy", Matrix<float>(0, 4).view());
    const FileIndex none(scratch / "none.npy");
    CHECK(none.size() == 0);
    CHECK(none.search(random_rows(2, 4, 1)) == Rankings(2));
    re::io::write_npy(scratch / "v.npy", random_rows(3, 4, 1).view());
    CHECK(FileIndex(scratch / "v.npy").search(Matrix<float>(0, 4)).empty());
    re::io::write_npy(scratch / "flat.npy", Matrix<float>(3, 0).view());
    CHECK(FileIndex(scratch / "flat.npy").search(Matrix<float>(1, 0), {.top_k = 2})[0] ==
          std::vector<Hit>{{0, 0.0F}, {1, 0.0F}});
  }

  TEST_CASE("search: progress counts every vector once") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "v.npy", random_rows(30000, 64, 1).view());
    std::string shown;
    {
      re::Progress progress(
          "mine", 30000, {.unit = "vectors", .terminal = false, .sink = [&](std::string_view text) { shown += text; }});
      (void)FileIndex(scratch / "v.npy").search(random_rows(1, 64, 2), {}, &progress);
    }
    CHECK(shown.find("30000/30000") != std::string::npos);
  }

  TEST_CASE("search: a vector or query that is not finite is refused by name") {
    const test::Scratch scratch;
    Matrix<float> vectors = random_rows(200, 4, 1);
    vectors(150, 2) = std::numeric_limits<float>::quiet_NaN();
    const auto path = scratch / "v.npy";
    re::io::write_npy(path, vectors.view());
    CHECK_THROWS_WITH_AS((void)FileIndex(path).search(random_rows(1, 4, 2)),
                         (path.string() + ": row 150: element 2 is nan, expected a finite number").c_str(),
                         re::NonFiniteError);
    vectors(150, 2) = -std::numeric_limits<float>::infinity();
    re::io::write_npy(path, vectors.view());
    CHECK_THROWS_AS((void)FileIndex(path).search(random_rows(1, 4, 2)), re::NonFiniteError);
    Matrix<float> queries = random_rows(2, 4, 2);
    queries(1, 3) = std::numeric_limits<float>::infinity();
    re::io::write_npy(path, random_rows(5, 4, 1).view());
    CHECK_THROWS_WITH_AS((void)FileIndex(path).search(queries),
                         "retrieval::FileIndex::search: queries[1]: element 3 is inf, expected a finite number",
                         re::NonFiniteError);
  }

  TEST_CASE("search: a score that no float holds is refused") {
    const test::Scratch scratch;
    Matrix<float> vectors(2, 1);
    vectors(1, 0) = 3e38F;
    re::io::write_npy(scratch / "v.npy", vectors.view());
    Matrix<float> query(1, 1);
    query(0, 0) = 3.0F;
    CHECK_THROWS_WITH_AS((void)FileIndex(scratch / "v.npy").search(query),
                         "retrieval::FileIndex::search: score of query 0 with document 1 is not finite, expected one "
                         "that a float can hold",
                         re::NonFiniteError);
  }

  TEST_CASE("search: a score below all numbers is refused wherever it stands, for every pool") {
    const test::Scratch scratch;
    Matrix<float> vectors(3000, 1);
    for (Index n = 0; n < 3000; ++n) {
      vectors(n, 0) = 1.0F;
    }
    vectors(2900, 0) = -3e38F;  // by then the rankings are full of better ones
    re::io::write_npy(scratch / "v.npy", vectors.view());
    Matrix<float> query(2, 1);
    query(0, 0) = 0.5F;
    query(1, 0) = 3.0F;
    for (const int threads : {1, 3}) {
      const re::ThreadPool pool(threads);
      CHECK_THROWS_WITH_AS(
          (void)FileIndex(scratch / "v.npy").search(query, {.top_k = 5, .pool = &pool}),
          "retrieval::FileIndex::search: score of query 1 with document 2900 is not finite, expected one "
          "that a float can hold",
          re::NonFiniteError);
    }
  }

  TEST_CASE("search: an infinite element is found though a query has a zero there") {
    const test::Scratch scratch;
    Matrix<float> vectors = random_rows(500, 20, 1);
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      vectors(499, 19) = bad;
      re::io::write_npy(scratch / "v.npy", vectors.view());
      CHECK_THROWS_WITH_AS((void)FileIndex(scratch / "v.npy").search(Matrix<float>(3, 20), {.top_k = 1}),
                           doctest::Contains(": row 499: element 19 is "),
                           re::NonFiniteError);
    }
  }

  TEST_CASE("FileIndex: refuses no file, files of two widths, and what is no .npy file") {
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS(FileIndex{std::vector<std::filesystem::path>()},
                         "retrieval::FileIndex: number of files is 0, expected at least 1",
                         re::ConfigError);
    re::io::write_npy(scratch / "a.npy", Matrix<float>(2, 3).view());
    re::io::write_npy(scratch / "b.npy", Matrix<float>(2, 4).view());
    CHECK_THROWS_WITH_AS((FileIndex{std::vector{scratch / "a.npy", scratch / "b.npy"}}),
                         ((scratch / "b.npy").string() + ": number of columns is 4, expected 3").c_str(),
                         re::ShapeError);
    CHECK_THROWS_AS(FileIndex{scratch.write("c.npy", "no vectors")}, re::DataError);
    CHECK_THROWS_AS(FileIndex{scratch / "absent.npy"}, re::IoError);
  }

  TEST_CASE("search: refuses queries and options that do not fit") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "a.npy", Matrix<float>(2, 3).view());
    const FileIndex index(scratch / "a.npy");
    CHECK_THROWS_WITH_AS((void)index.search(Matrix<float>(1, 4)),
                         "retrieval::FileIndex::search: queries.cols() is 4, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)index.search(Matrix<float>(1, 3), {.top_k = 0}),
                         "retrieval::FileIndex::search: top_k is 0, expected at least 1",
                         re::ConfigError);
  }

  TEST_CASE("search: a file that has become another one is an error") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "v.npy", random_rows(50, 16, 1).view());
    const FileIndex index(scratch / "v.npy");
    re::io::write_npy(scratch / "v.npy", random_rows(60, 16, 1).view());
    CHECK_THROWS_WITH_AS(
        (void)index.search(random_rows(1, 16, 2)),
        ((scratch / "v.npy").string() + ": file is another one, expected the one that was opened first").c_str(),
        re::IoError);
  }

  TEST_CASE("search: a file that is cut after it was opened is an error, not the end of the process") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "v.npy", random_rows(5000, 16, 1).view());
    const FileIndex index(scratch / "v.npy");
    std::filesystem::resize_file(scratch / "v.npy", 100000);
    CHECK_THROWS_AS((void)index.search(random_rows(1, 16, 2)), re::DataError);  // its header says more
  }
}
