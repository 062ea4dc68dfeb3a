#include <reasonembed/train/adapter_names.hpp>
#include <reasonembed/train/parameter_gradients.hpp>
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::StepReport;
using test::InfoNce;
using test::Redapter;

namespace {

using Qwen3 = test::ByteQwen3<>;
using Trainer = re::train::Trainer<Qwen3, Redapter>;
using Options = Trainer::Options;

Qwen3 with_adapter(int threads = 1) {
  Qwen3 model = test::byte_qwen3({.threads = threads});
  model.add_adapter("own",
                    {.rank = 3, .alpha = 6.0, .dropout = 0.2, .target_modules = {"q_proj", "v_proj", "down_proj"}});
  return model;
}

/// Twelve steps; intensities are measured from the fifth on.
Options short_run() {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 4}},
          .optimizer = {.lr = 1e-2, .weight_decay = 0.01},
          .sampler = {.group_size = 3, .batch_size = 4},
          .cache = {.chunk_tokens = 64, .shards = 2},
          .epochs = 2,
          .adapter = "own"};
}

template <class Model>
std::vector<float> matrices_of(const Model& model, const std::string& name = "own") {
  std::vector<float> all;
  model.adapter(name).visit([&](const auto& slice) {
    const auto flat = slice.values.flat();
    all.insert(all.end(), flat.begin(), flat.end());
  });
  return all;
}

struct Outcome {
  std::vector<float> matrices;
  std::vector<float> weights;
  std::vector<double> losses;
};
Outcome run(Options options, int threads = 1) {
  Trainer trainer(with_adapter(threads), std::move(options));
  Outcome outcome;
  (void)trainer.fit(test::tiny_rows(), [&](const StepReport& report) { outcome.losses.push_back(report.loss); });
  outcome.matrices = matrices_of(trainer.model());
  outcome.weights = test::weights_of(trainer.model());
  return outcome;
}

}  // namespace

