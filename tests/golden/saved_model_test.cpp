// Encoders of every shape that can be saved, saved, and loaded again. Where REASONEMBED_SAVED_MODELS names a directory,
// each is kept there with texts and our vectors, and open_saved_model.py compares sentence-transformers with them.
#include <reasonembed/model/byte_decoder.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/save.hpp>
#include <reasonembed/model/xlm_roberta.hpp>

#include <doctest/doctest.h>

#include <support/minilm.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>
#include <support/training.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Matrix;
using re::model::TextEncoder;
using Cpu32 = re::backend::Cpu<float>;

namespace {

/// 50 texts: what tokenizers trip over, then words.
std::vector<std::string> texts() {
  std::vector<std::string> list = {"a",
                                   "Why does salt draw water out of a cucumber slice?",
                                   "!",
                                   "a!!b ! c",
                                   "[CLS] [SEP] [END] [BEGIN] [PAD] [MASK] [UNK] <s> <|endoftext|>",
                                   "na\xC3\xAFve caf\xC3\xA9 re\xCC\x81sume\xCC\x81",
                                   "\xE5\x8C\x97\xE4\xBA\xAC\xE6\x98\xAF\xE9\xA6\x96\xE9\x83\xBD",
                                   "\xF0\x9F\x98\x80\xF0\x9F\x9A\x80 \xC4\x80\xC4\xA0",
                                   "  leading, double  and trailing blanks\t\n ",
                                   std::string("nul\0byte", 8),
                                   "3.14159265 1,000,000 -273.15 #hash",
                                   std::string(700, 'x'),
                                   "UPPER Case"};
  const std::vector<std::string> words = test::text_samples(50 - static_cast<int>(list.size()), 90, 5);
  list.insert(list.end(), words.begin(), words.end());
  return list;
}

/// A vocabulary that cuts every ASCII word into letters, and knows some longer pieces.
re::text::WordPiece small_word_piece() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "water", "salt", "##ing", "market"};
  for (char c = '!'; c <= '~'; ++c) {
    if (c < 'A' || c > 'Z') {  // the normaliser lowercases
      tokens.emplace_back(1, c);
      tokens.push_back("##" + std::string(1, c));
    }
  }
  return re::text::WordPiece(re::text::Vocabulary(tokens));
}

template <class Encoder>
TextEncoder<Encoder, Cpu32> random_model(const re::nn::EncoderConfig& config,
                                         const re::nn::EncoderOptions& options,
                                         re::text::AnyTokenizer tokenizer,
                                         re::model::Role query,
                                         re::model::Role document) {
  Encoder encoder(config, options);
  auto weights = re::model::random_weights<Cpu32>(encoder, 11, 0.15);
  return {std::move(encoder),
          std::move(weights),
          std::move(tokenizer),
          std::move(query),
          std::move(document),
          {.threads = 1}};
}

bool same_bits(const Matrix<float>& a, const Matrix<float>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.flat().data(), b.flat().data(), a.flat().size_bytes()) == 0;
}

/// Saves a model as NAME/model under $REASONEMBED_SAVED_MODELS, or in a scratch directory, and loads it again.
template <class Model>
void check_saved(const Model& model, const std::string& name, const std::vector<std::string>& list = texts()) {
  const test::Scratch scratch;
  const char* kept = std::getenv("REASONEMBED_SAVED_MODELS");
  const std::filesystem::path place = (kept == nullptr ? scratch.path() : std::filesystem::path(kept)) / name;
  re::model::save_encoder(place / "model", model);
  const Matrix<float> query = model.encode_query(list);
  const Matrix<float> document = model.encode_document(list);
  const Model loaded = Model::load(place / "model", {.threads = 1});
  CHECK(same_bits(loaded.encode_query(list), query));
  CHECK(same_bits(loaded.encode_document(list), document));
  re::io::write_json(place / "texts.json", list);
  re::io::write_safetensors(place / "expected.safetensors",
                            std::vector{re::io::NamedTensor::of("query", query.view()),
                                        re::io::NamedTensor::of("document", document.view())});
}

