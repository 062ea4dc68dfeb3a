#include <reasonembed/remixer/journal.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/file_size_limit.hpp>
#include <support/named_options.hpp>
#include <support/scratch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::call_key;
using re::remixer::CallFailure;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatResult;
using re::remixer::Finish;
using re::remixer::Journal;
using re::remixer::JournalRow;
using re::remixer::StageStatus;

namespace {

ChatResult failure(CallFault fault, const std::string& message = "srv: no") {
  return re::Unexpected<CallFailure>(CallFailure{.fault = fault, .message = message});
}

void store(Journal& journal, const ChatCall& call, const ChatResult& result, double money = 0.0) {
  journal.store(call_key("m", call), "m", call, result, 1000, money);
}

std::vector<JournalRow> rows_of(Journal& journal, const std::string& stage) {
  std::vector<JournalRow> rows;
  journal.for_each(stage, [&](const JournalRow& row) { rows.push_back(row); });
  return rows;
}

}  // namespace

TEST_SUITE("remixer/journal") {
  TEST_CASE("find: gives back what was stored, in this run and in the next") {
    const test::Scratch scratch;
    const ChatAnswer answer{.text = std::string("a\0\n\xF0\x9F\x98\x80", 7),
                            .finish = Finish::kLength,
                            .prompt_tokens = 1'000'000'000'000,
                            .completion_tokens = 5};
    const ChatCall call = test::chat_call(1, "Why?");
    {
      Journal journal(scratch / "j.sqlite");
      CHECK(!journal.find(call_key("m", call)));
      store(journal, call, answer);
      CHECK(journal.find(call_key("m", call)) == answer);
      journal.commit();
      CHECK(!journal.find(call_key("other", call)));
    }
    Journal journal(scratch / "j.sqlite");
    CHECK(journal.find(call_key("m", call)) == answer);
    CHECK(journal.path() == (scratch / "j.sqlite").string());
  }
  TEST_CASE("commit: is there after a kill, whichever durability is asked for") {
    const test::Scratch scratch;
    for (const auto durability : {re::remixer::Durability::kProcess, re::remixer::Durability::kMachine}) {
      const pid_t child = ::fork();
      if (child == 0) {
        Journal journal(scratch / "j.sqlite", {.durability = durability});
        const std::string prompt = durability == re::remixer::Durability::kProcess ? "process" : "machine";
        store(journal, test::chat_call(0, prompt), ChatAnswer{.text = prompt});
        journal.commit();
        store(journal, test::chat_call(0, prompt + " lost"), ChatAnswer{.text = prompt});
        ::raise(SIGKILL);
      }
      REQUIRE(::waitpid(child, nullptr, 0) == child);
    }
    Journal journal(scratch / "j.sqlite");
    CHECK(journal.find(call_key("m", test::chat_call(0, "process"))).value().text == "process");
    CHECK(journal.find(call_key("m", test::chat_call(0, "machine"))).value().text == "machine");
    CHECK(!journal.find(call_key("m", test::chat_call(0, "process lost"))));
    CHECK_NOTHROW(journal.check());
  }
  TEST_CASE("commit: what was not committed is gone, as after a kill") {
    const test::Scratch scratch;
    {
      Journal journal(scratch / "j.sqlite");
      store(journal, test::chat_call(0, "kept"), ChatAnswer{.text = "a"});
      journal.commit();
      journal.commit();  // nothing to do
      store(journal, test::chat_call(1, "lost"), ChatAnswer{.text = "b"});
    }
    Journal journal(scratch / "j.sqlite");
    CHECK(journal.find(call_key("m", test::chat_call(0, "kept"))));
    CHECK(!journal.find(call_key("m", test::chat_call(1, "lost"))));
  }
  TEST_CASE("store: an answer stands, a failure gives way") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    const ChatCall call = test::chat_call(0, "Why?");
    store(journal, call, failure(CallFault::kTimeout));
    CHECK(!journal.find(call_key("m", call)));
    store(journal, call, failure(CallFault::kServer));
    CHECK(rows_of(journal, "annotate").at(0).ends == 2);
    CHECK(rows_of(journal, "annotate").at(0).result.error().fault == CallFault::kServer);
    store(journal, call, ChatAnswer{.text = "first"}, 0.5);
    store(journal, call, ChatAnswer{.text = "second"}, 9.0);
    store(journal, call, failure(CallFault::kRefused));
    CHECK(journal.find(call_key("m", call)).value().text == "first");
    const std::vector<JournalRow> rows = rows_of(journal, "annotate");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].ends == 3);
    CHECK(rows[0].money == 0.5);
    journal.commit();
  }
  TEST_CASE("store: with Replace::kAnswers an answer gives way to another answer, and not to a failure") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    ChatCall call = test::chat_call(0, "Why?");
    store(journal, call, ChatAnswer{.text = "first"}, 0.5);
    const auto replace = [&](const ChatResult& result) {
      journal.store(call_key("m", call), "m", call, result, 1000, 0.0, re::remixer::Replace::kAnswers);
    };
    call.input = R"({"document_id":"d1"})";
    replace(ChatAnswer{.text = "second"});
    CHECK(journal.find(call_key("m", call)).value().text == "second");
    CHECK(rows_of(journal, "annotate").at(0).ends == 2);
    replace(failure(CallFault::kNotRecorded));
    CHECK(journal.find(call_key("m", call)).value().text == "second");
    journal.commit();
    re::remixer::SqliteDatabase database(scratch / "j.sqlite", SQLITE_OPEN_READONLY);
    CHECK(database.number("SELECT count(*) FROM calls WHERE json_extract(input, '$.document_id') = 'd1'") == 1);
  }
  TEST_CASE("store: the input of a call and what its stage takes from the answer lie beside it, and are in no key") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    ChatCall call = test::chat_call(0, "Why?");
    const re::remixer::CallKey key = call_key("m", call);
    call.input = R"({"n":7})";
    call.output = [](const ChatAnswer& answer) {
      return answer.text == "?" ? std::nullopt : std::optional("{\"said\":\"" + answer.text + "\"}");
    };
    CHECK(call_key("m", call) == key);
    store(journal, call, ChatAnswer{.text = "yes"});
    ChatCall unusable = test::chat_call(1, "And?");
    unusable.output = call.output;
    store(journal, unusable, ChatAnswer{.text = "?"});
    store(journal, test::chat_call(2, "plain"), ChatAnswer{.text = "as it stands"});
    store(journal, test::chat_call(3, "failed"), failure(CallFault::kServer));
    journal.commit();
    re::remixer::SqliteDatabase database(scratch / "j.sqlite", SQLITE_OPEN_READONLY);
    CHECK(database.number("SELECT json_extract(input, '$.n') FROM outputs WHERE output = '{\"said\":\"yes\"}'") == 7);
    CHECK(database.number("SELECT count(*) FROM outputs WHERE output = '{}' AND text = 'as it stands'") == 1);
    CHECK(database.number("SELECT count(*) FROM outputs") == 2);
    CHECK(database.number("SELECT count(*) FROM uses") == 4);
  }
  TEST_CASE("take: gives the answer that find gives, and shows it among the stage's outputs") {
    const test::Scratch scratch;
    const ChatCall call = test::chat_call(0, "Why?", "write");
    {
      Journal journal(scratch / "j.sqlite");
      CHECK(!journal.take(call_key("m", call), call));
      store(journal, call, ChatAnswer{.text = "t", .prompt_tokens = 3});
      journal.commit();
    }
    Journal journal(scratch / "j.sqlite");
    journal.plan({});
    CHECK(journal.take(call_key("m", call), call) == journal.find(call_key("m", call)));
    journal.commit();
    re::remixer::SqliteDatabase database(scratch / "j.sqlite", SQLITE_OPEN_READONLY);
    CHECK(database.number("SELECT count(*) FROM outputs WHERE stage = 'write'") == 1);
    const ChatCall failed = test::chat_call(1, "failed", "write");
    store(journal, failed, failure(CallFault::kServer));
    CHECK(!journal.take(call_key("m", failed), failed));
  }
  TEST_CASE("status: calls, answers, faults, tokens and money of each stage") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    CHECK(journal.status().empty());
    for (int i = 0; i < 10; ++i) {
      const std::string prompt = "p" + std::to_string(i);
      store(journal, test::chat_call(0, prompt, "write"), ChatAnswer{.prompt_tokens = 10, .completion_tokens = i}, 0.5);
    }
    store(journal, test::chat_call(0, "a", "annotate"), failure(CallFault::kEmpty));
    store(journal, test::chat_call(0, "b", "annotate"), failure(CallFault::kEmpty));
    store(journal, test::chat_call(0, "c", "annotate"), failure(CallFault::kTimeout));
    store(journal, test::chat_call(0, "d", "annotate"), ChatAnswer{.prompt_tokens = 1});
    store(journal, test::chat_call(0, "e", ""), failure(CallFault::kNotRecorded));
    const std::vector<StageStatus> want = {
        // in the order in which they were first asked
        {.stage = "write", .calls = 10, .done = 10, .prompt_tokens = 100, .completion_tokens = 45, .money = 5.0},
        {.stage = "annotate",
         .calls = 4,
         .done = 1,
         .failed = {{CallFault::kTimeout, 1}, {CallFault::kEmpty, 2}},
         .prompt_tokens = 1},
        {.stage = "", .calls = 1, .failed = {{CallFault::kNotRecorded, 1}}}};
    CHECK(journal.status() == want);
    journal.commit();
    Journal reader = Journal::read_only(scratch / "j.sqlite");
    CHECK(reader.status() == want);
  }
  TEST_CASE("for_each: rows of a stage in the order of keys, however they came") {
    const test::Scratch scratch;
    Journal forward(scratch / "a.sqlite");
    Journal backward(scratch / "b.sqlite");
    std::vector<ChatCall> calls = test::chat_calls(50);
    for (int pass = 0; pass < 2; ++pass) {
      for (const ChatCall& call : calls) {
        store(pass == 0 ? forward : backward, call, ChatAnswer{.text = call.messages[0].content});
      }
      std::reverse(calls.begin(), calls.end());
    }
    store(forward, test::chat_call(99, "x", "other"), ChatAnswer{});
    const auto texts = [](Journal& journal) {
      std::vector<std::string> all;
      for (const JournalRow& row : rows_of(journal, "annotate")) {
        CHECK(row.key == call_key("m", {.messages = row.messages}));
        all.push_back(row.result.value().text);
      }
      return all;
    };
    CHECK(texts(forward).size() == 50);
    CHECK(texts(forward) == texts(backward));
    CHECK(rows_of(forward, "none").empty());
  }
  TEST_CASE("for_each: a row has all that is known of a call") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    ChatCall call = test::chat_call(3, "Why \"?\"\n", "write");
    call.attempt = 2;
    call.messages.insert(call.messages.begin(), {.role = "system", .content = "\xC3\xA9"});
    const std::int64_t before = re::remixer::unix_milliseconds();
    journal.store(
        call_key("m x", call), "m x", call, ChatAnswer{.text = "t", .finish = Finish::kFiltered}, before, 0.1);
    store(journal, test::chat_call(4, "b", "write"), failure(CallFault::kMalformed, "srv: JSON is bad, expected good"));
    std::vector<JournalRow> rows = rows_of(journal, "write");
    REQUIRE(rows.size() == 2);
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.attempt > b.attempt; });
    CHECK(rows[0].key == call_key("m x", call));
    CHECK(rows[0].stage == "write");
    CHECK(rows[0].model == "m x");
    CHECK(rows[0].attempt == 2);
    CHECK(rows[0].result.value() == ChatAnswer{.text = "t", .finish = Finish::kFiltered});
    CHECK(rows[0].money == 0.1);
    CHECK(rows[0].begun == before);
    CHECK(rows[0].ended >= before);
    CHECK(rows[0].messages == call.messages);
    CHECK(rows[1].result.error() ==
          CallFailure{.fault = CallFault::kMalformed, .message = "srv: JSON is bad, expected good"});
  }
  TEST_CASE("keep_prompts: without it a row has no messages and the file is smaller") {
    const test::Scratch scratch;
    for (const bool kept : {true, false}) {
      Journal journal(scratch / (kept ? "kept" : "bare"), {.keep_prompts = kept});
      store(journal, test::chat_call(0, std::string(100'000, 'x')), ChatAnswer{.text = "a"});
      journal.commit();
      CHECK(rows_of(journal, "annotate").at(0).messages.size() == (kept ? 1 : 0));
    }
    CHECK(std::filesystem::file_size(scratch / "bare") < std::filesystem::file_size(scratch / "kept"));
    CHECK(test::named_options(re::remixer::JournalOptions{}) ==
          std::vector<std::string>{"durability 0", "keep_prompts true"});
  }
  TEST_CASE("views: answers and progress can be asked for with the sqlite3 program") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    store(journal, test::chat_call(0, "a"), ChatAnswer{.text = "t", .prompt_tokens = 7}, 0.5);
    store(journal, test::chat_call(1, "b"), failure(CallFault::kServer));
    journal.commit();
    re::remixer::SqliteDatabase database(scratch / "j.sqlite", SQLITE_OPEN_READONLY);
    CHECK(database.number("SELECT count(*) FROM answers WHERE text = 't'") == 1);
    CHECK(database.number("SELECT calls * 100 + done * 10 + failed FROM progress WHERE stage = 'annotate'") == 211);
  }
  TEST_CASE("Journal: one writer, and readers meanwhile") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    CHECK_THROWS_AS(Journal{scratch / "j.sqlite"}, re::remixer::JournalLockedError);
    Journal reader = Journal::read_only(scratch / "j.sqlite");
    CHECK(reader.status().empty());
    store(journal, test::chat_call(0, "a"), ChatAnswer{});
    CHECK(reader.status().empty());
    journal.commit();
    CHECK(reader.status().size() == 1);
    CHECK_THROWS_AS(store(reader, test::chat_call(1, "b"), ChatAnswer{}), re::IoError);
    CHECK_THROWS_WITH_AS((void)Journal::read_only(scratch / "none"),
                         ((scratch / "none").string() + ": file is missing, expected a journal").c_str(),
                         re::IoError);
  }
  TEST_CASE("Journal: a file that is none is refused by name and left as it is") {
    const test::Scratch scratch;
    for (const std::string& content : {std::string("x"), std::string(10'000, 'x'), std::string("{\"format\": 1}\n")}) {
      const auto path = scratch.write("rows.jsonl", content);
      CHECK_THROWS_AS(Journal{path}, re::DataError);
      CHECK_THROWS_AS((void)Journal::read_only(path), re::DataError);
      CHECK(test::content_of(path) == content);
    }
    CHECK_THROWS_AS(Journal{scratch.path()}, re::IoError);
    CHECK_THROWS_AS(Journal{scratch / "no/such/j.sqlite"}, re::IoError);
  }
  TEST_CASE("Journal: damage is refused by name, wherever it is") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch / "j.sqlite";
    {
      Journal journal(path, {.keep_prompts = false});
      for (const ChatCall& call : test::chat_calls(2000)) {
        store(journal, call, ChatAnswer{.text = std::string(40, 'a')});
      }
      journal.commit();
    }
    const std::string whole = test::content_of(path);
    REQUIRE(whole.size() > 20 * 4096);
    for (std::size_t page = 1; page < whole.size() / 4096; page += 5) {
      std::string damaged = whole;
      damaged.replace(page * 4096, 16, std::string(16, '\xFF'));
      scratch.write("j.sqlite", damaged);
      std::filesystem::remove(scratch / "j.sqlite-wal");
      CAPTURE(page);
      const auto read_all = [&] {
        Journal journal(path);
        journal.check();
      };
      CHECK_THROWS_AS(read_all(), re::DataError);
    }
    scratch.write("j.sqlite", whole.substr(0, whole.size() / 2));
    const auto read_all = [&] { Journal(path).check(); };
    CHECK_THROWS_AS(read_all(), re::DataError);
    scratch.write("j.sqlite", whole);
    CHECK_NOTHROW(read_all());
  }
  TEST_CASE("Journal: a full disk takes back what was not committed, and the journal goes on with room") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    store(journal, test::chat_call(0, "first"), ChatAnswer{.text = "kept"});
    journal.commit();
    {
      const test::FileSizeLimit limit(300'000);
      const auto fill = [&] {
        for (int i = 1; i < 100; ++i) {
          store(journal, test::chat_call(0, std::to_string(i)), ChatAnswer{.text = std::string(20'000, 'x')});
          journal.commit();
        }
      };
      CHECK_THROWS_AS(fill(), re::IoError);
    }
    CHECK(journal.find(call_key("m", test::chat_call(0, "first"))).value().text == "kept");
    store(journal, test::chat_call(0, "last"), ChatAnswer{.text = "room"});
    journal.commit();
    CHECK(journal.find(call_key("m", test::chat_call(0, "last"))).value().text == "room");
    CHECK_NOTHROW(journal.check());
  }
}
