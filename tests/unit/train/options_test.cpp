#include <reasonembed/train/options.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::train::Recipe;

namespace {
using Redapter = re::loss::Contrastive<re::loss::ReasoningIntensity>;
using Options = re::train::TrainerOptions<Redapter, Recipe<>>;
}  // namespace

TEST_SUITE("train/options") {
  TEST_CASE("TrainerOptions: the defaults are the paper's") {
    const Options options;
    CHECK(options.loss.temperature == 0.02);
    CHECK(options.loss.weighting.ceiling == 5.0);
    CHECK(options.loss.weighting.warmup_steps == 100);
    CHECK(options.loss.weighting.mapping == re::loss::Mapping::kClamp);
    CHECK(options.loss.weighting.normalization == re::loss::Normalization::kL1);
    CHECK(options.optimizer.lr == 1e-4);
    CHECK(options.optimizer.weight_decay == 0.0);
    CHECK(options.schedule.warmup_ratio == 0.1);
    CHECK(options.epochs == 1);
    CHECK(options.query_tokens == 512);
    CHECK(options.document_tokens == 512);
    CHECK(options.sampler.group_size == 16);
    CHECK(options.clip_norm == 1.0);
  }
  TEST_CASE("TrainerOptions: without being told otherwise a run stops at what is no number, and keeps no checkpoint") {
    const Options options;
    CHECK(options.non_finite == re::train::NonFiniteSteps::kStop);
    CHECK(options.checkpoint.directory.empty());
    CHECK(options.checkpoint.every == 100);
    CHECK(options.checkpoint.resume == re::train::Resume::kAuto);
    CHECK(options.max_steps == 0);
    CHECK(options.dropout);
    CHECK(options.seed == 42);
  }
  TEST_CASE("GradientCacheOptions: names what is part of the arithmetic, and not how much is kept") {
    std::vector<std::string> names;
    std::vector<re::Index> values;
    re::train::GradientCacheOptions{.chunk_tokens = 7, .shards = 3, .keep_bytes = 1}.visit(
        [&](const char* name, re::Index value) {
          names.emplace_back(name);
          values.push_back(value);
        });
    CHECK(names == std::vector<std::string>{"chunk_tokens", "shards"});
    CHECK(values == std::vector<re::Index>{7, 3});
    CHECK(Options().cache == re::train::GradientCacheOptions{1024, 2, std::size_t{1} << 30});
  }
}
