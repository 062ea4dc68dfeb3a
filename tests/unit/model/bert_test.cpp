#include <reasonembed/model/bert.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/model_directory.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::model::BertEncoder;
using test::changed;
using test::kBertConfigJson;

namespace {

const re::model::Family kFamily = re::model::bert_family();

re::nn::EncoderConfig config_of(std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return kFamily.read_config(re::io::JsonFields(parsed, "config.json"));
}
re::nn::EncoderOptions options_of(std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return kFamily.read_options(re::io::JsonFields(parsed, "config.json"));
}

/// kBertConfigJson without one field, which is there under another name.
std::string without(const std::string& field) {
  return changed(kBertConfigJson, "\"" + field + "\"", "\"not_" + field + "\"");
}

template <class Error, class Call>
void check_message(const Call& call, const std::string& message) {
  CHECK_THROWS_WITH_AS(call(), message.c_str(), Error);
}

}  // namespace

TEST_SUITE("model/bert") {
  TEST_CASE("read_config: takes the sizes, and biases everywhere") {
    CHECK(config_of(kBertConfigJson) == re::nn::EncoderConfig{.vocab = 12,
                                                              .dim = 8,
                                                              .layers = 2,
                                                              .heads = 2,
                                                              .kv_heads = 2,
                                                              .head_dim = 4,
                                                              .mlp_dim = 10,
                                                              .max_length = 16,
                                                              .type_vocab = 2,
                                                              .qkv_bias = true,
                                                              .linear_bias = true});
    CHECK(config_of(changed(kBertConfigJson, "\"type_vocab_size\": 2", "\"type_vocab_size\": 0")).type_vocab == 0);
  }
  TEST_CASE("read_config: a missing field, or one of a wrong type or range, is named") {
    const auto read = [](const std::string& json) { return [json] { (void)config_of(json); }; };
    check_message<re::DataError>(read(without("hidden_size")),
                                 "config.json: hidden_size is missing, expected an integer in [1, 1048576]");
    check_message<re::DataError>(read(changed(kBertConfigJson, "\"vocab_size\": 12", "\"vocab_size\": \"12\"")),
                                 "config.json: vocab_size is \"12\", expected an integer in [1, 1073741824]");
    check_message<re::DataError>(read(changed(kBertConfigJson, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0")),
                                 "config.json: num_hidden_layers is 0, expected an integer in [1, 65536]");
    check_message<re::DataError>(
        read(changed(kBertConfigJson, "\"intermediate_size\": 10", "\"intermediate_size\": 1.5")),
        "config.json: intermediate_size is 1.5, expected an integer in [1, 16777216]");
    for (const char* field : {"num_attention_heads", "max_position_embeddings", "type_vocab_size"}) {
      CAPTURE(field);
      CHECK_THROWS_AS((void)config_of(without(field)), re::DataError);
    }
  }
  TEST_CASE("read_config: heads that don't divide the width are refused") {
    check_message<re::ConfigError>(
        [] { (void)config_of(changed(kBertConfigJson, "\"num_attention_heads\": 2", "\"num_attention_heads\": 3")); },
        "config.json: hidden_size is 8, expected a multiple of num_attention_heads 3");
  }
  TEST_CASE("read_options: takes epsilon and dropout") {
    const re::nn::EncoderOptions options = options_of(kBertConfigJson);
    CHECK(options.norm_eps == 1e-12);
    CHECK(options.dropout == 0.1);
    CHECK(options.normalize);
    CHECK(options_of(without("hidden_dropout_prob")).dropout == 0.0);
    CHECK(options_of(without("position_embedding_type")).norm_eps == 1e-12);  // older files don't say
  }
  TEST_CASE("read_options: what the library does not compute is refused") {
    const auto read = [](std::string_view part, std::string_view by) {
      return [json = changed(kBertConfigJson, part, by)] { (void)options_of(json); };
    };
    check_message<re::ConfigError>(read("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"gelu_new\""),
                                   "config.json: hidden_act is gelu_new, expected gelu");
    check_message<re::ConfigError>(
        read("\"position_embedding_type\": \"absolute\"", "\"position_embedding_type\": \"relative_key\""),
        "config.json: position_embedding_type is relative_key, expected absolute");
    check_message<re::DataError>([] { (void)options_of(without("hidden_act")); },
                                 "config.json: hidden_act is missing, expected a string");
    check_message<re::DataError>([] { (void)options_of(without("layer_norm_eps")); },
                                 "config.json: layer_norm_eps is missing, expected a number");
  }
  TEST_CASE("tensor_name: every parameter has a name of its own, as Hugging Face spells it") {
    const BertEncoder<> encoder(config_of(kBertConfigJson));
    re::nn::WeightAllocator<test::Cpu32> allocator;
    const auto parameters = encoder.allocate(allocator);
    std::set<std::string> names;
    std::size_t count = 0;
    encoder.visit(parameters, [&](const auto& slice) {
      names.insert(kFamily.tensor_name(slice.name));
      ++count;
    });
    CHECK(names.size() == count);
    for (const char* name : {"embeddings.word_embeddings.weight",
                             "embeddings.position_embeddings.weight",
                             "embeddings.token_type_embeddings.weight",
                             "embeddings.LayerNorm.weight",
                             "embeddings.LayerNorm.bias",
                             "encoder.layer.0.attention.self.query.weight",
                             "encoder.layer.1.attention.self.key.bias",
                             "encoder.layer.1.attention.self.value.weight",
                             "encoder.layer.0.attention.output.dense.bias",
                             "encoder.layer.0.attention.output.LayerNorm.weight",
                             "encoder.layer.0.intermediate.dense.weight",
                             "encoder.layer.1.output.dense.weight",
                             "encoder.layer.1.output.LayerNorm.bias"}) {
      CAPTURE(name);
      CHECK(names.contains(name));
    }
  }
  TEST_CASE("ignores: the heads of BERT and its position buffer, nothing else") {
    CHECK(kFamily.ignores("pooler.dense.weight"));
    CHECK(kFamily.ignores("cls.predictions.bias"));
    CHECK(kFamily.ignores("embeddings.position_ids"));
    CHECK_FALSE(kFamily.ignores("embeddings.position_embeddings.weight"));
    CHECK_FALSE(kFamily.ignores("encoder.layer.6.output.dense.weight"));
    CHECK_FALSE(kFamily.ignores("classifier.weight"));
  }
  TEST_CASE("write_config: reads back as the same sizes and numbers") {
    for (const int type_vocab : {1, 2}) {
      re::nn::EncoderConfig config = config_of(kBertConfigJson);
      config.type_vocab = type_vocab;
      const re::nn::EncoderOptions options{.norm_eps = 1.0 / 3, .dropout = 0.125};
      const re::io::Json json = kFamily.write_config(config, options);
      const re::io::JsonFields fields(json, "config.json");
      CHECK(kFamily.read_config(fields) == config);
      CHECK(kFamily.read_options(fields).norm_eps == options.norm_eps);
      CHECK(kFamily.read_options(fields).dropout == options.dropout);
      CHECK(json["model_type"] == "bert");
      CHECK(json["architectures"] == re::io::Json::array({"BertModel"}));
      CHECK(kFamily.zero_tensors(config).empty());
    }
  }
  TEST_CASE("write_config: an encoder without token types gets one whose row is zero") {
    re::nn::EncoderConfig config = config_of(kBertConfigJson);
    config.type_vocab = 0;
    CHECK(kFamily.write_config(config, {})["type_vocab_size"] == 1);
    CHECK(kFamily.zero_tensors(config) ==
          std::vector<re::model::ZeroTensor>{{"embeddings.token_type_embeddings.weight", 1, config.dim}});
  }
  TEST_CASE("write_config: sizes that no BERT has are refused") {
    const re::nn::EncoderConfig possible = config_of(kBertConfigJson);
    const auto refused = [&](auto change, const std::string& got) {
      re::nn::EncoderConfig config = possible;
      change(config);
      check_message<re::ConfigError>([&] { (void)kFamily.write_config(config, {}); },
                                     "model::Family bert: " + got + ", for config.json has no field for another");
    };
    refused([](auto& c) { c.kv_heads = 1; }, "kv_heads is 1, expected 2");
    refused([](auto& c) { c.head_dim = 6; }, "heads * head_dim is 12, expected 8");
    refused([](auto& c) { c.qkv_bias = false; }, "qkv_bias is 0, expected 1");
    refused([](auto& c) { c.linear_bias = false; }, "linear_bias is 0, expected 1");
    refused([](auto& c) { c.position_offset = 2; }, "position_offset is 2, expected 0");
  }
  TEST_CASE("kMiniLmL6: is a possible configuration of the published model") {
    static_assert(re::model::kMiniLmL6.valid());
    static_assert(re::model::kMiniLmL6.query_dim() == re::model::kMiniLmL6.dim);
    const BertEncoder<re::model::kMiniLmL6> encoder;
    CHECK(encoder.dim() == 384);
    CHECK(kFamily.architecture == BertEncoder<>::architecture());
    CHECK(kFamily.model_type == "bert");
    CHECK(kFamily.optional_prefix == "bert.");
  }
  TEST_CASE("registry: the published sizes have the published numbers of parameters") {
    struct Published {
      re::nn::EncoderConfig config;
      std::int64_t parameters;  // with the pooler, a square projection that no embedding passes through
    };
    for (const auto& [config, parameters] : {Published{re::model::kBertBase, 109'482'240},
                                             Published{re::model::kBertLarge, 335'141'888},
                                             Published{re::model::kMiniLmL6, 22'713'216},
                                             Published{re::model::kMiniLmL12, 33'360'000},
                                             Published{re::model::kBgeSmallEn, 33'360'000},
                                             Published{re::model::kBgeBaseEn, 109'482'240},
                                             Published{re::model::kBgeLargeEn, 335'141'888},
                                             Published{re::model::kE5Small, 33'360'000},
                                             Published{re::model::kE5Base, 109'482'240},
                                             Published{re::model::kE5Large, 335'141'888},
                                             Published{re::model::kMultilingualE5Small, 117'653'760}}) {
      CAPTURE(parameters);
      CHECK(config.valid());
      const std::int64_t pooler = std::int64_t{config.dim} * (config.dim + 1);
      CHECK(test::parameter_count<BertEncoder<>>(config) + pooler == parameters);
    }
  }
}
