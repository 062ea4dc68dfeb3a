#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/minilm.hpp>
#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::MiniLm;
using test::changed;
using test::kBertConfigJson;

namespace {

constexpr std::string_view kModules = R"([
{"type": "sentence_transformers.models.Transformer", "path": ""},
{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
{"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}
])";

/// A directory that holds all a MiniLm needs.
void write_bert(const test::Scratch& scratch, std::string_view config = kBertConfigJson) {
  scratch.write("config.json", config);
  scratch.write("vocab.txt", test::kVocabTxt);
  const re::io::Json json = re::io::parse_json(kBertConfigJson, "config.json");
  const re::model::Family family = re::model::bert_family();
  const re::model::BertEncoder<> encoder(family.read_config(re::io::JsonFields(json, "config.json")));
  test::write_checkpoint(scratch / "model.safetensors", test::random_checkpoint(encoder, family, "bert."));
}

double norm(std::span<const float> row) {
  double square = 0.0;
  for (const float value : row) {
    square += double(value) * double(value);
  }
  return std::sqrt(square);
}

template <class Error>
void check_load_refused(const test::Scratch& scratch, const std::string& message) {
  test::check_refused<Error>(scratch, [&] { (void)MiniLm::load(scratch.path(), {.threads = 1}); }, message);
}

/// Environment variables of this process as they were, at the end of a test.
class Environment {
 public:
  Environment() {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      kept_.push_back(value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  Environment(Environment&&) = delete;
  Environment& operator=(Environment&&) = delete;
  ~Environment() {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      if (kept_[i]) {
        ::setenv(kNames[i], kept_[i]->c_str(), 1);
      } else {
        ::unsetenv(kNames[i]);
      }
    }
  }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): it is this object that restores
  void set(const char* name, const std::filesystem::path& value) const { ::setenv(name, value.c_str(), 1); }

 private:
  static constexpr const char* kNames[] = {"REASONEMBED_MINILM", "XDG_CACHE_HOME", "HOME", "HF_HUB_CACHE", "HF_HOME"};
  std::vector<std::optional<std::string>> kept_;
};

/// A place that find_minilm takes for a model.
std::filesystem::path make_place(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::FILE* file = std::fopen((directory / name).c_str(), "wb");
    REQUIRE(file != nullptr);
    (void)std::fclose(file);
  }
  return directory;
}

}  // namespace

