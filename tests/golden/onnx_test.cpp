// Encoders of every family and pooling, exported to ONNX. Where REASONEMBED_ONNX_MODELS names a directory, each is kept
// there with token ids and the vectors that belong to them, and run_onnx.py holds ONNX Runtime to these. The tiny
// models' vectors are PyTorch's (tiny_models.py, families.py), the others our own.
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/export_onnx.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/xlm_roberta.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <doctest/doctest.h>

#include <support/golden_model.hpp>
#include <support/minilm.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::nn::kDynamic;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
template <class Encoder, class B = Cpu32>
using Model = re::model::TextEncoder<Encoder, B>;

namespace {

/// NAME under $REASONEMBED_ONNX_MODELS, or in a scratch directory.
std::filesystem::path place_of(const test::Scratch& scratch, const std::string& name) {
  const char* kept = std::getenv("REASONEMBED_ONNX_MODELS");
  const std::filesystem::path place = (kept == nullptr ? scratch.path() : std::filesystem::path(kept)) / name;
  std::filesystem::create_directories(place);
  return place;
}

/// A tokenizer whose few ids every tiny model has; the tests bring ids.
re::text::AnyTokenizer few_tokens() {
  return re::text::WordPiece(
      re::text::Vocabulary(std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}));
}

template <class Encoder, class B>
Matrix<float> vectors(const Model<Encoder, B>& model, const re::nn::PackedBatch& batch) {
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = batch};
  Matrix<typename B::Scalar> got(batch.sequence_count(), model.encoder().dim());
  re::nn::Nothing nothing;
  model.encoder().forward(context, model.weights(), got.view(), nothing);
  Matrix<float> out(got.rows(), got.cols());
  std::copy(got.flat().begin(), got.flat().end(), out.flat().begin());
  return out;
}

/// Exports `model`, and writes ids and vectors beside it.
template <class M>
void export_with(const M& model,
                 const std::filesystem::path& place,
                 const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& offsets,
                 const Matrix<float>& embeddings,
                 std::vector<re::io::NamedTensor> more = {},
                 const re::model::OnnxOptions& options = {}) {
  re::model::export_onnx(place / "model.onnx", model, options);
  CHECK(std::filesystem::file_size(place / "model.onnx") > 1000);
  const std::vector<std::int64_t> wide_tokens(tokens.begin(), tokens.end());
  const std::vector<std::int64_t> wide_offsets(offsets.begin(), offsets.end());
  more.push_back(re::io::NamedTensor::of("tokens", std::span<const std::int64_t>(wide_tokens)));
  more.push_back(re::io::NamedTensor::of("offsets", std::span<const std::int64_t>(wide_offsets)));
  more.push_back(re::io::NamedTensor::of("embeddings", embeddings.view()));
  re::io::write_safetensors(place / "expected.safetensors", more);
}

/// A tiny model with PyTorch's vectors and states.
template <class Encoder>
void export_golden(const std::string& name) {
  const test::Scratch scratch;
  test::Golden<Encoder, Cpu32> golden(name);
  const Matrix<float> embeddings = golden.read("embeddings", golden.sequences(), golden.encoder.dim());
  const Matrix<float> hidden = golden.read("hidden", golden.offsets.back(), golden.encoder.dim());
  const Model<Encoder> model(golden.encoder, std::move(golden.weights), few_tokens(), {}, {}, {.threads = 1});
  export_with(model,
              place_of(scratch, name),
              golden.tokens,
              golden.offsets,
              embeddings,
              {re::io::NamedTensor::of("hidden", hidden.view())});
}

