#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/allocation_counter.hpp>
#include <support/training.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace re = reasonembed;

namespace {

/// Batches of 4 queries with 3 documents each, cut into several chunks; dropout where the model has it.
template <class Trainer>
typename Trainer::Options options_of(std::size_t keep_bytes, const std::string& adapter) {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 1}},
          .optimizer = {.lr = 1e-3, .weight_decay = 0.01, .groups = {{.name_part = "norm", .lr_scale = 0.5}}},
          .cache = {.chunk_tokens = 96, .shards = 2, .keep_bytes = keep_bytes},
          .adapter = adapter};
}

/// @return  allocations of `steps` steps, after three on the same rows: without kept chunks, with them, with their
/// arenas
///          in one piece
template <class Model>
std::size_t allocations_of(Model model, std::size_t keep_bytes, const std::string& adapter, int steps) {
  constexpr int kWarm = 3;
  using Trainer = re::train::Trainer<Model, test::Redapter>;
  Trainer trainer(std::move(model), options_of<Trainer>(keep_bytes, adapter));
  const re::data::TrainingRows rows = test::tiny_rows();
  re::data::SameTaskSampler sampler(rows, {.group_size = 3, .batch_size = 4});
  re::data::TrainingBatch batch;
  sampler.next(batch);
  trainer.begin(kWarm + steps);
  const auto step = [&](int count) {
    for (int i = 0; i < count; ++i) {
      (void)trainer.step(batch);
    }
  };
  step(kWarm);
  return test::count_allocations([&] { step(steps); });
}

constexpr std::size_t kAll = std::size_t{1} << 30;
constexpr std::size_t kSome = std::size_t{64} << 10;  // a chunk or two

test::ByteQwen3<> adapted(int threads) {
  test::ByteQwen3<> model = test::byte_qwen3({.threads = threads});
  model.add_adapter("own", {.rank = 3, .dropout = 0.2});
  return model;
}

}  // namespace

TEST_SUITE("train/trainer_allocation") {
  TEST_CASE("step: allocates nothing once memory has its size, whatever is trained and kept") {
    REQUIRE(test::allocations_are_counted());
    for (const std::size_t keep : {kAll, kSome, std::size_t{0}}) {
      CAPTURE(keep);
      CHECK(allocations_of(test::byte_qwen3(), keep, "", 4) == 0);
      CHECK(allocations_of(test::byte_bert(0.1), keep, "", 4) == 0);
      CHECK(allocations_of(adapted(1), keep, "own", 4) == 0);
    }
  }
  TEST_CASE("step: each of several threads may still meet its largest chunk, and no more") {
    REQUIRE(test::allocations_are_counted());
    // An arena grows by a slab, then joins: for a pass forth, for one forth and back, and in the list of its slabs.
    constexpr std::size_t kGrowth = 2 * (2 + 2);
    CHECK(allocations_of(test::byte_qwen3({.threads = 2}), 0, "", 50) <= 2 * kGrowth);
    CHECK(allocations_of(test::byte_bert(0.1, {.threads = 2}), kAll, "", 50) <= 2 * kGrowth);
    CHECK(allocations_of(adapted(2), kSome, "own", 50) <= 2 * kGrowth);
  }
}
