#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/journal_status.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/scratch.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using rx::call_key;
using rx::CallFailure;
using rx::CallFault;
using rx::ChatAnswer;
using rx::ChatCall;
using rx::ChatResult;
using rx::Journal;
using rx::StageStatus;

namespace {

void store(Journal& journal, const ChatCall& call, const ChatResult& result) {
  journal.store(call_key("m", call), "m", call, result, 1000, 0.0);
}
ChatResult failure(CallFault fault) {
  return re::Unexpected<CallFailure>(CallFailure{.fault = fault, .message = "srv: no"});
}
/// Sets when calls ended, as no clock of a test can.
void set_times(const std::filesystem::path& path, const std::string& ended, std::int64_t begun) {
  rx::SqliteDatabase database(path, SQLITE_OPEN_READWRITE);
  database.execute("UPDATE calls SET ended = " + ended);
  database.execute("UPDATE plans SET begun = " + std::to_string(begun));
}

}  // namespace

TEST_SUITE("remixer/journal_status") {
  TEST_CASE("status: a planned stage is unknown before it begins, and stages stand in the order of the plan") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    journal.plan(std::vector<rx::StageOfTask>{{"t", "write"}, {"t", "annotate"}});
    std::vector<StageStatus> status = journal.status();
    REQUIRE(status.size() == 2);
    CHECK(status[0] == StageStatus{.stage = "write"});
    CHECK(status[1] == StageStatus{.stage = "annotate"});
    CHECK(!status[0].remaining);
    journal.note_progress("t", "write", {.total = 8, .settled = 8, .lost = 3, .ended = true});
    journal.note_progress("t", "annotate", {.total = 50, .settled = 20, .lost = 5, .ended = true});
    status = journal.status();
    CHECK(status[0].settled == 8);
    CHECK(status[0].lost == 3);
    CHECK(status[0].remaining == 0);
    CHECK(status[0].milliseconds_left == 0);  // nothing is left, and that takes no time
    CHECK(status[1].remaining == 30);
    CHECK(!status[1].milliseconds_left);
  }
  TEST_CASE("status: what is left of several tasks is known when it is of all of them") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    journal.plan(std::vector<rx::StageOfTask>{{"a", "write"}, {"b", "write"}});
    journal.note_progress("a", "write", {.total = 10, .settled = 10, .ended = true});
    CHECK(!journal.status().at(0).remaining);
    CHECK(journal.status().at(0).settled == 10);
    journal.note_progress("b", "write", {.total = 5, .settled = 1, .ended = true});
    CHECK(journal.status().at(0).remaining == 4);
  }
  TEST_CASE("status: time is what is left at the rate of the calls that ended of late") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    const std::int64_t now = 1'000'000'000;
    {
      Journal journal(path);
      journal.plan(std::vector<rx::StageOfTask>{{"t", "annotate"}, {"t", "write"}});
      journal.begin_stage("t", "annotate");
      for (const ChatCall& call : test::chat_calls(11)) {
        store(journal, call, ChatAnswer{.text = "t"});
      }
      journal.note_progress("t", "annotate", {.total = 31, .settled = 11});
      journal.commit();
    }
    const auto left = [&] {
      Journal journal(path);
      return journal.status(now).at(0).milliseconds_left;
    };
    set_times(path, std::to_string(now) + " - 100 * id", now - 5000);
    CHECK(left() == 2000);  // 10 calls in a second, 20 are left
    set_times(path, std::to_string(now) + " - 100 * id", now - 300);
    CHECK(left() == 2000);  // calls before the run began don't count, but their rate is the same here
    set_times(path, std::to_string(now) + " - 1000 * id * id", now - 50'000);
    CHECK(left() == 20 * (49'000 - 1000) / 6);  // 7 calls since then
    set_times(path, std::to_string(now) + " - 700000 - id", 0);
    CHECK(!left());  // nothing has ended for ten minutes
    set_times(path, std::to_string(now), 0);
    CHECK(!left());  // all at once: no rate
  }
  TEST_CASE("status: failures are settled too, and answers that are asked for again are not") {
    const test::Scratch scratch;
    const auto path = scratch / "j.sqlite";
    const std::int64_t now = 1'000'000'000;
    {
      Journal journal(path);
      journal.begin_stage("t", "annotate");
      std::vector<ChatCall> calls = test::chat_calls(30);
      for (ChatCall& call : calls) {
        call.output = [](const ChatAnswer& answer) {
          return answer.text.empty() ? std::nullopt : std::optional(answer.text);
        };
        store(journal,
              call,
              call.id % 3 == 0   ? failure(CallFault::kTimeout)
              : call.id % 3 == 1 ? ChatResult(ChatAnswer{})
                                 : ChatResult(ChatAnswer{.text = "{}"}));
      }
      journal.note_progress("t", "annotate", {.total = 40, .settled = 20});
      journal.commit();
    }
    set_times(path, std::to_string(now) + " - 10 * id", 0);
    Journal journal(path);
    const StageStatus status = journal.status(now).at(0);
    CHECK(status.calls == 30);
    CHECK(status.done == 20);
    CHECK(status.failed.at(CallFault::kTimeout) == 10);
    CHECK(status.milliseconds_left.value() == 20 * 290 / 19);  // 20 calls of 30 settle a question
  }
  TEST_CASE("milliseconds_left: nothing without two ends, 0 when nothing is left") {
    using rx::detail::milliseconds_left;
    CHECK(milliseconds_left(0, 0, 0, 0) == 0);
    CHECK(!milliseconds_left(5, 0, 0, 0));
    CHECK(!milliseconds_left(5, 1, 7, 7));
    CHECK(!milliseconds_left(5, 9, 7, 7));
    CHECK(milliseconds_left(5, 2, 7, 17) == 50);
    CHECK(milliseconds_left(1'000'000'000'000, 2, 0, 1'000) == 1'000'000'000'000'000);
  }
}
