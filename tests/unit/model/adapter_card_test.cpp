#include <reasonembed/model/adapter_card.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::io::Json;
using re::model::adapter_card_text;

namespace {

Json config() {
  return {{"base_model_name_or_path", "Qwen/Qwen3-0.6B"},
          {"r", 32},
          {"lora_alpha", 64.0},
          {"lora_dropout", 0.1},
          {"use_rslora", false},
          {"target_modules", {"layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj"}},
          {"rank_pattern", Json::object()},
          {"alpha_pattern", Json::object()}};
}
bool holds(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("model/adapter_card") {
  TEST_CASE("adapter_card_text: the front matter that the hub reads, and the adapter's sizes") {
    const std::string text = adapter_card_text(config());
    CHECK(text.starts_with("---\nlibrary_name: peft\nbase_model: \"Qwen/Qwen3-0.6B\"\ntags:\n- lora\n"));
    CHECK(holds(text, "to be put beside `\"Qwen/Qwen3-0.6B\"`.\n"));
    CHECK(holds(text, "| rank | 32 |\n| alpha | 64.0 |\n| scale | alpha / rank |\n| dropout in training | 0.1 |\n"));
    CHECK(holds(text, "| modules | `layers.0.self_attn.q_proj`, `layers.1.self_attn.q_proj` |\n"));
    CHECK(holds(text, "PeftModel.from_pretrained("));
    CHECK(holds(text, "load_adapter("));
    CHECK(text == adapter_card_text(config()));
  }
  TEST_CASE("adapter_card_text: ranks of single modules are counted, and the other scale is named") {
    Json other = config();
    other["rank_pattern"] = {{"layers.0.self_attn.q_proj", 4}};
    other["use_rslora"] = true;
    const std::string text = adapter_card_text(other);
    CHECK(holds(text, "| rank | 32; another one in 1 modules |\n"));
    CHECK(holds(text, "| scale | alpha / sqrt(rank) |\n"));
  }
  TEST_CASE("adapter_card_text: a base that is a path, or none") {
    Json other = config();
    other["base_model_name_or_path"] = "/models/qwen: \"x\"\n---";
    CHECK(!holds(adapter_card_text(other), "base_model:"));
    CHECK(holds(adapter_card_text(other), "beside `\"/models/qwen: \\\"x\\\"\\n---\"`"));
    other["base_model_name_or_path"] = nullptr;
    other["target_modules"] = Json::array();
    CHECK(holds(adapter_card_text(other), "Low-rank updates of a text encoder's projections.\n"));
  }
}
