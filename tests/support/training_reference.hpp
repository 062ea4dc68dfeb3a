#pragma once
/// @file Training held against what PyTorch computed, as tests/golden/training.py writes it.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/train/contrastive_gradient.hpp>
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/batch_texts.hpp>
#include <support/data.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace re = reasonembed;

/// A tiny model, trained here and by PyTorch.
///
/// @tparam T  float or double: what both compute in
template <class Encoder, std::floating_point T>
class TrainingReference {
 public:
  using Backend = re::backend::Cpu<T>;
  using Model = re::model::TextEncoder<Encoder, Backend>;
  using InfoNce = re::loss::Contrastive<re::loss::Uniform>;
  using Redapter = re::loss::Contrastive<re::loss::ReasoningIntensity>;

  explicit TrainingReference(const std::string& family)
      : directory_(source_path("tests/golden/training/" + family)),
        description_(re::model::read_encoder_description(directory_)),
        start_(re::io::SafeTensors::open(directory_ / "model.safetensors")),
        gradients_(re::io::SafeTensors::open(directory_ / (kDtype + ".gradients.safetensors"))),
        exact_(re::io::SafeTensors::open(directory_ / "f64.gradients.safetensors")),
        curve_(re::io::SafeTensors::open(directory_ / (kDtype + ".curve.safetensors"))),
        batches_(read_batches(source_path("tests/golden/training/batches.jsonl"))) {
    REQUIRE(batches_.size() == 11);
  }

  /// Loss, weights and every gradient of the first batch, in the last step of Redapter's warm-up and in the next.
  void check_gradients() const {
    const double worst = std::max(check_gradients_of<InfoNce>(), check_gradients_of<Redapter>());
    MESSAGE(kDtype << ": largest relative error of a loss, weight or gradient " << worst);
  }
  /// Ten steps, and the weights after them.
  void check_curves() const {
    const double worst = std::max(check_curve<InfoNce>("infonce."), check_curve<Redapter>("redapter."));
    MESSAGE(kDtype << ": largest relative error of a loss, norm, weight or change of a parameter " << worst);
  }

 private:
  static constexpr bool kSingle = std::same_as<T, float>;
  inline static const std::string kDtype = kSingle ? "f32" : "f64";
  static constexpr double kTolerance = kSingle ? 1e-4 : 1e-9;
  static constexpr re::Index kQueryTokens = 28;
  static constexpr re::Index kDocumentTokens = 36;

  [[nodiscard]] Model model() const {
    const Encoder encoder(description_.config, description_.options);
    const auto file = re::io::ShardedSafeTensors::open(directory_);
    const auto residency = re::model::Residency::kTrain;
    return Model(encoder,
                 re::model::load_weights<Backend>(encoder, description_.family, file, residency),
                 re::text::ByteTokenizer(),
                 description_.query,
                 description_.document,
                 {.threads = 1, .residency = residency});
  }

  static re::Matrix<double> read(const re::io::SafeTensors& file, const std::string& name) {
    const auto& shape = file.tensor(name).shape;
    re::Matrix<double> values(shape.size() == 1 ? 1 : shape[0], shape.back());
    file.read(name, values.view());
    return values;
  }
  [[nodiscard]] re::Matrix<double> read(const re::io::SafeTensors& file,
                                        const std::string& prefix,
                                        const std::string& slice) const {
    return read(file, prefix + description_.family.tensor_name(slice));
  }
  static double length(const re::Matrix<double>& x) {
    const auto values = x.flat();
    return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
  }
  template <class Values>
  static re::Matrix<double> difference(const Values& a, const re::Matrix<double>& b) {
    REQUIRE(a.rows() == b.rows());
    REQUIRE(a.cols() == b.cols());
    re::Matrix<double> result(b.rows(), b.cols());
    for (re::Index row = 0; row < b.rows(); ++row) {
      for (re::Index col = 0; col < b.cols(); ++col) {
        result(row, col) = static_cast<double>(a(row, col)) - b(row, col);
      }
    }
    return result;
  }
  /// @return  the relative error
  static double check(double got, double want, double tolerance) {
    const double error = std::abs(got - want);
    CHECK(error <= tolerance * std::abs(want));
    return error > 0.0 ? error / std::abs(want) : 0.0;
  }
  /// Keys that all move alike move no attention: the gradient of their bias is 0, and what is computed is rounding.
  static bool is_key_bias(const std::string& slice) { return slice.ends_with("attention.k.bias"); }

  /// Like all checks below: @return the largest relative error
  template <class Loss>
  double check_gradients_of() const {
    const Model encoder = model();
    re::train::ContrastiveGradient<Model, Loss> gradient(
        encoder, Loss(), {.query_tokens = kQueryTokens, .document_tokens = kDocumentTokens, .cache = {64, 2}});
    const re::data::TrainingBatch batch = batches_.front().batch();
    double worst = 0.0;
    for (const std::int64_t step : {99, 100}) {
      const bool weighted = std::same_as<Loss, Redapter> && step >= 100;
      const std::string kind = weighted ? "weighted." : "plain.";
      CAPTURE(kind);
      const re::train::BatchEvaluation found = gradient.evaluate(batch, step);
      CHECK(found.measured == weighted);
      CHECK(found.truncated == (weighted ? 3 : 2));
      CHECK(found.loss.missing_reasoning == (weighted ? 1 : 0));
      worst = std::max({worst, check_queries(found.loss, kind), check_slices(gradient.slices(), kind)});
      if (weighted) {  // what the batch was made for: l' near 0, a weight at the ceiling beside one of intensity 1
        CHECK(found.loss.losses[1] / found.loss.intensities[1] < 5e-6);
        CHECK(std::abs(found.loss.weights[1] - 5.0 * found.loss.weights[2]) <= 1e-15);
      }
    }
    return worst;
  }