/// Trains an adapter for two steps, saves the base and the adapter as NAME/model and NAME/adapter, and loads both
/// again.
template <class Model>
void check_saved_adapter(Model base, const std::string& name, const std::vector<std::string>& modules) {
  const test::Scratch scratch;
  const char* kept = std::getenv("REASONEMBED_SAVED_MODELS");
  const std::filesystem::path place = (kept == nullptr ? scratch.path() : std::filesystem::path(kept)) / name;
  re::model::save_encoder(place / "model", base);
  base.add_adapter("trained", {.rank = 4, .alpha = 8.0, .target_modules = modules, .rank_pattern = {{modules[0], 2}}});
  re::train::Trainer<Model, test::InfoNce> trainer(
      std::move(base),
      {.optimizer = {.lr = 1e-2}, .sampler = {.group_size = 3, .batch_size = 8}, .adapter = "trained"});
  trainer.begin(2);
  (void)trainer.fit(test::tiny_rows());
  const Model model = std::move(trainer).take_model();
  model.save_adapter("trained", place / "adapter");
  const std::vector<std::string> list = texts();
  const Matrix<float> query = model.encode_query(list);
  const Matrix<float> document = model.encode_document(list);
  Model loaded = Model::load(place / "model", {.threads = 1});
  CHECK(!same_bits(loaded.encode_query(list), query));
  loaded.load_adapter("saved", place / "adapter");
  loaded.use_adapter("saved");
  CHECK(same_bits(loaded.encode_query(list), query));
  CHECK(same_bits(loaded.encode_document(list), document));
  re::io::write_json(place / "texts.json", list);
  re::io::write_safetensors(place / "expected.safetensors",
                            std::vector{re::io::NamedTensor::of("query", query.view()),
                                        re::io::NamedTensor::of("document", document.view())});
}

constexpr re::nn::EncoderConfig kTinyBert{.vocab = 160,
                                          .dim = 32,
                                          .layers = 2,
                                          .heads = 4,
                                          .kv_heads = 4,
                                          .head_dim = 8,
                                          .mlp_dim = 56,
                                          .max_length = 200,
                                          .type_vocab = 2,
                                          .qkv_bias = true,
                                          .linear_bias = true};
constexpr re::nn::EncoderConfig kTinyQwen3{
    .vocab = 258, .dim = 32, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 16, .mlp_dim = 56, .max_length = 300};

}  // namespace

