#include <reasonembed/model/llama.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/model_directory.hpp>

#include <cstdint>
#include <set>
#include <string>

namespace re = reasonembed;
using re::model::LlamaEncoder;
using test::changed;
using test::config_of;
using test::kLlamaConfigJson;
using test::options_of;

namespace {

const re::model::Family kFamily = re::model::llama_family();

/// kLlamaConfigJson with other biases.
std::string with_biases(bool attention, bool mlp) {
  const std::string json = changed(kLlamaConfigJson,
                                   "\"attention_bias\": false",
                                   attention ? "\"attention_bias\": true" : "\"attention_bias\": false");
  return changed(json, "\"mlp_bias\": false", mlp ? "\"mlp_bias\": true" : "\"mlp_bias\": false");
}

}  // namespace

TEST_SUITE("model/llama") {
  TEST_CASE("read_config: takes the sizes; what the first releases don't write has its old value") {
    const re::nn::EncoderConfig want{
        .vocab = 12, .dim = 24, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 6, .mlp_dim = 10, .max_length = 64};
    CHECK(config_of(kFamily, kLlamaConfigJson) == want);
    CHECK(config_of(kFamily, changed(kLlamaConfigJson, "\"num_key_value_heads\": 2,", "")).kv_heads == 4);
    const std::string wider = changed(kLlamaConfigJson, "\"hidden_act\"", "\"head_dim\": 16, \"hidden_act\"");
    CHECK(config_of(kFamily, wider).head_dim == 16);
    CHECK(options_of(kFamily, changed(kLlamaConfigJson, "\"rope_theta\": 500000.0,", "")).rope_theta == 10000.0);
  }
  TEST_CASE("read_config: heads that don't divide the width are refused") {
    CHECK_THROWS_WITH_AS(
        (void)config_of(kFamily, changed(kLlamaConfigJson, "\"num_attention_heads\": 4", "\"num_attention_heads\": 7")),
        "config.json: hidden_size is 24, expected a multiple of num_attention_heads 7",
        re::ConfigError);
  }
  TEST_CASE("read_options: takes epsilon, theta and the scaling") {
    const re::nn::EncoderOptions options = options_of(kFamily, kLlamaConfigJson);
    CHECK(options.norm_eps == 1e-5);
    CHECK(options.rope_theta == 500000.0);
    CHECK(
        options.rope_scaling ==
        re::nn::RopeScaling{.factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_max_length = 16});
  }
  TEST_CASE("read_options: biases are everywhere or nowhere") {
    CHECK(config_of(kFamily, with_biases(true, true)).qkv_bias);
    CHECK(config_of(kFamily, with_biases(true, true)).linear_bias);
    CHECK_NOTHROW((void)options_of(kFamily, with_biases(true, true)));
    CHECK_THROWS_WITH_AS((void)options_of(kFamily, with_biases(true, false)),
                         "config.json: mlp_bias is false, expected true, as attention_bias",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)options_of(kFamily, with_biases(false, true)),
                         "config.json: mlp_bias is true, expected false, as attention_bias",
                         re::ConfigError);
  }
  TEST_CASE("tensor_name: every parameter has a name of its own, as Hugging Face spells it") {
    CHECK(test::tensor_names(LlamaEncoder<>(config_of(kFamily, kLlamaConfigJson)), kFamily) ==
          std::set<std::string>{"embed_tokens.weight",
                                "layers.0.input_layernorm.weight",
                                "layers.0.self_attn.q_proj.weight",
                                "layers.0.self_attn.k_proj.weight",
                                "layers.0.self_attn.v_proj.weight",
                                "layers.0.self_attn.o_proj.weight",
                                "layers.0.post_attention_layernorm.weight",
                                "layers.0.mlp.gate_proj.weight",
                                "layers.0.mlp.up_proj.weight",
                                "layers.0.mlp.down_proj.weight",
                                "norm.weight"});
    const auto biased = test::tensor_names(LlamaEncoder<>(config_of(kFamily, with_biases(true, true))), kFamily);
    CHECK(biased.contains("layers.0.self_attn.o_proj.bias"));
    CHECK(biased.contains("layers.0.mlp.down_proj.bias"));
  }
  TEST_CASE("write_config: reads back as the same sizes and numbers, scaled or not, causal or not") {
    for (const bool biased : {false, true}) {
      const re::nn::EncoderConfig config = config_of(kFamily, with_biases(biased, biased));
      for (const int original : {0, 33}) {
        const re::nn::EncoderOptions options{.norm_eps = 1.0 / 7,
                                             .rope_theta = 12345.678,
                                             .rope_scaling = {.factor = 3.0, .original_max_length = original}};
        for (const auto& family : {kFamily, re::model::bidirectional_llama_family()}) {
          const std::string json = re::io::dump_json(family.write_config(config, options));
          CHECK(config_of(family, json) == config);
          CHECK(options_of(family, json).norm_eps == options.norm_eps);
          CHECK(options_of(family, json).rope_theta == options.rope_theta);
          CHECK(options_of(family, json).rope_scaling ==
                (original == 0 ? re::nn::RopeScaling() : options.rope_scaling));
          const re::io::Json parsed = re::io::parse_json(json, "config.json");
          CHECK(family.describes(re::io::JsonFields(parsed, "config.json")));
          CHECK(parsed["model_type"] == "llama");
        }
      }
    }
  }
  TEST_CASE("write_config: sizes that no Llama has are refused") {
    re::nn::EncoderConfig config = config_of(kFamily, kLlamaConfigJson);
    config.qkv_bias = true;
    CHECK_FALSE(kFamily.writes(config));
    CHECK_THROWS_WITH_AS((void)kFamily.write_config(config, {}),
                         "model::Family llama: linear_bias is 0, expected 1, for config.json has no field for another",
                         re::ConfigError);
  }
  TEST_CASE("kLlama: the published sizes have the published numbers of parameters") {
    CHECK(LlamaEncoder<re::model::kLlama3_2_1B>().dim() == 2048);
    CHECK(kFamily.architecture == LlamaEncoder<re::model::kLlama3_2_1B>::architecture());
    struct Published {
      re::nn::EncoderConfig config;
      std::int64_t parameters;  // of the language model; that of 3.2 shares its head with the token table
      bool own_head;
    };
    for (const auto& [config, parameters, own_head] : {Published{re::model::kLlama3_8B, 8'030'261'248, true},
                                                       Published{re::model::kLlama3_1_8B, 8'030'261'248, true},
                                                       Published{re::model::kLlama3_1_70B, 70'553'706'496, true},
                                                       Published{re::model::kLlama3_2_1B, 1'235'814'400, false},
                                                       Published{re::model::kLlama3_2_3B, 3'212'749'824, false}}) {
      CAPTURE(parameters);
      CHECK(config.valid());
      const std::int64_t head = own_head ? std::int64_t{config.vocab} * config.dim : 0;
      CHECK(test::parameter_count<LlamaEncoder<>>(config) + head == parameters);
    }
  }
}
