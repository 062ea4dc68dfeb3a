#include <reasonembed/model/onnx_encoder_graph.hpp>

#include <doctest/doctest.h>

#include <support/onnx_interpreter.hpp>
#include <support/scratch.hpp>

#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::model::OnnxEncoderGraph;
using re::model::OnnxValue;
using test::OnnxTensor;

namespace {

constexpr re::nn::EncoderConfig kConfig{
    .vocab = 9, .dim = 4, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 4, .mlp_dim = 4, .max_length = 16};
const re::nn::EncoderOptions kOptions{.norm_eps = 0.5, .rope_theta = 100.0};

/// Every value of a graph for two texts of three and two tokens, one padded on the right, one on the left.
test::OnnxInterpreter::Tensors run(const OnnxEncoderGraph& to) {
  const test::Scratch scratch;
  to.graph.write(scratch / "graph.onnx", {});
  const std::string bytes = re::io::read_text_file(scratch / "graph.onnx");
  const test::OnnxFile file(bytes);
  return test::OnnxInterpreter(file).run(
      {{"input_ids", {{2, 4}, {1, 2, 3, 0, 0, 0, 4, 5}}}, {"attention_mask", {{2, 4}, {1, 1, 1, 0, 0, 0, 1, 1}}}});
}

}  // namespace

TEST_SUITE("model/onnx_encoder_graph") {
  TEST_CASE("shape, numbers, positions: real tokens are counted from their own first") {
    OnnxEncoderGraph to(kConfig, kOptions);
    const auto values = run(to);
    CHECK(values.at(to.shape()).values == std::vector<double>{2, 4});
    CHECK(values.at(to.numbers()).values == std::vector<double>{1, 2, 3, 3, 0, 0, 1, 2});
    CHECK(values.at(to.positions()).values == std::vector<double>{0, 1, 2, 2, 0, 0, 0, 1});
  }
  TEST_CASE("visible: no token sees padding, and none behind it in a causal encoder") {
    OnnxEncoderGraph whole(kConfig, kOptions);
    const OnnxValue all = whole.visible(false, 1);
    CHECK(whole.visible(false, 1) == all);  // once for all blocks
    const auto seen = run(whole).at(all);
    CHECK(seen.shape == std::vector<std::int64_t>{2, 1, 1, 4});
    CHECK(seen.values == std::vector<double>{1, 1, 1, 0, 0, 0, 1, 1});

    OnnxEncoderGraph causal(kConfig, kOptions);
    const OnnxValue before = causal.visible(true, 2);
    const auto triangle = run(causal).at(before);
    CHECK(triangle.shape == std::vector<std::int64_t>{2, 1, 1, 4, 4});
    CHECK(triangle.values == std::vector<double>{1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0,
                                                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1});
  }
  TEST_CASE("rotary: the library's angles at the positions of real tokens") {
    OnnxEncoderGraph to(kConfig, kOptions);
    const auto [cosine, sine] = to.rotary();
    CHECK(to.rotary().first == cosine);
    const auto values = run(to);
    CHECK(values.at(cosine).shape == std::vector<std::int64_t>{2, 4, 1, 2});
    const double position[] = {0, 1, 2, 2, 0, 0, 0, 1};
    for (std::size_t t = 0; t < 8; ++t) {
      for (int i = 0; i < 2; ++i) {
        const double angle = position[t] * double(re::nn::rope_frequency(i, 4, 100.0));
        CHECK(values.at(cosine).values[2 * t + static_cast<std::size_t>(i)] == doctest::Approx(std::cos(angle)));
        CHECK(values.at(sine).values[2 * t + static_cast<std::size_t>(i)] == doctest::Approx(std::sin(angle)));
      }
    }
  }
  TEST_CASE("linear, rms_norm, unit_length, by_text, by_row: their equations") {
    const std::vector<float> weight = {1, 0, 0, 0, 0, 2, 0, 1};
    const std::vector<float> bias = {10, 20};
    const std::vector<float> gain = {1, 1, 1, 2};
    const std::vector<float> rows(32, 2.0F);
    OnnxEncoderGraph to(kConfig, kOptions);
    to.add_parameter("a.weight",
                     {"checkpoint.weight", {re::io::DType::kF32, {2, 4}, std::as_bytes(std::span(weight))}});
    to.add_parameter("b.weight", {"other", {re::io::DType::kF32, {2, 4}, std::as_bytes(std::span(weight))}});
    to.add_parameter("a.bias", re::io::NamedTensor::of("checkpoint.bias", std::span<const float>(bias)));
    to.add_parameter("gain", re::io::NamedTensor::of("checkpoint.gain", std::span<const float>(gain)));
    to.graph.add_tensor({"rows", {re::io::DType::kF32, {8, 4}, std::as_bytes(std::span(rows))}});
    CHECK(to.has_parameter("a.bias"));
    CHECK_FALSE(to.has_parameter("b.bias"));
    CHECK(to.parameter("a.weight") == "checkpoint.weight");
    const OnnxValue with = to.linear("a", "rows");
    const OnnxValue without = to.linear("b", "rows");
    const OnnxValue norm = to.rms_norm(to.parameter("gain"), "rows");
    const OnnxValue unit = to.unit_length("rows");
    const OnnxValue text = to.by_text("rows", {2, 2});
    const OnnxValue back = to.by_row(text, 4);
    const auto values = run(to);
    CHECK(values.at(with).shape == std::vector<std::int64_t>{8, 2});
    CHECK(values.at(with).values[0] == 12.0);
    CHECK(values.at(with).values[1] == 26.0);
    CHECK(values.at(without).values[1] == 6.0);
    CHECK(values.at(norm).values[0] == doctest::Approx(2.0 / std::sqrt(4.5)));
    CHECK(values.at(norm).values[3] == doctest::Approx(4.0 / std::sqrt(4.5)));
    CHECK(values.at(unit).values[2] == doctest::Approx(0.5));
    CHECK(values.at(text).shape == std::vector<std::int64_t>{2, 4, 2, 2});
    CHECK(values.at(back).shape == std::vector<std::int64_t>{8, 4});
  }
  TEST_CASE("unit_length: a row of zeros stays one") {
    const std::vector<float> rows(4, 0.0F);
    OnnxEncoderGraph to(kConfig, kOptions);
    to.graph.add_tensor({"rows", {re::io::DType::kF32, {1, 4}, std::as_bytes(std::span(rows))}});
    const OnnxValue unit = to.unit_length("rows");
    CHECK(run(to).at(unit).values == std::vector<double>(4, 0.0));
  }
  TEST_CASE("parameter: one that the encoder lacks is named") {
    const OnnxEncoderGraph to(kConfig, kOptions);
    CHECK_THROWS_WITH_AS((void)to.parameter("blocks.0.mlp.gate.weight"),
                         "model::OnnxEncoderGraph: parameter is blocks.0.mlp.gate.weight, expected one that the "
                         "encoder visits",
                         re::ConfigError);
  }
}
