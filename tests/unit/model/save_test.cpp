#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/save.hpp>
#include <reasonembed/model/xlm_roberta.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>

#include <cstring>
#include <filesystem>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::Index;
using re::Matrix;
using re::model::MiniLm;
using re::model::Residency;
using re::model::Role;
using re::model::save_encoder;
using re::model::TextEncoder;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
using Cpu16 = re::backend::Cpu<re::bf16>;

namespace {

constexpr re::nn::EncoderConfig kBert{.vocab = 12,
                                      .dim = 8,
                                      .layers = 2,
                                      .heads = 2,
                                      .kv_heads = 2,
                                      .head_dim = 4,
                                      .mlp_dim = 10,
                                      .max_length = 16,
                                      .type_vocab = 2,
                                      .qkv_bias = true,
                                      .linear_bias = true};
constexpr re::nn::EncoderConfig kQwen3{
    .vocab = 260, .dim = 12, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 6, .mlp_dim = 14, .max_length = 64};

re::text::WordPiece word_piece() {
  return re::text::WordPiece(re::text::Vocabulary::from_lines(test::kVocabTxt, "vocab.txt"));
}

/// How the small models below differ.
struct Parts {
  re::nn::EncoderOptions options = {};
  Role query = {};
  Role document = {};
  Residency residency = Residency::kTrain;
};

template <class Encoder, class B = Cpu32>
TextEncoder<Encoder, B> model_of(const re::nn::EncoderConfig& config,
                                 re::text::AnyTokenizer tokenizer,
                                 std::uint64_t seed,
                                 Parts parts = {}) {
  Encoder encoder(config, parts.options);
  auto weights = re::model::random_weights<B>(encoder, seed, 0.3, parts.residency);
  return {std::move(encoder),
          std::move(weights),
          std::move(tokenizer),
          std::move(parts.query),
          std::move(parts.document),
          {.threads = 1}};
}

MiniLm bert(std::uint64_t seed = 1, Parts parts = {}) {
  return model_of<re::model::BertEncoder<>>(kBert, word_piece(), seed, std::move(parts));
}

template <class S>
bool same_bits(const Matrix<S>& a, const Matrix<S>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.flat().data(), b.flat().data(), a.flat().size_bytes()) == 0;
}

/// Saves, loads, and compares vectors of both roles.
template <class Model>
void check_round_trip(const Model& model) {
  const test::Scratch scratch;
  save_encoder(scratch / "model", model);
  const Model loaded = Model::load(scratch / "model", {.threads = 1});
  const std::vector<std::string> texts = test::text_samples(12, 20);
  CHECK(same_bits(loaded.encode_query(texts), model.encode_query(texts)));
  CHECK(same_bits(loaded.encode_document(texts), model.encode_document(texts)));
  CHECK(loaded.query_role().prompt == model.query_role().prompt);
  CHECK(loaded.document_role().prompt == model.document_role().prompt);
  CHECK(loaded.query_role().max_tokens == model.query_role().max_tokens);
  CHECK(loaded.document_role().max_tokens == model.document_role().max_tokens);
  CHECK(loaded.encoder().options().normalize == model.encoder().options().normalize);
  CHECK(scratch.count() == 1);
}

/// Every file below a directory with its content.
std::vector<std::pair<std::string, std::string>> contents(const fs::path& directory) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files.emplace_back(fs::relative(entry.path(), directory).string(), test::content_of(entry.path()));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

re::io::Json json_of(const fs::path& path) {
  return re::io::read_json(path);
}

template <class Expected, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  }
  return "nothing thrown";
}

/// A mean that goes by another name, and a block whose architecture no family has.
struct OtherMean : re::nn::Mean {
  static constexpr const char* name = "other_mean";
};
using OddBlock = re::nn::PreNormBlock<re::nn::LayerNorm, re::nn::BidirectionalAttention<>, re::nn::GeluMlp>;

}  // namespace