  double check_queries(const re::loss::ContrastiveResult& found, const std::string& kind) const {
    const re::Matrix<double> losses = read(gradients_, kind + "losses");
    const re::Matrix<double> weights = read(gradients_, kind + "weights");
    const re::Matrix<double> intensities = read(exact_, kind + "intensities");
    double worst = check(found.loss, read(gradients_, kind + "loss")(0, 0), kTolerance);
    REQUIRE(static_cast<re::Index>(found.losses.size()) == losses.cols());
    for (re::Index i = 0; i < losses.cols(); ++i) {
      CAPTURE(i);
      const auto at = static_cast<std::size_t>(i);
      worst = std::max(worst, check(found.losses[at], losses(0, i), kTolerance));
      worst = std::max(worst, check(found.weights[at], weights(0, i), kTolerance));
      // PyTorch subtracts s / tau, at most 50, from a log-sum-exp of that size: its l' = l / r - eps has an absolute
      // error of a few roundings of 50. Ours has a relative one, so in single precision it is held to PyTorch's double.
      const double rounding = 50.0 * 8.0 * 2.2e-16 * intensities(0, i) / losses(0, i);
      check(found.intensities[at], intensities(0, i), kTolerance + rounding);
    }
    return worst;
  }

  double check_slices(const std::vector<re::nn::ParameterSlice<T>>& slices, const std::string& kind) const {
    double worst = 0.0;
    CHECK(slices.size() > 20);
    for (const auto& slice : slices) {
      CAPTURE(slice.name);
      const re::Matrix<double> want = read(gradients_, kind + "grad.", slice.name);
      double scale = length(want);
      if (is_key_bias(slice.name)) {  // then by the sum of the same terms that is not 0
        std::string weight = slice.name;
        scale = length(read(gradients_, kind + "grad.", weight.replace(weight.size() - 4, 4, "weight")));
      }
      const double error = length(difference(slice.values, want));
      CHECK(error <= kTolerance * scale);
      worst = std::max(worst, error / scale);
    }
    return worst;
  }

  template <class Loss>
  double check_curve(const std::string& name) const {
    typename re::train::Trainer<Model, Loss>::Options options;
    if constexpr (std::same_as<Loss, Redapter>) {
      options.loss.weighting.warmup_steps = 5;
    }
    options.optimizer = {.lr = 1e-3, .weight_decay = 0.01};
    options.schedule.warmup_steps = 3;
    options.cache = {.chunk_tokens = 64, .shards = 2};
    options.clip_norm = 10.0;
    options.query_tokens = kQueryTokens;
    options.document_tokens = kDocumentTokens;
    re::train::Trainer<Model, Loss> trainer(model(), options);
    trainer.begin(10);
    const re::Matrix<double> losses = read(curve_, name + "loss");
    const re::Matrix<double> norms = read(curve_, name + "norm");
    const re::Matrix<double> rates = read(curve_, name + "rate");
    double worst = 0.0;
    CAPTURE(name);
    for (re::Index step = 0; step < 10; ++step) {
      CAPTURE(step);
      const re::data::TrainingBatch batch = batches_[static_cast<std::size_t>(step) + 1].batch();
      const re::train::StepReport report = trainer.step(batch);
      check(report.lr, rates(0, step), 1e-15);
      worst = std::max(worst, check(report.loss, losses(0, step), kTolerance));
      worst = std::max(worst, check(report.gradient_norm, norms(0, step), kTolerance));
      const re::Matrix<double> weights = read(curve_, name + "weights." + std::to_string(step));
      REQUIRE(static_cast<re::Index>(report.weights.size()) == weights.cols());
      for (re::Index i = 0; i < weights.cols(); ++i) {
        worst = std::max(worst, check(report.weights[static_cast<std::size_t>(i)], weights(0, i), kTolerance));
      }
    }
    return std::max(worst,
                    check_final(trainer.model(), name, std::accumulate(rates.flat().begin(), rates.flat().end(), 0.0)));
  }

  /// Held to the change that training made, of which the weights themselves are about a hundred times the size.
  double check_final(const Model& trained, const std::string& name, double rates) const {
    double worst = 0.0;
    trained.encoder().visit(trained.weights(), [&](const auto& slice) {
      CAPTURE(slice.name);
      const re::Matrix<double> want = read(curve_, name + "final.", slice.name);
      const double error = length(difference(slice.values, want));
      if (is_key_bias(slice.name)) {
        // Adam makes steps of the order of the rate out of rounding, unless its eps = 1e-8 is far larger. By
        // Cauchy-Schwarz none of the first ten exceeds rate * sqrt(sum_i a_i^2 / b_i) <= 1.05 rate, a and b the weights
        // of the gradients in m and v; two runs differ by twice that.
        const double most = 2.1 * rates * std::sqrt(static_cast<double>(want.flat().size()));
        CHECK(error <= (kSingle ? most : kTolerance * length(want)));
      } else {
        const double change = length(difference(want, read(start_, "", slice.name)));
        CHECK(error <= kTolerance * change);
        worst = std::max(worst, error / change);
      }
    });
    return worst;
  }

  std::filesystem::path directory_;
  re::model::EncoderDescription description_;
  re::io::SafeTensors start_;
  re::io::SafeTensors gradients_;
  re::io::SafeTensors exact_;  // gradients_ of double precision
  re::io::SafeTensors curve_;
  std::vector<BatchTexts> batches_;
};

}  // namespace test
