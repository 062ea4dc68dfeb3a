#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/journal_plans.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/scratch.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace rx = reasonembed::remixer;
using rx::call_key;
using rx::ChatAnswer;
using rx::ChatCall;
using rx::Journal;
using rx::StageOfTask;

namespace {

void store(Journal& journal, const ChatCall& call) {
  journal.store(call_key("m", call), "m", call, ChatAnswer{.text = "t"}, 1000, 0.0);
}

std::int64_t number(const std::filesystem::path& path, const std::string& sql) {
  return rx::SqliteDatabase(path, SQLITE_OPEN_READONLY).number(sql);
}

}  // namespace

TEST_SUITE("remixer/journal_plans") {
  TEST_CASE("plan: names the stages of a run, in their order, and forgets the run before") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    Journal journal(path);
    store(journal, test::chat_call(0, "earlier", "write"));
    journal.plan(std::vector<StageOfTask>{{"b", "write"}, {"b", "annotate"}, {"a", "write"}});
    CHECK(number(path, "SELECT count(*) FROM plans") == 3);
    CHECK(number(path, "SELECT count(*) FROM plans WHERE total IS NULL AND settled = 0 AND begun > 0") == 3);
    CHECK(number(path, "SELECT id FROM plans WHERE task = 'a'") >
          number(path, "SELECT max(id) FROM plans WHERE task = 'b'"));
    CHECK(number(path, "SELECT count(*) FROM uses") == 0);
    CHECK(number(path, "SELECT count(*) FROM calls") == 1);  // what was paid stays
    journal.plan({});
    CHECK(number(path, "SELECT count(*) FROM plans") == 0);
  }
  TEST_CASE("begin_stage: calls are the task's whose stage began last, and what it used before is forgotten") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    Journal journal(path);
    const ChatCall shared = test::chat_call(0, "asked for both", "write");
    for (const char* task : {"a", "b"}) {
      journal.begin_stage(task, "write");
      if (!journal.take(call_key("m", shared), shared)) {
        store(journal, shared);
      }
      store(journal, test::chat_call(1, std::string("only for ") + task, "write"));
      journal.commit();
    }
    CHECK(number(path, "SELECT count(*) FROM outputs WHERE task = 'a'") == 2);
    CHECK(number(path, "SELECT count(*) FROM outputs WHERE task = 'b'") == 2);
    CHECK(number(path, "SELECT count(*) FROM calls") == 3);
    journal.begin_stage("a", "write");
    CHECK(number(path, "SELECT count(*) FROM outputs WHERE task = 'a'") == 0);
    CHECK(number(path, "SELECT count(*) FROM outputs WHERE task = 'b'") == 2);
  }
  TEST_CASE("use: a stage that nobody has begun is one of the task without a name, and a call counts once") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    const ChatCall call = test::chat_call(0, "a", "write");
    {
      Journal journal(path);
      store(journal, call);
      CHECK(journal.take(call_key("m", call), call));
      CHECK(journal.take(call_key("m", call), call));
      journal.commit();
    }
    CHECK(number(path, "SELECT count(*) FROM outputs WHERE task = '' AND stage = 'write'") == 1);
    Journal journal(path);  // another program run, which begins nothing either
    CHECK(journal.take(call_key("m", call), call));
    journal.commit();
    CHECK(number(path, "SELECT count(*) FROM uses") == 1);
  }
  TEST_CASE("use: what was not committed is not shown, as after a kill") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    {
      Journal journal(path);
      journal.begin_stage("a", "write");
      store(journal, test::chat_call(0, "kept", "write"));
      journal.commit();
      store(journal, test::chat_call(1, "lost", "write"));
    }
    CHECK(number(path, "SELECT count(*) FROM uses") == 1);
  }
  TEST_CASE("note_progress: written when the stage ends, with a commit, or when a second has passed") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    Journal journal(path);
    journal.plan(std::vector<StageOfTask>{{"a", "write"}});
    journal.begin_stage("a", "write");
    const auto settled = [&] { return number(path, "SELECT settled FROM plans"); };
    journal.note_progress("a", "write", {.total = 10, .settled = 1});
    CHECK(settled() == 1);  // the first is due at once
    journal.note_progress("a", "write", {.total = 10, .settled = 2});
    CHECK(settled() == 1);
    store(journal, test::chat_call(0, "a", "write"));
    journal.note_progress("a", "write", {.total = 10, .settled = 3, .lost = 1});
    journal.commit();
    CHECK(settled() == 3);
    journal.note_progress("a", "write", {.total = 10, .settled = 10, .lost = 2, .ended = true});
    CHECK(settled() == 10);
    CHECK(number(path, "SELECT total * 100 + lost FROM plans") == 1002);
    journal.note_progress("none", "write", {.total = 10, .settled = 10, .ended = true});  // of no run that was planned
    CHECK(number(path, "SELECT count(*) FROM plans") == 1);
  }
  TEST_CASE("note_progress: a stage without any work has a total of 0, not one that is unknown") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    Journal journal(path);
    journal.plan(std::vector<StageOfTask>{{"a", "write"}});
    journal.note_progress("a", "write", {});
    CHECK(number(path, "SELECT count(*) FROM plans WHERE total IS NULL") == 1);
    journal.note_progress("a", "write", {.ended = true});
    CHECK(number(path, "SELECT count(*) FROM plans WHERE total = 0") == 1);
  }
  TEST_CASE("unix_milliseconds: a time of this century") {
    CHECK(rx::unix_milliseconds() > 1'700'000'000'000);
    CHECK(rx::unix_milliseconds() < 4'000'000'000'000);
  }
}
