#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Shows the records that pass between two stages to a function, and passes them on: to save them, or to look at them.
///
/// @tparam Record  of the stage before and of the stage behind
template <class Record>
class InspectItems {
 public:
  using Input = Record;
  using Output = Record;
  static constexpr std::string_view name = "inspect_items";

  /// @param look  called once with all records; empty: nothing happens
  explicit InspectItems(std::function<void(std::span<const Record>)> look) : look_(std::move(look)) {}

  [[nodiscard]] std::vector<Record> run(std::vector<Record> items, StageMonitor& /*monitor*/) const {
    if (look_) {
      look_(items);
    }
    return items;
  }

 private:
  std::function<void(std::span<const Record>)> look_;
};

}  // namespace reasonembed::remixer
