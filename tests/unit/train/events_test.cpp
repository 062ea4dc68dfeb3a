#include <reasonembed/train/events.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::train::Callback;
using re::train::CheckpointSaved;
using re::train::Flow;
using re::train::RunEnd;
using re::train::RunStart;
using re::train::StepReport;
using re::train::detail::notify;
using re::train::detail::notify_all;

namespace {

struct OnStart {
  void operator()(const RunStart&) {}
};
struct OnCheckpoint {
  void operator()(const CheckpointSaved&) const {}
};
struct OnEnd {
  void operator()(RunEnd) {}
};
struct OnAll {
  template <class Event>
  void operator()(const Event&) {}
};
struct OnNone {
  void operator()(int) {}
};
struct Changes {  // events are not a callback's to change
  void operator()(StepReport&) {}
};
struct NotCallable {};

static_assert(Callback<OnStart> && Callback<OnCheckpoint> && Callback<OnEnd> && Callback<OnAll>);
static_assert(Callback<void (*)(const StepReport&)> && Callback<Flow (*)(const StepReport&)>);
static_assert(Callback<OnStart&> && Callback<const OnCheckpoint&>);
static_assert(!Callback<const OnStart>, "its operator is not const");
static_assert(!Callback<OnNone> && !Callback<NotCallable> && !Callback<int> && !Callback<Changes>);
static_assert(std::is_copy_constructible_v<RunStart> && std::is_aggregate_v<StepReport> && std::is_aggregate_v<RunEnd>);

/// Writes its name at each event it takes.
struct Named {
  std::string name;
  std::vector<std::string>* log;
  void operator()(const RunStart&) const { log->push_back(name + " start"); }
  void operator()(const StepReport&) const { log->push_back(name + " step"); }
};

}  // namespace

TEST_SUITE("train/events") {
  TEST_CASE("notify: calls what takes the event, and passes over what does not") {
    std::int64_t seen = 0;
    auto on_step = [&](const StepReport& report) { seen += report.step; };
    CHECK_FALSE(notify(on_step, StepReport{.step = 4}));
    CHECK_FALSE(notify(on_step, RunStart{}));
    CHECK_FALSE(notify(on_step, CheckpointSaved{}));
    CHECK_FALSE(notify(on_step, RunEnd{}));
    CHECK(seen == 4);
  }
  TEST_CASE("notify: only the answer kStop stops") {
    auto stop = [](const StepReport&) { return Flow::kStop; };
    auto go_on = [](const StepReport&) { return Flow::kContinue; };
    auto number = [](const StepReport&) { return 1; };  // no Flow: an answer that means nothing
    CHECK(notify(stop, StepReport{}));
    CHECK_FALSE(notify(go_on, StepReport{}));
    CHECK_FALSE(notify(number, StepReport{}));
  }
  TEST_CASE("notify_all: calls in the order of the arguments") {
    std::vector<std::string> log;
    const Named first{"first", &log};
    const Named second{"second", &log};
    CHECK_FALSE(notify_all(RunStart{}, second, first));
    CHECK_FALSE(notify_all(StepReport{}, first, second));
    CHECK_FALSE(notify_all(RunEnd{}, first, second));
    CHECK(log == std::vector<std::string>{"second start", "first start", "first step", "second step"});
  }
  TEST_CASE("notify_all: one that stops does not keep the event from the others") {
    int calls = 0;
    auto stop = [&](const StepReport&) {
      ++calls;
      return Flow::kStop;
    };
    auto count = [&](const StepReport&) { ++calls; };
    CHECK(notify_all(StepReport{}, stop, count, stop, count));
    CHECK(calls == 4);
    CHECK(notify_all(StepReport{}, count, stop));
    CHECK_FALSE(notify_all(StepReport{}, count));
    CHECK_FALSE(notify_all(StepReport{}));
  }
  TEST_CASE("notify_all: what a callback throws comes through, and later ones are not called") {
    int calls = 0;
    auto fail = [](const RunEnd&) { throw std::runtime_error("closed"); };
    auto count = [&](const RunEnd&) { ++calls; };
    CHECK_THROWS_WITH_AS(notify_all(RunEnd{}, count, fail, count), "closed", std::runtime_error);
    CHECK(calls == 1);
  }
  TEST_CASE("notify_all: a callback keeps its state from event to event") {
    struct Counter {
      void operator()(const StepReport& report) { tokens += report.tokens; }
      re::Index tokens = 0;
    } counter;
    notify_all(StepReport{.tokens = 3}, counter);
    notify_all(StepReport{.tokens = 4}, counter);
    CHECK(counter.tokens == 7);
  }
  TEST_CASE("StepReport: says of a step that measured nothing that intensity is 1") {
    const StepReport report;
    CHECK(report.mean_intensity == 1.0);
    CHECK_FALSE(report.measured);
    CHECK_FALSE(report.skipped);
    CHECK(report.losses.empty());
  }
}
