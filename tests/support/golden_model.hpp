#pragma once
/// @file An encoder loaded from a directory of tests/golden, against what PyTorch computed for it.
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/encoder_node.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace test {

namespace re = reasonembed;

inline std::vector<std::int32_t> read_ints(const re::io::SafeTensors& file, const std::string& name) {
  const auto bytes = file.tensor(name).bytes;
  std::vector<std::int32_t> values(bytes.size() / sizeof(std::int32_t));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// An encoder loaded from a golden directory, with what PyTorch computed for it.
template <class Encoder, class B>
struct Golden {
  using S = typename B::Scalar;
  using Weights = typename Encoder::template Parameters<re::nn::WeightLeaf<B>>;

  explicit Golden(const std::string& name, const re::model::DirectoryOptions& said = {})
      : directory(source_path("tests/golden/" + name)),
        description(re::model::read_encoder_description(directory, said)),
        encoder(description.config, description.options),
        weights(re::model::load_weights<B>(
            encoder, description.family, re::io::ShardedSafeTensors::open(directory), re::model::Residency::kTrain)),
        expected(re::io::SafeTensors::open(directory / "expected.safetensors")),
        tokens(read_ints(expected, "tokens")),
        offsets(read_ints(expected, "offsets")) {}

  [[nodiscard]] re::Index sequences() const { return static_cast<re::Index>(offsets.size()) - 1; }
  [[nodiscard]] re::nn::PackedBatch batch() const { return {.tokens = tokens, .offsets = offsets}; }
  [[nodiscard]] re::Matrix<S> read(const std::string& tensor, re::Index rows, re::Index cols) const {
    re::Matrix<S> values(rows, cols);
    expected.read(tensor, values.view());
    return values;
  }

  std::filesystem::path directory;
  re::model::EncoderDescription description;
  Encoder encoder;
  Weights weights;
  re::io::SafeTensors expected;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> offsets;
};

template <class S>
double largest_difference(const re::Matrix<S>& a, const re::Matrix<S>& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.flat().size(); ++i) {
    worst = std::max(worst, std::abs(double(a.flat()[i]) - double(b.flat()[i])));
  }
  return worst;
}

/// What the golden encoder makes of a batch.
template <class Encoder, class B>
re::Matrix<typename B::Scalar> embed(const Golden<Encoder, B>& golden, const re::nn::PackedBatch& batch) {
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = batch};
  re::Matrix<typename B::Scalar> got(batch.sequence_count(), golden.encoder.dim());
  re::nn::Nothing nothing;
  golden.encoder.forward(context, golden.weights, got.view(), nothing);
  return got;
}

template <class Encoder, class B>
void check_forward(const std::string& name, double tolerance, const re::model::DirectoryOptions& said = {}) {
  const Golden<Encoder, B> golden(name, said);
  const auto got = embed(golden, golden.batch());
  CHECK(largest_difference(got, golden.read("embeddings", got.rows(), got.cols())) <= tolerance);
}

/// Every text alone has the bits it has in the batch of all.
template <class Encoder, class B>
void check_alone(const std::string& name) {
  const Golden<Encoder, B> golden(name);
  const auto together = embed(golden, golden.batch());
  for (std::size_t b = 0; b + 1 < golden.offsets.size(); ++b) {
    const auto first = static_cast<std::size_t>(golden.offsets[b]);
    const std::vector<std::int32_t> offsets = {0, golden.offsets[b + 1] - golden.offsets[b]};
    const auto tokens = std::span(golden.tokens).subspan(first, static_cast<std::size_t>(offsets[1]));
    const auto alone = embed(golden, {.tokens = tokens, .offsets = offsets});
    CHECK(std::equal(alone.flat().begin(), alone.flat().end(), together.row(static_cast<re::Index>(b)).begin()));
  }
}

/// The pooling of the last hidden states, before normalisation, within `tolerance` of each text's largest number.
template <class Encoder, class B>
void check_pooled(const std::string& name, double tolerance) {
  using S = typename B::Scalar;
  Golden<Encoder, B> golden(name);
  re::nn::EncoderOptions options = golden.description.options;
  options.normalize = false;
  golden.encoder = Encoder(golden.description.config, options);
  const re::Matrix<S> got = embed(golden, golden.batch());
  const re::Matrix<S> hidden = golden.read("hidden", golden.offsets.back(), got.cols());
  const std::string pooling = Encoder::Pooling::name;
  for (re::Index b = 0; b < got.rows(); ++b) {
    const auto at = static_cast<std::size_t>(b);
    const re::Index first = pooling == "lasttoken" ? golden.offsets[at + 1] - 1 : golden.offsets[at];
    const re::Index end = pooling == "cls" ? first + 1 : golden.offsets[at + 1];
    double worst = 0.0;
    double scale = 0.0;
    for (re::Index d = 0; d < got.cols(); ++d) {
      double want = 0.0;
      for (re::Index t = first; t < end; ++t) {
        want += double(hidden(t, d)) / double(end - first);
      }
      worst = std::max(worst, std::abs(double(got(b, d)) - want));
      scale = std::max(scale, std::abs(want));
    }
    CAPTURE(b);
    CHECK(worst <= tolerance * scale);
  }
}

/// Every parameter's gradient within `tolerance` of its norm. A tensor whose true gradient is zero (a key bias: softmax
/// does not see what all keys share) is held to the same fraction of the largest norm.
template <class Encoder, class B>
void check_gradients(const std::string& name, double tolerance, const re::model::DirectoryOptions& said = {}) {
  Golden<Encoder, B> golden(name, said);
  using S = typename B::Scalar;
  re::Index count = 0;
  golden.encoder.visit(golden.weights, [&](const auto& slice) { count += slice.values.size(); });
  re::AlignedBuffer<S> flat(count);
  re::nn::GradientAllocator<S> allocator(flat.span());
  auto gradients = golden.encoder.allocate(allocator);
  re::Arena arena;
  re::autograd::Tape<S> tape;
  const auto embeddings =
      re::nn::encoder_node<Encoder, B>(tape, golden.encoder, golden.weights, golden.batch(), arena, gradients);
  tape.backward(embeddings, golden.read("cotangent", embeddings.rows(), embeddings.cols()).view());

  double largest = 0.0;
  struct Result {
    std::string name;
    double error;
    double norm;
  };
  std::vector<Result> results;
  golden.encoder.visit(gradients, [&](const auto& slice) {
    const std::string tensor = "grad." + golden.description.family.tensor_name(slice.name);
    const re::Matrix<S> want = golden.read(tensor, slice.values.rows(), slice.values.cols());
    double error = 0.0;
    double norm = 0.0;
    for (re::Index row = 0; row < want.rows(); ++row) {
      for (re::Index col = 0; col < want.cols(); ++col) {
        error += std::pow(double(slice.values(row, col)) - double(want(row, col)), 2);
        norm += std::pow(double(want(row, col)), 2);
      }
    }
    results.push_back({tensor, std::sqrt(error), std::sqrt(norm)});
    largest = std::max(largest, std::sqrt(norm));
  });
  CHECK(results.size() >= 20);
  for (const Result& result : results) {
    CAPTURE(result.name);
    const double scale = result.norm > 1e-9 * largest ? result.norm : largest;
    CHECK(result.error <= tolerance * scale);
  }
}

}  // namespace test