/// The same weights under another pooling or in another precision, with our vectors.
template <class Encoder, class B = Cpu32>
void export_ours(const std::string& from, const std::string& name, bool normalize = true, Index truncate_dim = 0) {
  const test::Scratch scratch;
  test::Golden<Encoder, B> golden(from);
  re::nn::EncoderOptions options = golden.description.options;
  options.normalize = normalize;
  const Model<Encoder, B> model(Encoder(golden.description.config, options),
                                std::move(golden.weights),
                                few_tokens(),
                                {"query: ", 0},
                                {},
                                {.threads = 1, .truncate_dim = truncate_dim});
  Matrix<float> whole = vectors(model, golden.batch());
  Matrix<float> expected(whole.rows(), model.dim());
  for (Index row = 0; row < whole.rows(); ++row) {
    std::copy_n(whole.row(row).begin(), model.dim(), expected.row(row).begin());
  }
  if (truncate_dim > 0 && normalize) {
    re::nn::Kernels<Cpu32>::l2_normalize(expected.view(), expected.view(), {});
  }
  export_with(model, place_of(scratch, name), golden.tokens, golden.offsets, expected);
}

}  // namespace

TEST_SUITE("golden/onnx") {
  TEST_CASE("export_onnx: tiny models of every family") {
    export_golden<re::model::BertEncoder<>>("tiny_bert");
    export_golden<re::model::XlmRobertaEncoder<>>("tiny_xlm_roberta");
    export_golden<re::model::Qwen3Encoder<>>("tiny_qwen3");
    export_golden<re::model::Qwen2Encoder<>>("tiny_qwen2");
    export_golden<re::model::BidirectionalQwen2Encoder<kDynamic, re::nn::Mean>>("tiny_qwen2_bidirectional");
    export_golden<re::model::LlamaEncoder<>>("tiny_llama");
    export_golden<re::model::LlamaEncoder<>>("tiny_llama3");
  }
  TEST_CASE("export_onnx: every pooling, vectors of any length, truncated ones, and double weights") {
    export_ours<re::model::BertEncoder<kDynamic, re::nn::Cls>>("tiny_bert", "bert_cls");
    export_ours<re::model::BertEncoder<kDynamic, re::nn::LastToken>>("tiny_bert", "bert_last", false);
    export_ours<re::model::BertEncoder<>>("tiny_bert", "bert_plain", false);
    export_ours<re::model::BertEncoder<>>("tiny_bert", "bert_truncated", true, 7);
    export_ours<re::model::BertEncoder<>>("tiny_bert", "bert_truncated_plain", false, 1);
    export_ours<re::model::Qwen3Encoder<kDynamic, re::nn::Mean>>("tiny_qwen3", "qwen3_mean");
    export_ours<re::model::Qwen3Encoder<>, Cpu64>("tiny_qwen3", "qwen3_double");
    export_ours<re::model::LlamaEncoder<kDynamic, re::nn::Cls>>("tiny_llama3", "llama3_cls");
    export_ours<re::model::BidirectionalQwen2Encoder<>>("tiny_qwen2_bidirectional", "qwen2_bidirectional_last");
  }
  TEST_CASE("export_onnx: weights beside the model") {
    const test::Scratch scratch;
    test::Golden<re::model::Qwen3Encoder<>, Cpu32> golden("tiny_qwen3");
    const Model<re::model::Qwen3Encoder<>> model(golden.encoder, std::move(golden.weights), few_tokens(), {}, {}, {});
    const auto place = place_of(scratch, "qwen3_external");
    export_with(model, place, golden.tokens, golden.offsets, vectors(model, golden.batch()), {}, {.largest_file = 0});
    CHECK(std::filesystem::file_size(place / "model.onnx.data") > 10000);
  }
  TEST_CASE("export_onnx: all-MiniLM-L6-v2 with texts of every length") {
    if (const auto directory = test::find_minilm()) {
      const auto model = re::model::MiniLm::load(*directory, {.residency = re::model::Residency::kTrain});
      std::vector<std::string> texts = test::text_samples(20, 90, 3);
      texts.push_back("a");
      texts.push_back("Why does salt draw water out of a cucumber slice?");
      texts.push_back(std::string(6000, '!'));  // as long as any
      re::model::TokenBlock block;
      std::vector<std::int32_t> offsets = {0};
      for (const std::string& text : texts) {
        (void)model.tokenize(model.document_role(), text, block);
        offsets.push_back(static_cast<std::int32_t>(block.ids.size()));
      }
      const test::Scratch scratch;
      export_with(model, place_of(scratch, "minilm"), block.ids, offsets, model.encode_document(texts));
    }
  }
}