TEST_SUITE("train/trainer_adapter") {
  TEST_CASE("fit: an adapter learns and the weights stay, to the bit") {
    Qwen3 before = with_adapter();
    before.make_trainable();
    Options options = short_run();
    options.epochs = 20;
    const Outcome outcome = run(options);
    CHECK(outcome.losses.back() < 0.5 * outcome.losses.front());
    CHECK(test::same_bits(outcome.weights, test::weights_of(before)));
    CHECK(!test::same_bits(outcome.matrices, matrices_of(before)));
  }
  TEST_CASE("fit: a run, its repeat, and one, two or three threads give the same bits") {
    const Outcome first = run(short_run());
    for (const int threads : {1, 2, 3}) {
      CAPTURE(threads);
      const Outcome again = run(short_run(), threads);
      CHECK(test::same_bits(first.matrices, again.matrices));
      CHECK(first.losses == again.losses);
    }
  }
  TEST_CASE("fit: activations that are kept or computed again give the same bits, while dropout draws masks") {
    Options options = short_run();
    const Outcome kept = run(options);
    options.cache.keep_bytes = 0;
    CHECK(test::same_bits(kept.matrices, run(options).matrices));
  }
  TEST_CASE("fit: both roles encode with the trained adapter, and merging it changes no vector beyond rounding") {
    Trainer trainer(with_adapter(), short_run());
    (void)trainer.fit(test::tiny_rows());
    Qwen3 model = std::move(trainer).take_model();
    CHECK(model.query_role().adapter == "own");
    const std::vector<std::string> texts = {"why salt?", "light because of 3"};
    const auto unmerged = model.encode_query(texts);
    model.merge_adapter("own");
    CHECK(model.query_role().adapter.empty());
    const auto merged = model.encode_query(texts);
    for (std::size_t i = 0; i < merged.flat().size(); ++i) {
      CHECK(merged.flat()[i] == doctest::Approx(unmerged.flat()[i]).epsilon(1e-4));
    }
  }
  TEST_CASE("fit: a run stopped after any step goes on to the bits of the uninterrupted one") {
    const Outcome whole = run(short_run());
    for (const std::int64_t stop : {1, 5, 11}) {
      CAPTURE(stop);
      const test::Scratch scratch;
      Options options = short_run();
      options.checkpoint = {.directory = scratch.path() / "checkpoint", .every = 1};
      std::int64_t steps = 0;
      try {
        Trainer trainer(with_adapter(), options);
        (void)trainer.fit(test::tiny_rows(), [&](const re::train::CheckpointSaved&) {
          if (++steps == stop) {
            throw re::IoError("killed");
          }
        });
      } catch (const re::IoError&) {
      }
      CHECK(steps == stop);
      const Outcome rest = run(options);
      CHECK(static_cast<std::int64_t>(rest.losses.size()) == static_cast<std::int64_t>(whole.losses.size()) - stop);
      CHECK(test::same_bits(rest.matrices, whole.matrices));
    }
  }
  TEST_CASE("fit: a checkpoint holds the adapter alone, and goes on with no other adapter and no other weights") {
    const test::Scratch scratch;
    Options options = short_run();
    options.checkpoint = {.directory = scratch.path() / "checkpoint", .every = 1};
    (void)run(options);
    const auto file = re::io::SafeTensors::open(options.checkpoint.directory / "weights.safetensors");
    CHECK(file.names().size() == 2U * 3U * 2U);
    CHECK(file.contains("blocks.1.mlp.down.lora_b"));

    Qwen3 wider = test::byte_qwen3();
    wider.add_adapter("own", {.rank = 4, .target_modules = {"q_proj"}});
    Trainer other(std::move(wider), options);
    try {
      (void)other.fit(test::tiny_rows());
      FAIL("an adapter of another rank went on");
    } catch (const re::ConfigError& error) {
      CHECK(std::string(error.what()).find("adapter") != std::string::npos);
    }
    Qwen3 moved = with_adapter();
    moved.update_weights([](auto& weights) { weights.final_norm.gain.span()[0] += 1.0F; });
    Trainer changed(std::move(moved), options);
    try {
      (void)changed.fit(test::tiny_rows());
      FAIL("an adapter went on over other weights");
    } catch (const re::ConfigError& error) {
      CHECK(std::string(error.what()).find("frozen_weights") != std::string::npos);
    }
  }
  TEST_CASE("Trainer: refuses an adapter that is not there, and roles that use one nobody trains") {
    CHECK_THROWS_WITH_AS(Trainer(test::byte_qwen3(), short_run()),
                         "model::AdapterSet: adapter is \"own\", expected none, for none was added",
                         re::ConfigError);
    Qwen3 model = with_adapter();
    model.use_adapter("own");
    Options options = short_run();
    options.adapter = "";
    CHECK_THROWS_WITH_AS(Trainer(std::move(model), options),
                         "train::Trainer: adapter is empty, expected \"own\", with which the model's roles encode",
                         re::ConfigError);
  }
  TEST_CASE("fit: a batch whose gradient is no number leaves the adapter as it was") {
    Options options = short_run();
    Qwen3 model = with_adapter();
    model.update_adapter("own", [](auto& adapter) {
      bool first = true;
      adapter.visit([&](const auto& slice) {
        if (first) {
          slice.values(0, 0) = std::numeric_limits<float>::infinity();
          first = false;
        }
      });
    });
    Trainer trainer(std::move(model), options);
    const std::vector<float> before = matrices_of(trainer.model());
    CHECK_THROWS_AS((void)trainer.fit(test::tiny_rows()), re::NonFiniteError);
    CHECK(test::same_bits(before, matrices_of(trainer.model())));
  }
  TEST_CASE("ParameterGradients: of an adapter, views of one buffer and none of the weights") {
    const Qwen3 model = with_adapter();
    const re::nn::Adapter<re::backend::Cpu<float>>& adapter = model.adapter("own");
    using Gradients = re::train::ParameterGradients<Qwen3::Description, Qwen3::Backend>;
    const Index count = Gradients::parameter_count(model.encoder(), model.weights(), &adapter);
    CHECK(count == adapter.parameter_count());
    std::vector<float> flat(static_cast<std::size_t>(count));
    Gradients gradients(model.encoder(), &adapter, flat);
    Index seen = 0;
    gradients.visit(model.encoder(), &adapter, [&](const auto& slice) { seen += slice.values.size(); });
    CHECK(seen == count);
    int weights = 0;
    model.encoder().visit(gradients.weights(), [&](const auto&) { ++weights; });
    CHECK(weights == 0);
    CHECK(Gradients::parameter_count(model.encoder(), model.weights(), nullptr) ==
          static_cast<Index>(test::weights_of(model).size()));
  }
  TEST_CASE("fingerprint: sees every weight") {
    Qwen3 model = test::byte_qwen3();
    const std::string before = re::train::fingerprint(model.encoder(), model.weights());
    CHECK(before == re::train::fingerprint(model.encoder(), test::byte_qwen3().weights()));
    model.update_weights([](auto& weights) { weights.blocks[1].mlp.down.weight.view()(3, 5) += 1.0F; });
    CHECK(before != re::train::fingerprint(model.encoder(), model.weights()));
  }
  TEST_CASE("fit: the page's snippet") {
    const test::Scratch scratch;
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(scratch.path());
    using Loss = Redapter;
    using Model = Qwen3;
    const re::data::TrainingRows rows = test::tiny_rows();
    test::byte_qwen3({.threads = 1, .residency = re::model::Residency::kTrain}).save("base");
    // example-begin adapter
    Model model = Model::load("base");
    model.add_adapter("mine", {.rank = 8, .alpha = 16.0, .target_modules = {"q_proj", "v_proj"}});
    re::train::Trainer<Model, Loss> trainer(std::move(model), {.max_steps = 2, .adapter = "mine"});
    (void)trainer.fit(rows);
    trainer.model().save_adapter("mine", "adapter");

    Model serving = Model::load("base");
    serving.load_adapter("mine", "adapter");
    re::model::Role role = serving.query_role();
    role.adapter = "mine";  // per call; use_adapter("mine") for every call; merge_adapter("mine") for good
    re::Matrix<float> vectors(1, serving.dim());
    serving.encode(role, std::vector<std::string>{"why does salt melt ice?"}, vectors.view());
    // example-end adapter
    std::filesystem::current_path(before);
    CHECK(test::same_bits(matrices_of(serving, "mine"), matrices_of(trainer.model(), "mine")));
  }
}
