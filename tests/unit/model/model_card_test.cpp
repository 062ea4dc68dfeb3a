#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/model_card.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

namespace re = reasonembed;
using re::model::model_card_text;
using re::model::ModelCard;

namespace {

re::model::EncoderDescription description() {
  return {.family = re::model::qwen3_family(),
          .config = re::model::kQwen3_0_6B,
          .options = {.rope_theta = 1e6},
          .pooling = "lasttoken",
          .query = {"Instruct: find | it\nQuery: ", 512},
          .document = {"", 32768}};
}

bool holds(const std::string& text, std::string_view part) {
  CAPTURE(text);
  CAPTURE(part);
  return text.find(part) != std::string::npos;
}

ModelCard whole_card() {
  return {.name = "Salt | water",
          .summary = "An encoder of *tests*.",
          .base_model = "Qwen/Qwen3-0.6B",
          .license = "apache-2.0",
          .languages = {"en", "de"},
          .datasets = {{"physics", 12345, "a | b\nc"}, {"empty", 0, ""}},
          .settings = {{"loss", {{"temperature", 0.02}}}, {"seed", 42}},
          .scores = {{"bright/biology", "ndcg_cut_10", 0.375, "reasonembed evaluate --model `x`"}}};
}

}  // namespace

TEST_SUITE("model/model_card") {
  TEST_CASE("model_card_text: without a card, what the model knows of itself") {
    const std::string text = model_card_text(description(), 595776512, {});
    CHECK(text.starts_with("---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n"));
    CHECK(holds(text, "- reasonembed\n---\n\n# Text encoder\n"));
    CHECK(holds(text, "| family | qwen3 |"));
    CHECK(holds(text, "| parameters | 595,776,512 |"));
    CHECK(holds(text, "28 layers, width 1,024, 16 heads (8 for keys and values) of 128, inner width 3,072, 151,936"));
    CHECK(holds(text, "| pooling | lasttoken |"));
    CHECK(holds(text, "1,024 numbers, of unit length"));
    CHECK(holds(text, "| queries | prompt `\"Instruct: find \\| it\\nQuery: \"`, at most 512 tokens |"));
    CHECK(holds(text, "| documents | no prompt, at most 32,768 tokens |"));
    CHECK(holds(text, "AnyTextEncoder<>::load"));
    CHECK(holds(text, "SentenceTransformer("));
    for (const char* absent : {"base_model", "license", "language:", "model-index", "## Training", "## Scores"}) {
      CHECK_FALSE(holds(text, absent));
    }
  }
  TEST_CASE("model_card_text: vectors of any length are not called unit ones") {
    re::model::EncoderDescription model = description();
    model.options.normalize = false;
    CHECK_FALSE(holds(model_card_text(model, 1, {}), "unit length"));
  }
  TEST_CASE("model_card_text: every field of the caller's") {
    const std::string text = model_card_text(description(), 7, whole_card());
    CHECK(holds(text, "base_model: \"Qwen/Qwen3-0.6B\"\nlicense: \"apache-2.0\"\nlanguage:\n- \"en\"\n- \"de\"\n"));
    CHECK(holds(text, "model-index:\n- name: \"Salt | water\"\n  results:\n  - task:\n"));
    CHECK(holds(text, "    - type: \"ndcg_cut_10\"\n      value: 0.375\n---\n"));
    CHECK(holds(text, "\n# Salt \\| water\n\nAn encoder of *tests*.\n"));
    CHECK(holds(text, "Trained from `\"Qwen/Qwen3-0.6B\"`."));
    CHECK(holds(text, "| physics | 12,345 | a \\| b c |\n| empty | 0 |  |\n"));
    CHECK(holds(text, "```json\n{\n  \"loss\": {\n    \"temperature\": 0.02\n  },\n  \"seed\": 42\n}\n```\n"));
    CHECK(holds(text, "| bright/biology | ndcg_cut_10 | 0.375 | ``\"reasonembed evaluate --model `x`\"`` |"));
  }
  TEST_CASE("model_card_text: the same card gives the same bytes, in UTF-8 with one line end at the end") {
    const std::string text = model_card_text(description(), 7, whole_card());
    CHECK(text == model_card_text(description(), 7, whole_card()));
    CHECK(text.back() == '\n');
    CHECK(text[text.size() - 2] != '\n');
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find(" \n") == std::string::npos);
  }
  TEST_CASE("model_card_text: a text that could end the YAML stays a text") {
    ModelCard card;
    card.license = "x\n---\nevil: \"yes\"";
    card.scores = {{"a\": b\n- c", "m", 1.0, ""}};
    const std::string text = model_card_text(description(), 7, card);
    CHECK(holds(text, "license: \"x\\n---\\nevil: \\\"yes\\\"\"\n"));
    CHECK(holds(text, "name: \"a\\\": b\\n- c\"\n"));
    CHECK(text.find("\n---\n") < text.find("# Text encoder"));
    CHECK(text.find("\n---\n") == text.rfind("\n---\n"));
  }
  TEST_CASE("model_card_text: the contamination report stands before the usage, whole") {
    re::model::ModelCard card;
    for (const char* end : {"", "\n"}) {
      card.contamination = std::string("## Contamination\n\nNo row has a text of a benchmark in it.") + end;
      CHECK(model_card_text(description(), 7, card)
                .find("\n## Contamination\n\nNo row has a text of a benchmark in it.\n\n## Use\n") !=
            std::string::npos);
    }
    card.contamination = "\xFF";
    CHECK_THROWS_AS((void)model_card_text(description(), 7, card), re::DataError);
  }
  TEST_CASE("model_card_text: a base model that is a path is said, but not to the hub") {
    for (const char* path :
         {"/models/Qwen3", "./a/b", "../a", "models/qwen/3", "local", "C:\\models\\x", "a/b c", "/"}) {
      CAPTURE(path);
      ModelCard card;
      card.base_model = path;
      const std::string text = model_card_text(description(), 7, card);
      CHECK_FALSE(holds(text, "base_model:"));
      CHECK(holds(text, "Trained from "));
    }
  }
  TEST_CASE("model_card_text: what no card can say is refused by name") {
    const auto refused = [](const ModelCard& card) { (void)model_card_text(description(), 1, card); };
    ModelCard card;
    card.datasets = {{"physics", -1, ""}};
    CHECK_THROWS_WITH_AS(
        refused(card), "model::ModelCard: rows of dataset \"physics\" is -1, expected at least 0", re::ConfigError);
    card = {};
    card.scores = {{"a", "m", 1.0, ""}, {"b", "m", std::numeric_limits<double>::quiet_NaN(), ""}};
    CHECK_THROWS_WITH_AS(
        refused(card), "model::ModelCard: scores[1] is nan, expected a finite number", re::NonFiniteError);
    card = {};
    card.settings = re::io::Json::array();
    CHECK_THROWS_WITH_AS(refused(card), "model::ModelCard: settings is array, expected an object", re::ConfigError);
    card = {};
    card.settings = {{"lr", INFINITY}};
    CHECK_THROWS_AS(refused(card), re::NonFiniteError);
    card = {};
    card.summary = "caf\xE9";
    CHECK_THROWS_WITH_AS(
        refused(card), "model::ModelCard: summary is \"caf\\xE9\", expected UTF-8 text", re::DataError);
    for (std::string ModelCard::* field : {&ModelCard::name, &ModelCard::base_model, &ModelCard::license}) {
      card = {};
      card.*field = "\xFF";
      CHECK_THROWS_AS(refused(card), re::DataError);
    }
    card = {};
    card.languages = {"\xFF"};
    CHECK_THROWS_AS(refused(card), re::DataError);
    card = {};
    card.datasets = {{"x", 1, "\xFF"}};
    CHECK_THROWS_AS(refused(card), re::DataError);
  }
  TEST_CASE("grouped_digits: three by three") {
    using re::model::detail::grouped_digits;
    CHECK(grouped_digits(0) == "0");
    CHECK(grouped_digits(999) == "999");
    CHECK(grouped_digits(1000) == "1,000");
    CHECK(grouped_digits(1234567) == "1,234,567");
    CHECK(grouped_digits(8000000000) == "8,000,000,000");
  }
  TEST_CASE("copies are equal, and differ from another card") {
    const ModelCard card = whole_card();
    ModelCard other = card;
    CHECK(other == card);
    other.scores[0].value = 0.5;
    CHECK_FALSE(other == card);
    other = card;
    CHECK(other == card);
  }
}
