#pragma once
/// @file What the run under way has before it, how far it has come, and which calls of the journal it has used.
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/sqlite.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A stage that a run will come to.
struct StageOfTask {
  std::string task = {};
  std::string stage = {};

  friend auto operator<=>(const StageOfTask&, const StageOfTask&) = default;
};

/// @return  milliseconds since 1970 UTC
[[nodiscard]] inline std::int64_t unix_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

namespace detail {

/// The tables `plans` and `uses` of a journal. Whoever writes holds the transaction.
class JournalPlans {
 public:
  /// @param database  must outlive this object
  explicit JournalPlans(SqliteDatabase& database)
      : database_(&database),
        begin_(database,
               "INSERT INTO plans (task, stage, begun) VALUES (?1, ?2, ?3) ON CONFLICT (task, stage) DO UPDATE SET "
               "total = NULL, settled = 0, lost = 0, begun = excluded.begun RETURNING id"),
        clear_(database, "DELETE FROM uses WHERE plan = ?1"),
        use_(database, "INSERT OR IGNORE INTO uses (plan, call) VALUES (?1, ?2)"),
        write_(database, "UPDATE plans SET total = ?3, settled = ?4, lost = ?5 WHERE task = ?1 AND stage = ?2") {}

  /// Forgets all stages, and names those of a run that begins.
  void replace(std::span<const StageOfTask> stages) {
    database_->execute("DELETE FROM uses");
    database_->execute("DELETE FROM plans");
    current_.clear();
    noted_.clear();
    for (const StageOfTask& stage : stages) {
      (void)row_of(stage.task, stage.stage);
    }
  }
  /// Begins a stage anew: its calls are the task's from now on.
  void begin(std::string_view task, std::string_view stage) {
    const std::int64_t plan = row_of(task, stage);
    clear_.bind(1, plan);
    (void)clear_.step();
    current_.insert_or_assign(std::string(stage), plan);
    noted_.erase({std::string(task), std::string(stage)});
  }
  /// Counts a call among those that the stage's run has used. A stage that nobody began is one of the task "".
  void use(std::string_view stage, std::int64_t call) {
    auto plan = current_.find(stage);
    if (plan == current_.end()) {
      begin("", stage);
      plan = current_.find(stage);
    }
    use_.bind(1, plan->second).bind(2, call);
    (void)use_.step();
  }
  /// @return  whether it is time to write
  bool note(std::string_view task, std::string_view stage, const StageProgress& progress) {
    noted_.insert_or_assign({std::string(task), std::string(stage)}, progress);
    return progress.ended || Clock::now() >= due_;
  }
  /// Writes what was noted.
  void write() {
    for (const auto& [stage, progress] : noted_) {
      write_.bind(1, std::string_view(stage.task)).bind(2, std::string_view(stage.stage));
      progress.total > 0 || progress.ended ? write_.bind(3, std::int64_t{progress.total}) : write_.bind_null(3);
      write_.bind(4, std::int64_t{progress.settled}).bind(5, std::int64_t{progress.lost});
      (void)write_.step();
    }
    noted_.clear();
    due_ = Clock::now() + std::chrono::seconds(1);
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::int64_t row_of(std::string_view task, std::string_view stage) {
    begin_.bind(1, task).bind(2, stage).bind(3, unix_milliseconds());
    const std::int64_t row = begin_.step() ? begin_.integer(0) : 0;
    begin_.reset();
    return row;
  }

  SqliteDatabase* database_;
  SqliteStatement begin_;
  SqliteStatement clear_;
  SqliteStatement use_;
  SqliteStatement write_;
  std::map<std::string, std::int64_t, std::less<>> current_;  // the row of `plans` whose calls a stage's are
  std::map<StageOfTask, StageProgress> noted_;                // and not written
  Clock::time_point due_ = {};
};

}  // namespace detail

}  // namespace reasonembed::remixer
