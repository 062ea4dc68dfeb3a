#include <reasonembed/core/random.hpp>
#include <reasonembed/nn/calibrating_kernels.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using Exact = re::nn::Kernels<re::backend::Cpu<float>>;
using Calibrating = re::nn::Kernels<re::backend::Calibrating>;

namespace {

Matrix<float> normal(Index rows, Index cols, std::uint64_t stream) {
  re::RandomStream random(3, stream);
  Matrix<float> matrix(rows, cols);
  for (float& x : matrix.flat()) {
    x = static_cast<float>(random.normal());
  }
  return matrix;
}

struct Projection {
  explicit Projection(const Matrix<float>& values)
      : weight(Calibrating::Weight::packed_only(values.rows(), values.cols())),
        exact(Exact::Weight::packed_only(values.rows(), values.cols())) {
    weight.assign_packed_rows(0, values.view());
    exact.assign_packed_rows(0, values.view());
  }
  Calibrating::Weight weight;
  Exact::Weight exact;
};

}  // namespace

TEST_SUITE("nn/calibrating_kernels") {
  TEST_CASE("linear: gives the bits of Cpu<float>, with a bias and without") {
    re::Arena arena;
    const Projection projection(normal(50, 64, 1));
    const Matrix<float> x = normal(7, 64, 2);
    const Matrix<float> bias = normal(1, 50, 3);
    for (const std::span<const float> b : {std::span<const float>(), bias.row(0)}) {
      Matrix<float> got(7, 50);
      Matrix<float> want(7, 50);
      Calibrating::linear(x.view(), projection.weight, b, got.view(), arena);
      Exact::linear(x.view(), projection.exact, b, want.view(), arena);
      CHECK(std::equal(got.flat().begin(), got.flat().end(), want.flat().begin()));
    }
    CHECK(arena.used() == 0);
  }
  TEST_CASE("relative_error: one to two hundredths for normal numbers; nothing known is 0") {
    re::Arena arena;
    const Projection projection(normal(96, 384, 4));
    CHECK(projection.weight.relative_error() == 0.0);
    Matrix<float> y(40, 96);
    Calibrating::linear(normal(40, 384, 5).view(), projection.weight, {}, y.view(), arena);
    CHECK(projection.weight.relative_error() > 0.005);
    CHECK(projection.weight.relative_error() < 0.02);
    Calibrating::linear(Matrix<float>(3, 384).view(), projection.weight, {}, y.view().row_block(0, 3), arena);
    CHECK(projection.weight.relative_error() > 0.005);  // zeros add nothing
  }
  TEST_CASE("relative_error: one input a thousand times the others, which the weight ignores, spoils the steps") {
    re::Arena arena;
    Matrix<float> values = normal(96, 384, 6);
    Matrix<float> x = normal(40, 384, 7);
    for (Index i = 0; i < 96; ++i) {
      values(i, 17) = 0.0F;
    }
    for (Index i = 0; i < 40; ++i) {
      x(i, 17) = 1000.0F;
    }
    const Projection projection(values);
    Matrix<float> y(40, 96);
    Calibrating::linear(x.view(), projection.weight, {}, y.view(), arena);
    CHECK(projection.weight.relative_error() > 0.5);
  }
  TEST_CASE("relative_error: what is all zero in float and not in int8 is all error") {
    const Projection projection(normal(2, 3, 8));
    const Matrix<float> zero(1, 2);
    const Matrix<float> one = normal(1, 2, 9);
    projection.weight.compare(zero.view(), one.view());
    CHECK(projection.weight.relative_error() == 1.0);
  }
  TEST_CASE("CalibratedWeight: rows come back as they were") {
    const Matrix<float> values = normal(5, 9, 10);
    const Projection projection(values);
    Matrix<float> back(5, 9);
    projection.weight.unpack_rows(0, back.view());
    CHECK(std::equal(back.flat().begin(), back.flat().end(), values.flat().begin()));
    CHECK(projection.weight.view().empty());
    CHECK(projection.weight.rows() == 5);
    CHECK(projection.weight.cols() == 9);
  }
}
