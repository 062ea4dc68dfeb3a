#include <reasonembed/train/training_card.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <filesystem>
#include <string>

namespace re = reasonembed;

namespace {

using Trainer = re::train::Trainer<test::ByteBert<>, test::InfoNce>;

}  // namespace

TEST_SUITE("train/training_card") {
  TEST_CASE("training_card: data sets with their rows, and every option by name") {
    Trainer trainer(test::byte_bert(), {.loss = {.temperature = 0.125}, .max_steps = 3, .seed = 7});
    re::data::TrainingRows rows = test::tiny_rows();
    rows.datasets.emplace_back("plain");
    rows.datasets.back().add({.query = "q", .pos = {"p"}, .neg = {"n"}});
    const re::model::ModelCard card = re::train::training_card(trainer, rows);
    REQUIRE(card.datasets.size() == 2);
    CHECK(card.datasets[0] == re::model::CardDataset{"tiny", 24, "20 with a reasoning query"});
    CHECK(card.datasets[1] == re::model::CardDataset{"plain", 1, ""});
    CHECK(card.settings == trainer.option_names());
    CHECK(card.settings["loss"]["options"]["temperature"] == 0.125);
    CHECK(card.settings["seed"] == 7);
    CHECK(card.scores.empty());
  }
  TEST_CASE("training_card: without rows there is no data set") {
    const Trainer trainer(test::byte_bert(), {});
    CHECK(re::train::training_card(trainer, {}).datasets.empty());
  }
  TEST_CASE("card_score: the mean of a row under the measure's name") {
    const re::eval::EvaluationRow row{.name = "redapter", .metric = "recall_100", .mean = 0.25, .seeds = 3};
    CHECK(re::train::card_score("dev", row, "a command") ==
          re::model::CardScore{"dev", "recall_100", 0.25, "a command"});
    CHECK(re::train::card_score("dev", row).command.empty());
  }
  TEST_CASE("a model that is trained on rows with a contamination report has it in its README.md") {
    const test::Scratch scratch;
    const std::string report = "## Contamination\n\n0 of 24 training rows have a text of a benchmark in them.\n";
    std::filesystem::create_directory(scratch / "rows");
    re::data::write_rows(scratch / "rows" / "tiny.jsonl", test::tiny_rows().datasets.front());
    Trainer trainer(test::byte_bert(), {.max_steps = 1});
    trainer.model().save(scratch / "unchecked",
                         {.card = re::train::training_card(trainer, re::data::read_rows(scratch / "rows"))});
    CHECK(re::io::read_text_file(scratch / "unchecked" / "README.md").find("ontamination") == std::string::npos);
    scratch.write("rows/contamination.md", report);
    const re::data::TrainingRows rows = re::data::read_rows(scratch / "rows");
    (void)trainer.fit(rows);
    trainer.model().save(scratch / "checked", {.card = re::train::training_card(trainer, rows)});
    const std::string text = re::io::read_text_file(scratch / "checked" / "README.md");
    CHECK(text.find("\n" + report + "\n## Use\n") != std::string::npos);
  }
  TEST_CASE("a trained model is saved with its card, twice with the same bytes") {
    Trainer trainer(test::byte_bert(), {.max_steps = 1});
    const re::data::TrainingRows rows = test::tiny_rows();
    (void)trainer.fit(rows);
    const re::model::ModelCard card = re::train::training_card(trainer, rows);
    const test::Scratch scratch;
    trainer.model().save(scratch / "a", {.card = card});
    trainer.model().save(scratch / "b", {.card = card});
    const std::string text = re::io::read_text_file(scratch / "a" / "README.md");
    CHECK(text == re::io::read_text_file(scratch / "b" / "README.md"));
    CHECK(text.find("| tiny | 24 | 20 with a reasoning query |") != std::string::npos);
    CHECK(text.find("\"total_steps\": 1") != std::string::npos);
  }
}
