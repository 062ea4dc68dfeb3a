#include <reasonembed/remixer/prompts.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/scratch.hpp"

#include <filesystem>
#include <string>

namespace re = reasonembed;
using re::remixer::prompt_fields;
using re::remixer::Prompts;

TEST_SUITE("remixer/prompts") {
  TEST_CASE("Prompts: the compiled pages are those of docs/prompts") {
    std::size_t pages = 0;
    for (const auto& entry : std::filesystem::directory_iterator(test::source_path("docs/prompts"))) {
      if (entry.path().stem() == "README") {
        continue;
      }
      CAPTURE(entry.path().string());
      ++pages;
      bool found = false;
      for (const auto& [name, text] : re::remixer::kDefaultPrompts) {
        found = found || (name == entry.path().stem().string() && text == test::content_of(entry.path()));
      }
      CHECK(found);
    }
    CHECK(pages == re::remixer::kDefaultPrompts.size());
  }

  TEST_CASE("get: each stage has a page for any task, and one for a kind where that differs") {
    const Prompts prompts;
    for (const char* stage : {"filter_domain", "generate_queries", "annotate_relevance", "write_reasoning_queries"}) {
      CAPTURE(stage);
      CHECK(prompts.get(stage).where() == "docs/prompts/" + std::string(stage) + ".md");
      for (const std::string& name : prompt_fields(stage).needed) {
        CHECK(prompts.get(stage).holds(name));
      }
    }
    for (const char* kind : {"post", "leetcode", "pony", "math"}) {
      CAPTURE(kind);
      CHECK(prompts.knows_kind(kind));
      CHECK(prompts.get("generate_queries", kind).where() ==
            "docs/prompts/generate_queries." + std::string(kind) + ".md");
      CHECK(prompts.get("annotate_relevance", kind).where() == "docs/prompts/annotate_relevance.md");
    }
    CHECK(!prompts.knows_kind("law"));
    CHECK(!prompts.knows_kind(""));
    CHECK(prompts.get("generate_queries", "law").where() == "docs/prompts/generate_queries.md");
    CHECK_THROWS_WITH_AS((void)prompts.get("generate"),
                         "remixer::Prompts: stage is \"generate\", expected one with a prompt",
                         re::ConfigError);
  }

  TEST_CASE("Prompts: a user's page takes the place of a default, or stands beside it") {
    const test::Scratch scratch;
    scratch.write("annotate_relevance.md", "## user\n{{query}} {{document}}");
    scratch.write("annotate_relevance.law.md", "## user\nLaw. {{query}} {{document}}");
    scratch.write("README.md", "no prompt {{");
    scratch.write("notes.txt", "no prompt {{");
    const Prompts prompts(scratch.path());
    CHECK(prompts.get("annotate_relevance").where() == (scratch / "annotate_relevance.md").string());
    CHECK(prompts.get("annotate_relevance", "law").where() == (scratch / "annotate_relevance.law.md").string());
    CHECK(prompts.knows_kind("law"));
    CHECK(prompts.get("generate_queries").where() == "docs/prompts/generate_queries.md");
  }

  TEST_CASE("Prompts: refuses a directory that is none, pages of no stage, and broken pages, with their paths") {
    const test::Scratch scratch;
    CHECK_THROWS_AS(Prompts(scratch / "missing"), re::IoError);
    scratch.write("anotate_relevance.md", "## user\n{{query}} {{document}}");
    CHECK_THROWS_WITH_AS(Prompts{scratch.path()}, doctest::Contains("such as annotate_relevance"), re::ConfigError);
    CHECK_THROWS_WITH_AS(
        Prompts{scratch.path()}, doctest::Contains((scratch / "anotate_relevance.md").c_str()), re::ConfigError);
    std::filesystem::remove(scratch / "anotate_relevance.md");
    scratch.write("annotate_relevance.md", "## user\n{{query}}");
    CHECK_THROWS_WITH_AS(
        Prompts{scratch.path()},
        ((scratch / "annotate_relevance.md").string() + ": placeholder {{document}} is missing, expected at least one")
            .c_str(),
        re::ConfigError);
  }

  TEST_CASE("Prompts: is a value") {
    const Prompts first;
    Prompts second = first;
    second = Prompts(first);
    CHECK(second.get("filter_domain").where() == first.get("filter_domain").where());
  }

  TEST_CASE("prompt_fields: an unknown stage is answered with the closest") {
    CHECK_THROWS_WITH_AS(
        (void)prompt_fields("filter"),
        "remixer::prompt_fields: stage is \"filter\", expected one with a prompt, such as filter_domain",
        re::ConfigError);
  }
}
