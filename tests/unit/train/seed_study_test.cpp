#include <reasonembed/train/seed_study.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::train::SeedStudy;
using re::train::study_seeds;
using test::InfoNce;
using test::Redapter;

namespace {

using Bert = test::ByteBert<>;
template <class Loss>
using Options = re::train::TrainerOptions<Loss, re::train::Recipe<>>;

/// Eight things, each with a document, a query that names it and a judgement.
re::data::RetrievalDataset tiny_dataset() {
  re::data::RetrievalDataset dataset;
  for (const std::string thing : {"salt", "light", "iron", "money", "fear", "water", "prime", "steam"}) {
    dataset.corpus.add(thing, thing + " because of 3");
    dataset.queries.add({.id = "q-" + thing, .text = "why " + thing + "?"});
    dataset.qrels.add("q-" + thing, thing, 1);
  }
  return dataset;
}
template <class Loss>
Options<Loss> short_run() {
  Options<Loss> options{.optimizer = {.lr = 1e-2}, .sampler = {.group_size = 3, .batch_size = 4}};
  options.loss.temperature = 0.1;
  return options;
}
Bert start() {
  return test::byte_bert(0.1);
}
template <class Loss>
SeedStudy<Bert> study(const Options<Loss>& options, int seeds, const re::ProgressOptions& progress = {.silent = true}) {
  return study_seeds<Loss>("redapter", start, test::tiny_rows(), tiny_dataset(), options, seeds, progress);
}

/// Whether two studies have found the same, apart from the time they took.
void check_same(const SeedStudy<Bert>& a, const SeedStudy<Bert>& b) {
  CHECK(a.scores == b.scores);
  CHECK(a.row.mean == b.row.mean);
  CHECK(a.row.spread == b.row.spread);
  CHECK(a.runs.runs == b.runs.runs);
  CHECK(a.last_run == b.last_run);
  CHECK(test::same_bits(test::weights_of(a.last_model), test::weights_of(b.last_model)));
}

}  // namespace

