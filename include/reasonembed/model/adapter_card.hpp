#pragma once
/// @file The README.md of a saved adapter: what it is put beside, how large it is, and how it is loaded.
#include <reasonembed/config.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/model_card.hpp>

#include <cstddef>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

inline constexpr const char* kAdapterUsage = R"(
## Use

With reasonembed, C++:

```cpp
auto model = reasonembed::model::AnyTextEncoder<>::load("path/to/the/base/model");
model.load_adapter("mine", "path/to/this/directory");
model.use_adapter("mine");
```

With [PEFT](https://github.com/huggingface/peft), Python:

```python
from peft import PeftModel
from transformers import AutoModel

model = PeftModel.from_pretrained(AutoModel.from_pretrained("path/to/the/base/model"), "path/to/this/directory")
```
)";

}  // namespace detail

/// The model card of a saved adapter, in the form of Hugging Face: YAML between dashes, then Markdown.
///
/// @param config  what adapter_config.json says
/// @note          a function of its argument alone: no date, no machine
[[nodiscard]] inline std::string adapter_card_text(const io::Json& config) {
  const std::string base = config.at("base_model_name_or_path").is_string()
                               ? config.at("base_model_name_or_path").get<std::string>()
                               : std::string();
  std::string text = "---\nlibrary_name: peft\n";
  if (detail::is_hub_id(base)) {  // the hub refuses a path
    text += "base_model: " + detail::yaml_text(base) + "\n";
  }
  text += "tags:\n- lora\n- feature-extraction\n- reasonembed\n---\n\n# LoRA adapter\n\n";
  text += "Low-rank updates of a text encoder's projections" +
          (base.empty() ? std::string() : ", to be put beside " + detail::code_text(base)) + ".\n\n| | |\n|---|---|\n";
  std::string modules;
  for (const io::Json& module : config.at("target_modules")) {
    modules += (modules.empty() ? "`" : ", `") + module.get<std::string>() + "`";
  }
  const auto row = [&](const char* name, const std::string& value) {
    text += std::string("| ") + name + " | " + detail::one_line(value) + " |\n";
  };
  const auto value_of = [&](const char* field, const char* pattern) {
    const std::size_t others = config.at(pattern).size();
    return io::dump_json(config.at(field), -1) +
           (others == 0 ? "" : "; another one in " + std::to_string(others) + " modules");
  };
  row("rank", value_of("r", "rank_pattern"));
  row("alpha", value_of("lora_alpha", "alpha_pattern"));
  row("scale", config.at("use_rslora") == true ? "alpha / sqrt(rank)" : "alpha / rank");
  row("dropout in training", io::dump_json(config.at("lora_dropout"), -1));
  row("modules", modules);
  return text + detail::kAdapterUsage;
}

}  // namespace reasonembed::model
