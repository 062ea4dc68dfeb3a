#include "replicate/run_journal.hpp"

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;

TEST_SUITE("replicate/run_journal") {
#ifdef REPLICATE_HAS_REMIXER
  TEST_CASE("open_journal: makes the directory, and the journal is this process' alone") {
    const test::Scratch scratch;
    const auto journal = replicate::open_journal(scratch / "a" / "b" / "j.sqlite");
    REQUIRE(journal != nullptr);
    CHECK_THROWS_AS((void)replicate::open_journal(scratch / "a" / "b" / "j.sqlite"), re::IoError);
  }

  TEST_CASE("plan_run, begin_stage, note_progress: the journal's status has each stage in its order") {
    const test::Scratch scratch;
    const auto journal = replicate::open_journal(scratch / "j.sqlite");
    replicate::plan_run(journal, {{"t", "generate_queries"}, {"t", "mine_candidates"}});
    CHECK(!journal->status().at(0).remaining);
    replicate::begin_stage(journal, "t", "generate_queries");
    replicate::note_progress(journal, "t", "generate_queries", {.total = 9, .settled = 4, .lost = 1, .ended = true});
    CHECK(journal->status().at(0).remaining == 5);
    CHECK(journal->status().at(1).stage == "mine_candidates");
    CHECK_NOTHROW(replicate::print_status(scratch / "j.sqlite"));
  }

  TEST_CASE("status_line: what is known stands there, and what is not is unknown") {
    const auto words = [](const rx::StageStatus& status) {
      std::string text = replicate::detail::status_line(status);
      for (std::size_t at = text.find("  "); at != std::string::npos; at = text.find("  ")) {
        text.erase(at, 1);
      }
      return text;
    };
    CHECK(words({.stage = "generate_queries"}) == "generate_queries 0 unknown 0 0 0 0 0.00 unknown");
    CHECK(words({.stage = "annotate_relevance",
                 .calls = 120,
                 .done = 100,
                 .failed = {{rx::CallFault::kTimeout, 20}},
                 .prompt_tokens = 5000,
                 .completion_tokens = 70,
                 .money = 1.256,
                 .settled = 90,
                 .lost = 10,
                 .remaining = 30,
                 .milliseconds_left = 3'723'001}) == "annotate_relevance 80 30 10 120 5000 70 1.26 1:02:04");
    CHECK(words({.stage = "s", .calls = 9, .done = 7, .failed = {{rx::CallFault::kEmpty, 2}}}) ==
          "s 7 unknown 2 9 0 0 0.00 unknown");  // of a program that tells no progress
    CHECK(words({.stage = "s", .settled = 5, .remaining = 0, .milliseconds_left = 0}) == "s 5 0 0 0 0 0 0.00 0:00:00");
  }

  TEST_CASE("read_labels: of a file of rows, or of a journal") {
    const test::Scratch scratch;
    const auto file = scratch.write("l.jsonl", "{\"query\":\"q\",\"docs\":[\"d\"],\"labels\":[4]}\n");
    CHECK(replicate::read_labels(file) == std::vector<rx::LabelledRow>{{"q", {"d"}, {4}}});
    (void)replicate::open_journal(scratch / "j.sqlite");
    CHECK_THROWS_AS((void)replicate::read_labels(scratch / "j.sqlite"), re::DataError);  // nothing is annotated
    CHECK_THROWS_AS((void)replicate::read_journal_annotations(scratch / "none", ""), re::IoError);
  }
#else
  TEST_CASE("read_journal_annotations, print_status: a program built without SQLite says so") {
    CHECK_THROWS_AS((void)replicate::read_journal_annotations("nowhere", ""), re::ConfigError);
    CHECK_THROWS_AS(replicate::print_status("nowhere"), re::ConfigError);
  }
#endif
}
