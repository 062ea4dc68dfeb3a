#include <reasonembed/remixer/stage.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using rx::run_stage;
using rx::StageMonitor;
using rx::StageReport;

namespace {

/// Doubles even numbers, drops odd ones, can't bear negative ones.
struct DoubleEven {
  using Input = int;
  using Output = long;
  static constexpr std::string_view name = "double_even";

  [[nodiscard]] std::vector<long> run(std::vector<int> items, StageMonitor& monitor) const {
    monitor.expect(static_cast<re::Index>(items.size()), "numbers");
    std::vector<long> doubled;
    for (const int item : items) {
      if (item < 0) {
        throw std::runtime_error("negative");
      }
      if (item % 2 != 0) {
        monitor.report().drop("odd");
      } else {
        doubled.push_back(2L * item);
      }
      monitor.advance();
    }
    return doubled;
  }
};
static_assert(rx::Stage<DoubleEven>);

/// Counts how often it ran: a stage may have a state, and need not be copied.
struct Counting {
  using Input = std::string;
  using Output = std::string;
  static constexpr const char* name = "counting";
  std::unique_ptr<int> runs = std::make_unique<int>(0);
  [[nodiscard]] std::vector<std::string> run(std::vector<std::string> items, StageMonitor& /*monitor*/) {
    ++*runs;
    return items;
  }
};
static_assert(rx::Stage<Counting>);

struct WrongOutput {
  using Input = int;
  using Output = std::string;
  static constexpr std::string_view name = "wrong_output";
  [[nodiscard]] std::vector<int> run(std::vector<int> items, StageMonitor& /*monitor*/) const { return items; }
};
struct WithoutMonitor {
  using Input = int;
  using Output = int;
  static constexpr std::string_view name = "without_monitor";
  [[nodiscard]] std::vector<int> run(std::vector<int> items) const { return items; }
};
struct NumberForName {
  using Input = int;
  using Output = int;
  static constexpr int name = 5;
  [[nodiscard]] std::vector<int> run(std::vector<int> items, StageMonitor& /*monitor*/) const { return items; }
};
struct WithoutTypes {
  [[maybe_unused]] static constexpr std::string_view name = "without_types";
  [[nodiscard]] std::vector<int> run(std::vector<int> items, StageMonitor& /*monitor*/) const { return items; }
};
static_assert(!rx::Stage<WrongOutput>);
static_assert(!rx::Stage<WithoutMonitor>);
static_assert(!rx::Stage<NumberForName>);
static_assert(!rx::Stage<WithoutTypes>);

}  // namespace

TEST_SUITE("remixer/stage") {
  TEST_CASE("run_stage: returns what the stage makes, and reports items in and out") {
    DoubleEven stage;
    StageReport report;
    CHECK(run_stage(stage, {1, 2, 3, 4}, report) == std::vector<long>{4, 8});
    CHECK(report == StageReport{.stage = "double_even", .items_in = 4, .items_out = 2, .dropped = {{"odd", 2}}});
  }

  TEST_CASE("run_stage: a report of before leaves no trace") {
    DoubleEven stage;
    StageReport report{.stage = "old", .items_in = 7, .calls = 9, .dropped = {{"old", 1}}};
    CHECK(run_stage(stage, {}, report).empty());
    CHECK(report == StageReport{.stage = "double_even"});
  }

  TEST_CASE("run_stage: shows progress under the stage's name, or another") {
    DoubleEven stage;
    StageReport report;
    std::string shown;
    const re::ProgressOptions progress{.terminal = false, .sink = [&](std::string_view text) { shown += text; }};
    (void)run_stage(stage, {2, 4}, report, progress);
    CHECK(shown.starts_with("double_even"));
    CHECK(shown.find("2/2 numbers") != std::string::npos);
    shown.clear();
    (void)run_stage(stage, {2, 4}, report, progress, "task double_even");
    CHECK(shown.starts_with("task double_even"));
  }

  TEST_CASE("run_stage: what a stage throws comes out, and the report stays as it was") {
    DoubleEven stage;
    StageReport report{.stage = "old"};
    CHECK_THROWS_WITH((void)run_stage(stage, {2, -1}, report), "negative");
    CHECK(report == StageReport{.stage = "old"});
  }

  TEST_CASE("run_stage: a stage keeps its state from run to run") {
    Counting stage;
    StageReport report;
    CHECK(run_stage(stage, {"a"}, report) == std::vector<std::string>{"a"});
    CHECK(run_stage(stage, {"b", "c"}, report).size() == 2);
    CHECK(*stage.runs == 2);
    Counting moved = std::move(stage);
    CHECK(run_stage(moved, {}, report).empty());
    CHECK(*moved.runs == 3);
  }
}
