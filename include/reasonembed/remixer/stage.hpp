#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#include <concepts>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// One step of data synthesis: takes records of one type and gives records of another.
///
/// | expression                         | meaning                                                                     |
/// |------------------------------------|-----------------------------------------------------------------------------|
/// | `S::Input`, `S::Output`            | the records, movable types; see records.hpp                                 |
/// | `S::name`                          | what reports, progress and calls name it, convertible to `std::string_view` |
/// | `s.run(std::move(items), monitor)` | `std::vector<S::Output>`; a function of the items, of the stage's options   |
/// |                                    | and of the answers it gets, not of their order or of time. `monitor` counts |
/// |                                    | what happened; each item that does not come out is counted by `drop`        |
template <class S>
concept Stage = std::movable<S> && std::movable<typename S::Input> && std::movable<typename S::Output> &&
                requires(S& s, std::vector<typename S::Input> items, StageMonitor& monitor) {
                  { S::name } -> std::convertible_to<std::string_view>;
                  { s.run(std::move(items), monitor) } -> std::same_as<std::vector<typename S::Output>>;
                };

/// Runs one stage alone.
///
/// @param report  receives what the stage did
/// @param watch   told how far the stage has come; may be empty
template <Stage S>
[[nodiscard]] std::vector<typename S::Output> run_stage(S& stage,
                                                        std::vector<typename S::Input> items,
                                                        StageReport& report,
                                                        const ProgressOptions& progress = {.silent = true},
                                                        std::string_view label = S::name,
                                                        StageWatch watch = {}) {
  StageMonitor monitor{std::string(label), progress, std::move(watch)};
  const auto items_in = static_cast<Index>(items.size());
  std::vector<typename S::Output> output = stage.run(std::move(items), monitor);
  monitor.finish();
  report = std::move(monitor.report());
  report.stage = std::string_view(S::name);
  report.items_in = items_in;
  report.items_out = static_cast<Index>(output.size());
  return output;
}

}  // namespace reasonembed::remixer
