#include <reasonembed/simd/epilogue.hpp>
#include <reasonembed/simd/gemm.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::AddBias;
using re::simd::AddBiasResidual;
using re::simd::Epilogue;
using re::simd::Level;
using re::simd::NoEpilogue;
using re::simd::PackedMatrix;
using re::simd::Store;
using test::GuardedMatrix;

namespace {

/// The smallest thing that is an epilogue.
struct EpilogueArchetype {
  void operator()(Index /*row*/, Index /*col*/, std::span<float> /*piece*/) const {}
};
static_assert(Epilogue<EpilogueArchetype, float>);
static_assert(!Epilogue<EpilogueArchetype, double>);

struct Mutates {
  void operator()(Index /*row*/, Index /*col*/, std::span<float> /*piece*/) {}
};
static_assert(!Epilogue<Mutates, float>, "an epilogue is const");

struct ReadsOnly {
  void operator()(Index /*row*/, std::span<const float> /*piece*/) const {}
};
static_assert(!Epilogue<ReadsOnly, float>, "an epilogue takes row, column and piece");

struct Returns {
  int operator()(Index /*row*/, Index /*col*/, std::span<float> /*piece*/) const { return 0; }
};
static_assert(!Epilogue<Returns, float>, "a result would be dropped silently");

/// Marks every element with its place and counts the visits; the number of visits is kept apart from the value.
template <class T>
struct Visit {
  Matrix<T>* visits;
  void operator()(Index row, Index col, std::span<T> piece) const {
    for (std::size_t i = 0; i < piece.size(); ++i) {
      (*visits)(row, col + static_cast<Index>(i)) += 1;
      piece[i] = piece[i] * 1000 + static_cast<T>(row * 100) + static_cast<T>(col + static_cast<Index>(i));
    }
  }
};

}  // namespace

