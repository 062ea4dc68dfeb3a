#include <reasonembed/data/sampler.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::Sampler;
using re::data::SamplerState;
using re::data::TrainingBatch;
using re::data::TrainingRows;

namespace {

struct ArchetypeOptions {
  std::uint64_t seed = 0;
};

/// The smallest conforming type: row after row of the first dataset, each with its first positive.
class Archetype {
 public:
  using Options = ArchetypeOptions;
  Archetype(const TrainingRows& rows, Options /*options*/) : rows_(&rows) {}
  [[nodiscard]] Index epoch_batches() const { return rows_->datasets.front().size(); }
  [[nodiscard]] SamplerState state() const { return state_; }
  void seek(const SamplerState& state) {
    state_ = {state.epoch + state.batch / epoch_batches(), state.batch % epoch_batches()};
  }
  void next(TrainingBatch& batch) {
    const auto& dataset = rows_->datasets.front();
    const auto row = dataset[state_.batch];
    batch.clear();
    batch.dataset = 0;
    batch.group_size = 1;
    batch.rows = {state_.batch};
    batch.queries = {row.query};
    batch.reasoning = {row.reasoning_query};
    batch.numbers = {row.pos[0]};
    batch.documents = {dataset.documents()[row.pos[0]]};
    seek({state_.epoch, state_.batch + 1});
  }

 private:
  const TrainingRows* rows_;
  SamplerState state_;
};

struct WithoutSeed : Archetype {
  struct Options {};
  WithoutSeed(const TrainingRows& rows, Options /*options*/) : Archetype(rows, {}) {}
};
struct WithoutResume : Archetype {
  using Archetype::Archetype;
  void seek(const SamplerState&) = delete;
};
struct CountsInInts : Archetype {
  using Archetype::Archetype;
  [[nodiscard]] int epoch_batches() const { return 1; }
};
struct ReturnsBatches : Archetype {
  using Archetype::Archetype;
  TrainingBatch next() { return {}; }
};
struct WithoutRows {
  using Options = ArchetypeOptions;
};

static_assert(Sampler<Archetype>);
static_assert(!Sampler<WithoutSeed>);
static_assert(!Sampler<WithoutResume>);
static_assert(!Sampler<CountsInInts>);
static_assert(!Sampler<ReturnsBatches>);
static_assert(!Sampler<WithoutRows>);
static_assert(!Sampler<int>);

/// An algorithm that knows the concept alone: the queries of `count` batches from a state on.
template <Sampler S>
std::vector<std::string> queries(const TrainingRows& rows, const SamplerState& from, int count) {
  S sampler(rows, {});
  sampler.seek(from);
  TrainingBatch batch;
  std::vector<std::string> found;
  for (int i = 0; i < count; ++i) {
    sampler.next(batch);
    found.insert(found.end(), batch.queries.begin(), batch.queries.end());
  }
  return found;
}

}  // namespace

TEST_SUITE("data/sampler") {
  TEST_CASE("Sampler: an archetype that has nothing but the concept can be sampled from and resumed") {
    TrainingRows rows;
    rows.datasets.emplace_back("a");
    for (const char* query : {"x", "y", "z"}) {
      rows.datasets.front().add({.query = query, .pos = {"p"}});
    }
    CHECK(queries<Archetype>(rows, {}, 5) == std::vector<std::string>{"x", "y", "z", "x", "y"});
    CHECK(queries<Archetype>(rows, {0, 2}, 3) == std::vector<std::string>{"z", "x", "y"});
    CHECK(queries<Archetype>(rows, {4, 3}, 1) == std::vector<std::string>{"x"});
  }

  TEST_CASE("SamplerState: is a value that starts at nothing") {
    const SamplerState start;
    CHECK(start == SamplerState{0, 0, 0});
    SamplerState state{1, 2, 3};
    const SamplerState copy = state;
    state.batch = 4;
    CHECK(copy == SamplerState{1, 2, 3});
    CHECK(state != copy);
  }
}
