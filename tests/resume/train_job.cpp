// A short training run with checkpoints, for kill_test.py to kill. usage: train_job DIRECTORY [THREADS]
//
// Leaves DIRECTORY/checkpoint, DIRECTORY/run.jsonl and DIRECTORY/model; started again, it goes on.
#include <reasonembed/train/jsonl_log.hpp>
#include <reasonembed/train/trainer.hpp>

#include <support/training.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

namespace re = reasonembed;

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train_job DIRECTORY [THREADS]\n");
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  re::train::Trainer<test::ByteBert<>, test::Redapter> trainer(
      test::byte_bert(0.1, {.threads = threads}),
      {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 20}},
       .optimizer = {.lr = 5e-3},
       .sampler = {.group_size = 3, .batch_size = 4},
       .cache = {.chunk_tokens = 64, .shards = 2},
       .max_steps = 150,
       .checkpoint = {.directory = directory / "checkpoint", .every = 3}});
  const re::train::RunEnd end = trainer.fit(test::tiny_rows(26), re::train::JsonlLog(directory / "run.jsonl"));
  trainer.model().save(directory / "model");
  std::printf("%lld of %lld steps\n", static_cast<long long>(end.steps), static_cast<long long>(end.total_steps));
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
