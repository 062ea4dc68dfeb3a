#include <reasonembed/nn/context.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::nn::Context;
using re::nn::ForwardScope;
using re::nn::kSaves;
using re::nn::Nothing;
using test::Cpu32;
using test::Cpu64;

namespace {

struct Part {
  int value = 0;
};
struct Whole {
  Part first;
  Part second;
};

}  // namespace

TEST_SUITE("nn/context") {
  TEST_CASE_TEMPLATE("activations: have a row for every token, in memory of the arena", B, Cpu32, Cpu64) {
    const std::vector<std::int32_t> tokens = {1, 2, 3, 4, 5};
    const std::vector<std::int32_t> offsets = {0, 2, 5};
    re::Arena arena;
    Context<B> context{.arena = arena, .batch = {tokens, offsets}};
    CHECK(context.token_count() == 5);
    const auto rows = context.activations(7);
    static_assert(std::is_same_v<decltype(rows), const re::MatrixView<typename B::Scalar>>);
    CHECK(rows.rows() == 5);
    CHECK(rows.cols() == 7);
    CHECK(arena.used() >= 35 * sizeof(typename B::Scalar));
    CHECK_FALSE(context.dropout.training);  // serving unless said otherwise
    CHECK(context.rotary.cosine.empty());
  }
  TEST_CASE("kSaves: nothing is saved in the place of Nothing alone") {
    static_assert(kSaves<Whole> && kSaves<const Whole>);
    static_assert(!kSaves<Nothing> && !kSaves<const Nothing>);
    CHECK(std::is_empty_v<Nothing>);
  }
  TEST_CASE("ForwardScope: frees what serving took, and keeps what training saved") {
    re::Arena arena;
    {
      const ForwardScope<Nothing> scope(arena);
      (void)arena.allocate<float>(100);
      CHECK(arena.used() > 0);
    }
    CHECK(arena.used() == 0);
    {
      const ForwardScope<Whole> scope(arena);
      (void)arena.allocate<float>(100);
    }
    CHECK(arena.used() > 0);
  }
}
