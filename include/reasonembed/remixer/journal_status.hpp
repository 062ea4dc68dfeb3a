#pragma once
/// @file What a journal says of each stage: done, left, failed, paid, and when it will be done.
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/sqlite.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How far a stage has come. Calls, tokens and money are those of all runs, the rest is the last run's.
struct StageStatus {
  std::string stage = {};
  std::int64_t calls = 0;                         ///< that have ended at least once
  std::int64_t done = 0;                          ///< with an answer
  std::map<CallFault, std::int64_t> failed = {};  ///< the others, by their last fault
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  double money = 0.0;                                  ///< as priced when the answers came
  std::int64_t settled = 0;                            ///< units of the last run's work that are finished
  std::int64_t lost = 0;                               ///< of those, without a usable answer
  std::optional<std::int64_t> remaining = {};          ///< units to come; nothing while some task's are not known
  std::optional<std::int64_t> milliseconds_left = {};  ///< at the rate of late; nothing where that is not known

  friend bool operator==(const StageStatus&, const StageStatus&) = default;
};

namespace detail {

/// What "of late" means: milliseconds, and calls of all stages.
inline constexpr std::int64_t kRecentMilliseconds = 600'000;
inline constexpr std::int64_t kRecentCalls = 4096;

/// @return  the milliseconds that `remaining` units take if they end as `ends` have between `first` and `last`
inline std::optional<std::int64_t> milliseconds_left(std::int64_t remaining,
                                                     std::int64_t ends,
                                                     std::int64_t first,
                                                     std::int64_t last) {
  if (remaining == 0) {
    return 0;
  }
  if (ends < 2 || last <= first) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(static_cast<double>(remaining) * static_cast<double>(last - first) /
                                   static_cast<double>(ends - 1));
}

/// Adds what the run's plans say: in their order, stages without a call among them.
inline void read_plans(SqliteDatabase& database,
                       std::map<std::string, StageStatus>& by_stage,
                       std::vector<std::string>& order,
                       std::map<std::string, std::int64_t>& begun) {
  SqliteStatement rows(database,
                       "SELECT stage, sum(settled), sum(lost), sum(total), count(*) - count(total), min(begun) "
                       "FROM plans GROUP BY stage ORDER BY min(id)");
  while (rows.step()) {
    const std::string stage(rows.text(0));
    order.push_back(stage);
    StageStatus& status = by_stage[stage];
    status.settled = rows.integer(1);
    status.lost = rows.integer(2);
    if (rows.integer(4) == 0) {
      status.remaining = std::max<std::int64_t>(rows.integer(3) - status.settled, 0);
    }
    begun[stage] = rows.integer(5);
  }
}

/// Adds what the calls say.
inline void read_calls(SqliteDatabase& database,
                       std::map<std::string, StageStatus>& by_stage,
                       std::vector<std::string>& order) {
  SqliteStatement rows(database,
                       "SELECT stage, fault, count(*), sum(prompt_tokens), sum(completion_tokens), sum(money) "
                       "FROM calls GROUP BY stage, fault ORDER BY stage, fault");
  while (rows.step()) {
    const std::string stage(rows.text(0));
    if (by_stage.find(stage) == by_stage.end()) {
      order.push_back(stage);
    }
    StageStatus& status = by_stage[stage];
    const std::int64_t count = rows.integer(2);
    status.calls += count;
    if (rows.is_null(1)) {
      status.done = count;
    } else {
      status.failed[fault_of(rows.text(1), database.path())] = count;
    }
    status.prompt_tokens += rows.integer(3);
    status.completion_tokens += rows.integer(4);
    status.money += rows.real(5);
  }
}

inline std::vector<StageStatus> journal_status(SqliteDatabase& database, std::int64_t now) {
  std::map<std::string, StageStatus> by_stage;
  std::map<std::string, std::int64_t> begun;
  std::vector<std::string> order;
  read_plans(database, by_stage, order, begun);
  read_calls(database, by_stage, order);
  SqliteStatement recent(database,
                         "SELECT count(*), min(ended), max(ended) FROM calls WHERE id > (SELECT max(id) FROM calls) - "
                         "?1 AND stage = ?2 AND ended >= ?3 AND (output IS NOT NULL OR fault IS NOT NULL)");
  std::vector<StageStatus> all;
  for (const std::string& stage : order) {
    StageStatus& status = by_stage[stage];
    status.stage = stage;
    if (status.remaining) {
      recent.bind(1, kRecentCalls).bind(2, std::string_view(stage));
      recent.bind(3, std::max(begun[stage], now - kRecentMilliseconds));
      (void)recent.step();
      status.milliseconds_left =
          milliseconds_left(*status.remaining, recent.integer(0), recent.integer(1), recent.integer(2));
      recent.reset();
    }
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace detail

}  // namespace reasonembed::remixer
