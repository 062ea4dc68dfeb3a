#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/layer_run.hpp>
#include <support/model_directory.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace re = reasonembed;
using re::model::Qwen3Encoder;
using test::changed;
using test::kQwen3ConfigJson;

namespace {

const re::model::Family kFamily = re::model::qwen3_family();

re::nn::EncoderConfig config_of(std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return kFamily.read_config(re::io::JsonFields(parsed, "config.json"));
}
re::nn::EncoderOptions options_of(std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return kFamily.read_options(re::io::JsonFields(parsed, "config.json"));
}

/// What reading the options of kQwen3ConfigJson with one part replaced throws.
void check_options_refused(std::string_view part, std::string_view by, const std::string& message) {
  const std::string json = changed(kQwen3ConfigJson, part, by);
  CHECK_THROWS_WITH_AS((void)options_of(json), message.c_str(), re::ConfigError);
}

}  // namespace

TEST_SUITE("model/qwen3") {
  TEST_CASE("read_config: takes the sizes, heads wider than the model and grouped") {
    CHECK(config_of(kQwen3ConfigJson) == re::nn::EncoderConfig{.vocab = 12,
                                                               .dim = 8,
                                                               .layers = 1,
                                                               .heads = 4,
                                                               .kv_heads = 2,
                                                               .head_dim = 6,
                                                               .mlp_dim = 10,
                                                               .max_length = 16});
  }
  TEST_CASE("read_config: a missing or impossible field is named") {
    CHECK_THROWS_WITH_AS((void)config_of(changed(kQwen3ConfigJson, "\"head_dim\": 6,", "")),
                         "config.json: head_dim is missing, expected an integer in [2, 65536]",
                         re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)config_of(changed(kQwen3ConfigJson, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": []")),
        "config.json: num_key_value_heads is an array, expected an integer in [1, 65536]",
        re::DataError);
  }
  TEST_CASE("write_config: reads back as the same sizes and numbers") {
    const re::nn::EncoderConfig config = config_of(kQwen3ConfigJson);
    const re::nn::EncoderOptions options{.norm_eps = 1.0 / 7, .rope_theta = 12345.678};
    const re::io::Json json = kFamily.write_config(config, options);
    const re::io::JsonFields fields(json, "config.json");
    CHECK(kFamily.read_config(fields) == config);
    CHECK(kFamily.read_options(fields).norm_eps == options.norm_eps);
    CHECK(kFamily.read_options(fields).rope_theta == options.rope_theta);
    CHECK(json["model_type"] == "qwen3");
    CHECK(json["architectures"] == re::io::Json::array({"Qwen3Model"}));
    CHECK(kFamily.zero_tensors(config).empty());
  }
  TEST_CASE("write_config: sizes that no Qwen3 has are refused") {
    const auto refused = [](auto change, const std::string& got) {
      re::nn::EncoderConfig config = config_of(kQwen3ConfigJson);
      change(config);
      const std::string message =
          "model::Family qwen3: " + got + " is 1, expected 0, for config.json has no field for another";
      CHECK_THROWS_WITH_AS((void)kFamily.write_config(config, {}), message.c_str(), re::ConfigError);
    };
    refused([](auto& c) { c.type_vocab = 1; }, "type_vocab");
    refused([](auto& c) { c.qkv_bias = true; }, "qkv_bias");
    refused([](auto& c) { c.linear_bias = true; }, "linear_bias");
  }
  TEST_CASE("read_options: takes epsilon and theta") {
    const re::nn::EncoderOptions options = options_of(kQwen3ConfigJson);
    CHECK(options.norm_eps == 1e-6);
    CHECK(options.rope_theta == 1e6);
    CHECK(options.dropout == 0.0);
  }
  TEST_CASE("read_options: takes theta from rope_parameters, where newer files write it") {
    const std::string json = changed(kQwen3ConfigJson,
                                     "\"rope_theta\": 1000000",
                                     R"("rope_parameters": {"rope_type": "default", "rope_theta": 5000000})");
    CHECK(options_of(json).rope_theta == 5e6);
  }
  TEST_CASE("read_options: accepts a rope_scaling that scales nothing") {
    CHECK_NOTHROW((void)options_of(
        changed(kQwen3ConfigJson, "\"rope_scaling\": null", R"("rope_scaling": {"type": "default"})")));
  }
  TEST_CASE("read_options: a scaled rotary embedding is refused, however it is spelt") {
    check_options_refused("\"rope_scaling\": null",
                          R"("rope_scaling": {"rope_type": "yarn", "factor": 4.0})",
                          "config.json: rope_scaling.rope_type is yarn, expected default or llama3");
    check_options_refused("\"rope_scaling\": null",
                          R"("rope_scaling": {"type": "linear", "factor": 2.0})",
                          "config.json: rope_scaling.type is linear, expected default or llama3");
    check_options_refused("\"rope_theta\": 1000000",
                          R"("rope_parameters": {"rope_type": "dynamic", "rope_theta": 1000000})",
                          "config.json: rope_parameters.rope_type is dynamic, expected default or llama3");
  }
  TEST_CASE("read_options: what the library does not compute is refused") {
    check_options_refused(
        "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "config.json: hidden_act is gelu, expected silu");
    check_options_refused("\"use_sliding_window\": false",
                          "\"use_sliding_window\": true",
                          "config.json: use_sliding_window is true, expected false");
    check_options_refused(
        "\"attention_bias\": false", "\"attention_bias\": true", "config.json: attention_bias is true, expected false");
    CHECK_THROWS_WITH_AS((void)options_of(changed(kQwen3ConfigJson, "\"rope_theta\": 1000000,", "")),
                         "config.json: rope_theta is missing, expected a number",
                         re::DataError);
  }
  TEST_CASE("tensor_name: every parameter has a name of its own, as Hugging Face spells it") {
    const Qwen3Encoder<> encoder(config_of(kQwen3ConfigJson));
    re::nn::WeightAllocator<test::Cpu32> allocator;
    const auto parameters = encoder.allocate(allocator);
    std::set<std::string> names;
    encoder.visit(parameters, [&](const auto& slice) { names.insert(kFamily.tensor_name(slice.name)); });
    CHECK(names == std::set<std::string>{"embed_tokens.weight",
                                         "layers.0.input_layernorm.weight",
                                         "layers.0.self_attn.q_proj.weight",
                                         "layers.0.self_attn.k_proj.weight",
                                         "layers.0.self_attn.v_proj.weight",
                                         "layers.0.self_attn.q_norm.weight",
                                         "layers.0.self_attn.k_norm.weight",
                                         "layers.0.self_attn.o_proj.weight",
                                         "layers.0.post_attention_layernorm.weight",
                                         "layers.0.mlp.gate_proj.weight",
                                         "layers.0.mlp.up_proj.weight",
                                         "layers.0.mlp.down_proj.weight",
                                         "norm.weight"});
  }
  TEST_CASE("ignores: the language model's head, nothing else") {
    CHECK(kFamily.ignores("lm_head.weight"));
    CHECK_FALSE(kFamily.ignores("lm_head.bias"));
    CHECK_FALSE(kFamily.ignores("layers.36.input_layernorm.weight"));
  }
  TEST_CASE("kQwen3: the published sizes have the published numbers of parameters") {
    static_assert(re::model::kQwen3_0_6B.query_dim() == 2048 && re::model::kQwen3_0_6B.kv_dim() == 1024);
    CHECK(Qwen3Encoder<re::model::kQwen3_0_6B>().dim() == 1024);
    CHECK(Qwen3Encoder<re::model::kQwen3_4B>().dim() == 2560);
    struct Published {
      re::nn::EncoderConfig config;
      std::int64_t parameters;  // of the language model; from 8B on its head is a table of its own
      bool own_head;
    };
    for (const auto& [config, parameters, own_head] :
         {Published{re::model::kQwen3_0_6B, 596'049'920, false},
          Published{re::model::kQwen3_1_7B, 1'720'574'976, false},
          Published{re::model::kQwen3_4B, 4'022'468'096, false},
          Published{re::model::kQwen3_8B, 8'190'735'360, true},
          Published{re::model::kQwen3_14B, 14'768'307'200, true},
          Published{re::model::kQwen3_32B, 32'762'123'264, true},
          Published{re::model::kQwen3Embedding_0_6B, 595'776'512, false},
          Published{re::model::kQwen3Embedding_4B, 4'021'774'336, false},
          Published{re::model::kQwen3Embedding_8B, 7'567'295'488, false}}) {
      CAPTURE(parameters);
      CHECK(config.valid());
      const std::int64_t head = own_head ? std::int64_t{config.vocab} * config.dim : 0;
      CHECK(test::parameter_count<Qwen3Encoder<>>(config) + head == parameters);
    }
  }
  TEST_CASE("kQwen3: the published config.json files have the registered sizes") {
    for (const auto& [name, config] :
         {std::pair{"0.6B", re::model::kQwen3_0_6B}, std::pair{"4B", re::model::kQwen3_4B}}) {
      const auto path = test::find_data("safetensors-vectors/config-Qwen3-" + std::string(name) + ".json");
      if (path) {
        CHECK(test::config_of(kFamily, test::content_of(*path)) == config);
        CHECK(test::options_of(kFamily, test::content_of(*path)).rope_theta == 1e6);
      }
    }
  }
  TEST_CASE("qwen3_family: describes the causal models, its neighbour those that see the whole text") {
    const re::model::Family other = re::model::bidirectional_qwen3_family();
    CHECK(kFamily.architecture == Qwen3Encoder<>::architecture());
    CHECK(other.architecture == re::model::BidirectionalQwen3Encoder<>::architecture());
    CHECK(kFamily.optional_prefix == "model.");
    const re::io::Json causal = re::io::parse_json(kQwen3ConfigJson, "config.json");
    re::io::Json whole = causal;
    whole["is_causal"] = false;
    CHECK(kFamily.describes(re::io::JsonFields(causal, "c")));
    CHECK_FALSE(kFamily.describes(re::io::JsonFields(whole, "c")));
    CHECK(other.describes(re::io::JsonFields(whole, "c")));
    CHECK_FALSE(other.describes(re::io::JsonFields(causal, "c")));
    CHECK(other.write_config(config_of(kQwen3ConfigJson), {})["is_causal"] == false);
    CHECK_FALSE(kFamily.write_config(config_of(kQwen3ConfigJson), {}).contains("is_causal"));
  }
}
