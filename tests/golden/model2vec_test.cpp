// The vectors that model2vec's tests publish for a model distilled from bge-base-en-v1.5, in each of its layouts, and
// those of a tiny static model of sentence-transformers.
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/model/static_embeddings.hpp>
#include <reasonembed/model/static_encoder.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::StaticEncoder;

namespace {

std::vector<double> published(const std::filesystem::path& root, const std::string& name) {
  return re::io::read_json(root / ("embeddings_" + name + ".json"))[0].get<std::vector<double>>();
}
std::string hello(int times) {
  std::string text;
  for (int i = 0; i < times; ++i) {
    text += "hello ";
  }
  return text;
}
double largest_difference(std::span<const float> got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0.0;
  for (std::size_t d = 0; d < want.size(); ++d) {
    worst = std::max(worst, std::abs(double(got[d]) - want[d]));
  }
  return worst;
}

}  // namespace

TEST_SUITE("golden/model2vec") {
  TEST_CASE("encode: the published vectors, from rows of every type and both layouts") {
    const auto root = test::find_data("tiny-models/model2vec-rs");
    if (!root) {
      return;
    }
    const std::vector<double> want = published(*root, "short");
    // The published vector is that of the f32 rows; the others differ from it by what their rows were rounded by.
    for (const auto& [name, tolerance] : {std::pair{"float32", 1e-7},
                                          std::pair{"sentence-transformers", 1e-7},
                                          std::pair{"float16", 2e-4},
                                          std::pair{"int8", 6e-3}}) {
      CAPTURE(name);
      const auto encoder = StaticEncoder::load(*root / ("test-model-" + std::string(name)), {.threads = 1});
      CHECK(encoder.tokens("hello world") == std::vector<std::int32_t>{6598, 1094});
      const Matrix<float> vectors = encoder.encode_document({"hello world"});
      CHECK(largest_difference(vectors.row(0), want) <= tolerance);
    }
  }
  TEST_CASE("encode: the published vector of a text of a thousand words") {
    const auto root = test::find_data("tiny-models/model2vec-rs");
    if (!root) {
      return;
    }
    const auto encoder = StaticEncoder::load(*root / "test-model-float32", {.threads = 1});
    CHECK(encoder.tokens(hello(1000)) == std::vector<std::int32_t>(512, 6598));  // 512 * 6 characters: as many words
    const Matrix<float> vectors = encoder.encode_document({hello(1000)});
    CHECK(largest_difference(vectors.row(0), published(*root, "long")) <= 1e-5);  // theirs is summed in f32
  }
  TEST_CASE("mean: the published vector of a quantised vocabulary") {
    const auto root = test::find_data("tiny-models/model2vec-rs");
    if (!root) {
      return;
    }
    const auto directory = *root / "test-model-vocab-quantized";
    const std::vector<double> want = published(*root, "vocab_quantized");
    const auto table = re::model::StaticEmbeddings::read(re::io::SafeTensors::open(directory / "model.safetensors"));
    CHECK(table.vocab_size() == 29524);
    std::vector<float> vector(static_cast<std::size_t>(table.dim()));
    table.mean(std::vector<std::int32_t>(512, 6594), vector);  // "hello", as the reference tokenizer has it
    double square = 0.0;
    for (const float v : vector) {
      square += double(v) * double(v);
    }
    for (float& v : vector) {
      v = static_cast<float>(double(v) / std::sqrt(square));
    }
    CHECK(largest_difference(vector, want) <= 1e-7);
    try {
      const auto encoder = StaticEncoder::load(directory, {.threads = 1});
      const Matrix<float> vectors = encoder.encode_document({hello(1000)});
      CHECK(largest_difference(vectors.row(0), want) <= 1e-7);
    } catch (const re::ConfigError& error) {
      MESSAGE("SKIPPED: its Unigram tokenizer is not read: " << std::string(error.what()));
    }
  }
  TEST_CASE("encode: the vectors of a static model that sentence-transformers made, saved and ran") {
    // tiny_static is made by families.py, which holds the texts too; may change only with it.
    const auto directory = test::source_path("tests/golden/tiny_static");
    const auto encoder = StaticEncoder::load(directory, {.threads = 2});
    std::string slices;
    for (int i = 0; i < 600; ++i) {
      slices += "slices. ";
    }
    const std::vector<std::string> texts = {
        "Why does salt draw water out of a slice?", "salt", "a cucumber bends", "light light light", slices};
    CHECK(encoder.tokens(texts[2]) == std::vector<std::int32_t>{12, 1, 17, 13});
    Matrix<float> want(5, 6);
    re::io::SafeTensors::open(directory / "expected.safetensors").read("embeddings", want.view());
    const Matrix<float> got = encoder.encode_document(texts);
    for (Index i = 0; i < 5; ++i) {
      CAPTURE(i);
      CHECK(largest_difference(got.row(i), {want.row(i).begin(), want.row(i).end()}) <= (i == 4 ? 1e-5 : 5e-7));
    }
  }
}
