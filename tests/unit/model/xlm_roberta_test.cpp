#include <reasonembed/model/xlm_roberta.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/model_directory.hpp>

#include <cstdint>
#include <string>

namespace re = reasonembed;
using re::model::XlmRobertaEncoder;
using test::changed;
using test::config_of;
using test::kXlmRobertaConfigJson;
using test::options_of;

namespace {

const re::model::Family kFamily = re::model::xlm_roberta_family();

}  // namespace

TEST_SUITE("model/xlm_roberta") {
  TEST_CASE("read_config: positions begin behind the padding's, and as many fewer are left") {
    const re::nn::EncoderConfig want{.vocab = 12,
                                     .dim = 8,
                                     .layers = 1,
                                     .heads = 2,
                                     .kv_heads = 2,
                                     .head_dim = 4,
                                     .mlp_dim = 10,
                                     .max_length = 16,
                                     .type_vocab = 1,
                                     .qkv_bias = true,
                                     .linear_bias = true,
                                     .position_offset = 2};
    CHECK(config_of(kFamily, kXlmRobertaConfigJson) == want);
    CHECK(config_of(kFamily, changed(kXlmRobertaConfigJson, "\"pad_token_id\": 1,", "")) == want);
    const re::nn::EncoderConfig other =
        config_of(kFamily, changed(kXlmRobertaConfigJson, "\"pad_token_id\": 1", "\"pad_token_id\": 4"));
    CHECK(other.position_offset == 5);
    CHECK(other.max_length == 13);
  }
  TEST_CASE("read_config: a position table without a row for a token is refused") {
    CHECK_THROWS_WITH_AS(
        (void)config_of(
            kFamily,
            changed(kXlmRobertaConfigJson, "\"max_position_embeddings\": 18", "\"max_position_embeddings\": 2")),
        "config.json: max_position_embeddings is 2, expected more than pad_token_id + 1 = 2",
        re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)config_of(kFamily, changed(kXlmRobertaConfigJson, "\"pad_token_id\": 1", "\"pad_token_id\": -1")),
        "config.json: pad_token_id is -1, expected an integer in [0, 1048576]",
        re::DataError);
  }
  TEST_CASE("read_options: as BERT's") {
    CHECK(options_of(kFamily, kXlmRobertaConfigJson).norm_eps == 1e-5);
    CHECK_THROWS_WITH_AS((void)options_of(kFamily, changed(kXlmRobertaConfigJson, "\"gelu\"", "\"relu\"")),
                         "config.json: hidden_act is relu, expected gelu",
                         re::ConfigError);
  }
  TEST_CASE("tensor_name, ignores: BERT's names, and a head of its own") {
    const XlmRobertaEncoder<> encoder(config_of(kFamily, kXlmRobertaConfigJson));
    const auto names = test::tensor_names(encoder, kFamily);
    CHECK(names.size() == 5 + 16);
    CHECK(names.contains("embeddings.position_embeddings.weight"));
    CHECK(names.contains("encoder.layer.0.attention.output.LayerNorm.bias"));
    CHECK(kFamily.ignores("pooler.dense.weight"));
    CHECK(kFamily.ignores("lm_head.layer_norm.bias"));
    CHECK(kFamily.ignores("embeddings.position_ids"));
    CHECK_FALSE(kFamily.ignores("classifier.dense.weight"));
    CHECK_FALSE(kFamily.ignores("encoder.layer.1.output.dense.weight"));
    CHECK(kFamily.optional_prefix == "roberta.");
  }
  TEST_CASE("write_config: reads back as the same sizes and numbers") {
    for (const int pad : {0, 1, 4}) {
      re::nn::EncoderConfig config = config_of(kFamily, kXlmRobertaConfigJson);
      config.position_offset = pad + 1;
      const re::nn::EncoderOptions options{.norm_eps = 1.0 / 3, .dropout = 0.125};
      const re::io::Json written = kFamily.write_config(config, options);
      const std::string json = re::io::dump_json(written);
      CHECK(config_of(kFamily, json) == config);
      CHECK(options_of(kFamily, json).norm_eps == options.norm_eps);
      CHECK(options_of(kFamily, json).dropout == options.dropout);
      CHECK(written["max_position_embeddings"] == 16 + pad + 1);
      CHECK(written["architectures"] == re::io::Json::array({"XLMRobertaModel"}));
    }
  }
  TEST_CASE("writes: what has an offset is an XLM-R, what has none a BERT") {
    re::nn::EncoderConfig config = config_of(kFamily, kXlmRobertaConfigJson);
    CHECK(kFamily.writes(config));
    CHECK_FALSE(re::model::bert_family().writes(config));
    config.position_offset = 0;
    CHECK_FALSE(kFamily.writes(config));
    CHECK(re::model::bert_family().writes(config));
  }
  TEST_CASE("registry: the published sizes have the published numbers of parameters") {
    CHECK(XlmRobertaEncoder<re::model::kXlmRobertaBase>().dim() == 768);
    struct Published {
      re::nn::EncoderConfig config;
      std::int64_t parameters;  // with the pooler, a square projection that no embedding passes through
    };
    for (const auto& [config, parameters] : {Published{re::model::kXlmRobertaBase, 278'043'648},
                                             Published{re::model::kXlmRobertaLarge, 559'890'432},
                                             Published{re::model::kMultilingualE5Base, 278'043'648},
                                             Published{re::model::kMultilingualE5Large, 559'890'432},
                                             Published{re::model::kBgeM3, 567'754'752}}) {
      CAPTURE(parameters);
      CHECK(config.valid());
      const std::int64_t pooler = std::int64_t{config.dim} * (config.dim + 1);
      CHECK(test::parameter_count<XlmRobertaEncoder<>>(config) + pooler == parameters);
    }
  }
}