TEST_SUITE("model/save") {
  TEST_CASE("save_encoder: a BERT over WordPiece comes back to the bit") {
    check_round_trip(bert(1, {.query = {"why ", 0}, .document = {"", 0}}));
    check_round_trip(bert(2, {.options = {.norm_eps = 1e-12, .dropout = 0.2, .normalize = false}}));
    check_round_trip(bert(3, {.query = {"salt: ", 7}, .document = {"water ", 12}}));
    check_round_trip(bert(4, {.query = {"", 9}, .document = {"", 9}}));
  }
  TEST_CASE("save_encoder: a Qwen3 over bytes comes back to the bit, with each pooling") {
    const Parts parts{.options = {.norm_eps = 3e-6, .rope_theta = 54321.125}, .query = {"Query: \n\"x\" ", 40}};
    check_round_trip(model_of<re::model::Qwen3Encoder<>>(kQwen3, re::text::ByteTokenizer(), 1, parts));
    check_round_trip(
        model_of<re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::Mean>>(kQwen3, re::text::ByteTokenizer(), 2, parts));
    check_round_trip(model_of<re::model::Qwen3Encoder<re::nn::kDynamic, re::nn::Cls>>(
        kQwen3, re::text::ByteTokenizer({.add_begin = true}), 3, parts));
  }
  TEST_CASE("save_encoder: every other family comes back to the bit, under its own name") {
    const Parts scaled{.options = {.norm_eps = 3e-6,
                                   .rope_theta = 54321.125,
                                   .rope_scaling = {.factor = 8.0, .original_max_length = 16}}};
    const auto check = [](const auto& model, const std::string& type, bool causal = true) {
      CAPTURE(type);
      check_round_trip(model);
      const test::Scratch scratch;
      save_encoder(scratch / "model", model);
      const re::io::Json config = json_of(scratch / "model/config.json");
      CHECK(config["model_type"] == type);
      CHECK(config.value("is_causal", true) == causal);
    };
    const re::text::ByteTokenizer bytes;
    check(model_of<re::model::LlamaEncoder<>>(kQwen3, bytes, 1, scaled), "llama");
    check(model_of<re::model::BidirectionalLlamaEncoder<>>(kQwen3, bytes, 2, scaled), "llama", false);
    check(model_of<re::model::BidirectionalQwen3Encoder<>>(kQwen3, bytes, 3), "qwen3", false);
    re::nn::EncoderConfig config = kQwen3;
    config.qkv_bias = true;
    check(model_of<re::model::Qwen2Encoder<>>(config, bytes, 4, scaled), "qwen2");
    check(model_of<re::model::BidirectionalQwen2Encoder<>>(config, bytes, 5), "qwen2", false);
    config = kBert;
    config.position_offset = 2;
    config.type_vocab = 1;
    check(model_of<re::model::XlmRobertaEncoder<>>(config, word_piece(), 6), "xlm-roberta");
  }
  TEST_CASE("save_encoder: static sizes and double precision come back to the bit") {
    check_round_trip(model_of<re::model::BertEncoder<kBert>>(kBert, word_piece(), 5));
    check_round_trip(model_of<re::model::BertEncoder<>, Cpu64>(kBert, word_piece(), 6));
    check_round_trip(model_of<re::model::Qwen3Encoder<kQwen3>, Cpu64>(kQwen3, re::text::ByteTokenizer(), 7));
  }
  TEST_CASE("save_encoder: a BERT without token types comes back with one that changes no bit") {
    const test::Scratch scratch;
    const MiniLm model = re::model::random_byte_encoder(9, {.threads = 1, .residency = Residency::kTrain});
    check_round_trip(model);
    save_encoder(scratch / "model", model);
    CHECK(MiniLm::load(scratch / "model").encoder().config().type_vocab == 1);
  }
  TEST_CASE("save_encoder: a loaded model saves the same bytes again") {
    const test::Scratch scratch;
    save_encoder(scratch / "a", bert());
    save_encoder(scratch / "b", MiniLm::load(scratch / "a", {.residency = Residency::kTrain}));
    CHECK(contents(scratch / "a") == contents(scratch / "b"));
  }
  TEST_CASE("save_encoder: writes the files that Hugging Face and sentence-transformers look for") {
    const test::Scratch scratch;
    save_encoder(scratch / "model", bert(1, {.query = {"q: ", 9}, .document = {"d: ", 11}}));
    const auto names = [&](const fs::path& directory) {
      std::set<std::string> found;
      for (const auto& entry : fs::directory_iterator(directory)) {
        found.insert(entry.path().filename().string());
      }
      return found;
    };
    const auto& saved = re::model::detail::kSavedNames;
    CHECK(names(scratch / "model") == std::set<std::string>(saved.begin(), saved.end()));
    CHECK(names(scratch / "model/1_Pooling") == std::set<std::string>{"config.json"});
    CHECK(json_of(scratch / "model/config.json")["torch_dtype"] == "float32");
    const re::io::Json modules = json_of(scratch / "model/modules.json");
    REQUIRE(modules.size() == 3);
    CHECK(modules[2] ==
          re::io::Json{
              {"idx", 2}, {"name", "2"}, {"path", "2_Normalize"}, {"type", "sentence_transformers.models.Normalize"}});
    const re::io::Json pooling = json_of(scratch / "model/1_Pooling/config.json");
    CHECK(pooling["word_embedding_dimension"] == 8);
    CHECK(pooling["pooling_mode_mean_tokens"] == true);
    CHECK(pooling["pooling_mode_cls_token"] == false);
    CHECK(json_of(scratch / "model/sentence_bert_config.json")["max_seq_length"] == 11);
    CHECK(json_of(scratch / "model/tokenizer_config.json")["model_max_length"] == 11);
    CHECK(json_of(scratch / "model/config_sentence_transformers.json")["prompts"] ==
          re::io::Json{{"query", "q: "}, {"document", "d: "}});
    const auto file = re::io::SafeTensors::open(scratch / "model/model.safetensors");
    CHECK(file.metadata().at("format") == "pt");
    CHECK(file.contains("encoder.layer.1.attention.self.value.bias"));
    CHECK(file.tensor("embeddings.LayerNorm.weight").shape == std::vector<Index>{8});
    CHECK(file.tensor("embeddings.word_embeddings.weight").shape == std::vector<Index>{12, 8});
  }
  TEST_CASE("save_encoder: vectors that are not normalised have no module that does it") {
    const test::Scratch scratch;
    save_encoder(scratch / "model", bert(1, {.options = {.normalize = false}}));
    CHECK(json_of(scratch / "model/modules.json").size() == 2);
    CHECK_FALSE(fs::exists(scratch / "model/2_Normalize"));
    CHECK_FALSE(json_of(scratch / "model/config_sentence_transformers.json").contains("reasonembed"));
  }
  TEST_CASE("save_encoder: replaces the model that was saved there, with files it no longer has") {
    const test::Scratch scratch;
    save_encoder(scratch / "model", bert(1));
    save_encoder(scratch / "model", model_of<re::model::Qwen3Encoder<>>(kQwen3, re::text::ByteTokenizer(), 2));
    CHECK_FALSE(fs::exists(scratch / "model/vocab.txt"));
    CHECK(json_of(scratch / "model/config.json")["model_type"] == "qwen3");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("save_encoder: a saved model stays if it is not to be overwritten") {
    const test::Scratch scratch;
    fs::create_directory(scratch / "model");
    save_encoder(scratch / "model", bert(1), {.overwrite = false});  // empty: nothing to lose
    const auto before = contents(scratch / "model");
    const std::string want = "model::save_encoder: " + (scratch / "model").string() +
                             ": directory is a saved model, expected none, or SaveOptions{.overwrite = true}";
    CHECK(message_of<re::ConfigError>([&] { save_encoder(scratch / "model", bert(2), {.overwrite = false}); }) == want);
    CHECK(contents(scratch / "model") == before);
  }
  TEST_CASE("save_encoder: a directory with anything else in it is never replaced") {
    const test::Scratch scratch;
    save_encoder(scratch / "model", bert(1));
    scratch.write("model/thesis.tex", "years of work");
    scratch.write("model/zzz", "");
    const std::string want = "model::save_encoder: " + (scratch / "model").string() +
                             ": content is \"thesis.tex\", which saving would delete, expected no directory yet, an "
                             "empty one, or a saved model and nothing else";
    CHECK(message_of<re::ConfigError>([&] { save_encoder(scratch / "model", bert(2)); }) == want);
    CHECK(test::content_of(scratch / "model/thesis.tex") == "years of work");
  }
  TEST_CASE("save_encoder: a full disk leaves the old model whole, and the message says so") {
    const test::Scratch scratch;
    const std::string place = (scratch / "model").string();
    const MiniLm old_model = bert(1);
    const MiniLm new_model = bert(2);
    save_encoder(place, old_model);
    const auto before = contents(place);
    for (const rlim_t bytes : {0, 100, 600, 4000}) {  // each of these stops at another file
      CAPTURE(bytes);
      std::string replacing;
      std::string making;
      {
        const test::FileSizeLimit limit(bytes);
        replacing = message_of<re::IoError>([&] { save_encoder(place, new_model); });
        making = message_of<re::IoError>([&] { save_encoder(place + "_2", new_model); });
      }
      CHECK(replacing.starts_with(place + "/"));
      CHECK(
          replacing.ends_with(" is refused by the system (File too large), expected room for all bytes; the directory "
                              "still holds what it held before"));
      CHECK(making.ends_with("expected room for all bytes; the directory was not made"));
      CHECK(contents(place) == before);
      CHECK(scratch.count() == 1);
    }
    CHECK(same_bits(MiniLm::load(place).encode_query({"salt"}), old_model.encode_query({"salt"})));
  }
  TEST_CASE("save_encoder: a weight that is no number is refused by tensor and element, and nothing is written") {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const test::Scratch scratch;
      re::model::BertEncoder<> encoder(kBert);
      auto weights = re::model::random_weights<Cpu32>(encoder, 1);
      encoder.visit(weights, [&](const auto& slice) {
        if (slice.name == "blocks.1.mlp.up.weight") {
          slice.values(3, 2) = bad;
        }
      });
      const MiniLm model(encoder, std::move(weights), word_piece(), {}, {}, {.threads = 1});
      const std::string got = std::isnan(bad) ? "nan" : "inf";
      CHECK(message_of<re::NonFiniteError>([&] { save_encoder(scratch / "model", model); }) ==
            "model::save_encoder: tensor \"encoder.layer.1.intermediate.dense.weight\"[26] is " + got +
                ", expected a finite number");
      CHECK(scratch.count() == 0);
    }
  }
  TEST_CASE("save_encoder: a model that only serves saves the bytes of one that can be trained") {
    const test::Scratch scratch;
    save_encoder(scratch / "train", bert(1));
    save_encoder(scratch / "serve", bert(1, {.residency = Residency::kServe}));
    CHECK(contents(scratch / "serve") == contents(scratch / "train"));
    save_encoder(scratch / "again", MiniLm::load(scratch / "serve", {.threads = 1}));
    CHECK(contents(scratch / "again") == contents(scratch / "train"));
  }
  TEST_CASE("save_encoder: bf16 comes back to the bit, as BF16 with gains and biases in F32") {
    for (const Residency residency : {Residency::kServe, Residency::kTrain}) {
      const Parts parts{.options = {.norm_eps = 3e-6}, .query = {"why ", 9}, .residency = residency};
      check_round_trip(model_of<re::model::BertEncoder<>, Cpu16>(kBert, word_piece(), 8, parts));
      check_round_trip(model_of<re::model::Qwen3Encoder<>, Cpu16>(kQwen3, re::text::ByteTokenizer(), 9, parts));
    }
    const test::Scratch scratch;
    save_encoder(scratch / "m",
                 model_of<re::model::BertEncoder<>, Cpu16>(kBert, word_piece(), 8, {.residency = Residency::kServe}));
    const fs::path directory = scratch / "m";
    const fs::path copy = scratch / "copy";
    // example-begin bfloat16
    using Model = re::model::TextEncoder<re::model::BertEncoder<>, re::backend::Cpu<re::bf16>>;
    const Model model = Model::load(directory);  // from files in float32, float16 or bfloat16
    const re::Matrix<float> vectors = model.encode_document({"salt draws water"});
    model.save(copy);  // in bfloat16
    // example-end bfloat16
    CHECK(same_bits(Model::load(copy).encode_document({"salt draws water"}), vectors));
    CHECK(json_of(scratch / "m/config.json")["torch_dtype"] == "bfloat16");
    const auto file = re::io::SafeTensors::open(scratch / "m/model.safetensors");
    for (const std::string& name : file.names()) {
      CAPTURE(name);
      const re::io::TensorInfo& tensor = file.tensor(name);
      CHECK(tensor.dtype == (tensor.shape.size() == 2 ? re::io::DType::kBf16 : re::io::DType::kF32));
    }
  }
  TEST_CASE("save_encoder: what no published family is made of is refused") {
    const test::Scratch scratch;
    const auto refusal = [&](const auto& model) {
      return message_of<re::ConfigError>([&] { save_encoder(scratch / "model", model); });
    };
    using Other = re::model::BertEncoder<re::nn::kDynamic, OtherMean>;
    CHECK(refusal(model_of<Other>(kBert, word_piece(), 1)) ==
          "model::save_encoder: pooling is other_mean, expected mean, cls or lasttoken");
    using Odd = re::nn::Encoder<re::nn::kDynamic, OddBlock, re::nn::Mean>;
    re::nn::EncoderConfig config = kBert;
    config.type_vocab = 0;
    CHECK(refusal(model_of<Odd>(config, word_piece(), 1))
              .starts_with("model::save_encoder: architecture is token>pre_norm(layer_norm,bidirectional_attention(),"
                           "gelu_mlp), expected token_position_type>"));
    config = kBert;
    config.linear_bias = false;
    CHECK(refusal(model_of<re::model::BertEncoder<>>(config, word_piece(), 1)) ==
          "model::Family bert: linear_bias is 0, expected 1, for config.json has no field for another");
    CHECK(scratch.count() == 0);
  }
  TEST_CASE("save_encoder: a place that can't hold a directory is refused by name") {
    const test::Scratch scratch;
    const std::string file = scratch.write("file", "text").string();
    CHECK(message_of<re::IoError>([&] { save_encoder(file, bert()); }) ==
          file + ": path is a file, expected a directory, or nothing yet");
    CHECK(test::content_of(file) == "text");
  }
  TEST_CASE("save_encoder: a prompt that is not UTF-8 is refused, and nothing is written") {
    const test::Scratch scratch;
    CHECK_THROWS_AS(save_encoder(scratch / "model", bert(1, {.query = {"\xFF", 0}})), re::DataError);
    CHECK(scratch.count() == 0);
  }
  TEST_CASE("save_encoder: the card stands in README.md, and an impossible one leaves the directory as it was") {
    const test::Scratch scratch;
    const re::model::ModelCard card{.name = "first", .datasets = {{"physics", 12, ""}}};
    save_encoder(scratch / "model", bert(), {.card = card});
    const auto before = contents(scratch / "model");
    const std::string text = re::io::read_text_file(scratch / "model" / "README.md");
    CHECK(text.find("# first\n") != std::string::npos);
    CHECK(text.find("| physics | 12 |  |\n") != std::string::npos);
    CHECK(text.find("| parameters | " +
                    re::model::detail::grouped_digits(test::parameter_count<re::model::BertEncoder<>>(kBert)) +
                    " |\n") != std::string::npos);
    re::model::ModelCard broken;
    broken.scores = {{"a", "m", std::numeric_limits<double>::infinity(), ""}};
    CHECK_THROWS_AS(save_encoder(scratch / "model", bert(2), {.card = broken}), re::NonFiniteError);
    broken = {};
    broken.settings = {{"lr", std::numeric_limits<double>::infinity()}};
    CHECK_THROWS_AS(save_encoder(scratch / "model", bert(2), {.card = broken}), re::NonFiniteError);
    CHECK(contents(scratch / "model") == before);
    save_encoder(scratch / "model", bert());
    CHECK(re::io::read_text_file(scratch / "model" / "README.md").find("# Text encoder\n") != std::string::npos);
  }
}
