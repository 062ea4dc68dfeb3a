#include <reasonembed/remixer/annotate_relevance.hpp>
#include <reasonembed/remixer/journal_annotations.hpp>
#include <reasonembed/remixer/journaled.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/scripted_model.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;

namespace {

rx::Task task(const std::string& name) {
  return {.name = name, .domain = "Biology", .query_form = "a question", .relevance = "it answers"};
}
std::vector<rx::MinedQuery> mined() {
  return {{"Why do leaves fall?", {"s1", "source one"}, {"abscission", "winter", "no score"}},
          {"Why is \"salt\" wet?\n\xC3\xA9", {}, {"abscission", "brine"}}};
}
/// Scores by the length of the document; one document has no score whatever is tried.
rx::ChatResult judge(const rx::ChatCall& call) {
  const std::string document = test::tagged(call, "document");
  return test::says(document == "no score" ? "I can't tell."
                                           : "Because of " + document + ".\n<score>" +
                                                 std::to_string(1 + document.size() % 5) + "</score>");
}
void annotate(const std::filesystem::path& path,
              const std::string& name,
              const test::ScriptedModel::Answer& answer = judge,
              rx::JournalOptions options = {}) {
  rx::Journal journal(path, options);
  journal.begin_stage(name, "annotate_relevance");
  rx::Journaled model(test::ScriptedModel(answer), journal);
  rx::AnnotateRelevance stage(model, task(name));
  stage.name_documents([](std::string_view text) { return text == "winter" ? std::string("d9") : std::string(); });
  rx::StageReport report;
  (void)run_stage(stage, mined(), report);
}

}  // namespace

TEST_SUITE("remixer/journal_annotations") {
  TEST_CASE("read_journal_annotations: what was asked and answered, with the score, in one order") {
    const test::Scratch scratch;
    annotate(scratch / "j.sqlite", "t");
    const std::vector<rx::AnnotationRecord> records = rx::read_journal_annotations(scratch / "j.sqlite");
    REQUIRE(records.size() == 4);  // one pair has no score, in three attempts
    CHECK(records[0].query == "Why do leaves fall?");
    CHECK(records[0].document == rx::text_id("abscission"));
    CHECK(records[1].document == "d9");
    CHECK(records[1].score == 2);
    CHECK(records[1].answer == "Because of winter.\n<score>2</score>");
    CHECK(records[2].query == "Why is \"salt\" wet?\n\xC3\xA9");
    CHECK(records[1].messages ==
          rx::annotation_messages(
              rx::Prompts().get("annotate_relevance", ""), task("t"), "Why do leaves fall?", "winter"));
  }
  TEST_CASE("read_journal_annotations: of one task, of all, and of the last run alone") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    annotate(path, "a");
    annotate(path, "b");  // the same questions: nothing is asked, and both tasks have them
    CHECK(rx::read_journal_annotations(path).size() == 8);
    CHECK(rx::read_journal_annotations(path, "b").size() == 4);
    CHECK_THROWS_WITH_AS((void)rx::read_journal_annotations(path, "c"),
                         (path.string() + ": number of annotations of task \"c\" is 0, expected at least 1: those that "
                                          "the last run of the synthesis has used")
                             .c_str(),
                         re::DataError);
    rx::Journal(path).plan({});
    CHECK_THROWS_AS((void)rx::read_journal_annotations(path), re::DataError);
  }
  TEST_CASE("read_journal_annotations: what is no journal, or has no prompts, is refused by name") {
    const test::Scratch scratch;
    annotate(scratch / "bare", "t", judge, {.keep_prompts = false});
    CHECK_THROWS_AS((void)rx::read_journal_annotations(scratch / "bare"), re::DataError);
    CHECK(rx::read_journal_labels(scratch / "bare").size() == 2);  // which needs none
    CHECK_THROWS_AS((void)rx::read_journal_annotations(scratch / "none"), re::IoError);
    CHECK_THROWS_AS((void)rx::read_journal_annotations(scratch.write("rows.jsonl", "{}\n")), re::DataError);
    CHECK_THROWS_AS((void)rx::read_journal_annotations(scratch.write("empty", "")), re::DataError);
    CHECK(!std::filesystem::exists(scratch / "none"));
  }
  TEST_CASE("read_journal_labels: two annotators are compared by the ids of documents") {
    const test::Scratch scratch;
    annotate(scratch / "large", "t");
    annotate(scratch / "small", "t", [](const rx::ChatCall& call) {
      return test::tagged(call, "document") == "brine" ? test::fails(rx::CallFault::kServer)
                                                       : test::says("<score>2</score>");
    });
    const auto large = rx::read_journal_labels(scratch / "large");
    const auto small = rx::read_journal_labels(scratch / "small");
    REQUIRE(large.size() == 2);
    CHECK(large[0] == rx::LabelledRow{"Why do leaves fall?", {rx::text_id("abscission"), "d9"}, {1, 2}});
    CHECK(small[0].docs.size() == 3);  // this one has a score for the document that the other could not judge
    re::Index unmatched = 0;
    const rx::ConfusionTable table = rx::confusion_of_rows(large, small, unmatched);
    CHECK(unmatched == 2);
    CHECK(table.count(2, 2) == 1);
    CHECK(table.count(1, 2) == 2);
  }
  TEST_CASE("is_sqlite_file: by its first bytes, whatever its name") {
    const test::Scratch scratch;
    annotate(scratch / "labels.jsonl", "t");
    CHECK(rx::is_sqlite_file(scratch / "labels.jsonl"));
    CHECK(!rx::is_sqlite_file(scratch.write("journal.sqlite", "{\"query\": \"q\"}\n")));
    CHECK(!rx::is_sqlite_file(scratch.write("empty", "")));
    CHECK(!rx::is_sqlite_file(scratch / "missing"));
    CHECK(!rx::is_sqlite_file(scratch.path()));
  }
}
