// What PyTorch computes for tiny random encoders, made by tiny_models.py. Pinned, because an equation that is wrong in
// forward and vjp alike passes every gradient check. May change only with the generator.
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/encoder_node.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace re = reasonembed;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;

namespace {

std::vector<std::int32_t> read_ints(const re::io::SafeTensors& file, const std::string& name) {
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

  explicit Golden(const std::string& name)
      : directory(test::source_path("tests/golden/" + name)),
        description(re::model::read_encoder_description(directory)),
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

template <class Encoder, class B>
void check_forward(const std::string& name, double tolerance) {
  Golden<Encoder, B> golden(name);
  using S = typename B::Scalar;
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = golden.batch()};
  re::Matrix<S> got(golden.sequences(), golden.encoder.dim());
  re::nn::Nothing nothing;
  golden.encoder.forward(context, golden.weights, got.view(), nothing);
  CHECK(largest_difference(got, golden.read("embeddings", got.rows(), got.cols())) <= tolerance);
}

/// Every parameter's gradient within `tolerance` of its norm. A tensor whose true gradient is zero (a key bias: softmax
/// does not see what all keys share) is held to the same fraction of the largest norm.
template <class Encoder, class B>
void check_gradients(const std::string& name, double tolerance) {
  Golden<Encoder, B> golden(name);
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
  CHECK(results.size() > 20);
  for (const Result& result : results) {
    CAPTURE(result.name);
    const double scale = result.norm > 1e-9 * largest ? result.norm : largest;
    CHECK(result.error <= tolerance * scale);
  }
}

}  // namespace

TEST_SUITE("golden/tiny_models") {
  // f32: a few hundred roundings of 6e-8 on unit vectors.
  TEST_CASE("forward: a tiny BERT equals PyTorch") {
    check_forward<re::model::BertEncoder<>, Cpu32>("tiny_bert", 1e-6);
    check_forward<re::model::BertEncoder<>, Cpu64>("tiny_bert", 1e-13);
  }
  TEST_CASE("forward: a tiny Qwen3 equals PyTorch") {
    check_forward<re::model::Qwen3Encoder<>, Cpu32>("tiny_qwen3", 1e-6);
    check_forward<re::model::Qwen3Encoder<>, Cpu64>("tiny_qwen3", 1e-6);  // the reference ran in f32
  }
  TEST_CASE("vjp: every gradient of a tiny BERT equals PyTorch's") {
    check_gradients<re::model::BertEncoder<>, Cpu32>("tiny_bert", 1e-4);
    check_gradients<re::model::BertEncoder<>, Cpu64>("tiny_bert", 1e-11);
  }
  TEST_CASE("vjp: every gradient of a tiny Qwen3 equals PyTorch's") {
    check_gradients<re::model::Qwen3Encoder<>, Cpu32>("tiny_qwen3", 1e-4);
    check_gradients<re::model::Qwen3Encoder<>, Cpu64>("tiny_qwen3", 1e-4);  // the reference ran in f32
  }
}
