#include <reasonembed/remixer/inspect_items.hpp>
#include <reasonembed/remixer/records.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rx = reasonembed::remixer;
using rx::InspectItems;

static_assert(rx::Stage<InspectItems<int>>);
static_assert(rx::Stage<InspectItems<rx::MinedQuery>>);
static_assert(rx::Stage<InspectItems<std::unique_ptr<int>>>);

TEST_SUITE("remixer/inspect_items") {
  TEST_CASE("run: shows all items once and passes them on, without a copy") {
    int calls = 0;
    const int* seen = nullptr;
    InspectItems<std::unique_ptr<int>> stage([&](std::span<const std::unique_ptr<int>> items) {
      ++calls;
      seen = items[1].get();
    });
    std::vector<std::unique_ptr<int>> items;
    items.push_back(std::make_unique<int>(1));
    items.push_back(std::make_unique<int>(2));
    rx::StageReport report;
    const auto passed = run_stage(stage, std::move(items), report);
    CHECK(calls == 1);
    CHECK(passed[1].get() == seen);
    CHECK(report.items_in == 2);
    CHECK(report.items_out == 2);
    CHECK(report.all_dropped() == 0);
  }

  TEST_CASE("run: shows that there is nothing, too; an empty function is not called") {
    int calls = 0;
    InspectItems<int> stage([&](std::span<const int> items) { calls += items.empty() ? 1 : 100; });
    rx::StageReport report;
    CHECK(run_stage(stage, {}, report).empty());
    CHECK(calls == 1);
    InspectItems<int> silent(nullptr);
    CHECK(run_stage(silent, {7}, report) == std::vector<int>{7});
  }

  TEST_CASE("run: what the function throws comes out") {
    InspectItems<int> stage([](std::span<const int>) { throw std::runtime_error("disk is full"); });
    rx::StageReport report;
    CHECK_THROWS_WITH((void)run_stage(stage, {1}, report), "disk is full");
  }
}
