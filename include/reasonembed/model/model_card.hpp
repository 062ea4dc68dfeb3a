#pragma once
/// @file The README.md of a saved model: what it is, what it has learnt from, what it scores, and how it is loaded.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/nn/config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A set of texts that a model has been trained on.
struct CardDataset {
  std::string name = {};
  Index rows = 0;         ///< >= 0
  std::string note = {};  ///< where it is from, what is special about it

  friend bool operator==(const CardDataset&, const CardDataset&) = default;
};

/// What a model has reached.
struct CardScore {
  std::string dataset = {};
  std::string metric = {};   ///< such as "ndcg_cut_10"
  double value = 0.0;        ///< finite
  std::string command = {};  ///< that prints it, so that it can be had again

  friend bool operator==(const CardScore&, const CardScore&) = default;
};

/// What a model does not know of itself, and its README.md should say. What is empty is left out.
struct ModelCard {
  std::string name = {};                    ///< the heading
  std::string summary = {};                 ///< a paragraph of Markdown
  std::string base_model = {};              ///< what it was trained from: an id of Hugging Face, or where it lay
  std::string license = {};                 ///< as Hugging Face spells it, such as "apache-2.0"
  std::vector<std::string> languages = {};  ///< codes, such as "en"
  std::vector<CardDataset> datasets = {};
  io::Json settings = {};  ///< an object: options of the training by name, nested as they are
  std::vector<CardScore> scores = {};
  std::string contamination = {};  ///< a section of Markdown: which benchmarks the training data was checked for

  friend bool operator==(const ModelCard&, const ModelCard&) = default;
};

namespace detail {

/// A text as YAML, which takes JSON's strings.
inline std::string yaml_text(std::string_view text) {
  return io::dump_json(io::Json(text), -1);
}

/// A text within a line of Markdown or a cell of a table.
inline std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    line += c == '|' ? "\\|" : c == '\n' || c == '\r' ? " " : std::string(1, c);
  }
  return line;
}

/// A text as code within a line, quoted as JSON so that blanks at its ends are seen.
inline std::string code_text(std::string_view text) {
  const std::string quoted = yaml_text(text);
  std::string fence = "`";
  while (quoted.find(fence) != std::string::npos) {
    fence += '`';
  }
  return fence + quoted + fence;
}

/// 12345678 as "12,345,678".
inline std::string grouped_digits(Index number) {
  std::string digits = std::to_string(number);
  for (std::ptrdiff_t at = std::ssize(digits) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

/// Whether a name can be one of Hugging Face's hub, OWNER/NAME, and no path.
inline bool is_hub_id(std::string_view name) {
  const auto plain = [](std::string_view part) {
    return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    });
  };
  const std::size_t slash = name.find('/');
  return slash != std::string_view::npos && plain(name.substr(0, slash)) && plain(name.substr(slash + 1));
}

/// @throws DataError, ConfigError or NonFiniteError naming what no card can say
inline void require_card(const ModelCard& card) {
  const std::string where = "model::ModelCard";
  const auto require_text = [&](std::string_view what, std::string_view text) {
    if (io::find_invalid_utf8(text) != std::string_view::npos) {
      throw DataError::invalid(where, what, io::in_quotes(text), "UTF-8 text");
    }
  };
  require_text("name", card.name);
  require_text("summary", card.summary);
  require_text("base_model", card.base_model);
  require_text("license", card.license);
  require_text("contamination", card.contamination);
  for (const std::string& language : card.languages) {
    require_text("languages", language);
  }
  for (const CardDataset& dataset : card.datasets) {
    require_text("datasets", dataset.name);
    require_text("note of dataset " + io::in_quotes(dataset.name), dataset.note);
    if (dataset.rows < 0) {
      throw ConfigError::invalid(
          where, "rows of dataset " + io::in_quotes(dataset.name), std::to_string(dataset.rows), "at least 0");
    }
  }
  for (std::size_t i = 0; i < card.scores.size(); ++i) {
    require_text("scores", card.scores[i].dataset);
    require_text("scores", card.scores[i].metric);
    require_text("scores", card.scores[i].command);
    if (!std::isfinite(card.scores[i].value)) {
      throw NonFiniteError::found(where, "scores", i, card.scores[i].value);
    }
  }
  if (!card.settings.is_null() && !card.settings.is_object()) {
    throw ConfigError::invalid(where, "settings", card.settings.type_name(), "an object");
  }
}

/// The fields that Hugging Face reads, between two lines of dashes.
inline std::string card_front_matter(const ModelCard& card) {
  std::string text = "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n";
  for (const char* tag : {"sentence-transformers", "sentence-similarity", "feature-extraction", "reasonembed"}) {
    text.append("- ").append(tag).append("\n");
  }
  if (is_hub_id(card.base_model)) {  // the hub refuses a path
    text += "base_model: " + yaml_text(card.base_model) + "\n";
  }
  if (!card.license.empty()) {
    text += "license: " + yaml_text(card.license) + "\n";
  }
  if (!card.languages.empty()) {
    text += "language:\n";
    for (const std::string& language : card.languages) {
      text += "- " + yaml_text(language) + "\n";
    }
  }
  if (!card.scores.empty()) {
    text += "model-index:\n- name: " + yaml_text(card.name.empty() ? "Text encoder" : card.name) + "\n  results:\n";
    for (const CardScore& score : card.scores) {
      text += "  - task:\n      type: information-retrieval\n      name: Information Retrieval\n";
      text += "    dataset:\n      type: unknown\n      name: " + yaml_text(score.dataset) + "\n";
      text += "    metrics:\n    - type: " + yaml_text(score.metric) + "\n";
      text += "      value: " + io::dump_json(score.value, -1) + "\n";
    }
  }
  return text + "---\n";
}

