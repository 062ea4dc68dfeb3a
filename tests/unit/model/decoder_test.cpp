#include <reasonembed/model/byte_tokenizer_json.hpp>
#include <reasonembed/model/decoder.hpp>
#include <reasonembed/model/registry.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/mistral.hpp>
#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace re = reasonembed;
using re::nn::RopeScaling;
using test::changed;
using test::kLlamaConfigJson;

namespace {

constexpr std::string_view kScaling =
    R"("rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                 "original_max_position_embeddings": 16},
)";
constexpr RopeScaling kRead{.factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_max_length = 16};

re::nn::EncoderOptions read(const std::string& json, std::optional<double> theta = 10000.0) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return re::model::read_decoder_options(re::io::JsonFields(parsed, "config.json"), theta);
}
/// kLlamaConfigJson with other words about its rotary embedding.
std::string with_rope(std::string_view rope) {
  return changed(kLlamaConfigJson, kScaling, rope);
}
template <class Error>
void check_refused(const std::string& json, const std::string& message) {
  CHECK_THROWS_WITH_AS((void)read(json), message.c_str(), Error);
}

}  // namespace

TEST_SUITE("model/decoder") {
  TEST_CASE("read_rope: takes Llama 3.1's scaling in the older spelling and the newer") {
    const re::nn::EncoderOptions older = read(std::string(kLlamaConfigJson));
    CHECK(older.rope_scaling == kRead);
    CHECK(older.rope_theta == 500000.0);
    CHECK(older.norm_eps == 1e-5);
    const re::nn::EncoderOptions newer = read(changed(
        with_rope(""),
        "\"rope_theta\": 500000.0",
        R"("rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 16, "rope_theta": 500000.0})"));
    CHECK(newer.rope_scaling == kRead);
    CHECK(newer.rope_theta == 500000.0);
    CHECK(read(with_rope(R"("rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1,
                            "high_freq_factor": 4, "original_max_position_embeddings": 16},)"))
              .rope_scaling == kRead);
  }
  TEST_CASE("read_rope: no scaling, however that is said") {
    for (const char* rope : {"",
                             "\"rope_scaling\": null,",
                             R"("rope_scaling": {"type": "default"},)",
                             R"("rope_scaling": {},)",
                             R"("rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},)"}) {
      CAPTURE(rope);
      CHECK_FALSE(read(with_rope(rope)).rope_scaling.enabled());
      CHECK(read(with_rope(rope)).rope_theta == 500000.0);
    }
  }
  TEST_CASE("read_rope: theta is where the file has it, else what the family says, else missing") {
    const std::string none = changed(with_rope(""), "\"rope_theta\": 500000.0,", "");
    CHECK(read(none, 10000.0).rope_theta == 10000.0);
    CHECK(read(none, 7.5).rope_theta == 7.5);
    CHECK_THROWS_WITH_AS(
        (void)read(none, std::nullopt), "config.json: rope_theta is missing, expected a number", re::DataError);
    CHECK(read(with_rope(R"("rope_parameters": {"rope_type": "default", "rope_theta": 3.0},)")).rope_theta == 3.0);
    CHECK(read(with_rope(R"("rope_parameters": {"rope_type": "default"},)"), std::nullopt).rope_theta == 500000.0);
  }
  TEST_CASE("read_rope: the original length is beside the scaling, else inside it, else the model's longest") {
    const std::string beside =
        changed(kLlamaConfigJson, "\"hidden_act\"", "\"original_max_position_embeddings\": 20, \"hidden_act\"");
    CHECK(read(beside).rope_scaling.original_max_length == 20);
    const std::string none =
        changed(kLlamaConfigJson, ",\n                 \"original_max_position_embeddings\": 16", "");
    CHECK(read(none).rope_scaling.original_max_length == 64);
  }
  TEST_CASE("read_rope: a scaling the library does not compute is refused by name") {
    check_refused<re::ConfigError>(with_rope(R"("rope_scaling": {"rope_type": "yarn", "factor": 4.0},)"),
                                   "config.json: rope_scaling.rope_type is yarn, expected default or llama3");
    check_refused<re::ConfigError>(with_rope(R"("rope_scaling": {"type": "linear", "factor": 2.0},)"),
                                   "config.json: rope_scaling.type is linear, expected default or llama3");
    check_refused<re::ConfigError>(with_rope(R"("rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4},)"),
                                   "config.json: rope_parameters.rope_type is longrope, expected default or llama3");
  }
  TEST_CASE("read_rope: what Llama 3.1's scaling lacks is named") {
    for (const char* field : {"factor", "low_freq_factor", "high_freq_factor"}) {
      CAPTURE(field);
      const std::string json =
          changed(kLlamaConfigJson, "\"" + std::string(field) + "\"", "\"no_" + std::string(field) + "\"");
      const std::string want = std::string(field) == "factor" ? "a number >= 1.0" : "a number";
      check_refused<re::DataError>(json,
                                   "config.json: rope_scaling." + std::string(field) + " is missing, expected " + want);
    }
    check_refused<re::DataError>(changed(kLlamaConfigJson, "\"factor\": 8.0", "\"factor\": 0.5"),
                                 "config.json: rope_scaling.factor is 0.5, expected a number >= 1.0");
  }
  TEST_CASE("read_rope: two spellings that disagree are refused") {
    check_refused<re::ConfigError>(changed(kLlamaConfigJson,
                                           "\"rope_theta\": 500000.0",
                                           R"("rope_parameters": {"rope_type": "default", "rope_theta": 500000.0})"),
                                   "config.json: rope_scaling is another scaling, expected that of rope_parameters");
  }
  TEST_CASE("read_rope: a head that is rotated in part is refused") {
    check_refused<re::ConfigError>(
        changed(kLlamaConfigJson, "\"hidden_act\"", "\"partial_rotary_factor\": 0.5, \"hidden_act\""),
        "config.json: partial_rotary_factor is 0.5, expected 1");
    check_refused<re::ConfigError>(
        with_rope(R"("rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.25},)"),
        "config.json: rope_parameters.partial_rotary_factor is 0.25, expected 1");
    CHECK_NOTHROW(
        (void)read(changed(kLlamaConfigJson, "\"hidden_act\"", "\"partial_rotary_factor\": 1.0, \"hidden_act\"")));
  }
  TEST_CASE("read_decoder_options: another activation and a sliding window are refused") {
    check_refused<re::ConfigError>(changed(kLlamaConfigJson, "\"silu\"", "\"gelu\""),
                                   "config.json: hidden_act is gelu, expected silu");
    check_refused<re::ConfigError>(
        changed(kLlamaConfigJson, "\"hidden_act\"", "\"use_sliding_window\": true, \"hidden_act\""),
        "config.json: use_sliding_window is true, expected false");
  }
  TEST_CASE("read_decoder_sizes: a missing or impossible field is named") {
    const auto sizes = [](const std::string& json) {
      const re::io::Json parsed = re::io::parse_json(json, "config.json");
      return re::model::read_decoder_sizes(re::io::JsonFields(parsed, "config.json"));
    };
    CHECK(sizes(std::string(kLlamaConfigJson)).max_length == 64);
    for (const char* field : {"vocab_size",
                              "hidden_size",
                              "num_hidden_layers",
                              "num_attention_heads",
                              "intermediate_size",
                              "max_position_embeddings"}) {
      CAPTURE(field);
      const std::string name = "\"" + std::string(field) + "\"";
      CHECK_THROWS_AS((void)sizes(changed(kLlamaConfigJson, name, "\"absent\"")), re::DataError);
      CHECK_THROWS_AS((void)sizes(changed(kLlamaConfigJson, name + ": ", name + ": -")), re::DataError);
    }
  }
  TEST_CASE("decoder_ignores: a language model's head and old buffers, nothing else") {
    CHECK(re::model::decoder_ignores("lm_head.weight"));
    CHECK(re::model::decoder_ignores("layers.3.self_attn.rotary_emb.inv_freq"));
    CHECK_FALSE(re::model::decoder_ignores("lm_head.bias"));
    CHECK_FALSE(re::model::decoder_ignores("layers.36.input_layernorm.weight"));
    CHECK_FALSE(re::model::decoder_ignores("score.weight"));
  }
  TEST_CASE("decoder_config_json: a scaling is written as it is read") {
    const re::nn::EncoderConfig config{
        .vocab = 12, .dim = 8, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 4, .mlp_dim = 6, .max_length = 99};
    re::nn::EncoderOptions options{.norm_eps = 1.0 / 3, .rope_theta = 123.25};
    CHECK(re::model::decoder_config_json(config, options, "llama", "LlamaModel")["rope_scaling"].is_null());
    options.rope_scaling = {
        .factor = 1.0 / 0.3, .low_freq_factor = 0.7, .high_freq_factor = 5.5, .original_max_length = 31};
    const re::nn::EncoderOptions again =
        read(re::io::dump_json(re::model::decoder_config_json(config, options, "llama", "LlamaModel")));
    CHECK(again.rope_scaling == options.rope_scaling);
    CHECK(again.rope_theta == options.rope_theta);
    CHECK(again.norm_eps == options.norm_eps);
  }
  TEST_CASE("Family: a program's own is read from its directory, and saved as the family of its architecture") {
    const test::Scratch scratch;
    const auto directory = scratch.path();
    re::io::write_json(scratch / "tokenizer.json", re::model::byte_tokenizer_json(re::text::ByteTokenizer()));
    mistral::Encoder<> made({.vocab = 300,
                             .dim = 24,
                             .layers = 1,
                             .heads = 4,
                             .kv_heads = 2,
                             .head_dim = 6,
                             .mlp_dim = 10,
                             .max_length = 16});
    scratch.write("config.json",
                  re::io::dump_json(mistral::write_config(made.config(), {.norm_eps = 1e-5, .rope_theta = 1e4})));
    test::write_checkpoint(scratch / "model.safetensors", test::random_checkpoint(made, mistral::family(), "model."));
    // example-begin own_family
    using Encoder = re::model::TextEncoder<mistral::Encoder<>, re::backend::Cpu<float>>;
    const Encoder encoder = Encoder::load(directory, {.threads = 1}, {.families = {mistral::family()}});
    // example-end own_family
    CHECK(encoder.encoder().config() == made.config());
    CHECK(encoder.document_role().max_tokens == 16);
    CHECK(encoder.encode_document({"a text"}).cols() == 24);
    CHECK(re::model::find_family_of("save", mistral::Encoder<>::architecture(), made.config()).model_type == "llama");
    CHECK(mistral::k7B.valid());
    CHECK(test::parameter_count<mistral::Encoder<>>(mistral::k7B) + 32000LL * 4096 == 7'241'732'096);
  }
}
