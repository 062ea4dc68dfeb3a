#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/export_onnx.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/onnx_models.hpp>
#include <support/scratch.hpp>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
using Qwen3 = re::model::Qwen3Encoder<>;
using Cpu64 = re::backend::Cpu<double>;
using test::kOnnxSizes;
using test::onnx_bytes;
using test::onnx_model;
using test::OnnxFile;

namespace {

std::map<std::string, std::string> metadata_of(const OnnxFile& file) {
  std::map<std::string, std::string> pairs;
  for (const std::string_view pair : file.model.all(14)) {
    pairs.emplace(test::Protobuf(pair).one(1), test::Protobuf(pair).one(2));
  }
  return pairs;
}

}  // namespace

TEST_SUITE("model/export_onnx") {
  TEST_CASE("export_onnx: inputs, outputs and axes are those of Optimum") {
    const std::string bytes = onnx_bytes(onnx_model<Qwen3>(kOnnxSizes));
    const OnnxFile file(bytes);
    const auto names = [&](std::uint32_t field) {
      std::vector<std::string> found;
      for (const std::string_view value : file.graph.all(field)) {
        found.emplace_back(test::Protobuf(value).one(1));
      }
      return found;
    };
    CHECK(names(11) == std::vector<std::string>{"input_ids", "attention_mask"});
    CHECK(names(12) == std::vector<std::string>{"token_embeddings", "sentence_embedding"});
    const test::Protobuf ids = test::Protobuf(file.graph.all(11)[0]).message(2).message(1);
    CHECK(ids.integers(1) == std::vector<std::int64_t>{7});
    const auto axes = ids.message(2).all(1);
    REQUIRE(axes.size() == 2);
    CHECK(test::Protobuf(axes[0]).one(2) == "batch");
    CHECK(test::Protobuf(axes[1]).one(2) == "sequence");
  }
  TEST_CASE("export_onnx: weights keep shape, bits and their names in checkpoints") {
    const auto model = onnx_model<Qwen3>(kOnnxSizes);
    const std::string bytes = onnx_bytes(model);
    const OnnxFile file(bytes);
    const OnnxFile::Tensor& q = file.tensor("layers.1.self_attn.q_proj.weight");
    CHECK(q.shape == std::vector<std::int64_t>{24, 12});
    bool compared = false;
    model.encoder().visit(model.weights(), [&](const auto& slice) {
      if (slice.name == "blocks.1.attention.q.weight") {
        CHECK(q.raw == re::io::detail::characters(std::as_bytes(slice.values.flat())));
        compared = true;
      }
    });
    CHECK(compared);
    CHECK(file.tensor("norm.weight").shape == std::vector<std::int64_t>{12});
    const std::string bert = onnx_bytes(onnx_model<re::model::BertEncoder<>>({.vocab = 258,
                                                                              .dim = 8,
                                                                              .layers = 1,
                                                                              .heads = 2,
                                                                              .kv_heads = 2,
                                                                              .head_dim = 4,
                                                                              .mlp_dim = 8,
                                                                              .max_length = 40,
                                                                              .type_vocab = 2,
                                                                              .qkv_bias = true,
                                                                              .linear_bias = true}));
    CHECK(OnnxFile(bert).tensor("encoder.layer.0.attention.self.query.bias").shape == std::vector<std::int64_t>{8});
  }
  TEST_CASE("export_onnx: prompts, limits, pooling and components are in the metadata") {
    const std::string bytes = onnx_bytes(onnx_model<Qwen3>(kOnnxSizes));
    const auto pairs = metadata_of(OnnxFile(bytes));
    CHECK(pairs.at("reasonembed.architecture") == Qwen3::architecture());
    CHECK(pairs.at("reasonembed.pooling") == "lasttoken");
    CHECK(pairs.at("reasonembed.normalize") == "true");
    CHECK(pairs.at("reasonembed.query_prompt") == "query: ");
    CHECK(pairs.at("reasonembed.query_max_tokens") == "20");
    CHECK(pairs.at("reasonembed.document_prompt").empty());
    CHECK(pairs.at("reasonembed.document_max_tokens") == "30");
  }
  TEST_CASE("export_onnx: the same encoder gives the same bytes") {
    CHECK(onnx_bytes(onnx_model<Qwen3>(kOnnxSizes)) == onnx_bytes(onnx_model<Qwen3>(kOnnxSizes)));
  }
  TEST_CASE("export_onnx: truncated vectors are cut and have unit length again") {
    const auto whole = onnx_model<Qwen3>(kOnnxSizes);
    const auto cut = onnx_model<Qwen3>(
        kOnnxSizes, {.norm_eps = 1e-5}, {.threads = 1, .residency = re::model::Residency::kTrain, .truncate_dim = 5});
    const std::string bytes = onnx_bytes(cut);
    const OnnxFile file(bytes);
    const auto texts = test::id_texts(9);
    const auto got = test::OnnxInterpreter(file).run(test::padded(texts, false)).at("sentence_embedding");
    const auto expected = test::own_vectors(whole, texts);
    REQUIRE(got.shape == std::vector<std::int64_t>{5, 5});
    for (re::Index row = 0; row < 5; ++row) {
      double square = 0.0;
      for (re::Index col = 0; col < 5; ++col) {
        square += expected(row, col) * expected(row, col);
      }
      for (re::Index col = 0; col < 5; ++col) {
        CHECK(std::abs(got.values[static_cast<std::size_t>(5 * row + col)] - expected(row, col) / std::sqrt(square)) <
              2e-6);
      }
    }
  }
  TEST_CASE("export_onnx: double weights are written as floats") {
    const auto model = onnx_model<Qwen3, Cpu64>(kOnnxSizes);
    const std::string bytes = onnx_bytes(model);
    const OnnxFile file(bytes);
    CHECK(file.tensor("norm.weight").type == 1);
    CHECK(test::onnx_difference(model) < 2e-6);
  }
  TEST_CASE("export_onnx: a text of padding alone gives numbers, whatever the pooling") {
    const auto check = [](const auto& model) {
      const std::string bytes = onnx_bytes(model);
      const OnnxFile file(bytes);
      const auto values = test::OnnxInterpreter(file).run(
          {{"input_ids", {{1, 3}, {1, 2, 3}}}, {"attention_mask", {{1, 3}, {0, 0, 0}}}});
      for (const double value : values.at("sentence_embedding").values) {
        CHECK(std::isfinite(value));
      }
    };
    check(onnx_model<Qwen3>(kOnnxSizes));
    check(onnx_model<re::model::LlamaEncoder<re::nn::kDynamic, re::nn::Mean>>(kOnnxSizes));
  }
  TEST_CASE("export_onnx: an encoder that only serves is refused, and can be made trainable") {
    auto model =
        onnx_model<Qwen3>(kOnnxSizes, {.norm_eps = 1e-5}, {.threads = 1, .residency = re::model::Residency::kTrain});
    const std::string expected = onnx_bytes(model);
    const Qwen3 encoder(kOnnxSizes);
    re::model::TextEncoder<Qwen3, re::backend::Cpu<float>> serving(
        encoder,
        re::model::random_weights<re::backend::Cpu<float>>(encoder, 3, 0.3, re::model::Residency::kServe),
        re::text::ByteTokenizer(),
        {},
        {},
        {.threads = 1});
    const test::Scratch scratch;
    scratch.write("model.onnx", "old");
    CHECK_THROWS_WITH_AS(re::model::export_onnx(scratch / "model.onnx", serving),
                         "model::export_onnx: an unpacked weight is dropped after loading, expected an encoder loaded "
                         "or made with Residency::kTrain, or make_trainable() called",
                         re::ConfigError);
    CHECK(re::io::read_text_file(scratch / "model.onnx") == "old");
    serving.make_trainable();
    re::model::export_onnx(scratch / "model.onnx", serving);
    CHECK(re::io::read_text_file(scratch / "model.onnx").size() > 1000);
  }
  TEST_CASE("export_onnx: a weight that is no number is named, and nothing is written") {
    auto model = onnx_model<Qwen3>(kOnnxSizes);
    model.update_weights([](auto& weights) { weights.final_norm.gain.span()[2] = NAN; });
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS(re::model::export_onnx(scratch / "model.onnx", model),
                         "model::export_onnx: tensor \"norm.weight\"[2] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK(std::filesystem::is_empty(scratch.path()));
  }
  TEST_CASE("export_onnx: weights beside the file, and no limit above protobuf's") {
    const auto model = onnx_model<Qwen3>(kOnnxSizes);
    const test::Scratch scratch;
    re::model::export_onnx(scratch / "model.onnx", model, {.largest_file = 0});
    CHECK(std::filesystem::file_size(scratch / "model.onnx.data") > 258 * 12 * 4);
    CHECK_THROWS_WITH_AS(re::model::export_onnx(scratch / "x.onnx", model, {.largest_file = std::uint64_t{1} << 31}),
                         "model::export_onnx: largest_file is 2147483648, expected at most 2147483647, where protobuf "
                         "ends",
                         re::ConfigError);
    CHECK_THROWS_AS(re::model::export_onnx("/nonexistent/x.onnx", model), re::IoError);
  }
  TEST_CASE("export_onnx: a saved model, loaded to be exported") {
    const test::Scratch scratch;
    const auto directory = scratch / "model";
    const auto path = scratch / "model.onnx";
    onnx_model<Qwen3>(kOnnxSizes).save(directory);
    using Model = re::model::TextEncoder<Qwen3, re::backend::Cpu<float>>;
    // example-begin export_onnx
    const auto model = Model::load(directory, {.residency = re::model::Residency::kTrain});
    re::model::export_onnx(path, model);
    // example-end export_onnx
    CHECK(re::io::read_text_file(path) == onnx_bytes(onnx_model<Qwen3>(kOnnxSizes)));
  }
}
