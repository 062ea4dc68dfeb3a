#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/dropout.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::nn::Dropout;
using test::Cpu32;
using test::Cpu64;

namespace {

/// Ones after dropout; `first` is the number of the batch's first sequence.
template <class B>
Matrix<typename B::Scalar> dropped_ones(double rate,
                                        const std::vector<std::int32_t>& offsets,
                                        Index cols,
                                        const re::nn::DropoutState& state,
                                        std::uint64_t first = 0) {
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(offsets.back()), 0);
  Matrix<typename B::Scalar> x(offsets.back(), cols);
  std::fill(x.flat().begin(), x.flat().end(), typename B::Scalar{1});
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets, first}, .dropout = state};
  (void)Dropout(rate).forward(context, x.view());
  return x;
}

}  // namespace

TEST_SUITE("nn/dropout") {
  TEST_CASE_TEMPLATE("forward: leaves x alone unless it trains at a rate above zero", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    for (const auto& [rate, training] : {std::pair{0.5, false}, std::pair{0.0, true}, std::pair{0.0, false}}) {
      const std::vector<std::int32_t> offsets = {0, 3};
      const std::vector<std::int32_t> tokens(3, 0);
      Matrix<S> x(3, 5);
      std::fill(x.flat().begin(), x.flat().end(), S{2});
      re::Arena arena;
      re::nn::Context<B> context{
          .arena = arena, .batch = {tokens, offsets}, .dropout = {.training = training, .seed = 1}};
      const Dropout dropout(rate);
      const auto saved = dropout.forward(context, x.view());
      CHECK_FALSE(saved.active);
      CHECK(context.dropout.next_site == 0);
      CHECK(std::all_of(x.flat().begin(), x.flat().end(), [](S value) { return value == S{2}; }));
      const Matrix<S> dy(3, 5);
      CHECK(dropout.vjp(context, saved, dy.view()).data() == dy.view().data());
      CHECK(arena.used() == 0);
    }
  }
  TEST_CASE_TEMPLATE("forward: drops at the rate, and scales what stays so that the mean stays", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    for (const double rate : {0.1, 0.5, 0.9}) {
      CAPTURE(rate);
      const Matrix<S> x = dropped_ones<B>(rate, {0, 100, 101, 400}, 100, {.training = true, .seed = 7});
      const auto scale = static_cast<S>(1.0 / (1.0 - rate));
      const Index zeros = std::count(x.flat().begin(), x.flat().end(), S{0});
      CHECK(zeros + std::count(x.flat().begin(), x.flat().end(), scale) == 40000);
      const double n = 40000;
      CHECK(std::abs(double(zeros) - n * rate) < 5.0 * std::sqrt(n * rate * (1.0 - rate)));  // 5 deviations
    }
  }
  TEST_CASE("forward: a sequence's mask is the same in every chunk") {
    const std::vector<int> lengths = {3, 1, 7, 2};
    const std::vector<std::int32_t> offsets = test::offsets_of(lengths);
    const re::nn::DropoutState state{.training = true, .seed = 11};
    const Matrix<float> all = dropped_ones<Cpu32>(0.5, offsets, 9, state);
    for (std::size_t first = 0; first < lengths.size(); ++first) {
      for (std::size_t count = 1; first + count <= lengths.size(); ++count) {
        CAPTURE(first);
        CAPTURE(count);
        const Matrix<float> part =
            dropped_ones<Cpu32>(0.5, test::offsets_of(std::span(lengths).subspan(first, count)), 9, state, first);
        for (Index t = 0; t < part.rows(); ++t) {
          const auto want = all.row(offsets[first] + t);
          CHECK(std::equal(part.row(t).begin(), part.row(t).end(), want.begin()));
        }
      }
    }
  }
  TEST_CASE("forward: a replay draws the same mask, another seed, site or sequence another") {
    const std::vector<std::int32_t> offsets = {0, 8};
    const auto mask = [&](std::uint64_t seed, std::uint32_t site, std::uint64_t first) {
      return dropped_ones<Cpu32>(0.5, offsets, 16, {.training = true, .seed = seed, .next_site = site}, first);
    };
    const Matrix<float> once = mask(1, 0, 0);
    CHECK(test::same_bits_of(mask(1, 0, 0), once));
    CHECK_FALSE(test::same_bits_of(mask(2, 0, 0), once));
    CHECK_FALSE(test::same_bits_of(mask(std::uint64_t{1} << 40, 0, 0), mask(0, 0, 0)));
    CHECK_FALSE(test::same_bits_of(mask(1, 1, 0), once));
    CHECK_FALSE(test::same_bits_of(mask(1, 0, 1), once));
  }
  TEST_CASE("forward: every call of a pass has a site of its own") {
    const std::vector<std::int32_t> offsets = {0, 8};
    const std::vector<std::int32_t> tokens(8, 0);
    re::Arena arena;
    re::nn::Context<Cpu32> context{
        .arena = arena, .batch = {tokens, offsets}, .dropout = {.training = true, .seed = 3}};
    const Dropout dropout(0.5);
    Matrix<float> x(8, 16);
    Matrix<float> y(8, 16);
    std::fill(x.flat().begin(), x.flat().end(), 1.0F);
    std::fill(y.flat().begin(), y.flat().end(), 1.0F);
    CHECK(dropout.forward(context, x.view()).mask.site == 0);
    CHECK(dropout.forward(context, y.view()).mask.site == 1);
    CHECK(context.dropout.next_site == 2);
    CHECK_FALSE(test::same_bits_of(x, y));
  }
  TEST_CASE_TEMPLATE("vjp: scales the gradient with the mask of its forward", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const std::vector<std::int32_t> offsets = {0, 3, 8};
    const std::vector<std::int32_t> tokens(8, 0);
    re::Arena arena;
    re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets}, .dropout = {.training = true, .seed = 5}};
    const Dropout dropout(0.25);
    Matrix<S> x(8, 6);
    Matrix<S> dy(8, 6);
    std::fill(x.flat().begin(), x.flat().end(), S{1});
    for (std::size_t i = 0; i < dy.flat().size(); ++i) {
      dy.flat()[i] = static_cast<S>(i + 1);
    }
    const auto saved = dropout.forward(context, x.view());
    Matrix<S> between(8, 6);
    (void)dropout.forward(context, between.view());  // later calls change nothing
    const auto dx = dropout.vjp(context, saved, dy.view());
    CHECK(dx.data() != dy.view().data());
    for (Index t = 0; t < 8; ++t) {
      for (Index d = 0; d < 6; ++d) {
        CHECK(dx(t, d) == x(t, d) * dy(t, d));  // x is now the factor of each element
      }
    }
  }
  TEST_CASE("forward: an impossible rate is refused") {
    const std::vector<std::int32_t> offsets = {0, 1};
    CHECK_THROWS_WITH_AS((void)dropped_ones<Cpu32>(1.0, offsets, 1, {.training = true}),
                         "simd::dropout: mask.rate is 1.000000, expected 0 <= rate < 1",
                         re::ConfigError);
  }
}