/// What the model knows of itself.
inline std::string card_model_section(const EncoderDescription& model, Index parameters) {
  const nn::EncoderConfig& c = model.config;
  const auto number = [](int value) { return grouped_digits(value); };
  const auto role = [&](const Role& r) {
    return (r.prompt.empty() ? "no prompt" : "prompt " + code_text(r.prompt)) + ", at most " +
           grouped_digits(r.max_tokens) + " tokens";
  };
  std::string text = "## Model\n\n| | |\n|---|---|\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    text.append("| ").append(name).append(" | ").append(one_line(value)).append(" |\n");
  };
  row("family", std::string(model.family.model_type));
  row("components", "`" + model.family.architecture + "`");
  row("sizes",
      number(c.layers) + " layers, width " + number(c.dim) + ", " + number(c.heads) + " heads (" + number(c.kv_heads) +
          " for keys and values) of " + number(c.head_dim) + ", inner width " + number(c.mlp_dim) + ", " +
          number(c.vocab) + " tokens");
  row("parameters", grouped_digits(parameters));
  row("pooling", model.pooling);
  row("vectors",
      number(c.dim) + " numbers" +
          (model.options.normalize ? ", of unit length: compare them by their dot product" : ""));
  row("queries", role(model.query));
  row("documents", role(model.document));
  return text +
         "\nThe directory holds a contract, `reasonembed_contract.json`: hashes of its files and vectors of a few "
         "texts, which this library checks when it loads the model.\n";
}

inline std::string card_training_section(const ModelCard& card) {
  std::string text;
  if (!card.base_model.empty()) {
    text += "Trained from " + code_text(card.base_model) + ".\n\n";
  }
  if (!card.datasets.empty()) {
    text += "| data | rows | |\n|---|---|---|\n";
    for (const CardDataset& dataset : card.datasets) {
      text += "| " + one_line(dataset.name) + " | " + grouped_digits(dataset.rows) + " | " + one_line(dataset.note) +
              " |\n";
    }
    text += "\n";
  }
  if (!card.settings.empty()) {
    text += "Settings, by name:\n\n```json\n" + io::dump_json(card.settings) + "\n```\n\n";
  }
  return text.empty() ? text : "\n## Training\n\n" + text.substr(0, text.size() - 1);
}

inline std::string card_score_section(const ModelCard& card) {
  if (card.scores.empty()) {
    return "";
  }
  std::string text = "\n## Scores\n\n| data | measure | score | command |\n|---|---|---|---|\n";
  for (const CardScore& score : card.scores) {
    text += "| " + one_line(score.dataset) + " | " + one_line(score.metric) + " | " + io::dump_json(score.value, -1) +
            " | " + (score.command.empty() ? "" : one_line(code_text(score.command))) + " |\n";
  }
  return text;
}

inline constexpr std::string_view kCardUsage = R"(
## Use

With reasonembed, C++:

```cpp
)"
                                               "#include <reasonembed/reasonembed.hpp>\n"
                                               R"(
const auto model = reasonembed::model::AnyTextEncoder<>::load("path/to/this/directory");
const auto queries = model.encode_query(query_texts);           // (B, D)
const auto documents = model.encode_document(document_texts);  // (N, D)
```

With [sentence-transformers](https://sbert.net) 5 or later, Python:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/directory")
queries = model.encode_query(query_texts)
documents = model.encode_document(document_texts)
scores = model.similarity(queries, documents)
```

Both put the prompts above before the texts by themselves.
)";

}  // namespace detail

/// The model card of a saved text encoder, in the form of Hugging Face: YAML between dashes, then Markdown.
///
/// @param model       as its directory describes it
/// @param parameters  how many numbers it has
/// @throws            DataError for a text that is not UTF-8; ConfigError for negative rows or settings that are no
///                    object; NonFiniteError for a score that is no number
/// @note  a function of its arguments alone: no date, no machine
[[nodiscard]] inline std::string model_card_text(const EncoderDescription& model,
                                                 Index parameters,
                                                 const ModelCard& card) {
  detail::require_card(card);
  std::string text = detail::card_front_matter(card);
  text += "\n# " + (card.name.empty() ? "Text encoder" : detail::one_line(card.name)) + "\n\n";
  text += card.summary.empty()
              ? "It turns a text into a vector of " + detail::grouped_digits(model.config.dim) +
                    " numbers; texts that answer each other have vectors that point in similar directions.\n"
              : card.summary + "\n";
  text += "\n" + detail::card_model_section(model, parameters);
  text += detail::card_training_section(card);
  text += detail::card_score_section(card);
  if (!card.contamination.empty()) {
    text += "\n" + card.contamination + (card.contamination.ends_with('\n') ? "" : "\n");
  }
  return text.append(detail::kCardUsage);
}

}  // namespace reasonembed::model