TEST_SUITE("model/minilm") {
  TEST_CASE("load: a directory becomes an encoder whose vectors are those of its weights") {
    const test::Scratch scratch;
    write_bert(scratch);
    const MiniLm encoder = MiniLm::load(scratch.path(), {.threads = 1});
    CHECK(encoder.dim() == 8);
    CHECK(encoder.tokenizer().vocab_size() == 12);
    CHECK(encoder.query_role().max_tokens == 16);
    const Matrix<float> got = encoder.encode_query({"salt draws water"});
    const std::vector<std::int32_t> tokens = {2, 5, 7, 6, 3};
    const std::vector<std::int32_t> offsets = {0, 5};
    re::Arena arena;
    re::nn::Context<test::Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
    Matrix<float> want(1, 8);
    re::nn::Nothing nothing;
    encoder.encoder().forward(context, encoder.weights(), want.view(), nothing);
    CHECK(test::same_bits_of(got, want));
    CHECK(std::abs(norm(got.row(0)) - 1.0) < 8 * 1.2e-7);  // 8 squares
  }
  TEST_CASE("load: serving and training hold the same vectors") {
    const test::Scratch scratch;
    write_bert(scratch);
    const MiniLm serving = MiniLm::load(scratch.path(), {.threads = 1});
    const MiniLm training = MiniLm::load(scratch.path(), {.threads = 1, .residency = re::model::Residency::kTrain});
    CHECK(test::same_bits_of(serving.encode_document({"why light bends"}),
                             training.encode_document({"why light bends"})));
    CHECK(serving.weights().blocks[0].mlp.up.weight.view().empty());
    CHECK_FALSE(training.weights().blocks[0].mlp.up.weight.view().empty());
  }
  TEST_CASE("load: what sentence-transformers adds is followed") {
    const test::Scratch scratch;
    write_bert(scratch);
    const MiniLm bare = MiniLm::load(scratch.path(), {.threads = 1});
    test::write_file(
        scratch,
        "modules.json",
        changed(kModules, ",\n{\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"2_Normalize\"}", ""));
    test::write_file(scratch, "1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true})");
    test::write_file(scratch, "sentence_bert_config.json", R"({"max_seq_length": 4})");
    test::write_file(scratch, "config_sentence_transformers.json", R"({"prompts": {"query": "why "}})");
    const MiniLm full = MiniLm::load(scratch.path(), {.threads = 1});
    CHECK_FALSE(full.encoder().options().normalize);
    const Matrix<float> vectors = full.encode_document({"salt", "salt draws", "salt draws light bends"});
    CHECK(std::abs(norm(vectors.row(0)) - 1.0) > 1e-3);
    CHECK(std::memcmp(vectors.row(1).data(), vectors.row(2).data(), 8 * sizeof(float)) == 0);  // 4 tokens of each
    CHECK(test::same_bits_of(full.encode_query({"salt"}), full.encode_document({"why salt"})));
    CHECK_FALSE(test::same_bits_of(full.encode_query({"salt"}), full.encode_document({"salt"})));
    CHECK(std::abs(norm(bare.encode_document({"salt"}).row(0)) - 1.0) < 1e-6);
  }
  TEST_CASE("load: another architecture is refused with both") {
    const test::Scratch scratch;
    scratch.write("config.json", test::kQwen3ConfigJson);
    check_load_refused<re::ConfigError>(scratch,
                                        "config.json: architecture of model_type qwen3 is "
                                        "token>pre_norm(rms_norm,causal_attention(qk_norm,rope),swiglu), expected "
                                        "token_position_type>post_norm(layer_norm,bidirectional_attention(),gelu_mlp)");
    const test::Scratch bert;
    write_bert(bert);
    using Qwen3 = re::model::TextEncoder<re::model::Qwen3Encoder<>, re::backend::Cpu<float>>;
    test::check_refused<re::ConfigError>(
        bert,
        [&] { (void)Qwen3::load(bert.path()); },
        "config.json: architecture of model_type bert is "
        "token_position_type>post_norm(layer_norm,bidirectional_attention(),gelu_mlp), expected "
        "token>pre_norm(rms_norm,causal_attention(qk_norm,rope),swiglu)");
  }
  TEST_CASE("load: another pooling is refused with both") {
    const test::Scratch scratch;
    write_bert(scratch);
    test::write_file(scratch, "modules.json", kModules);
    test::write_file(scratch, "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
    check_load_refused<re::ConfigError>(scratch, ": pooling is cls, expected mean");
    using ClsEncoder = re::model::BertEncoder<re::nn::kDynamic, re::nn::Cls>;
    CHECK_NOTHROW(
        (void)(re::model::TextEncoder<ClsEncoder, re::backend::Cpu<float>>::load(scratch.path(), {.threads = 1})));
  }
  TEST_CASE("load: static sizes refuse a directory of others, naming the field") {
    const test::Scratch scratch;
    write_bert(scratch);
    using Static = re::model::TextEncoder<re::model::BertEncoder<re::model::kMiniLmL6>, re::backend::Cpu<float>>;
    test::check_refused<re::ConfigError>(
        scratch, [&] { (void)Static::load(scratch.path()); }, "nn::Encoder: vocab is 12, expected 30522");
  }
  TEST_CASE("load: a missing or unfit part is named") {
    const test::Scratch no_weights;
    no_weights.write("config.json", kBertConfigJson);
    check_load_refused<re::IoError>(
        no_weights, ": model.safetensors is missing, expected it or model.safetensors.index.json in this directory");
    const test::Scratch no_tokenizer;
    write_bert(no_tokenizer);
    std::filesystem::remove(no_tokenizer / "vocab.txt");
    check_load_refused<re::IoError>(
        no_tokenizer,
        ": tokenizer is missing, expected tokenizer.json, vocab.json with merges.txt, vocab.txt or tokenizer.model");
    const test::Scratch many_tokens;
    write_bert(many_tokens);
    many_tokens.write("vocab.txt", std::string(test::kVocabTxt) + "more\n");
    check_load_refused<re::ConfigError>(
        many_tokens, "model::TextEncoder: size of the tokenizer's vocabulary is 13, expected at most vocab 12");
    const test::Scratch deeper;
    write_bert(deeper, changed(kBertConfigJson, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"));
    CHECK_THROWS_AS((void)MiniLm::load(deeper.path()), re::DataError);
    CHECK_THROWS_AS((void)MiniLm::load(deeper / "absent"), re::IoError);
  }
  TEST_CASE("load: a one-layer config does not take a two-layer checkpoint for its own") {
    const test::Scratch scratch;
    write_bert(scratch, changed(kBertConfigJson, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"));
    check_load_refused<re::DataError>(
        scratch,
        "model.safetensors: tensor \"bert.encoder.layer.1.attention.output.LayerNorm.bias\" "
        "with shape [8] is present, expected only tensors of a bert of 1 layers");
  }
  TEST_CASE("load: the published model gives the same bits on any number of threads, alone or in a batch") {
    const std::optional<std::filesystem::path> directory = test::find_minilm();
    if (!directory) {
      return;
    }
    const MiniLm one = MiniLm::load(*directory, {.threads = 1});
    CHECK(one.dim() == 384);
    CHECK(one.document_role().max_tokens == 256);
    const std::vector<std::string> texts = test::text_samples(4, 12);
    const Matrix<float> want = one.encode_document(texts);
    const MiniLm two = MiniLm::load(*directory, {.threads = 2, .chunk_tokens = 20});
    CHECK(test::same_bits_of(two.encode_document(texts), want));
    for (Index i = 0; i < want.rows(); ++i) {
      const Matrix<float> alone = two.encode_query({texts[static_cast<std::size_t>(i)]});
      CHECK(std::memcmp(alone.row(0).data(), want.row(i).data(), want.row(i).size_bytes()) == 0);
      CHECK(std::abs(norm(want.row(i)) - 1.0) < 384 * 1.2e-7);
    }
  }
  TEST_CASE("find_minilm: looks at the named place first, then in our cache, then in Hugging Face's") {
    const Environment environment;
    const test::Scratch scratch;
    environment.set("HOME", scratch / "home");
    CHECK(re::model::find_minilm() == std::nullopt);
    const std::filesystem::path snapshots =
        scratch / "home/.cache/huggingface/hub/models--sentence-transformers--all-MiniLM-L6-v2/snapshots";
    const auto later = make_place(snapshots / "f00d");
    CHECK(re::model::find_minilm() == later);
    const auto earlier = make_place(snapshots / "beef");  // the first by name, whatever order the disk has
    CHECK(re::model::find_minilm() == earlier);
    const auto cached = make_place(scratch / "home/.cache/reasonembed/all-MiniLM-L6-v2");
    CHECK(re::model::find_minilm() == cached);
    const auto named = make_place(scratch / "named");
    environment.set("REASONEMBED_MINILM", named);
    CHECK(re::model::find_minilm() == named);
    std::filesystem::remove(named / "model.safetensors");  // half a model is none
    CHECK(re::model::find_minilm() == cached);
  }
  TEST_CASE("find_minilm: follows the variables that move the caches") {
    const Environment environment;
    const test::Scratch scratch;
    environment.set("HOME", scratch / "home");
    const std::string model = "models--sentence-transformers--all-MiniLM-L6-v2/snapshots/1";
    const auto in_home = make_place(scratch / "hf/hub" / model);
    environment.set("HF_HOME", scratch / "hf");
    CHECK(re::model::find_minilm() == in_home);
    const auto in_hub = make_place(scratch / "hub" / model);
    environment.set("HF_HUB_CACHE", scratch / "hub");
    CHECK(re::model::find_minilm() == in_hub);
    const auto in_cache = make_place(scratch / "cache/reasonembed/all-MiniLM-L6-v2");
    environment.set("XDG_CACHE_HOME", scratch / "cache");
    CHECK(re::model::find_minilm() == in_cache);
  }
  TEST_CASE("load_or_random_minilm: takes what it was given, else what it finds, else random weights") {
    const Environment environment;
    const test::Scratch scratch;
    environment.set("HOME", scratch / "home");
    CHECK(re::model::load_or_random_minilm("", {.threads = 1}).dim() == 128);
    write_bert(scratch);
    CHECK(re::model::load_or_random_minilm(scratch.path(), {.threads = 1}).dim() == 8);
    environment.set("REASONEMBED_MINILM", scratch.path());
    CHECK(re::model::load_or_random_minilm("", {.threads = 1}).dim() == 8);
    CHECK_THROWS_AS((void)re::model::load_or_random_minilm(scratch / "absent", {.threads = 1}), re::IoError);
  }
  TEST_CASE("random_byte_encoder: encodes any UTF-8 into unit vectors") {
    const MiniLm encoder = re::model::random_byte_encoder(3, {.threads = 1});
    CHECK(encoder.tokenizer().vocab_size() == 258);
    CHECK(encoder.query_role().max_tokens == 512);
    for (const std::string& text : test::text_samples(3, 5)) {
      CHECK(std::abs(norm(encoder.encode_query({text}).row(0)) - 1.0) < 128 * 1.2e-7);
    }
  }
}
