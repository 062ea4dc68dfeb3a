#include <reasonembed/model/peft_adapter.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <support/training.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::io::Json;

namespace {

using Qwen3 = test::ByteQwen3<>;
using Adapter = re::nn::Adapter<Qwen3::Backend>;

re::model::Family family() {
  return re::model::find_family_of("test", Qwen3::Description::architecture(), test::kByteQwen3);
}
std::vector<re::nn::AdapterTarget> targets() {
  static const Qwen3 model = test::byte_qwen3();
  return re::nn::adapter_targets(model.encoder(), model.weights());
}
Adapter random_adapter(const re::model::LoraOptions& options, std::uint64_t seed = 3) {
  Adapter adapter(re::model::lora_shapes(family(), targets(), options),
                  {.dropout = options.dropout, .rank_stabilized = options.rank_stabilized});
  re::RandomStream random(seed);
  adapter.visit([&](const auto& slice) {
    for (Index row = 0; row < slice.values.rows(); ++row) {
      for (float& value : slice.values.row(row)) {
        value = static_cast<float>(random.normal());
      }
    }
  });
  adapter.pack();
  return adapter;
}
std::vector<float> values_of(const Adapter& adapter) {
  std::vector<float> all;
  adapter.visit([&](const auto& slice) {
    const auto flat = slice.values.flat();
    all.insert(all.end(), flat.begin(), flat.end());
  });
  return all;
}

/// A saved adapter whose configuration and tensors a test may change.
struct Saved {
  explicit Saved(const re::model::LoraOptions& options = {.rank = 2, .alpha = 4, .target_modules = {"q_proj"}}) {
    re::model::write_peft_adapter(directory(), random_adapter(options), family());
  }
  [[nodiscard]] std::filesystem::path directory() const { return scratch.path() / "adapter"; }
  [[nodiscard]] std::filesystem::path config() const { return directory() / "adapter_config.json"; }
  [[nodiscard]] std::filesystem::path tensors() const { return directory() / "adapter_model.safetensors"; }
  void change(const std::string& field, const Json& value) const {
    Json json = re::io::read_json(config());
    json[field] = value;
    re::io::write_json(config(), json);
  }
  /// Writes the tensors anew, each under the name that `rename` gives; an empty one is left out.
  void rename(const std::function<std::string(const std::string&)>& rename) const {
    std::vector<re::Matrix<float>> values;
    std::vector<std::string> names;
    {
      const auto file = re::io::SafeTensors::open(tensors());
      for (const std::string& name : file.names()) {
        if (const std::string other = rename(name); !other.empty()) {
          const auto& shape = file.tensor(name).shape;
          values.emplace_back(shape[0], shape[1]);
          file.read(name, values.back().view());
          names.push_back(other);
        }
      }
    }
    write(names, values);
  }
  void write(const std::vector<std::string>& names, const std::vector<re::Matrix<float>>& values) const {
    std::vector<re::io::NamedTensor> list;
    for (std::size_t i = 0; i < names.size(); ++i) {
      list.push_back(re::io::NamedTensor::of(names[i], values[i].view()));
    }
    re::io::write_safetensors(tensors(), list);
  }
  [[nodiscard]] Adapter read() const {
    return re::model::read_peft_adapter<Qwen3::Backend>(directory(), family(), targets());
  }
  /// @return  the message of the error that reading throws
  template <class Error>
  [[nodiscard]] std::string refusal() const {
    try {
      (void)read();
    } catch (const Error& error) {
      std::string message = error.what();
      const std::string place = directory().string() + "/";
      for (std::size_t at = message.find(place); at != std::string::npos; at = message.find(place)) {
        message.erase(at, place.size());
      }
      return message;
    }
    return "read";
  }

  test::Scratch scratch;
};

}  // namespace

