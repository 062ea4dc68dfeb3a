/// LoRA adapters that PEFT wrote, worn by the tiny models that PyTorch trained: tests/golden/adapters.py.
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/peft_adapter.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/batch_texts.hpp>
#include <support/data.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;

namespace {

constexpr Index kQueryTokens = 28;
constexpr Index kDocumentTokens = 36;

/// A tiny model and what PyTorch computed with its adapters.
///
/// @tparam T  float or double: what is computed in here; PyTorch's are in double
template <class Encoder, class T>
struct Worn {
  using Backend = re::backend::Cpu<T>;
  using Model = re::model::TextEncoder<Encoder, Backend>;
  static constexpr double kTolerance = std::same_as<T, float> ? 1e-5 : 1e-9;

  Worn(const std::string& family, const std::string& style)
      : base(test::source_path("tests/golden/training/" + family)),
        directory(test::source_path("tests/golden/adapters/" + family + "." + style)),
        batches(test::read_batches(test::source_path("tests/golden/training/batches.jsonl"))) {}

  [[nodiscard]] Model model(re::model::Residency residency) const {
    const re::model::EncoderDescription description = re::model::read_encoder_description(base);
    const Encoder encoder(description.config, description.options);
    const auto file = re::io::ShardedSafeTensors::open(base);
    return Model(encoder,
                 re::model::load_weights<Backend>(encoder, description.family, file, residency),
                 re::text::ByteTokenizer(),
                 description.query,
                 description.document,
                 {.threads = 1, .residency = residency});
  }
  [[nodiscard]] re::Matrix<T> embed(const Model& model, const std::string& adapter) const {
    std::vector<std::string> texts = batches[0].queries;
    texts.insert(texts.end(), batches[0].documents.begin(), batches[0].documents.end());
    re::Matrix<T> out(static_cast<Index>(texts.size()), model.dim());
    model.encode({.prompt = "", .max_tokens = kDocumentTokens, .adapter = adapter}, texts, out.view());
    return out;
  }
  static re::Matrix<double> read(const std::filesystem::path& path, const std::string& name) {
    const auto file = re::io::SafeTensors::open(path);
    const auto& shape = file.tensor(name).shape;
    re::Matrix<double> values(shape.size() == 1 ? 1 : shape[0], shape.back());
    file.read(name, values.view());
    return values;
  }
  /// @return  the largest difference; elements are at most 1
  static double distance(const re::Matrix<T>& got, const re::Matrix<double>& want) {
    REQUIRE(got.rows() == want.rows());
    REQUIRE(got.cols() == want.cols());
    double largest = 0.0;
    for (Index i = 0; i < want.rows() * want.cols(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      largest = std::max(largest, std::abs(double(got.flat()[at]) - want.flat()[at]));
    }
    return largest;
  }

  void check_embeddings() const {
    for (const auto residency : {re::model::Residency::kServe, re::model::Residency::kTrain}) {
      Model model = this->model(residency);
      const re::Matrix<T> without = embed(model, "");
      model.load_adapter("worn", directory);
      model.load_adapter("beside", directory);
      const re::Matrix<T> unmerged = embed(model, "worn");
      CHECK(distance(unmerged, read(directory / "expected.safetensors", "unmerged")) <= kTolerance);
      CHECK(distance(unmerged, read(directory / "expected.safetensors", "merged")) <= kTolerance);
      CHECK(std::equal(without.flat().begin(), without.flat().end(), embed(model, "").flat().begin()));
      model.merge_adapter("worn");
      const re::Matrix<T> merged = embed(model, "");
      CHECK(distance(merged, read(directory / "expected.safetensors", "merged")) <= kTolerance);
      CHECK(model.adapter_names() == std::vector<std::string>{"beside"});
      model.encoder().visit_weights(model.weights(), [&](const auto& weight) {
        CHECK(weight.view().empty() == (residency == re::model::Residency::kServe));
      });
    }
  }

  /// Three steps of InfoNCE on the adapter alone.
  void check_steps() const {
    using Loss = re::loss::Contrastive<re::loss::Uniform>;
    Model model = this->model(re::model::Residency::kTrain);
    model.load_adapter("worn", directory);
    re::train::Trainer<Model, Loss, re::train::Recipe<re::optim::AdamW, re::optim::Constant>> trainer(
        std::move(model),
        {.optimizer = {.lr = 1e-3, .weight_decay = 0.01},
         .cache = {.chunk_tokens = 64, .shards = 2},
         .clip_norm = 1.0,
         .query_tokens = kQueryTokens,
         .document_tokens = kDocumentTokens,
         .adapter = "worn"});
    trainer.begin(3);
    const std::filesystem::path steps = directory / "steps.safetensors";
    const re::Matrix<double> losses = read(steps, "loss");
    const re::Matrix<double> norms = read(steps, "norm");
    constexpr double kWanted = std::same_as<T, float> ? 1e-4 : 1e-9;
    for (Index step = 0; step < 3; ++step) {
      CAPTURE(step);
      const re::train::StepReport report = trainer.step(batches[static_cast<std::size_t>(step) + 1].batch());
      CHECK(std::abs(report.loss - losses(0, step)) <= kWanted * std::abs(losses(0, step)));
      CHECK(std::abs(report.gradient_norm - norms(0, step)) <= kWanted * norms(0, step));
    }
    check_final(trainer.model(), steps, kWanted);
  }

  /// Held to the change that training made.
  void check_final(const Model& trained, const std::filesystem::path& steps, double wanted) const {
    const re::model::Family family = re::model::read_encoder_description(base).family;
    trained.adapter("worn").visit([&](const auto& slice) {
      CAPTURE(slice.name);
      const std::size_t dot = slice.name.rfind('.');
      const std::string name = "base_model.model." +
                               re::model::detail::checkpoint_module(family, slice.name.substr(0, dot)) +
                               (slice.name.ends_with("a") ? ".lora_A.weight" : ".lora_B.weight");
      const re::Matrix<double> want = read(steps, "final." + name);
      const re::Matrix<double> start = read(directory / "adapter_model.safetensors", name);
      double error = 0.0;
      double change = 0.0;
      for (Index row = 0; row < want.rows(); ++row) {
        for (Index col = 0; col < want.cols(); ++col) {
          error += std::pow(double(slice.values(row, col)) - want(row, col), 2);
          change += std::pow(want(row, col) - start(row, col), 2);
        }
      }
      CHECK(std::sqrt(error) <= wanted * std::sqrt(change));
    });
  }

  std::filesystem::path base;
  std::filesystem::path directory;
  std::vector<test::BatchTexts> batches;
};

using Bert = re::model::BertEncoder<re::nn::kDynamic, re::nn::Mean>;
using Qwen3 = re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::LastToken>;

}  // namespace

TEST_SUITE("golden/adapters") {
  TEST_CASE_TEMPLATE("encode: unmerged equals merged equals PEFT, both styles of names", T, float, double) {
    for (const std::string style : {"bare", "head"}) {
      CAPTURE(style);
      Worn<Bert, T>("bert", style).check_embeddings();
      Worn<Qwen3, T>("qwen3", style).check_embeddings();
    }
  }
  TEST_CASE_TEMPLATE("Trainer: three steps of an adapter equal PEFT's", T, float, double) {
    Worn<Bert, T>("bert", "bare").check_steps();
    Worn<Qwen3, T>("qwen3", "bare").check_steps();
  }
}
