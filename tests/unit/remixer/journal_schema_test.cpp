#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/journal_schema.hpp>
#include <reasonembed/remixer/stage_output.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/scratch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::Journal;
using re::remixer::JournalLock;
using re::remixer::JournalLockedError;
using re::remixer::SqliteDatabase;
using re::remixer::SqliteStatement;

namespace {

constexpr int kWrite = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

/// The tables of version 1 as they were released; not taken from the header, which must still know how to read them.
constexpr const char* kVersion1 = R"sql(
  CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fault TEXT,
    text TEXT NOT NULL,
    finish TEXT,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    ended INTEGER NOT NULL
  ) STRICT;
  PRAGMA application_id = 1380273496;
  PRAGMA user_version = 1;
)sql";

/// A journal of version 1 with an answer and a failure.
std::filesystem::path version_1(const test::Scratch& scratch) {
  const std::filesystem::path path = scratch / "old.sqlite";
  SqliteDatabase database(path, kWrite);
  database.execute(kVersion1);
  const auto insert = [&](const re::remixer::ChatCall& call, const std::string& values) {
    const std::string key = re::remixer::hex_of(re::remixer::call_key("m", call));
    database.execute(
        "INSERT INTO calls (key, stage, model, attempt, fault, text, finish, prompt_tokens, "
        "completion_tokens, begun, ended) VALUES (x'" +
        key + "', 'annotate', 'm', 0, " + values + ")");
  };
  insert(test::chat_call(0, "answered"), "NULL, 'Yes.', 'length', 10, 4, 1000, 2000");
  insert(test::chat_call(1, "failed"), "'timeout', 'srv: late', NULL, 0, 0, 1000, 2000");
  return path;
}

/// A journal of version 2, made by its own steps, with an annotation.
std::filesystem::path version_2(const test::Scratch& scratch) {
  const std::filesystem::path path = scratch / "version2.sqlite";
  SqliteDatabase database(path, kWrite);
  database.execute(kVersion1);
  database.execute(re::remixer::kJournalSteps[1]);  // the test above holds it to what was released
  const re::remixer::ChatCall call = test::chat_call(0, "answered", "annotate_relevance");
  database.execute(
      "INSERT INTO calls (key, stage, model, attempt, fault, text, finish, prompt_tokens, completion_tokens, begun, "
      "ended, money) VALUES (x'" +
      re::remixer::hex_of(re::remixer::call_key("m", call)) +
      "', 'annotate_relevance', 'm', 0, NULL, 'It helps. <score>4</score>', 'stop', 10, 4, 1000, 2000, 0.25);"
      "PRAGMA user_version = 2;");
  return path;
}

