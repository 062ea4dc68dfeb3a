#include <reasonembed/model/qwen2.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/model_directory.hpp>

#include <cstdint>
#include <set>
#include <string>

namespace re = reasonembed;
using re::model::Qwen2Encoder;
using test::changed;
using test::config_of;
using test::kQwen2ConfigJson;
using test::options_of;

namespace {

const re::model::Family kFamily = re::model::qwen2_family();

}  // namespace

TEST_SUITE("model/qwen2") {
  TEST_CASE("read_config: takes the sizes, and biases of queries, keys and values") {
    const re::nn::EncoderConfig want{.vocab = 12,
                                     .dim = 24,
                                     .layers = 1,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_dim = 6,
                                     .mlp_dim = 10,
                                     .max_length = 16,
                                     .qkv_bias = true};
    CHECK(config_of(kFamily, kQwen2ConfigJson) == want);
    const std::string wider = changed(kQwen2ConfigJson, "\"hidden_act\"", "\"head_dim\": 8, \"hidden_act\"");
    CHECK(config_of(kFamily, wider).head_dim == 8);
  }
  TEST_CASE("read_config: a missing or impossible field is named") {
    CHECK_THROWS_WITH_AS((void)config_of(kFamily, changed(kQwen2ConfigJson, "\"num_key_value_heads\": 2,", "")),
                         "config.json: num_key_value_heads is missing, expected an integer in [1, 65536]",
                         re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)config_of(kFamily, changed(kQwen2ConfigJson, "\"num_attention_heads\": 4", "\"num_attention_heads\": 5")),
        "config.json: hidden_size is 24, expected a multiple of num_attention_heads 5",
        re::ConfigError);
  }
  TEST_CASE("read_options: takes epsilon and theta; what the library does not compute is refused") {
    const re::nn::EncoderOptions options = options_of(kFamily, kQwen2ConfigJson);
    CHECK(options.norm_eps == 1e-6);
    CHECK(options.rope_theta == 1e6);
    CHECK_FALSE(options.rope_scaling.enabled());
    CHECK_THROWS_WITH_AS(
        (void)options_of(kFamily,
                         changed(kQwen2ConfigJson, "\"use_sliding_window\": false", "\"use_sliding_window\": true")),
        "config.json: use_sliding_window is true, expected false",
        re::ConfigError);
    CHECK_THROWS_WITH_AS((void)options_of(kFamily, changed(kQwen2ConfigJson, "\"rope_theta\": 1000000.0,", "")),
                         "config.json: rope_theta is missing, expected a number",
                         re::DataError);
  }
  TEST_CASE("tensor_name: every parameter has a name of its own, as Hugging Face spells it") {
    CHECK(test::tensor_names(Qwen2Encoder<>(config_of(kFamily, kQwen2ConfigJson)), kFamily) ==
          std::set<std::string>{"embed_tokens.weight",
                                "layers.0.input_layernorm.weight",
                                "layers.0.self_attn.q_proj.weight",
                                "layers.0.self_attn.q_proj.bias",
                                "layers.0.self_attn.k_proj.weight",
                                "layers.0.self_attn.k_proj.bias",
                                "layers.0.self_attn.v_proj.weight",
                                "layers.0.self_attn.v_proj.bias",
                                "layers.0.self_attn.o_proj.weight",
                                "layers.0.post_attention_layernorm.weight",
                                "layers.0.mlp.gate_proj.weight",
                                "layers.0.mlp.up_proj.weight",
                                "layers.0.mlp.down_proj.weight",
                                "norm.weight"});
  }
  TEST_CASE("write_config: reads back as the same sizes and numbers, causal or not") {
    const re::nn::EncoderConfig config = config_of(kFamily, kQwen2ConfigJson);
    const re::nn::EncoderOptions options{.norm_eps = 1.0 / 7, .rope_theta = 12345.678};
    for (const bool causal : {true, false}) {
      CAPTURE(causal);
      const re::model::Family family = causal ? kFamily : re::model::bidirectional_qwen2_family();
      const std::string json = re::io::dump_json(family.write_config(config, options));
      CHECK(config_of(family, json) == config);
      CHECK(options_of(family, json).norm_eps == options.norm_eps);
      CHECK(options_of(family, json).rope_theta == options.rope_theta);
      const re::io::Json parsed = re::io::parse_json(json, "config.json");
      CHECK(family.describes(re::io::JsonFields(parsed, "config.json")));
      CHECK(kFamily.describes(re::io::JsonFields(parsed, "config.json")) == causal);
      CHECK(parsed["model_type"] == "qwen2");
      CHECK(parsed["architectures"] == re::io::Json::array({"Qwen2Model"}));
    }
  }
  TEST_CASE("write_config: sizes that no Qwen2 has are refused") {
    const auto refused = [](auto change, const std::string& got) {
      re::nn::EncoderConfig config = config_of(kFamily, kQwen2ConfigJson);
      change(config);
      const std::string message = "model::Family qwen2: " + got + ", for config.json has no field for another";
      CHECK_THROWS_WITH_AS((void)kFamily.write_config(config, {}), message.c_str(), re::ConfigError);
    };
    refused([](auto& c) { c.type_vocab = 1; }, "type_vocab is 1, expected 0");
    refused([](auto& c) { c.qkv_bias = false; }, "qkv_bias is 0, expected 1");
    refused([](auto& c) { c.linear_bias = true; }, "linear_bias is 1, expected 0");
  }
  TEST_CASE("qwen2_family: is made of causal attention, its neighbour of bidirectional") {
    CHECK(kFamily.architecture == "token>pre_norm(rms_norm,causal_attention(rope),swiglu)");
    CHECK(re::model::bidirectional_qwen2_family().architecture ==
          "token>pre_norm(rms_norm,bidirectional_attention(rope),swiglu)");
    CHECK(kFamily.architecture == Qwen2Encoder<re::model::kQwen2_0_5B>::architecture());
    CHECK(re::model::bidirectional_qwen2_family().architecture ==
          re::model::BidirectionalQwen2Encoder<re::model::kQwen2_0_5B>::architecture());
  }
  TEST_CASE("kQwen2: the published sizes have the published numbers of parameters") {
    struct Published {
      re::nn::EncoderConfig config;
      std::int64_t parameters;  // of the language model; from 7B on its head is a table of its own
    };
    for (const auto& [config, parameters] : {Published{re::model::kQwen2_0_5B, 494'032'768},
                                             Published{re::model::kQwen2_1_5B, 1'543'714'304},
                                             Published{re::model::kQwen2_7B, 7'615'616'512},
                                             Published{re::model::kQwen2_72B, 72'706'203'648},
                                             Published{re::model::kQwen2_5_0_5B, 494'032'768},
                                             Published{re::model::kQwen2_5_1_5B, 1'543'714'304},
                                             Published{re::model::kQwen2_5_3B, 3'085'938'688},
                                             Published{re::model::kQwen2_5_7B, 7'615'616'512},
                                             Published{re::model::kQwen2_5_14B, 14'770'033'664},
                                             Published{re::model::kQwen2_5_32B, 32'763'876'352},
                                             Published{re::model::kQwen2_5_72B, 72'706'203'648}}) {
      CAPTURE(parameters);
      CHECK(config.valid());
      const std::int64_t head = parameters > 7'000'000'000 ? std::int64_t{config.vocab} * config.dim : 0;
      CHECK(test::parameter_count<Qwen2Encoder<>>(config) + head == parameters);
    }
  }
}
