#include <reasonembed/model/family.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::model::ModuleName;
using re::model::translate_parameter;

namespace {

constexpr ModuleName kModules[] = {
    {"embedding.token", "embed"}, {"attention.q", "self.query"}, {"attention_norm", "ln1"}, {"final_norm", "ln_f"}};

std::string translated(const std::string& parameter) {
  return translate_parameter(parameter, "h.", kModules);
}

}  // namespace

TEST_SUITE("model/family") {
  TEST_CASE("translate_parameter: keeps the leaf, and calls a gain weight") {
    CHECK(translated("embedding.token.weight") == "embed.weight");
    CHECK(translated("final_norm.gain") == "ln_f.weight");
    CHECK(translated("final_norm.bias") == "ln_f.bias");
  }
  TEST_CASE("translate_parameter: keeps a block's number") {
    CHECK(translated("blocks.0.attention.q.weight") == "h.0.self.query.weight");
    CHECK(translated("blocks.3.attention.q.bias") == "h.3.self.query.bias");
    CHECK(translated("blocks.27.attention_norm.gain") == "h.27.ln1.weight");
  }
  TEST_CASE("translate_parameter: a module the family lacks is named") {
    CHECK_THROWS_WITH_AS((void)translated("blocks.3.mlp.gate.weight"),
                         "model::translate_parameter: parameter is blocks.3.mlp.gate.weight, expected one the model "
                         "family knows",
                         re::ConfigError);
    CHECK_THROWS_AS((void)translated("embedding.tokens.weight"), re::ConfigError);  // a prefix is not the name
    CHECK_THROWS_AS((void)translated("weight"), re::ConfigError);
    CHECK_THROWS_AS((void)translated(""), re::ConfigError);
  }
  TEST_CASE("require_only_choice: names family, field and both values") {
    CHECK_NOTHROW(re::model::require_only_choice("f", "heads", 3, 3));
    CHECK_THROWS_WITH_AS(re::model::require_only_choice("f", "heads", 2, 3),
                         "model::Family f: heads is 2, expected 3, for config.json has no field for another",
                         re::ConfigError);
  }
  TEST_CASE("Family: one that says nothing of it needs no zeros, and is the only one of its type and architecture") {
    const re::model::Family family{};
    CHECK(family.zero_tensors({}).empty());
    CHECK(family.writes({}));
    const re::io::Json json = re::io::Json::object();
    CHECK(family.describes(re::io::JsonFields(json, "config.json")));
  }
}
