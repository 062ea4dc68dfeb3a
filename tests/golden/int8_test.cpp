// Vectors of int8 products beside those of float32: the tiny encoders, and retrieval with all-MiniLM-L6-v2.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/data/find_dataset.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/eval/score_encoder.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/minilm.hpp>
#include <support/tiny_encoder.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::TextEncoder;
using Int8 = re::backend::Cpu<re::int8>;

namespace {

/// Texts of 1, 2, 7, the most and about half of the most tokens, in one batch and each by itself.
template <class Encoder>
void check_family(const std::string& name) {
  CAPTURE(name);
  const test::TinyEncoder<Encoder, Int8> tiny(name, re::model::Residency::kServe);
  const Matrix<float> got = tiny.embed(tiny.tokens, tiny.offsets);
  CHECK(test::least_cosine(got, tiny.read("float32")) >= 0.995);
  for (std::size_t b = 0; b + 1 < tiny.offsets.size(); ++b) {
    const std::int32_t length = tiny.offsets[b + 1] - tiny.offsets[b];
    const std::vector<std::int32_t> ends = {0, length};
    const auto ids =
        std::span(tiny.tokens).subspan(static_cast<std::size_t>(tiny.offsets[b]), static_cast<std::size_t>(length));
    const Matrix<float> alone = tiny.embed(ids, ends);
    CHECK(std::equal(alone.flat().begin(), alone.flat().end(), got.row(static_cast<Index>(b)).begin()));
  }
}

}  // namespace

TEST_SUITE("golden/int8") {
  TEST_CASE("tiny encoders: int8 vectors are near those of float32, and the same alone and in a batch") {
    check_family<re::model::BertEncoder<>>("bert");
    check_family<re::model::Qwen3Encoder<>>("qwen3");
    check_family<re::model::LlamaEncoder<>>("llama");
  }

  TEST_CASE("all-MiniLM-L6-v2: nDCG@10 on EntailmentBank dev is within half a point of float32") {
    const auto directory = test::find_minilm();
    const auto data = test::find_data("entailmentbank");
    if (!directory || !data) {
      return;
    }
    const re::data::RetrievalDataset dataset =
        re::data::read_retrieval_dataset(re::data::find_dataset(data->string()), {"dev", "question", "hypothesis"});
    using Exact = TextEncoder<re::model::BertEncoder<>, re::backend::Cpu<float>>;
    using Quantized = TextEncoder<re::model::BertEncoder<>, Int8>;
    const auto options = re::model::TextEncoderOptions{.threads = 0};
    const auto exact = re::eval::score_encoder("float32", dataset, Exact::load(*directory, options)).row;
    const auto quantized = re::eval::score_encoder("int8", dataset, Quantized::load(*directory, options)).row;
    MESSAGE("nDCG@10: float32 " << exact.mean << " in " << exact.seconds << " s, int8 " << quantized.mean << " in "
                                << quantized.seconds << " s");
    CHECK(std::abs(exact.mean - quantized.mean) <= 0.005);
  }
}
