#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/embedding.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

namespace {

using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_SUITE("simd/embedding") {
  TEST_CASE_TEMPLATE("embedding and embedding_accumulate: look rows up, for every width", T, float, double) {
    const Ids ids{4, 0, 4, 2, 6};
    for (const Index width : test::kLengths) {
      CAPTURE(width);
      const auto table = test::normal_matrix<T>(7, width, 131);
      const auto before = test::normal_matrix<T>(5, width, 132, 1.0, 2, 3);
      GuardedMatrix<T> y(5, width, 1, 2);
      auto sum = before;
      simd::embedding(ids, table.view(), y.view());
      simd::embedding_accumulate(ids, table.view(), sum.view());
      CHECK(y.surroundings_untouched());
      CHECK(sum.surroundings_untouched());
      for (Index t = 0; t < 5; ++t) {
        for (Index d = 0; d < width; ++d) {
          const T value = table(ids[static_cast<std::size_t>(t)], d);
          CHECK(y(t, d) == value);
          CHECK(sum(t, d) == before(t, d) + value);
        }
      }
    }
  }

  TEST_CASE("embedding and embedding_accumulate: widen rows of a table in bf16, exactly, for every width") {
    const Ids ids{4, 0, 4, 2, 6};
    for (const Index width : test::kLengths) {
      CAPTURE(width);
      const auto table = GuardedMatrix<re::bf16>(7, width, 3, 1).fill_random(139);
      const auto before = test::normal_matrix<float>(5, width, 140, 1.0, 2, 3);
      GuardedMatrix<float> y(5, width, 1, 2);
      auto sum = before;
      simd::embedding(ids, table.view(), y.view());
      simd::embedding_accumulate(ids, table.view(), sum.view());
      CHECK(y.surroundings_untouched());
      CHECK(sum.surroundings_untouched());
      for (Index t = 0; t < 5; ++t) {
        for (Index d = 0; d < width; ++d) {
          const auto value = static_cast<float>(table(ids[static_cast<std::size_t>(t)], d));
          CHECK(y(t, d) == value);
          CHECK(sum(t, d) == before(t, d) + value);
        }
      }
    }
  }

  TEST_CASE("embedding, embedding_accumulate: of a table in bf16 refuse what those of float refuse") {
    const GuardedMatrix<re::bf16> table(10, 8);
    GuardedMatrix<float> y(2, 8);
    CHECK_THROWS_WITH_AS(simd::embedding(Ids{0, 10}, table.view(), y.view()),
                         "simd::embedding: ids[1] is 10, expected 0 <= row < 10",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_accumulate(Ids{-1, 0}, table.view(), y.view()),
                         "simd::embedding_accumulate: ids[0] is -1, expected 0 <= row < 10",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding(Ids{0, 1}, table.view(), y.view().col_block(0, 7)),
                         "simd::embedding: y.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_accumulate(Ids{0}, table.view(), y.view()),
                         "simd::embedding_accumulate: y.rows() is 2, expected 1",
                         re::ShapeError);
    simd::embedding(Ids{}, table.view(), y.view().row_block(0, 0));
  }

  TEST_CASE_TEMPLATE("embedding_vjp: adds to the table in token order", T, float, double) {
    const Ids ids{1, 3, 1, 1, 0};
    for (const Index width : {1, 16, 19}) {
      CAPTURE(width);
      const auto dy = test::normal_matrix<T>(5, width, 133);
      auto dtable = test::normal_matrix<T>(4, width, 134);
      const auto before = dtable;
      simd::embedding_vjp(ids, dy.view(), dtable.view());
      CHECK(dtable.surroundings_untouched());
      for (Index d = 0; d < width; ++d) {
        CHECK(dtable(0, d) == before(0, d) + dy(4, d));
        CHECK(dtable(1, d) == ((before(1, d) + dy(0, d)) + dy(2, d)) + dy(3, d));
        CHECK(dtable(2, d) == before(2, d));
        CHECK(dtable(3, d) == before(3, d) + dy(1, d));
      }
    }
  }

  TEST_CASE("embedding_vjp: equals finite differences of both lookups") {
    const Ids ids{2, 0, 2};
    auto table = test::normal_matrix<double>(3, 4, 135);
    const auto dy = test::normal_matrix<double>(3, 4, 136);
    const auto start = test::normal_matrix<double>(3, 4, 137);
    GuardedMatrix<double> dtable(3, 4);
    simd::embedding_vjp(ids, dy.view(), dtable.view());
    GuardedMatrix<double> y(3, 4);
    const auto loss = [&] {
      simd::embedding(ids, table.view(), y.view());
      return test::inner(y.view(), dy.view());
    };
    const auto accumulating = [&] {
      auto sum = start;
      simd::embedding_accumulate(ids, table.view(), sum.view());
      return test::inner(sum.view(), dy.view());
    };
    test::check_gradient(loss, table.view(), dtable.view());
    test::check_gradient(accumulating, table.view(), dtable.view());
  }

  TEST_CASE("all: reject ids outside the table and shapes that do not fit, before any work") {
    const auto table = test::normal_matrix<float>(10, 8, 138);
    GuardedMatrix<float> y(4, 8);
    auto dtable = table;
    const Ids bad{0, 1, 2, 99};
    const Ids negative{0, -1, 2, 3};
    const Ids edge{0, 9, 10, 3};
    const Ids good{0, 1, 2, 3};
    const auto unchanged = [&] {
      return test::same_bits<float>(std::as_const(y).view(), GuardedMatrix<float>(4, 8).view()) &&
             test::same_bits<float>(std::as_const(dtable).view(), table.view());
    };
    CHECK_THROWS_WITH_AS(simd::embedding(bad, table.view(), y.view()),
                         "simd::embedding: ids[3] is 99, expected 0 <= row < 10",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_accumulate(negative, table.view(), y.view()),
                         "simd::embedding_accumulate: ids[1] is -1, expected 0 <= row < 10",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_vjp(edge, y.view(), dtable.view()),
                         "simd::embedding_vjp: ids[2] is 10, expected 0 <= row < 10",
                         re::ShapeError);
    CHECK(unchanged());
    CHECK_THROWS_WITH_AS(simd::embedding(good, table.view(), y.view().row_block(0, 3)),
                         "simd::embedding: y.rows() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_accumulate(good, table.view(), y.view().col_block(0, 7)),
                         "simd::embedding_accumulate: y.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::embedding_vjp(good, y.view().col_block(0, 7), dtable.view()),
                         "simd::embedding_vjp: dy.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK(unchanged());
  }

  TEST_CASE("all: no ids need no table") {
    GuardedMatrix<float> none(0, 3);
    simd::embedding(Ids{}, none.view(), none.view());
    simd::embedding_accumulate(Ids{}, none.view(), none.view());
    simd::embedding_vjp(Ids{}, none.view(), none.view());
  }
}