TEST_SUITE("golden/saved_model") {
  TEST_CASE("save_encoder: a BERT over WordPiece comes back to the bit") {
    check_saved(random_model<re::model::BertEncoder<>>(
                    kTinyBert, {.norm_eps = 1e-12, .dropout = 0.1}, small_word_piece(), {"question: ", 64}, {"", 64}),
                "tiny_bert");
  }
  TEST_CASE("save_encoder: [CLS] pooling without normalisation comes back to the bit") {
    check_saved(random_model<re::model::BertEncoder<re::nn::kDynamic, re::nn::Cls>>(
                    kTinyBert, {.norm_eps = 1e-5, .normalize = false}, small_word_piece(), {}, {"passage: ", 0}),
                "tiny_bert_cls");
  }
  TEST_CASE("save_encoder: a Qwen3 over bytes comes back to the bit") {
    check_saved(random_model<re::model::Qwen3Encoder<>>(kTinyQwen3,
                                                        {.norm_eps = 1e-6, .rope_theta = 1e6},
                                                        re::text::ByteTokenizer(),
                                                        {"Instruct: find it\nQuery:", 100},
                                                        {"", 100}),
                "tiny_qwen3");
  }
  TEST_CASE("save_encoder: a Qwen3 with a token at the begin, other epsilon and theta comes back to the bit") {
    check_saved(random_model<re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::Mean>>(
                    kTinyQwen3,
                    {.norm_eps = 3e-5, .rope_theta = 12345.678},
                    re::text::ByteTokenizer({.add_begin = true, .add_end = true}),
                    {},
                    {}),
                "tiny_qwen3_mean");
  }
  TEST_CASE("save_encoder: Qwen2, causal and bidirectional, comes back to the bit") {
    re::nn::EncoderConfig config = kTinyQwen3;
    config.qkv_bias = true;
    const re::nn::EncoderOptions options{.norm_eps = 1e-6, .rope_theta = 1e6};
    const re::text::ByteTokenizer bytes;
    // transformers gives every "qwen2" its own tokenizer, which composes characters and takes <|endoftext|> for a
    // token, whatever the directory says.
    std::vector<std::string> list = texts();
    std::erase_if(list, [](const std::string& text) {
      return text.find("<|endoftext|>") != std::string::npos || text.find("\xCC\x81") != std::string::npos;
    });
    check_saved(random_model<re::model::Qwen2Encoder<>>(config, options, bytes, {}, {}), "tiny_qwen2", list);
    check_saved(random_model<re::model::BidirectionalQwen2Encoder<>>(config, options, bytes, {"Query: ", 0}, {}),
                "tiny_qwen2_bidirectional",
                list);
  }
  TEST_CASE("save_encoder: a Llama with scaled frequencies comes back to the bit") {
    check_saved(random_model<re::model::LlamaEncoder<>>(
                    kTinyQwen3,
                    {.norm_eps = 1e-5, .rope_theta = 5e5, .rope_scaling = {.factor = 8.0, .original_max_length = 64}},
                    re::text::ByteTokenizer({.add_begin = true}),
                    {"query: ", 0},
                    {}),
                "tiny_llama3");
  }
  TEST_CASE("save_encoder: a Qwen3 and a Llama that see the whole text come back to the bit") {
    const re::nn::EncoderOptions options{.norm_eps = 1e-6, .rope_theta = 1e6};
    const re::text::ByteTokenizer bytes;
    check_saved(random_model<re::model::BidirectionalQwen3Encoder<>>(kTinyQwen3, options, bytes, {}, {"text: ", 0}),
                "tiny_qwen3_bidirectional");
    check_saved(random_model<re::model::BidirectionalLlamaEncoder<>>(kTinyQwen3, options, bytes, {}, {}),
                "tiny_llama_bidirectional");
  }
  TEST_CASE("save_encoder: an XLM-R comes back to the bit") {
    re::nn::EncoderConfig config = kTinyBert;
    config.vocab = 258;
    config.type_vocab = 1;
    config.position_offset = 257;  // the padding's id + 1: the first of the ids that stand for no byte
    check_saved(random_model<re::model::XlmRobertaEncoder<>>(
                    config, {.norm_eps = 1e-5}, re::text::ByteTokenizer(), {"query: ", 0}, {"passage: ", 0}),
                "tiny_xlm_roberta");
  }
  TEST_CASE("save_encoder: a BERT over bytes, which has no token types, comes back to the bit") {
    check_saved(re::model::random_byte_encoder(3, {.threads = 1, .residency = re::model::Residency::kTrain}),
                "bert_bytes");
  }
  TEST_CASE("save_encoder: weights in bfloat16 come back to the bit") {
    check_saved(re::model::random_byte_encoder<re::backend::Cpu<re::bf16>>(3, {.threads = 1}), "bert_bytes_bfloat16");
  }
  TEST_CASE("save: a Qwen3 over bytes that was trained comes back to the bit") {
    re::train::Trainer<re::model::Qwen3, test::InfoNce> trainer(re::model::random_byte_decoder(4, {.threads = 1}),
                                                                {.optimizer = {.lr = 1e-3}, .max_steps = 3});
    (void)trainer.fit(test::tiny_rows());
    check_saved(trainer.model(), "trained_qwen3");
  }
  TEST_CASE("save: all-MiniLM-L6-v2 after two steps of Redapter comes back to the bit") {
    if (const auto directory = test::find_minilm()) {
      re::train::Trainer<re::model::MiniLm, test::Redapter> trainer(re::model::MiniLm::load(*directory, {.threads = 1}),
                                                                    {.loss = {.weighting = {.warmup_steps = 0}},
                                                                     .optimizer = {.lr = 1e-4},
                                                                     .schedule = {.warmup_ratio = 0.0},
                                                                     .max_steps = 2});
      (void)trainer.fit(test::tiny_rows());
      check_saved(trainer.model(), "trained_minilm");
    }
  }
  TEST_CASE("save_encoder: all-MiniLM-L6-v2 comes back to the bit") {
    if (const auto directory = test::find_minilm()) {
      check_saved(re::model::MiniLm::load(*directory, {.residency = re::model::Residency::kTrain}), "minilm");
    }
  }
  TEST_CASE("save_adapter: adapters of two training steps come back to the bit") {
    check_saved_adapter(random_model<re::model::BertEncoder<>>(
                            kTinyBert, {.norm_eps = 1e-12}, small_word_piece(), {"question: ", 64}, {"", 64}),
                        "adapter_bert",
                        {"query", "value", "output.dense"});
    check_saved_adapter(random_model<re::model::Qwen3Encoder<>>(kTinyQwen3,
                                                                {.norm_eps = 1e-6, .rope_theta = 1e6},
                                                                re::text::ByteTokenizer(),
                                                                {"Instruct: find it\nQuery:", 100},
                                                                {"", 100}),
                        "adapter_qwen3",
                        {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"});
  }
}
