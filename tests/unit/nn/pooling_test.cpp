#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/nn/pooling.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::nn::Cls;
using re::nn::LastToken;
using re::nn::Mean;
using test::Cpu32;
using test::Cpu64;

namespace {

constexpr Index kWidth = 9;
const std::vector<std::int32_t> kOffsets = {0, 1, 5, 8};
const std::vector<std::int32_t> kTokens(8, 0);

template <class S>
Matrix<S> random_rows(Index rows, std::uint64_t seed) {
  Matrix<S> x(rows, kWidth);
  const auto values = test::random_values(x.flat().size(), seed);
  std::copy(values.begin(), values.end(), x.flat().begin());
  return x;
}

template <class B, class Pool>
Matrix<typename B::Scalar> pooled(const Matrix<typename B::Scalar>& x, const std::vector<std::int32_t>& offsets) {
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(offsets.back()), 0);
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets}};
  Matrix<typename B::Scalar> y(static_cast<Index>(offsets.size()) - 1, kWidth);
  Pool().pool(context, x.view(), y.view());
  CHECK(arena.used() == 0);
  return y;
}

template <class Pool>
void check_pool_gradient() {
  CAPTURE(Pool::name);
  const auto cotangent = test::random_values(3 * kWidth, 2);
  re::Arena arena;
  const auto loss = [&](std::span<const double> x, std::span<double> gradient) {
    re::nn::Context<Cpu64> context{.arena = arena, .batch = {kTokens, kOffsets}};
    Matrix<double> y(3, kWidth);
    Pool().pool(context, re::MatrixView<const double>(x.data(), 8, kWidth), y.view());
    if (!gradient.empty()) {
      Pool().pool_vjp(context,
                      re::MatrixView<const double>(cotangent.data(), 3, kWidth),
                      re::MatrixView<double>(gradient.data(), 8, kWidth));
    }
    CHECK(arena.used() == 0);
    double sum = 0.0;
    for (std::size_t i = 0; i < cotangent.size(); ++i) {
      sum += cotangent[i] * y.flat()[i];
    }
    return sum;
  };
  const auto point = test::random_values(8 * kWidth, 3);
  const auto report = re::autograd::check_gradient(loss, std::span<const double>(point));
  CHECK_MESSAGE(report.passed, report.message());
}

}  // namespace

TEST_SUITE("nn/pooling") {
  TEST_CASE_TEMPLATE("Mean: is the mean of each sequence's tokens", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_rows<S>(8, 1);
    Matrix<double> want(3, kWidth);
    for (Index b = 0; b < 3; ++b) {
      const Index first = kOffsets[static_cast<std::size_t>(b)];
      const Index last = kOffsets[static_cast<std::size_t>(b) + 1];
      for (Index t = first; t < last; ++t) {
        for (Index d = 0; d < kWidth; ++d) {
          want(b, d) += double(x(t, d)) / double(last - first);
        }
      }
    }
    test::check_close(pooled<B, Mean>(x, kOffsets), want, 6.0);  // 4 terms and a product
  }
  TEST_CASE_TEMPLATE("Cls and LastToken: are the first and the last token's bits", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_rows<S>(8, 1);
    const Matrix<S> first = pooled<B, Cls>(x, kOffsets);
    const Matrix<S> last = pooled<B, LastToken>(x, kOffsets);
    for (Index b = 0; b < 3; ++b) {
      const auto i = static_cast<std::size_t>(b);
      CHECK(std::memcmp(first.row(b).data(), x.row(kOffsets[i]).data(), first.row(b).size_bytes()) == 0);
      CHECK(std::memcmp(last.row(b).data(), x.row(kOffsets[i + 1] - 1).data(), last.row(b).size_bytes()) == 0);
    }
  }
  TEST_CASE("pool: all poolings agree on sequences of one token") {
    const Matrix<float> x = random_rows<float>(3, 1);
    const std::vector<std::int32_t> offsets = {0, 1, 2, 3};
    CHECK(test::same_bits_of(pooled<Cpu32, Mean>(x, offsets), x));
    CHECK(test::same_bits_of(pooled<Cpu32, Cls>(x, offsets), x));
    CHECK(test::same_bits_of(pooled<Cpu32, LastToken>(x, offsets), x));
  }
  TEST_CASE("pool: no sequence gives no vector") {
    const Matrix<float> none(0, kWidth);
    CHECK(pooled<Cpu32, Mean>(none, {0}).rows() == 0);
    CHECK(pooled<Cpu32, LastToken>(none, {0}).rows() == 0);
  }
  TEST_CASE_TEMPLATE("pool: a sequence's bits don't depend on its batch", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const Matrix<S> x = random_rows<S>(8, 1);
    const Matrix<S> all = pooled<B, Mean>(x, kOffsets);
    Matrix<S> middle(4, kWidth);
    std::copy_n(x.flat().begin() + kWidth, 4 * kWidth, middle.flat().begin());
    const Matrix<S> alone = pooled<B, Mean>(middle, {0, 4});
    CHECK(std::memcmp(alone.row(0).data(), all.row(1).data(), alone.row(0).size_bytes()) == 0);
  }
  TEST_CASE("pool_vjp: is the gradient of pool, and overwrites") {
    check_pool_gradient<Mean>();
    check_pool_gradient<Cls>();
    check_pool_gradient<LastToken>();
  }
  TEST_CASE("name: is what configuration files say") {
    CHECK(std::string_view(Mean::name) == "mean");
    CHECK(std::string_view(Cls::name) == "cls");
    CHECK(std::string_view(LastToken::name) == "lasttoken");
  }
  TEST_CASE("pool: shapes that do not fit are refused") {
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {kTokens, kOffsets}};
    const Matrix<float> x(8, kWidth);
    Matrix<float> shallow(2, kWidth);
    CHECK_THROWS_WITH_AS(
        Mean().pool(context, x.view(), shallow.view()), "simd::mean_pool: y.rows() is 2, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(LastToken().pool(context, x.view(), shallow.view()),
                         "simd::select_rows: y.rows() is 2, expected 3",
                         re::ShapeError);
    CHECK(arena.used() == 0);
  }
}
