#include <reasonembed/model/registry.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace re = reasonembed;
using re::model::families;
using re::model::find_family;

TEST_SUITE("model/registry") {
  TEST_CASE("find_family: finds every family by its model_type") {
    for (const re::model::Family& family : families()) {
      CHECK(find_family("config.json", family.model_type).architecture == family.architecture);
    }
    CHECK(find_family("config.json", "bert").optional_prefix == "bert.");
    CHECK(find_family("config.json", "qwen3").optional_prefix == "model.");
  }
  TEST_CASE("find_family: an unknown model_type is refused with those that are known") {
    CHECK_THROWS_WITH_AS((void)find_family("m/config.json", "t5"),
                         "m/config.json: model_type is t5, expected one of bert, qwen3",
                         re::ConfigError);
    CHECK_THROWS_AS((void)find_family("config.json", "Bert"), re::ConfigError);
    CHECK_THROWS_AS((void)find_family("config.json", ""), re::ConfigError);
  }
  TEST_CASE("find_family_of: finds the family that an architecture is written as") {
    for (const re::model::Family& family : families()) {
      CHECK(re::model::find_family_of("save", family.architecture).model_type == family.model_type);
    }
    const std::string message = "save: architecture is token>mlp, expected " + families()[0].architecture + " or " +
                                families()[1].architecture + ", those of published families";
    CHECK_THROWS_WITH_AS((void)re::model::find_family_of("save", "token>mlp"), message.c_str(), re::ConfigError);
  }
  TEST_CASE("families: have different types and complete tables") {
    std::set<std::string> types;
    for (const re::model::Family& family : families()) {
      types.insert(std::string(family.model_type));
      CHECK(bool(family.read_config != nullptr));
      CHECK(bool(family.read_options != nullptr));
      CHECK(bool(family.tensor_name != nullptr));
      CHECK(bool(family.ignores != nullptr));
      CHECK(bool(family.write_config != nullptr));
      CHECK(bool(family.zero_tensors != nullptr));
      CHECK_FALSE(family.architecture.empty());
    }
    CHECK(types.size() == families().size());
  }
}
