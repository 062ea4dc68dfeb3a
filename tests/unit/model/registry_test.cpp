#include <reasonembed/model/registry.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::model::families;
using re::model::Family;

namespace {

/// The family that a config.json of these fields means.
Family found(const re::io::Json& json, const std::vector<Family>& own = {}) {
  return re::model::find_family(re::io::JsonFields(json, "m/config.json"), own);
}
re::io::Json of_type(std::string_view model_type) {
  return {{"model_type", model_type}};
}

/// Sizes of a decoder with the biases of a Llama (none), of a Qwen2 (qkv) or of no published family (the others alone).
re::nn::EncoderConfig decoder(bool qkv_bias, bool linear_bias) {
  return {.vocab = 12,
          .dim = 8,
          .layers = 1,
          .heads = 2,
          .kv_heads = 1,
          .head_dim = 4,
          .mlp_dim = 6,
          .max_length = 16,
          .qkv_bias = qkv_bias,
          .linear_bias = linear_bias};
}

}  // namespace

TEST_SUITE("model/registry") {
  TEST_CASE("find_family: finds every family by its model_type") {
    for (const auto& [type, prefix] : {std::pair{"bert", "bert."},
                                       std::pair{"xlm-roberta", "roberta."},
                                       std::pair{"qwen3", "model."},
                                       std::pair{"qwen2", "model."},
                                       std::pair{"llama", "model."}}) {
      CAPTURE(type);
      CHECK(found(of_type(type)).model_type == type);
      CHECK(found(of_type(type)).optional_prefix == prefix);
    }
  }
  TEST_CASE("find_family: is_causal decides between the two forms of a decoder") {
    for (const char* type : {"qwen3", "qwen2", "llama"}) {
      CAPTURE(type);
      re::io::Json json = of_type(type);
      CHECK(found(json).architecture.find(">pre_norm(rms_norm,causal_attention(") != std::string::npos);
      json["is_causal"] = true;
      CHECK(found(json).architecture.find(",causal_attention(") != std::string::npos);
      json["is_causal"] = false;
      CHECK(found(json).architecture.find(",bidirectional_attention(") != std::string::npos);
    }
  }
  TEST_CASE("find_family: an unknown model_type is refused with those that are known") {
    CHECK_THROWS_WITH_AS((void)found(of_type("t5")),
                         "m/config.json: model_type is t5, expected one of bert, xlm-roberta, qwen3, qwen2, llama",
                         re::ConfigError);
    CHECK_THROWS_AS((void)found(of_type("Bert")), re::ConfigError);
    CHECK_THROWS_AS((void)found(of_type("")), re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)found({{"hidden_size", 8}}), "m/config.json: model_type is missing, expected a string", re::DataError);
  }
  TEST_CASE("find_family: a family of the caller's own comes first") {
    Family mine = re::model::llama_family();
    mine.model_type = "mine";
    CHECK(found(of_type("mine"), {mine}).model_type == "mine");
    mine.model_type = "bert";
    CHECK(found(of_type("bert"), {mine}).architecture == mine.architecture);
    CHECK(found(of_type("qwen2"), {mine}).model_type == "qwen2");
    mine.model_type = "mine";
    CHECK_THROWS_WITH_AS(
        (void)found(of_type("t5"), {mine}),
        "m/config.json: model_type is t5, expected one of mine, bert, xlm-roberta, qwen3, qwen2, llama",
        re::ConfigError);
  }
  TEST_CASE("find_family_of: finds the family that an encoder is written as, by architecture and sizes") {
    const auto written = [](const std::string& architecture, const re::nn::EncoderConfig& config) {
      return re::model::find_family_of("save", architecture, config).model_type;
    };
    const std::string causal = re::model::LlamaEncoder<>::architecture();
    const std::string whole = re::model::BidirectionalLlamaEncoder<>::architecture();
    CHECK(written(causal, decoder(false, false)) == "llama");
    CHECK(written(causal, decoder(true, false)) == "qwen2");
    CHECK(written(causal, decoder(true, true)) == "llama");
    CHECK(written(whole, decoder(true, false)) == "qwen2");
    CHECK(written(whole, decoder(false, false)) == "llama");
    CHECK(written(re::model::Qwen3Encoder<>::architecture(), decoder(false, false)) == "qwen3");
    CHECK(written(re::model::BertEncoder<>::architecture(), re::model::kBertBase) == "bert");
    CHECK(written(re::model::BertEncoder<>::architecture(), re::model::kXlmRobertaBase) == "xlm-roberta");
  }
  TEST_CASE("find_family_of: sizes that no family has are left to write_config to refuse") {
    const re::nn::EncoderConfig config = decoder(false, true);
    const Family family = re::model::find_family_of("save", re::model::LlamaEncoder<>::architecture(), config);
    CHECK(family.model_type == "qwen2");
    CHECK_THROWS_AS((void)family.write_config(config, {}), re::ConfigError);
  }
  TEST_CASE("find_family_of: an unknown architecture is refused with those that are known, each once") {
    std::string message;
    try {
      (void)re::model::find_family_of("save", "token>mlp", decoder(false, false));
    } catch (const re::ConfigError& error) {
      message = error.what();
    }
    CHECK(message.starts_with("save: architecture is token>mlp, expected token_position_type>"));
    CHECK(message.ends_with(", those of published families"));
    for (const Family& family : families()) {
      CAPTURE(family.architecture);
      const std::size_t at = message.find(family.architecture);
      CHECK(at != std::string::npos);
      CHECK(message.find(family.architecture, at + 1) == std::string::npos);
    }
  }
  TEST_CASE("families: are told apart, and have complete tables") {
    std::set<std::pair<std::string, std::string>> kinds;
    for (const Family& family : families()) {
      kinds.emplace(family.model_type, family.architecture);
      CHECK(bool(family.read_config != nullptr));
      CHECK(bool(family.read_options != nullptr));
      CHECK(bool(family.tensor_name != nullptr));
      CHECK(bool(family.ignores != nullptr));
      CHECK(bool(family.write_config != nullptr));
      CHECK(bool(family.zero_tensors != nullptr));
      CHECK(bool(family.describes != nullptr));
      CHECK(bool(family.writes != nullptr));
      CHECK_FALSE(family.architecture.empty());
    }
    CHECK(kinds.size() == families().size());
  }
}
