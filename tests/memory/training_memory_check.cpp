// Trains a random model for four steps, and fails unless the most memory that took is within 5% of what was planned.
// usage: training_memory_check weights|adapter THREADS CHUNK_TOKENS KEEP_MIB
//
// The texts of the batch are as long as the model takes, so that chunks are as full as they may be. Memory is that of
// the whole process, as the kernel counts it (VmHWM of /proc/self/status), less what there was before the model.
#include <reasonembed/train/training_plan.hpp>

#include <support/process_memory.hpp>
#include <support/training.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;

namespace {

using Model = test::ByteQwen3<>;
constexpr re::nn::EncoderConfig kSizes{.vocab = 258,
                                       .dim = 320,
                                       .layers = 6,
                                       .heads = 5,
                                       .kv_heads = 5,
                                       .head_dim = 64,
                                       .mlp_dim = 1024,
                                       .max_length = 128};
constexpr re::Index kQueries = 4;
constexpr re::Index kDocuments = 3;  // of a query

re::data::TrainingRows long_rows() {
  re::data::TrainingRows rows;
  re::data::TrainingDataset dataset("long");
  for (int i = 0; i < kQueries; ++i) {
    const auto text = [&](int number) { return std::string(300, static_cast<char>('a' + 4 * i + number)); };
    dataset.add({.query = text(0), .pos = {text(1)}, .neg = {text(2), text(3)}, .reasoning_query = text(0) + "!"});
  }
  rows.datasets.push_back(std::move(dataset));
  return rows;
}

bool check(bool adapter, int threads, re::train::GradientCacheOptions cache) {
  const re::data::TrainingRows rows = long_rows();
  const double before = test::status_bytes("VmHWM");
  Model model = test::random_model<Model>(kSizes, {}, {.threads = threads}, 0.02);
  re::train::TrainingPlanOptions options{.threads = threads,
                                         .cache = cache,
                                         .batch_size = kQueries,
                                         .group_size = kDocuments,
                                         .query_tokens = kSizes.max_length,
                                         .document_tokens = kSizes.max_length};
  if (adapter) {
    model.add_adapter("own", {.rank = 16});
    options.adapter = re::model::lora_shapes(
        re::model::qwen3_family(), re::nn::adapter_targets(model.encoder(), model.weights()), {.rank = 16});
    options.adapter_options = {.dropout = 0.1};
  }
  const re::train::TrainingPlan plan = re::train::plan_training(model.encoder(), options);
  std::fputs(re::eval::plain_text(re::train::memory_table(plan)).c_str(), stdout);
  using Trainer = re::train::Trainer<Model, test::Redapter>;
  Trainer trainer(std::move(model),
                  {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 1}},
                   .sampler = {.group_size = kDocuments, .batch_size = kQueries},
                   .cache = cache,
                   .max_steps = 4,
                   .adapter = adapter ? "own" : ""});
  (void)trainer.fit(rows);
  const double taken = test::status_bytes("VmHWM") - before;
  const auto planned = static_cast<double>(plan.total());
  std::printf(
      "planned %.1f MB, taken %.1f MB: %+.1f%%\n", planned / 1e6, taken / 1e6, 100.0 * (planned - taken) / taken);
  return std::abs(planned - taken) < 0.05 * taken;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: training_memory_check weights|adapter THREADS CHUNK_TOKENS KEEP_MIB\n");
    return 2;
  }
  const bool adapter = std::string(argv[1]) == "adapter";
  if (!check(adapter,
             std::atoi(argv[2]),
             {.chunk_tokens = std::atol(argv[3]), .keep_bytes = static_cast<std::size_t>(std::atol(argv[4])) << 20})) {
    std::fprintf(stderr, "error: the plan is off by more than 5%%\n");
    return 1;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