TEST_SUITE("simd/epilogue") {
  TEST_CASE_TEMPLATE("Epilogue: sees every element once, finished, at its place", T, float, double) {
    const Index block = 4096 / static_cast<Index>(sizeof(T));
    for (const Level level : test::supported_levels()) {
      for (const Store store : {Store::kOverwrite, Store::kAccumulate}) {
        for (const Index rows : {1, 8, 13}) {
          for (const Index cols : {1, 8, 47, 48, 51}) {
            for (const Index depth : {Index{0}, Index{3}, block + 1}) {  // none, one and two blocks of the depth
              CAPTURE(name_of(level));
              CAPTURE(rows);
              CAPTURE(cols);
              CAPTURE(depth);
              Matrix<T> a(rows, depth);
              for (T& x : a.flat()) {
                x = 1;
              }
              Matrix<T> weight(cols, depth);
              for (T& x : weight.flat()) {
                x = 2;
              }
              GuardedMatrix<T> c = GuardedMatrix<T>(rows, cols, 3, 1).fill(T(7));
              Matrix<T> visits(rows, cols);
              Arena scratch;
              gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), c.view(), store, scratch, Visit<T>{&visits});
              const T sum = static_cast<T>(2 * depth) + (store == Store::kAccumulate ? T(7) : T(0));
              bool expected = true;
              for (Index i = 0; i < rows; ++i) {
                for (Index j = 0; j < cols; ++j) {
                  expected = expected && visits(i, j) == 1 &&
                             c(i, j) == sum * 1000 + static_cast<T>(i * 100) + static_cast<T>(j);
                }
              }
              CHECK(expected);
              CHECK(c.surroundings_untouched());
            }
          }
        }
      }
    }
  }

  TEST_CASE("Epilogue: the archetype and a lambda are enough") {
    Matrix<float> a(2, 1);
    Matrix<float> weight(3, 1);
    Matrix<float> c(2, 3);
    Arena scratch;
    const PackedMatrix<float> packed(weight.view());
    gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, scratch, EpilogueArchetype{});
    CHECK(c(1, 2) == 0);
    gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, scratch, [](Index, Index, std::span<float> piece) {
      for (float& x : piece) {
        x = 4;
      }
    });
    CHECK(c(1, 2) == 4);
  }

  TEST_CASE("NoEpilogue: changes nothing") {
    std::array<float, 3> piece{1, 2, 3};
    NoEpilogue{}(0, 0, std::span<float>(piece));
    CHECK(piece == std::array<float, 3>{1, 2, 3});
  }

  TEST_CASE_TEMPLATE("AddBias: equals an addition after the product, bit for bit", T, float, double) {
    for (const Level level : test::supported_levels()) {
      for (const Store store : {Store::kOverwrite, Store::kAccumulate}) {
        const GuardedMatrix<T> a = GuardedMatrix<T>(13, 40).fill_random(1);
        const PackedMatrix<T> weight(GuardedMatrix<T>(51, 40).fill_random(2).view(), level);
        const GuardedMatrix<T> bias = GuardedMatrix<T>(1, 51, 0, 1).fill_random(3);
        GuardedMatrix<T> fused = GuardedMatrix<T>(13, 51, 2, 3).fill_random(4);
        GuardedMatrix<T> plain = fused;
        Arena scratch;
        gemm(a.view(), weight.view(), fused.view(), store, scratch, AddBias<T>{bias.view().row(0)});
        gemm(a.view(), weight.view(), plain.view(), store, scratch);
        bool equal = true;
        for (Index i = 0; i < 13; ++i) {
          for (Index j = 0; j < 51; ++j) {
            equal = equal && fused(i, j) == plain(i, j) + bias(0, j);
          }
        }
        CAPTURE(name_of(level));
        CHECK(equal);
        CHECK(fused.surroundings_untouched());
      }
    }
  }

  TEST_CASE_TEMPLATE("AddBiasResidual: adds the bias first, then the residual", T, float, double) {
    for (const Level level : test::supported_levels()) {
      const GuardedMatrix<T> a = GuardedMatrix<T>(13, 40).fill_random(5);
      const PackedMatrix<T> weight(GuardedMatrix<T>(51, 40).fill_random(6).view(), level);
      const GuardedMatrix<T> bias = GuardedMatrix<T>(1, 51).fill_random(7);
      const GuardedMatrix<T> residual = GuardedMatrix<T>(13, 51, 5, 1).fill_random(8);
      GuardedMatrix<T> fused(13, 51, 2, 3);
      GuardedMatrix<T> plain(13, 51);
      Arena scratch;
      const AddBiasResidual<T> epilogue{bias.view().row(0), residual.view()};
      gemm(a.view(), weight.view(), fused.view(), Store::kOverwrite, scratch, epilogue);
      gemm(a.view(), weight.view(), plain.view(), Store::kOverwrite, scratch);
      bool equal = true;
      for (Index i = 0; i < 13; ++i) {
        for (Index j = 0; j < 51; ++j) {
          equal = equal && fused(i, j) == (plain(i, j) + bias(0, j)) + residual(i, j);
        }
      }
      CHECK(equal);
      CHECK(fused.surroundings_untouched());
    }
  }

  TEST_CASE("AddBias: an element does not depend on where a piece begins") {
    const std::vector<float> bias{0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F, 0.9F, 1.0F, 1.1F};
    const AddBias<float> add{bias};
    std::vector<float> whole(bias.size(), 0.3F);
    add(0, 0, whole);
    for (std::size_t cut = 1; cut < bias.size(); ++cut) {
      std::vector<float> parts(bias.size(), 0.3F);
      add(0, 0, std::span<float>(parts).first(cut));
      add(0, static_cast<Index>(cut), std::span<float>(parts).subspan(cut));
      CHECK(parts == whole);
    }
  }

  TEST_CASE("check: a bias or residual of another shape is refused before any work") {
    const Matrix<float> a(3, 2);
    const PackedMatrix<float> weight(Matrix<float>(5, 2).view());
    GuardedMatrix<float> c = GuardedMatrix<float>(3, 5).fill(6.0F);
    const std::vector<float> right(5);
    const std::vector<float> wrong(4);
    Arena scratch;
    const auto run = [&](const auto& epilogue) {
      gemm(a.view(), weight.view(), c.view(), Store::kOverwrite, scratch, epilogue);
    };
    CHECK_THROWS_WITH_AS(run(AddBias<float>{wrong}), "simd::AddBias: bias.size() is 4, expected 5", re::ShapeError);
    CHECK_THROWS_WITH_AS(run(AddBiasResidual<float>{wrong, Matrix<float>(3, 5).view()}),
                         "simd::AddBiasResidual: bias.size() is 4, expected 5",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(run(AddBiasResidual<float>{right, Matrix<float>(2, 5).view()}),
                         "simd::AddBiasResidual: residual.rows() is 2, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(run(AddBiasResidual<float>{right, Matrix<float>(3, 6).view()}),
                         "simd::AddBiasResidual: residual.cols() is 6, expected 5",
                         re::ShapeError);
    CHECK(c(2, 4) == 6);
    CHECK(scratch.capacity() == 0);
  }
}
