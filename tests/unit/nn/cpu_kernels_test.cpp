#include <reasonembed/nn/cpu_kernels.hpp>

#include <doctest/doctest.h>

#include <support/allocation_counter.hpp>
#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/numeric.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::nn::CpuWeight;
using re::nn::Kernels;
using test::Cpu32;
using test::Cpu64;

namespace {

template <class S>
void fill(std::span<S> values, std::uint64_t seed) {
  const auto numbers = test::random_values(values.size(), seed);
  std::copy(numbers.begin(), numbers.end(), values.begin());
}
template <class S>
Matrix<S> random_matrix(Index rows, Index cols, std::uint64_t seed) {
  Matrix<S> matrix(rows, cols);
  fill(matrix.flat(), seed);
  return matrix;
}

/// A backend nobody has written kernels for.
struct Abacus {
  using Store = float;
  using Scalar = float;
  static constexpr const char* name = "abacus";
};

}  // namespace

TEST_SUITE("nn/cpu_kernels") {
  TEST_CASE_TEMPLATE("CpuWeight: keeps its shape when the values are dropped", S, float, double) {
    CpuWeight<S> weight(3, 5);
    CHECK(weight.rows() == 3);
    CHECK(weight.cols() == 5);
    CHECK(weight.view().size() == 15);
    weight.pack();
    weight.drop_values();
    CHECK(weight.view().empty());
    CHECK(weight.rows() == 3);
    CHECK(weight.cols() == 5);
    CHECK(weight.packed().n() == 3);
    CHECK(weight.packed().k() == 5);
    CHECK(CpuWeight<S>().rows() == 0);
  }
  TEST_CASE_TEMPLATE("CpuWeight: moves, and leaves the moved-from one empty of values", S, float, double) {
    CpuWeight<S> weight(3, 5);
    fill(weight.view().flat(), 1);
    weight.pack();
    const S corner = weight.view()(2, 4);
    const CpuWeight<S> moved = std::move(weight);
    CHECK(moved.view()(2, 4) == corner);
    CHECK(moved.packed().n() == 3);
  }
  TEST_CASE_TEMPLATE(
      "make_differentiable: brings back the bits that were dropped, and changes nothing else", S, float, double) {
    for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {3, 5}, {17, 33}, {64, 9}}) {
      CpuWeight<S> weight(rows, cols);
      fill(weight.view().flat(), 1);
      weight.view()(0, 0) = -S{0};
      Matrix<S> want(rows, cols);
      std::copy(weight.view().flat().begin(), weight.view().flat().end(), want.flat().begin());
      weight.pack();
      weight.drop_values();
      const S* packed = weight.packed().data();
      weight.make_differentiable();
      REQUIRE(weight.view().rows() == rows);
      CHECK(test::same_bits(std::span<const S>(weight.view().flat()), std::span<const S>(want.flat())));
      CHECK(weight.packed().data() == packed);
      const S* values = weight.view().data();
      weight.view()(0, 0) = S{7};
      weight.make_differentiable();  // there is nothing to restore: what was changed since stays
      CHECK(weight.view().data() == values);
      CHECK(weight.view()(0, 0) == S{7});
    }
  }
  TEST_CASE("make_differentiable: a weight without elements is left alone, one that was never packed is refused") {
    CpuWeight<float> none;
    CHECK_NOTHROW(none.make_differentiable());
    CpuWeight<float> unpacked(2, 3);
    unpacked.drop_values();
    CHECK_THROWS_AS(unpacked.make_differentiable(), re::ShapeError);
  }
  TEST_CASE("CpuWeight: float masters are never dropped, and are rounded for products forth and back") {
    using Masters = CpuWeight<re::simd::Bf16Pair, float>;
    for (const bool packed_only : {false, true}) {
      Masters weight = packed_only ? Masters::packed_only(17, 33) : Masters(17, 33);
      CHECK_FALSE(weight.differentiable());
      fill(weight.view().flat(), 1);
      weight.pack();
      weight.drop_values();
      REQUIRE(weight.view().size() == 17 * 33);
      weight.make_differentiable();
      CHECK(weight.differentiable());
      weight.view()(3, 4) = 0.123F;
      weight.pack();  // both forms follow
      re::simd::PackedMatrix<re::simd::Bf16Pair> forth(17, 33);
      forth.assign_rounded(weight.view());
      re::simd::PackedMatrix<re::simd::Bf16Pair> back(33, 17);
      back.assign_rounded_columns(weight.view());
      CHECK(test::count_allocations([&] { weight.pack(); }) == 0);
      CHECK(std::memcmp(forth.view().data(), weight.packed().data(), forth.bytes()) == 0);
      CHECK(std::memcmp(back.view().data(), weight.transposed().data(), back.bytes()) == 0);
      Matrix<float> row(1, 33);
      weight.unpack_rows(3, row.view());
      CHECK(row.view()(0, 4) == 0.123F);
      row.view()(0, 5) = 4.0F;
      weight.assign_packed_rows(2, row.view());
      CHECK(weight.view()(2, 5) == 4.0F);
      forth.assign_rounded(weight.view());
      back.assign_rounded_columns(weight.view());
      CHECK(std::memcmp(forth.view().data(), weight.packed().data(), forth.bytes()) == 0);
      CHECK(std::memcmp(back.view().data(), weight.transposed().data(), back.bytes()) == 0);
      CHECK_THROWS_AS(weight.assign_packed_rows(17, row.view()), re::ShapeError);
    }
  }
  TEST_CASE("CpuWeight: in bf16, make_differentiable packs the transpose of what is packed") {
    using Frozen = CpuWeight<re::simd::Bf16Pair>;
    Frozen weight(5, 7);
    for (Index i = 0; i < 5; ++i) {
      for (Index j = 0; j < 7; ++j) {
        weight.view()(i, j) = re::bf16(static_cast<float>(10 * i + j));
      }
    }
    weight.pack();
    weight.drop_values();
    CHECK_FALSE(weight.differentiable());
    CHECK(weight.transposed().n() == 0);
    weight.make_differentiable();
    REQUIRE(weight.differentiable());
    CHECK(weight.view().empty());
    Matrix<float> dy(1, 5);
    dy.view()(0, 3) = 1.0F;
    Matrix<float> dx(1, 7);
    re::Arena arena;
    re::nn::Kernels<re::backend::Cpu<re::bf16, re::bf16>>::linear_vjp_input(dy.view(), weight, dx.view(), arena);
    for (Index j = 0; j < 7; ++j) {
      CHECK(dx.view()(0, j) == static_cast<float>(30 + j));
    }
    Matrix<re::bf16> other(1, 7);
    weight.assign_packed_rows(3, other.view());  // as merging an adapter does: the transpose follows
    re::nn::Kernels<re::backend::Cpu<re::bf16, re::bf16>>::linear_vjp_input(dy.view(), weight, dx.view(), arena);
    CHECK(dx.view()(0, 6) == 0.0F);
    weight.pack();  // without values
    CHECK(weight.packed().n() == 5);
  }
  TEST_CASE_TEMPLATE("pack: after the first time works in place, without an allocation", S, float, double) {
    REQUIRE(test::allocations_are_counted());
    CpuWeight<S> weight(17, 33);
    fill(weight.view().flat(), 1);
    CHECK(test::count_allocations([&] { weight.pack(); }) > 0);
    const S* packed = weight.packed().data();
    fill(weight.view().flat(), 2);
    CHECK(test::count_allocations([&] { weight.pack(); }) == 0);
    CHECK(weight.packed().data() == packed);
    const Matrix<S> want = [&] {
      Matrix<S> values(17, 33);
      std::copy(weight.view().flat().begin(), weight.view().flat().end(), values.flat().begin());
      return values;
    }();
    weight.drop_values();
    weight.make_differentiable();  // what was packed is what was there last
    CHECK(test::same_bits(std::span<const S>(weight.view().flat()), std::span<const S>(want.flat())));
  }
  TEST_CASE_TEMPLATE("linear: multiplies with what was packed last, with and without bias", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_matrix<S>(4, 9, 1);
    CpuWeight<S> weight(5, 9);
    fill(weight.view().flat(), 2);
    weight.pack();
    std::vector<S> bias(5);
    fill<S>(bias, 3);
    re::Arena arena;
    Matrix<S> plain(4, 5);
    Matrix<S> biased(4, 5);
    Kernels<B>::linear(x.view(), weight, {}, plain.view(), arena);
    Kernels<B>::linear(x.view(), weight, bias, biased.view(), arena);
    Matrix<double> want(4, 5);
    Matrix<double> want_biased(4, 5);
    for (Index t = 0; t < 4; ++t) {
      for (Index n = 0; n < 5; ++n) {
        for (Index k = 0; k < 9; ++k) {
          want(t, n) += double(x(t, k)) * double(weight.view()(n, k));
        }
        want_biased(t, n) = want(t, n) + double(bias[static_cast<std::size_t>(n)]);
      }
    }
    test::check_close(plain, want, 20.0);
    test::check_close(biased, want_biased, 20.0);
    fill(weight.view().flat(), 4);  // without pack, the product does not change
    Matrix<S> again(4, 5);
    Kernels<B>::linear(x.view(), weight, {}, again.view(), arena);
    CHECK(test::same_bits_of(again, plain));
    weight.pack();
    Kernels<B>::linear(x.view(), weight, {}, again.view(), arena);
    CHECK_FALSE(test::same_bits_of(again, plain));
    CHECK(arena.used() == 0);
  }
  TEST_CASE_TEMPLATE("CpuWeight: made packed_only, has rows in packed form and no values", W, float, double, re::bf16) {
    auto weight = CpuWeight<W>::packed_only(7, 5);
    CHECK(weight.rows() == 7);
    CHECK(weight.cols() == 5);
    CHECK(weight.view().empty());
    CHECK(weight.packed().n() == 7);
    Matrix<W> rows(3, 5);
    for (std::size_t i = 0; i < rows.flat().size(); ++i) {
      rows.flat()[i] = W(static_cast<float>(i) - 7.0F);
    }
    weight.assign_packed_rows(2, rows.view());
    Matrix<W> all(7, 5);
    weight.unpack_rows(0, all.view());
    for (Index row = 0; row < 7; ++row) {
      for (Index col = 0; col < 5; ++col) {
        CHECK(all(row, col) == (row >= 2 && row < 5 ? rows(row - 2, col) : W{}));
      }
    }
    weight.restore_values();
    CHECK(test::same_bits(std::span<const W>(weight.view().flat()), std::span<const W>(all.flat())));
    CHECK_THROWS_AS(weight.assign_packed_rows(5, rows.view()), re::ShapeError);
  }
  TEST_CASE("linear, embedding: in bf16 have the bits of float with rounded weights") {
    using Cpu16 = re::backend::Cpu<re::bf16>;
    static_assert(re::nn::NeuralKernels<Cpu16>);
    const Matrix<float> x = random_matrix<float>(4, 9, 1);
    CpuWeight<float> wide(5, 9);
    CpuWeight<re::bf16> narrow(5, 9);
    fill(wide.view().flat(), 2);
    re::convert(wide.view().flat(), narrow.view().flat());
    re::convert(narrow.view().flat(), wide.view().flat());
    wide.pack();
    narrow.pack();
    std::vector<float> bias(5);
    fill<float>(bias, 3);
    re::Arena arena;
    for (const std::span<const float> add : {std::span<const float>(), std::span<const float>(bias)}) {
      Matrix<float> got(4, 5);
      Matrix<float> want(4, 5);
      Kernels<Cpu16>::linear(x.view(), narrow, add, got.view(), arena);
      Kernels<Cpu32>::linear(x.view(), wide, add, want.view(), arena);
      CHECK(test::same_bits_of(got, want));
    }
    const std::vector<std::int32_t> ids = {4, 0, 3};
    Kernels<Cpu16>::Table table(5, 9);
    std::copy(narrow.view().flat().begin(), narrow.view().flat().end(), table.flat().begin());
    Matrix<float> got(3, 9);
    Kernels<Cpu16>::embedding(ids, table, got.view());
    Kernels<Cpu16>::embedding_accumulate(ids, table, got.view());
    CHECK(got(1, 2) == 2 * wide.view()(0, 2));
    CHECK(got(0, 8) == 2 * wide.view()(4, 8));
  }
  TEST_CASE_TEMPLATE("linear_vjp: overwrites dx, and adds to weight and bias", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_matrix<S>(4, 9, 1);
    const Matrix<S> dy = random_matrix<S>(4, 5, 2);
    CpuWeight<S> weight(5, 9);
    fill(weight.view().flat(), 3);
    weight.pack();
    re::Arena arena;
    Matrix<S> dx(4, 9);
    std::fill(dx.flat().begin(), dx.flat().end(), S{77});
    Kernels<B>::linear_vjp_input(dy.view(), weight, dx.view(), arena);
    Matrix<S> dweight(5, 9);
    std::fill(dweight.flat().begin(), dweight.flat().end(), S{1});
    std::vector<S> dbias(5, S{2});
    Kernels<B>::linear_vjp_weight(dy.view(), x.view(), dweight.view(), dbias, arena);
    Matrix<double> want_dx(4, 9);
    Matrix<double> want_dweight(5, 9);
    Matrix<double> want_dbias(1, 5);
    std::fill(want_dweight.flat().begin(), want_dweight.flat().end(), 1.0);
    std::fill(want_dbias.flat().begin(), want_dbias.flat().end(), 2.0);
    for (Index t = 0; t < 4; ++t) {
      for (Index n = 0; n < 5; ++n) {
        want_dbias(0, n) += double(dy(t, n));
        for (Index k = 0; k < 9; ++k) {
          want_dx(t, k) += double(dy(t, n)) * double(weight.view()(n, k));
          want_dweight(n, k) += double(dy(t, n)) * double(x(t, k));
        }
      }
    }
    test::check_close(dx, want_dx, 12.0);
    test::check_close(dweight, want_dweight, 12.0);
    Matrix<S> got_dbias(1, 5);
    std::copy(dbias.begin(), dbias.end(), got_dbias.flat().begin());
    test::check_close(got_dbias, want_dbias, 12.0);
    std::vector<S> none;
    Kernels<B>::linear_vjp_weight(dy.view(), x.view(), dweight.view(), none, arena);  // a layer without bias
    CHECK(arena.used() == 0);
  }
  TEST_CASE("linear: shapes that do not fit are refused") {
    CpuWeight<float> weight(5, 9);
    weight.pack();
    re::Arena arena;
    const Matrix<float> x(4, 8);
    Matrix<float> y(4, 5);
    CHECK_THROWS_AS(Kernels<Cpu32>::linear(x.view(), weight, {}, y.view(), arena), re::ShapeError);
  }
  TEST_CASE_TEMPLATE("add, accumulate: sum element by element", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_matrix<S>(3, 5, 1);
    Matrix<S> y = random_matrix<S>(3, 5, 2);
    Matrix<S> sum(3, 5);
    Kernels<B>::add(x.view(), y.view(), sum.view());
    Kernels<B>::accumulate(x.view(), y.view());
    CHECK(test::same_bits_of(sum, y));
    CHECK(sum(2, 4) != x(2, 4));
  }
  TEST_CASE("concept: the CPU has kernels, a backend without them has not") {
    static_assert(re::nn::NeuralKernels<Cpu32> && re::nn::NeuralKernels<Cpu64>);
    static_assert(!re::nn::NeuralKernels<Abacus> && !re::nn::NeuralKernels<int>);
    CHECK(re::backend::Backend<Abacus>);
  }
}