TEST_SUITE("model/peft_adapter") {
  TEST_CASE("write_peft_adapter: what is read again is the same to the bit, ranks and alphas of single modules too") {
    for (const bool stabilized : {false, true}) {
      const re::model::LoraOptions options{.rank = 4,
                                           .alpha = 8,
                                           .dropout = 0.1,
                                           .rank_stabilized = stabilized,
                                           .rank_pattern = {{"layers.1.mlp.up_proj", 1}, {"v_proj", 7}},
                                           .alpha_pattern = {{"o_proj", 3.5}}};
      const Saved saved(options);
      const Adapter adapter = saved.read();
      CHECK(adapter.options() == re::nn::AdapterOptions{0.1, stabilized});
      REQUIRE(adapter.branches().size() == 14);
      CHECK(adapter.branches()[2].rank() == 7);
      CHECK(adapter.branches()[2].target.module == "blocks.0.attention.v");
      CHECK(adapter.branches()[3].alpha == 3.5);
      CHECK(adapter.branches()[12].rank() == 1);
      CHECK(adapter.branches()[0].rank() == 4);
      CHECK(values_of(adapter) == values_of(random_adapter(options)));
      const Json json = re::io::read_json(saved.config());
      CHECK(json.at("r") == 4);
      CHECK(json.at("use_rslora") == stabilized);
      CHECK(json.at("rank_pattern").size() == 3);
      CHECK(json.at("base_model_name_or_path").is_null());
    }
  }
  TEST_CASE("write_peft_adapter: two saves write the same bytes, and a full disk leaves the old adapter") {
    const test::Scratch scratch;
    const auto place = scratch.path() / "adapter";
    const re::model::LoraOptions options{.rank = 2, .target_modules = {"q_proj"}};
    re::model::write_peft_adapter(place, random_adapter(options), family(), "a/base");
    const std::string first = re::io::read_text_file(place / "adapter_model.safetensors");
    const std::string config = re::io::read_text_file(place / "adapter_config.json");
    CHECK(re::io::read_json(place / "adapter_config.json").at("base_model_name_or_path") == "a/base");
    {
      const test::FileSizeLimit full(100);
      CHECK_THROWS_AS(re::model::write_peft_adapter(place, random_adapter(options, 4), family()), re::IoError);
    }
    CHECK(re::io::read_text_file(place / "adapter_model.safetensors") == first);
    re::model::write_peft_adapter(place, random_adapter(options), family(), "a/base");
    CHECK(re::io::read_text_file(place / "adapter_model.safetensors") == first);
    CHECK(re::io::read_text_file(place / "adapter_config.json") == config);
    std::ofstream(place / "notes.txt") << "mine";
    CHECK_THROWS_AS(re::model::write_peft_adapter(place, random_adapter(options), family()), re::ConfigError);
  }
  TEST_CASE("write_peft_adapter: refuses a matrix that holds no number, naming it") {
    const test::Scratch scratch;
    Adapter adapter = random_adapter({.rank = 2, .target_modules = {"q_proj"}});
    adapter.visit(
        [](const auto& slice) { slice.values(1, 2 % slice.values.cols()) = std::numeric_limits<float>::infinity(); });
    try {
      re::model::write_peft_adapter(scratch.path() / "adapter", adapter, family());
      FAIL("an infinite matrix was written");
    } catch (const re::NonFiniteError& error) {
      CHECK(std::string(error.what()).find("layers.0.self_attn.q_proj.lora_A") != std::string::npos);
    }
    CHECK(!std::filesystem::exists(scratch.path() / "adapter"));
  }
  TEST_CASE("read_peft_adapter: takes names with the family's prefix, and with the adapter's name") {
    const Saved saved;
    const std::vector<float> before = values_of(saved.read());
    saved.rename([](std::string name) { return name.replace(0, 17, "base_model.model.model."); });
    CHECK(values_of(saved.read()) == before);
    saved.rename([](std::string name) { return name.insert(name.rfind(".weight"), ".default"); });
    CHECK(values_of(saved.read()) == before);
  }
  TEST_CASE("read_peft_adapter: names what is missing, too much or of another shape") {
    const Saved saved;
    saved.rename([](const std::string& name) { return name.find("1.self_attn") == std::string::npos ? name : ""; });
    CHECK(saved.refusal<re::DataError>() ==
          "adapter_model.safetensors: module layers.1.self_attn.q_proj is missing, expected lora_A and lora_B, since "
          "target_modules has \"layers.1.self_attn.q_proj\"");
    const Saved half;
    half.rename([](const std::string& name) {
      return name.find("0.self_attn.q_proj.lora_B") == std::string::npos ? name : "";
    });
    CHECK(
        half.refusal<re::DataError>() ==
        "adapter_model.safetensors: lora_B of module layers.0.self_attn.q_proj is missing, expected lora_A and lora_B");
    const Saved other;
    other.rename([](std::string name) { return name.replace(name.find("q_proj"), 6, "x_proj"); });
    other.change("target_modules", Json::array({"x_proj"}));
    CHECK(other.refusal<re::DataError>().find("module \"layers.0.self_attn.x_proj\" is present, expected") !=
          std::string::npos);
    const Saved wrong;
    wrong.change("r", 3);
    CHECK(
        wrong.refusal<re::ShapeError>() ==
        "adapter_model.safetensors: tensor \"base_model.model.layers.0.self_attn.q_proj.lora_A.weight\": shape is [2, "
        "16], expected [3, 16], for rank 3");
    for (const std::string name : {"base_model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
                                   "layers.0.self_attn.q_proj.lora_A.weight",
                                   "base_model.model.lora_embedding_A",
                                   "base_model.model.layers.0.self_attn.q_proj.lora_A.a.b.weight"}) {
      CAPTURE(name);
      const Saved foreign;
      bool first = true;
      foreign.rename([&](const std::string& old) { return std::exchange(first, false) ? name : old; });
      CHECK(foreign.refusal<re::DataError>().find("tensor \"" + name + "\" is present") != std::string::npos);
    }
  }
  TEST_CASE("read_peft_adapter: refuses kinds of adapters it does not compute, by the field") {
    const std::vector<std::pair<std::string, Json>> fields = {{"peft_type", "IA3"},
                                                              {"use_dora", true},
                                                              {"lora_bias", true},
                                                              {"fan_in_fan_out", true},
                                                              {"bias", "all"},
                                                              {"modules_to_save", Json::array({"embed_tokens"})},
                                                              {"layer_replication", Json::array({Json::array({0, 4})})},
                                                              {"target_parameters", Json::array({"x"})},
                                                              {"trainable_token_indices", Json::array({3})},
                                                              {"init_lora_weights", "pissa_niter_16"},
                                                              {"init_lora_weights", "olora"}};
    for (const auto& [field, value] : fields) {
      CAPTURE(field);
      const Saved saved;
      saved.change(field, value);
      CHECK(saved.refusal<re::ConfigError>().starts_with("adapter_config.json: " + field + " is "));
    }
    for (const Json& start : {Json(true), Json(false), Json("gaussian"), Json(nullptr)}) {
      const Saved saved;
      saved.change("init_lora_weights", start);
      CHECK(saved.read().branches().size() == 2);
    }
  }
  TEST_CASE("read_peft_adapter: refuses patterns it can't read, and two that contradict") {
    const Saved saved;
    saved.change("alpha_pattern", {{"layers\\.[0-9+", 3.0}});
    CHECK(saved.refusal<re::ConfigError>().starts_with("adapter_config.json: alpha_pattern is \"layers\\.[0-9+\" ("));
    saved.change("alpha_pattern", {{"", 3.0}});
    CHECK(saved.refusal<re::ConfigError>().starts_with("adapter_config.json: alpha_pattern is \"\", expected "));
    saved.change("alpha_pattern", {{"q_proj", 3.0}, {"self_attn.q_proj", 4.0}});
    CHECK(saved.refusal<re::ConfigError>() ==
          "adapter_model.safetensors: alpha_pattern is \"q_proj\" and \"self_attn.q_proj\", expected one value for "
          "module "
          "layers.0.self_attn.q_proj");
    saved.change("alpha_pattern", {{"q_proj", 3.0}, {"self_attn.q_proj", 3.0}});
    CHECK(saved.read().branches()[0].alpha == 3.0);
  }
  TEST_CASE("read_peft_adapter: reads regular expressions as PEFT does") {
    const Saved saved(
        {.rank = 2, .alpha = 4, .target_modules = {"q_proj", "v_proj"}, .rank_pattern = {{"1.*v_proj", 3}}});
    saved.change("rank_pattern", {{R"(layers\.[1-9]\d*\..*\.v_proj)", 3}});
    saved.change("alpha_pattern", {{"(q|k)_proj", 8.0}});
    saved.change("target_modules", R"(.*\.(q|v)_proj)");
    const Adapter adapter = saved.read();
    REQUIRE(adapter.branches().size() == 4);
    for (const auto& branch : adapter.branches()) {
      CHECK(branch.rank() == (branch.target.module == "blocks.1.attention.v" ? 3 : 2));
      CHECK(branch.alpha == (branch.target.module.ends_with("q") ? 8.0 : 4.0));
    }
    saved.change("target_modules", R"(model\.layers\.\d+\.self_attn\.[qkv]_proj)");
    CHECK(
        saved.refusal<re::DataError>() ==
        "adapter_model.safetensors: module layers.0.self_attn.k_proj is missing, expected lora_A and lora_B, since the "
        "pattern of target_modules matches it");
    saved.change("exclude_modules", Json::array({"k_proj"}));
    CHECK(saved.read().branches().size() == 4);
    saved.change("exclude_modules", nullptr);
    saved.change("layers_to_transform", Json::array({0, 1}));
    CHECK(saved.read().branches().size() == 4);
    saved.change("layers_to_transform", nullptr);
    saved.change("target_modules", "all-linear");
    CHECK(saved.read().branches().size() == 4);
    saved.change("target_modules", "*q");
    CHECK(saved.refusal<re::ConfigError>().starts_with("adapter_config.json: target_modules is \"*q\" ("));
  }
  TEST_CASE("write_peft_adapter: leaves a model card, which is replaced with the adapter") {
    const Saved saved;
    CHECK(re::io::read_text_file(saved.directory() / "README.md") ==
          re::model::adapter_card_text(re::io::read_json(saved.config())));
    re::model::write_peft_adapter(saved.directory(), random_adapter({.rank = 5}), family(), "a/base");
    const std::string text = re::io::read_text_file(saved.directory() / "README.md");
    CHECK(text.find("base_model: \"a/base\"\n") != std::string::npos);
    CHECK(text.find("| rank | 5 |\n") != std::string::npos);
    CHECK(saved.read().branches().size() == 14);
  }
  TEST_CASE("read_peft_adapter: refuses malformed files of either kind") {
    for (const Json& value : {Json("four"), Json(0), Json(-1), Json(2.5), Json(nullptr)}) {
      const Saved saved;
      saved.change("r", value);
      CHECK(saved.refusal<re::DataError>().starts_with("adapter_config.json: r is "));
    }
    const Saved none;
    std::filesystem::remove(none.config());
    CHECK_THROWS_AS((void)none.read(), re::IoError);
    const Saved cut;
    std::filesystem::resize_file(cut.tensors(), std::filesystem::file_size(cut.tensors()) - 5);
    CHECK_THROWS_AS((void)cut.read(), re::Error);
    const Saved text;
    std::ofstream(text.config()) << "\xFF{";
    CHECK_THROWS_AS((void)text.read(), re::DataError);
    const Saved infinite;
    std::vector<re::Matrix<float>> values;
    values.emplace_back(2, 16);
    values.emplace_back(16, 2);
    values[0](1, 3) = std::numeric_limits<float>::quiet_NaN();
    infinite.write({"base_model.model.layers.0.self_attn.q_proj.lora_A.weight",
                    "base_model.model.layers.0.self_attn.q_proj.lora_B.weight"},
                   values);
    infinite.change("target_modules", "layers.0.self_attn.q_proj");
    CHECK(infinite.refusal<re::NonFiniteError>().find("lora_A.weight") != std::string::npos);
  }
}