TEST_SUITE("train/seed_study") {
  TEST_CASE("study_seeds: trains and scores one model for each seed") {
    auto options = short_run<Redapter>();
    options.loss.weighting.warmup_steps = 2;
    const SeedStudy<Bert> found = study<Redapter>(options, 3);
    REQUIRE(found.scores.size() == 3);
    REQUIRE(found.runs.runs.size() == 3);
    CHECK(found.runs.name == "redapter");
    double sum = 0.0;
    for (const double score : found.scores) {
      CHECK(score >= 0.0);
      CHECK(score <= 1.0);
      sum += score;
    }
    for (const re::train::History& run : found.runs.runs) {
      CHECK(run.steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
      CHECK(run.measured_steps == std::vector<std::int64_t>{3, 4, 5, 6});
    }
    CHECK(found.runs.runs[0].losses != found.runs.runs[1].losses);
    CHECK(found.runs.runs[1].losses != found.runs.runs[2].losses);
    const double mean = sum / 3.0;
    double squares = 0.0;
    for (const double score : found.scores) {
      squares += (score - mean) * (score - mean);
    }
    CHECK(found.row.name == "redapter");
    CHECK(found.row.metric == "ndcg_cut_10");
    CHECK(found.row.seeds == 3);
    CHECK(std::abs(found.row.mean - mean) <= 4e-16);
    CHECK(std::abs(found.row.spread - std::sqrt(squares / 2.0)) <= 1e-15);
    CHECK(found.row.seconds > 0.0);
    CHECK_NOTHROW((void)re::train::loss_chart(std::vector{found.runs}));
    CHECK(found.last_run.size() == 8);
  }
  TEST_CASE("study_seeds: each run is that of a trainer with its seed, counted up from the first") {
    auto options = short_run<InfoNce>();
    options.seed = 7;
    const SeedStudy<Bert> found = study<InfoNce>(options, 2);
    for (std::size_t i = 0; i < 2; ++i) {
      options.seed = 7 + i;
      re::train::Trainer<Bert, InfoNce> trainer(start(), options);
      re::train::History history;
      (void)trainer.fit(test::tiny_rows(), re::train::RecordHistory(history));
      CHECK(found.runs.runs[i] == history);
      const auto scored = re::eval::score_encoder("x", tiny_dataset(), trainer.model(), {}, {.silent = true});
      CHECK(found.scores[i] == scored.row.mean);
      if (i == 1) {
        CHECK(found.last_run == scored.run);
        CHECK(test::same_bits(test::weights_of(found.last_model), test::weights_of(trainer.model())));
      }
    }
  }
  TEST_CASE("study_seeds: a study of one seed has no spread") {
    const SeedStudy<Bert> found = study<InfoNce>(short_run<InfoNce>(), 1);
    CHECK(found.row.seeds == 1);
    CHECK(found.row.spread == 0.0);
    CHECK(found.row.mean == found.scores[0]);
  }
  TEST_CASE("study_seeds: no seeds are refused before a model is made") {
    int made = 0;
    for (const int seeds : {0, -3}) {
      const std::string message = "train::study_seeds: seeds is " + std::to_string(seeds) + ", expected at least 1";
      CHECK_THROWS_WITH_AS((void)study_seeds<InfoNce>(
                               "none",
                               [&] {
                                 ++made;
                                 return start();
                               },
                               test::tiny_rows(),
                               tiny_dataset(),
                               short_run<InfoNce>(),
                               seeds),
                           message.c_str(),
                           re::ConfigError);
    }
    CHECK(made == 0);
  }
  TEST_CASE("study_seeds: with checkpoints each run has its own place and log, and the numbers are the same") {
    const test::Scratch scratch;
    auto options = short_run<InfoNce>();
    const SeedStudy<Bert> without = study<InfoNce>(options, 2);
    options.checkpoint = {.directory = scratch / "deep/study", .every = 4};
    check_same(study<InfoNce>(options, 2), without);
    for (const char* name : {"redapter-42", "redapter-42.jsonl", "redapter-43", "redapter-43.jsonl"}) {
      CAPTURE(name);
      CHECK(std::filesystem::exists(scratch / "deep/study" / name));
    }
    CHECK(re::train::checkpoint_exists(scratch / "deep/study/redapter-43"));
  }
  TEST_CASE("study_seeds: a study that is done gives the same again without a step of training") {
    const test::Scratch scratch;
    auto options = short_run<Redapter>();
    options.loss.weighting.warmup_steps = 1;
    options.checkpoint = {.directory = scratch / "study", .every = 4};
    const SeedStudy<Bert> first = study<Redapter>(options, 2);
    std::string written;
    re::ProgressOptions progress;
    progress.terminal = false;
    progress.sink = [&](std::string_view text) { written += text; };
    progress.clock = [] { return 0.0; };
    check_same(study<Redapter>(options, 2, progress), first);
    const std::string note =
        "note: contrastive<reasoning_intensity>: 4 of 24 row(s) have no reasoning query; their intensity is taken as "
        "1\n";
    const std::string encoding = "encode [========================] 16/16 texts  in 0:00\n";
    CHECK(written == note + "redapter-42: goes on after step 6 of 6\nredapter-42 0 steps  in 0:00\n" + encoding +
                         "redapter-43: goes on after step 6 of 6\nredapter-43 0 steps  in 0:00\n" + encoding);
  }
  TEST_CASE("study_seeds: a study of more seeds goes on where one of fewer has ended") {
    const test::Scratch scratch;
    auto options = short_run<InfoNce>();
    const SeedStudy<Bert> want = study<InfoNce>(options, 2);
    options.checkpoint = {.directory = scratch / "study", .every = 2};
    (void)study<InfoNce>(options, 1);
    check_same(study<InfoNce>(options, 2), want);
  }
  TEST_CASE("study_seeds: a study whose run was killed goes on from its checkpoint, with a whole history") {
    const test::Scratch scratch;
    auto options = short_run<InfoNce>();
    const SeedStudy<Bert> want = study<InfoNce>(options, 2);
    options.checkpoint = {.directory = scratch / "study/redapter-42", .every = 2};
    std::filesystem::create_directories(scratch / "study");
    {
      re::train::Trainer<Bert, InfoNce> killed(start(), options);
      CHECK_THROWS_AS(killed.fit(test::tiny_rows(),
                                 re::train::JsonlLog(scratch / "study/redapter-42.jsonl"),
                                 [](const re::train::StepReport& report) {
                                   if (report.step == 5) {
                                     throw std::runtime_error("killed");
                                   }
                                 }),
                      std::runtime_error);
    }
    options.checkpoint.directory = scratch / "study";
    check_same(study<InfoNce>(options, 2), want);
  }
  TEST_CASE("study_seeds: other options than those a study began with are refused by name") {
    const test::Scratch scratch;
    auto options = short_run<InfoNce>();
    options.checkpoint = {.directory = scratch / "study"};
    (void)study<InfoNce>(options, 1);
    options.optimizer.lr = 0.5;
    CHECK_THROWS_WITH_AS((void)study<InfoNce>(options, 1),
                         ((scratch / "study/redapter-42/state.json").string() +
                          ": a run with other options: optimizer.options.lr is 0.5, expected 0.01, as the run began")
                             .c_str(),
                         re::ConfigError);
  }
}
