#include <reasonembed/model/lora.hpp>

#include <doctest/doctest.h>

#include <support/training.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::model::LoraOptions;

namespace {

template <class Model>
std::vector<re::nn::AdapterShape> shapes_of(const re::nn::EncoderConfig& config, const LoraOptions& options) {
  static const Model model = test::random_model<Model>(config);
  return re::model::lora_shapes(re::model::find_family_of("test", Model::Description::architecture(), config),
                                re::nn::adapter_targets(model.encoder(), model.weights()),
                                options);
}
std::vector<re::nn::AdapterShape> qwen3(const LoraOptions& options) {
  return shapes_of<test::ByteQwen3<>>(test::kByteQwen3, options);
}
std::vector<std::string> modules_of(const std::vector<re::nn::AdapterShape>& shapes) {
  std::vector<std::string> modules;
  for (const re::nn::AdapterShape& shape : shapes) {
    modules.push_back(shape.target.module);
  }
  return modules;
}

}  // namespace

TEST_SUITE("model/lora") {
  TEST_CASE("LoraOptions: the defaults are the paper's, on every projection") {
    const LoraOptions options;
    CHECK(options.rank == 32);
    CHECK(options.alpha == 64.0);
    CHECK(options.dropout == 0.1);
    const auto shapes = qwen3(options);
    REQUIRE(shapes.size() == 14);
    for (const re::nn::AdapterShape& shape : shapes) {
      CHECK(shape.rank == 32);
      CHECK(shape.alpha == 64.0);
    }
  }
  TEST_CASE("lora_shapes: a target is a module or the end of its name, from a dot on") {
    CHECK(modules_of(qwen3({.target_modules = {"q_proj"}})) ==
          std::vector<std::string>{"blocks.0.attention.q", "blocks.1.attention.q"});
    CHECK(modules_of(qwen3({.target_modules = {"layers.1.mlp.down_proj", "0.self_attn.v_proj"}})) ==
          std::vector<std::string>{"blocks.0.attention.v", "blocks.1.mlp.down"});
    CHECK_THROWS_WITH_AS((void)qwen3({.target_modules = {"q_proj", "proj"}}),
                         "model::LoraOptions: target_modules is \"proj\", expected one like "
                         "\"layers.0.mlp.up_proj\", \"layers.1.mlp.up_proj\", \"layers.0.mlp.gate_proj\"",
                         re::ConfigError);
  }
  TEST_CASE("lora_shapes: BERT's modules by the names of its checkpoints") {
    const auto shapes = shapes_of<test::ByteBert<>>(test::kByteBert, {.target_modules = {"query", "output.dense"}});
    CHECK(modules_of(shapes) == std::vector<std::string>{"blocks.0.attention.q",
                                                         "blocks.0.attention.output",
                                                         "blocks.0.mlp.down",
                                                         "blocks.1.attention.q",
                                                         "blocks.1.attention.output",
                                                         "blocks.1.mlp.down"});
  }
  TEST_CASE("lora_shapes: the first pattern that fits gives rank and alpha") {
    const auto shapes = qwen3({.rank = 2,
                               .alpha = 3.0,
                               .target_modules = {"q_proj", "k_proj"},
                               .rank_pattern = {{"layers.1.self_attn.q_proj", 9}, {"q_proj", 4}},
                               .alpha_pattern = {{"k_proj", 0.5}, {"layers.0.self_attn.k_proj", 7.0}}});
    REQUIRE(shapes.size() == 4);
    CHECK(shapes[0].rank == 4);
    CHECK(shapes[2].rank == 9);
    CHECK(shapes[1].rank == 2);
    CHECK(shapes[1].alpha == 0.5);
    CHECK(shapes[3].alpha == 0.5);
    CHECK(shapes[0].alpha == 3.0);
  }
  TEST_CASE(
      "lora_shapes: a pattern takes the modules whose whole name it matches, with the family's prefix or without") {
    const std::vector<std::string> want = {"blocks.0.attention.q", "blocks.0.attention.v"};
    CHECK(modules_of(qwen3({.target_pattern = R"(layers\.0\..*\.(q|v)_proj)"})) == want);
    CHECK(modules_of(qwen3({.target_pattern = R"(model\.layers\.0\..*\.(q|v)_proj)"})) == want);
    CHECK(modules_of(qwen3({.target_pattern = R"(.*0.*(?:q|v)_proj)"})) == want);
    CHECK(qwen3({.target_pattern = ".*"}).size() == 14);
    CHECK_THROWS_WITH_AS(
        (void)qwen3({.target_pattern = "q_proj"}),
        "model::LoraOptions: target_pattern is \"q_proj\", expected one that a module matches, such as "
        "\"layers.0.self_attn.q_proj\"",
        re::ConfigError);
    CHECK_THROWS_AS((void)qwen3({.target_modules = {"q_proj"}, .target_pattern = ".*"}), re::ConfigError);
    CHECK_THROWS_AS((void)qwen3({.target_pattern = "(q"}), re::ConfigError);
  }
  TEST_CASE("PatternKey: names what re.match(rf\"(.*\\.)?({key})$\", module) of PEFT does") {
    const auto family =
        re::model::find_family_of("test", test::ByteQwen3<>::Description::architecture(), test::kByteQwen3);
    const auto names = [&](const std::string& key, const char* module) {
      return re::model::detail::PatternKey(key, "test", "rank_pattern").names(family, module);
    };
    CHECK(names("q_proj", "layers.0.self_attn.q_proj"));
    CHECK(!names("_proj", "layers.0.self_attn.q_proj"));
    CHECK(names("(q|k)_proj", "layers.0.self_attn.k_proj"));
    CHECK(!names("(q|k)_proj", "layers.0.self_attn.xk_proj"));
    CHECK(!names("(q|k)", "layers.0.self_attn.k_proj"));
    CHECK(names(R"(layers\.[0-7]\..*q_proj)", "layers.5.self_attn.q_proj"));
    CHECK(!names(R"(layers\.[0-7]\..*q_proj)", "layers.8.self_attn.q_proj"));
    CHECK(names(".*_proj", "layers.8.mlp.up_proj"));
    CHECK(names("^layers.*q_proj", "layers.8.self_attn.q_proj"));
    CHECK(names("^model.layers.*q_proj", "layers.8.self_attn.q_proj"));  // of a class with the prefix
    CHECK(!names("^self_attn.q_proj", "layers.8.self_attn.q_proj"));
    CHECK(names("q_proj|up_proj", "layers.8.mlp.up_proj"));
    CHECK_THROWS_AS((void)names("", "q_proj"), re::ConfigError);
    CHECK_THROWS_AS((void)names("q)|(k", "q_proj"), re::ConfigError);  // no expression of its own
  }
  TEST_CASE("checkpoint_module: a module by the name of the family's checkpoints") {
    const auto family =
        re::model::find_family_of("test", test::ByteBert<>::Description::architecture(), test::kByteBert);
    CHECK(re::model::detail::checkpoint_module(family, "blocks.3.attention.k") == "encoder.layer.3.attention.self.key");
  }
}
