#include <reasonembed/core/bf16.hpp>
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::train::RunEnd;
using re::train::StepReport;
using test::InfoNce;
using test::Redapter;

namespace {

using Mixed = re::backend::Cpu<float, re::bf16>;
using Frozen = re::backend::Cpu<re::bf16, re::bf16>;
using Bert = test::ByteBert<Mixed>;
using Qwen3 = test::ByteQwen3<Frozen>;
template <class Model, class Loss = Redapter>
using Trainer = re::train::Trainer<Model, Loss>;
using Options = Trainer<Bert>::Options;

Bert byte_bert(int threads = 1) {
  return test::random_model<Bert>(test::kByteBert, {.norm_eps = 1e-12, .dropout = 0.1}, {.threads = threads});
}
Qwen3 byte_qwen3(int threads = 1) {
  Qwen3 model = test::random_model<Qwen3>(test::kByteQwen3, {}, {.threads = threads});
  model.add_adapter("own", {.rank = 3, .alpha = 6.0, .dropout = 0.2});
  return model;
}

/// Twelve steps of four queries; intensities are measured from the fifth on.
Options short_run(const std::string& adapter = {}) {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 4}},
          .optimizer = {.lr = 1e-2, .weight_decay = 0.01},
          .sampler = {.group_size = 3, .batch_size = 4},
          .cache = {.chunk_tokens = 64, .shards = 2},
          .epochs = 2,
          .adapter = adapter};
}

template <class Model>
std::vector<float> trained_numbers(const Model& model, const std::string& adapter) {
  std::vector<float> all;
  const auto add = [&](const auto& slice) {
    for (Index row = 0; row < slice.values.rows(); ++row) {
      for (const auto value : slice.values.row(row)) {
        all.push_back(static_cast<float>(value));
      }
    }
  };
  if (adapter.empty()) {
    model.encoder().visit(model.weights(), add);
  } else {
    model.adapter(adapter).visit(add);
  }
  return all;
}

struct Outcome {
  std::vector<float> numbers;
  std::vector<double> losses;
};
template <class Model, class TrainerOptions>
Outcome run(Model model, const TrainerOptions& options) {
  Trainer<Model> trainer(std::move(model), options);
  Outcome outcome;
  (void)trainer.fit(test::tiny_rows(), [&](const StepReport& report) { outcome.losses.push_back(report.loss); });
  outcome.numbers = trained_numbers(trainer.model(), options.adapter);
  return outcome;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += double{a[i]} * double{b[i]};
  }
  return sum;
}

double mean(const std::vector<double>& values, std::size_t first, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = first; i < first + count; ++i) {
    sum += values[i];
  }
  return sum / static_cast<double>(count);
}

}  // namespace