/// Everything that a database's tables are made of.
std::vector<std::string> schema_of(const std::filesystem::path& path) {
  SqliteDatabase database(path, SQLITE_OPEN_READWRITE);
  std::vector<std::string> lines = {std::to_string(database.number("PRAGMA user_version")),
                                    std::to_string(database.number("PRAGMA application_id"))};
  SqliteStatement rows(database, "SELECT type, name, sql FROM sqlite_master ORDER BY name");
  while (rows.step()) {
    std::string line;
    for (int column = 0; column < 3; ++column) {
      line += std::string(rows.text(column)) + " ";
    }
    std::erase_if(line, [](char c) { return c == '\n' || c == ' '; });
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_SUITE("remixer/journal_schema") {
  TEST_CASE("kJournalSteps: released steps stay as they were released") {
    const auto compact = [](std::string text) {
      std::erase_if(text, [](char c) { return c == '\n' || c == ' '; });
      return text;
    };
    CHECK(compact(kVersion1).starts_with(compact(re::remixer::kJournalSteps[0])));
    CHECK(re::remixer::kJournalApplication == 1380273496);
    CHECK(re::sha256(compact(re::remixer::kJournalSteps[1])) ==
          "cb3358c63cc91ac5b6ef54489ae69cbb234bf234d9bda6a1e422e57c8d4ffd7a");
    CHECK(re::sha256(compact(re::remixer::kJournalSteps[2])) ==
          "137f82e183acdc4911b0368a60398639d20827cd7138cb00f16be2355f77b791");
  }
  TEST_CASE("migrate_journal: a journal of version 1 keeps its rows and becomes one of today") {
    const test::Scratch scratch;
    const std::filesystem::path path = version_1(scratch);
    {
      Journal journal(path);
      CHECK(journal.find(re::remixer::call_key("m", test::chat_call(0, "answered"))) ==
            re::remixer::ChatAnswer{
                .text = "Yes.", .finish = re::remixer::Finish::kLength, .prompt_tokens = 10, .completion_tokens = 4});
      CHECK(!journal.find(re::remixer::call_key("m", test::chat_call(1, "failed"))));
      REQUIRE(journal.status().size() == 1);
      CHECK(journal.status()[0].done == 1);
      CHECK(journal.status()[0].failed.at(re::remixer::CallFault::kTimeout) == 1);
      std::vector<std::int64_t> times;
      journal.for_each("annotate", [&](const re::remixer::JournalRow& row) {
        times.push_back(row.begun + row.ended + row.ends);
        CHECK(row.money == 0.0);
        CHECK(row.messages.empty());
      });
      CHECK(times == std::vector<std::int64_t>{3001, 3001});
      const re::remixer::ChatCall more = test::chat_call(1, "failed");
      journal.store(re::remixer::call_key("m", more), "m", more, re::remixer::ChatAnswer{.text = "late"}, 5, 0.25);
      journal.commit();
    }
    {
      Journal fresh(scratch / "fresh.sqlite");
    }
    CHECK(schema_of(path) == schema_of(scratch / "fresh.sqlite"));
    Journal again(path);
    CHECK(again.find(re::remixer::call_key("m", test::chat_call(1, "failed"))).value().text == "late");
    CHECK_NOTHROW(again.check());
  }
  TEST_CASE("migrate_journal: a journal of version 2 keeps its answers, and the next run shows them as outputs") {
    const test::Scratch scratch;
    const std::filesystem::path path = version_2(scratch);
    {
      Journal fresh(scratch / "fresh.sqlite");
    }
    re::remixer::ChatCall call = test::chat_call(0, "answered", "annotate_relevance");
    call.input = R"({"query_id":"q1","query":"Why?","document_id":"d1","rank":3})";
    call.output = re::remixer::score_output;
    const auto annotations = [&] {
      return SqliteDatabase(path, SQLITE_OPEN_READONLY)
          .number(
              "SELECT count(*) FROM annotations WHERE query_id = 'q1' AND query = 'Why?' AND document_id = 'd1' AND "
              "rank = 3 AND score = 4 AND reasoning = 'It helps. <score>4</score>'");
    };
    {
      Journal journal(path);
      CHECK(journal.status().at(0).money == 0.25);
    }
    CHECK(schema_of(path) == schema_of(scratch / "fresh.sqlite"));
    CHECK(annotations() == 0);  // no run has used it, and what it was about is not known
    {
      Journal journal(path);
      CHECK(journal.take(re::remixer::call_key("m", call), call).value().text == "It helps. <score>4</score>");
      journal.commit();
      CHECK(journal.status().at(0).money == 0.25);
    }
    CHECK(annotations() == 1);
    Journal journal(path);
    call.input = R"({"query_id":"q2"})";  // what is known stands
    CHECK(journal.take(re::remixer::call_key("m", call), call));
    journal.commit();
    CHECK(annotations() == 1);
    CHECK_NOTHROW(journal.check());
  }
  TEST_CASE("migrate_journal: takes all steps or none") {
    const test::Scratch scratch;
    const std::filesystem::path path = version_1(scratch);
    {
      SqliteDatabase database(path, kWrite);
      database.execute("CREATE TABLE prompts (in_the_way TEXT)");
    }
    const std::vector<std::string> before = schema_of(path);
    CHECK_THROWS_AS(Journal{path}, re::DataError);
    CHECK(schema_of(path) == before);
  }
  TEST_CASE("journal_version: another program's database is refused, and left as it is") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch / "other.sqlite";
    {
      SqliteDatabase database(path, kWrite);
      database.execute("CREATE TABLE calls (number TEXT); PRAGMA application_id = 77");
    }
    const std::string before = test::content_of(path);
    CHECK_THROWS_WITH_AS(Journal{path},
                         (path.string() + ": application id is 77, so the database is another program's, expected "
                                          "1380273496 of a journal")
                             .c_str(),
                         re::DataError);
    {
      SqliteDatabase database(path, kWrite);
      database.execute("PRAGMA application_id = 0");
    }
    CHECK_THROWS_AS(Journal{path}, re::DataError);  // tables, but no mark
    CHECK_THROWS_AS((void)Journal::read_only(path), re::DataError);
    CHECK(before.size() == test::content_of(path).size());
  }
  TEST_CASE("journal_version: a journal of a later version is refused") {
    const test::Scratch scratch;
    const std::filesystem::path path = version_1(scratch);
    for (const int version : {4, 0, -1}) {
      {
        SqliteDatabase database(path, kWrite);
        database.execute("PRAGMA user_version = " + std::to_string(version));
      }
      CHECK_THROWS_WITH_AS(Journal{path},
                           (path.string() + ": schema version is " + std::to_string(version) +
                            ", expected 1 to 3; a later version of this library wrote it")
                               .c_str(),
                           re::DataError);
    }
  }
  TEST_CASE("read_only: does not migrate") {
    const test::Scratch scratch;
    const std::filesystem::path path = version_1(scratch);
    CHECK_THROWS_WITH_AS(
        (void)Journal::read_only(path),
        (path.string() + ": schema version is 1, expected 3; open it for writing once to bring it there").c_str(),
        re::DataError);
  }
  TEST_CASE("Journal: an empty file, which a kill may leave, is a journal to be") {
    const test::Scratch scratch;
    CHECK_NOTHROW(Journal{scratch.write("a.sqlite", "")});
    CHECK_NOTHROW((void)Journal::read_only(scratch / "a.sqlite"));
  }

  TEST_CASE("JournalLock: one holder at a time, in this process and among others") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch / "j.sqlite";
    const std::string number = std::to_string(::getpid());
    {
      const JournalLock lock(path);
      CHECK_THROWS_WITH_AS(JournalLock{path},
                           (path.string() + ": journal is written by another process, number " + number +
                            ", expected one writer at a time: wait for it, or end it")
                               .c_str(),
                           JournalLockedError);
      const pid_t child = ::fork();
      if (child == 0) {
        try {
          const JournalLock other(path);
        } catch (const JournalLockedError&) {
          ::_exit(7);
        }
        ::_exit(0);
      }
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      CHECK(WEXITSTATUS(status) == 7);
    }
    CHECK_NOTHROW(JournalLock{path});
    CHECK_THROWS_AS(JournalLock(scratch / "no/such/j.sqlite"), re::IoError);
  }
  TEST_CASE("JournalLock: a killed holder has given it back") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch / "j.sqlite";
    int ready[2] = {-1, -1};
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const JournalLock lock(path);
      (void)!::write(ready[1], "x", 1);
      ::pause();
      ::_exit(0);
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    CHECK_THROWS_AS(JournalLock{path}, JournalLockedError);
    ::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
    CHECK_NOTHROW(JournalLock{path});
    ::close(ready[0]);
    ::close(ready[1]);
  }
}