TEST_SUITE("train/trainer_bf16") {
  TEST_CASE("fit: with masters in float and products in bf16 the loss falls as it does in float") {
    Options options = short_run();
    options.epochs = 10;
    const Outcome mixed = run(byte_bert(), options);
    const Outcome exact = run(test::byte_bert(0.1), options);
    REQUIRE(mixed.losses.size() == 60);
    CHECK(mean(mixed.losses, 48, 12) < 0.5 * mean(mixed.losses, 0, 12));
    CHECK(mixed.losses != exact.losses);
    // the first step sees the same weights and masks
    CHECK(std::abs(mixed.losses.front() - exact.losses.front()) < 0.02 * exact.losses.front());
  }
  TEST_CASE("step: the gradient is that of float within what rounding does, for every parameter") {
    Options options = short_run();
    options.dropout = false;
    Trainer<Bert> mixed(byte_bert(), options);
    Trainer<test::ByteBert<>> exact(test::byte_bert(0.1), options);
    options.max_steps = 1;
    mixed.begin(1);
    exact.begin(1);
    re::data::TrainingBatch batch;
    batch.group_size = 1;
    for (Index i = 0; i < 4; ++i) {
      static constexpr const char* kTexts[] = {"salt of the sea", "light and its colours", "iron", "how is steam made"};
      batch.rows.push_back(i);
      batch.queries.emplace_back(kTexts[i]);
      batch.reasoning.emplace_back();
      batch.documents.emplace_back(kTexts[(i + 1) % 4]);
    }
    (void)mixed.step(batch);
    (void)exact.step(batch);
    REQUIRE(mixed.gradients().size() == exact.gradients().size());
    for (std::size_t i = 0; i < exact.gradients().size(); ++i) {
      CAPTURE(exact.gradients()[i].name);
      if (exact.gradients()[i].name.find(".k.bias") != std::string::npos) {
        continue;  // zero but for rounding: a shift of all keys changes no probability
      }
      double difference = 0.0;
      double size = 0.0;
      const auto& got = mixed.gradients()[i].values;
      const auto& want = exact.gradients()[i].values;
      for (Index row = 0; row < want.rows(); ++row) {
        for (Index col = 0; col < want.cols(); ++col) {
          difference += std::pow(double{got(row, col)} - double{want(row, col)}, 2);
          size += std::pow(double{want(row, col)}, 2);
        }
      }
      CHECK(std::sqrt(difference) <= 0.05 * std::sqrt(size));
    }
  }
  TEST_CASE("fit: a run, its repeat, kept activations or none, and one, two or three threads give the same bits") {
    const Outcome first = run(byte_bert(), short_run());
    for (const int threads : {1, 2, 3}) {
      for (const std::size_t keep : {std::size_t{0}, std::size_t{1} << 30}) {
        Options options = short_run();
        options.cache.keep_bytes = keep;
        const Outcome again = run(byte_bert(threads), options);
        CHECK(test::same_bits(again.numbers, first.numbers));
        CHECK(again.losses == first.losses);
      }
    }
  }
  TEST_CASE("fit: a run that was stopped goes on to the bits of the uninterrupted one") {
    const test::Scratch scratch;
    Options options = short_run();
    const Outcome whole = run(byte_bert(), options);
    options.checkpoint = {.directory = scratch / "run", .every = 5};
    try {
      Trainer<Bert> killed(byte_bert(), options);
      (void)killed.fit(test::tiny_rows(), [](const re::train::CheckpointSaved&) { throw re::IoError("killed"); });
    } catch (const re::IoError&) {
    }
    const Outcome resumed = run(byte_bert(), options);
    CHECK(resumed.losses.size() == whole.losses.size() - 5);
    CHECK(test::same_bits(resumed.numbers, whole.numbers));
  }
  TEST_CASE("fit: what was trained is served by Cpu<bf16, bf16>, whose projections have the same bits") {
    const test::Scratch scratch;
    Trainer<Bert> trainer(byte_bert(), short_run());
    (void)trainer.fit(test::tiny_rows());
    trainer.model().save(scratch / "model");
    const auto reopened = Bert::load(scratch / "model", {.threads = 1});
    const std::vector<std::string_view> texts{"why salt?"};
    const Matrix<float> trained = trainer.model().encode_query(texts);
    const Matrix<float> again = reopened.encode_query(texts);
    CHECK(test::same_bits<float>(trained.row(0), again.row(0)));
    const Matrix<float> served =
        test::ByteBert<Frozen>::load(scratch / "model", {.threads = 1, .verify = re::model::Verify::kOff})
            .encode_query(texts);
    const Matrix<float> exact =
        test::ByteBert<>::load(scratch / "model", {.threads = 1, .verify = re::model::Verify::kFull})
            .encode_query(texts);
    CHECK(cosine(trained.row(0), served.row(0)) > 0.999);  // tables alone are rounded beside
    CHECK(cosine(trained.row(0), exact.row(0)) > 0.999);
  }
  TEST_CASE("fit: an adapter learns on frozen weights in bf16, to the same bits with any number of threads") {
    Trainer<Qwen3>::Options options = short_run("own");
    options.epochs = 10;
    const Outcome first = run(byte_qwen3(), options);
    CHECK(mean(first.losses, 48, 12) < 0.8 * mean(first.losses, 0, 12));
    for (const int threads : {2, 3}) {
      const Outcome again = run(byte_qwen3(threads), options);
      CHECK(test::same_bits(again.numbers, first.numbers));
    }
  }
  TEST_CASE("fit: an adapter learns on weights that are stored in bf16 and widened") {
    using Widened = test::ByteQwen3<re::backend::Cpu<re::bf16>>;
    Widened model = test::random_model<Widened>(test::kByteQwen3, {}, {.threads = 1});
    model.add_adapter("own", {.rank = 3, .alpha = 6.0});
    Trainer<Widened>::Options options = short_run("own");
    options.epochs = 10;
    const Outcome outcome = run(std::move(model), options);
    CHECK(mean(outcome.losses, 48, 12) < 0.8 * mean(outcome.losses, 0, 12));
  }
  TEST_CASE("fit: an adapter over frozen weights knows them again, and refuses others") {
    const test::Scratch scratch;
    Trainer<Qwen3>::Options options = short_run("own");
    options.checkpoint = {.directory = scratch / "run", .every = 5};
    options.max_steps = 5;
    (void)run(byte_qwen3(), options);
    options.max_steps = 8;
    Qwen3 other = test::random_model<Qwen3>(test::kByteQwen3, {}, {.threads = 1}, 0.3);
    other.add_adapter("own", {.rank = 3, .alpha = 6.0, .dropout = 0.2});
    options.checkpoint.resume = re::train::Resume::kRequire;
    CHECK_THROWS_WITH_AS(run(std::move(other), options), doctest::Contains("frozen_weights"), re::ConfigError);
  }
  TEST_CASE("fit: the page's snippet") {
    const test::Scratch scratch;
    test::byte_bert(0.1).save(scratch / "base");
    const std::string base = (scratch / "base").string();
    const std::string trained = (scratch / "trained").string();
    const re::data::TrainingRows rows = test::tiny_rows();
    // example-begin train
    using Model = re::model::TextEncoder<re::model::BertEncoder<>, re::backend::Cpu<float, re::bf16>>;
    using Loss = re::loss::Contrastive<re::loss::ReasoningIntensity>;

    re::train::Trainer<Model, Loss> trainer(Model::load(base), {.max_steps = 2});
    (void)trainer.fit(rows);
    trainer.model().save(trained);  // masters, in float32
    // example-end train
    CHECK(std::filesystem::exists(scratch / "trained" / "model.safetensors"));
  }
  TEST_CASE("Trainer: weights that rest in bf16 can't be trained, and the message says what can") {
    CHECK_THROWS_WITH_AS(Trainer<Qwen3>(byte_qwen3(), short_run()),
                         "train::Trainer: adapter is empty, expected the name of one, for weights in bf16 are frozen: "
                         "load the model on backend::Cpu<float, bf16> to train them",
                         re::ConfigError);
  }
}
