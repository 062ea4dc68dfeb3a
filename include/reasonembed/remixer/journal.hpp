#pragma once
/// @file Every call to a language model and how it ended, in one SQLite file that survives a kill.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/call_key.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/journal_plans.hpp>
#include <reasonembed/remixer/journal_schema.hpp>
#include <reasonembed/remixer/journal_status.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/sqlite.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What a committed answer survives.
enum class Durability : std::uint8_t {
  kProcess,  ///< a kill of the process; a crash of the machine may take the last half minute back
  kMachine,  ///< a crash of the machine too: each commit waits for the disk
};

/// How a journal is kept.
struct JournalOptions {
  Durability durability = Durability::kProcess;
  bool keep_prompts = true;  ///< store the messages too: for reading, and for fine-tuning sets

  friend bool operator==(const JournalOptions&, const JournalOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("durability", durability);
    f("keep_prompts", keep_prompts);
  }
};

/// A row of the journal.
struct JournalRow {
  CallKey key = {};
  std::string stage = {};
  std::string model = {};  ///< LanguageModel::identity()
  int attempt = 0;
  ChatResult result = ChatAnswer{};
  double money = 0.0;
  std::int64_t begun = 0;                  ///< milliseconds since 1970 UTC, when the model was given the call
  std::int64_t ended = 0;                  ///< likewise, when its answer came
  std::int64_t ends = 1;                   ///< how often the call has ended: its failures, and its answer
  std::vector<ChatMessage> messages = {};  ///< empty if prompts were not kept
};

/// What the end of a call may take the place of.
enum class Replace : bool {
  kFailures,  ///< of failures: an answer that was paid stands
  kAnswers,   ///< of everything: for answers that are free, such as a recording's
};

/// The journal of a synthesis: one row a call, under its CallKey.
///
/// An answer, once stored, stands (see Replace); a failure gives way to whatever the next run brings. store() collects
/// rows, commit() makes them last; rows that were not committed are gone after a kill. One process writes (a second one
/// gets JournalLockedError), others may read meanwhile (Journal::read_only).
///
/// @note  stays where it is; one thread at a time; memory does not grow with the rows. Not for network file systems.
class Journal {
 public:
  using Options = JournalOptions;

  /// Opens or creates a journal for writing. One of an older version becomes one of today, in one transaction.
  /// @throws  JournalLockedError; DataError if the file is no journal, damaged or of a later version; IoError
  explicit Journal(const std::filesystem::path& path, Options options = {}) : Journal(path, options, false) {}
  /// Opens a journal to look into it, also while another process writes it.
  /// @throws  DataError, IoError as above; an older version is refused
  [[nodiscard]] static Journal read_only(const std::filesystem::path& path) { return Journal(path, {}, true); }

  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  Journal(Journal&&) = delete;
  Journal& operator=(Journal&&) = delete;
  ~Journal() {
    if (in_transaction()) {
      (void)sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }

  [[nodiscard]] const std::string& path() const { return database_.path(); }

  /// @return  the answer to a call; nothing for a call that never ended, or failed
  /// @note    one descent of a B-tree whose nodes stay in memory
  [[nodiscard]] std::optional<ChatAnswer> find(const CallKey& key) {
    find_.bind(1, std::span<const std::uint8_t>(key));
    if (!find_.step()) {
      return std::nullopt;
    }
    ChatAnswer answer = read_answer(find_, 0);
    find_.reset();
    return answer;
  }

  /// The same for a call of the run under way: its stage's outputs are from then on shown with this answer among them.
  /// @throws  IoError, DataError; the transaction is then taken back
  [[nodiscard]] std::optional<ChatAnswer> take(const CallKey& key, const ChatCall& call) {
    find_.bind(1, std::span<const std::uint8_t>(key));
    if (!find_.step()) {
      return std::nullopt;
    }
    ChatAnswer answer = read_answer(find_, 0);
    const std::int64_t row = find_.integer(4);
    const bool described = !find_.is_null(5);
    find_.reset();
    guarded([&] {
      begin();
      plans_.use(call.stage, row);
      if (!described && !call.input.empty()) {  // an older version of this library has stored it
        const std::optional<std::string> output = output_of(call, answer);
        describe_.bind(1, row).bind(2, std::string_view(call.input));
        bind_or_null(describe_, 3, output);
        (void)describe_.step();
      }
    });
    return answer;
  }

  /// Forgets the run before, and names the stages of one that begins. Calls stay.
  void plan(std::span<const StageOfTask> stages) {
    guarded([&] {
      begin();
      plans_.replace(stages);
      database_.execute("COMMIT");
    });
  }
  /// Begins a stage of a task: calls with this stage's name are the task's from now on, and earlier uses are forgotten.
  void begin_stage(std::string_view task, std::string_view stage) {
    guarded([&] {
      begin();
      plans_.begin(task, stage);
      database_.execute("COMMIT");
    });
  }
  /// Notes how far a stage has come. Written with the next commit, within a second, and when the stage has ended.
  void note_progress(std::string_view task, std::string_view stage, const StageProgress& progress) {
    if (plans_.note(task, stage, progress) && !in_transaction()) {
      guarded([&] { plans_.write(); });
    }
  }

  /// Adds how a call ended to the open transaction.
  /// @throws  IoError, DataError; the transaction is then taken back
  void store(const CallKey& key,
             std::string_view model,
             const ChatCall& call,
             const ChatResult& result,
             std::int64_t begun,
             double money,
             Replace replace = Replace::kFailures) {
    guarded([&] {
      begin();
      const ChatAnswer answer = result ? *result : ChatAnswer{};
      bind_call(key, model, call, begun);
      if (result) {
        store_.bind_null(5).bind(6, std::string_view(answer.text)).bind(7, name_of(answer.finish));
      } else {
        store_.bind(5, name_of(result.error().fault)).bind(6, std::string_view(result.error().message)).bind_null(7);
      }
      const std::optional<std::string> output = result ? output_of(call, answer) : std::nullopt;
      store_.bind(8, answer.prompt_tokens).bind(9, answer.completion_tokens).bind(12, money);
      call.input.empty() ? store_.bind_null(13) : store_.bind(13, std::string_view(call.input));
      bind_or_null(store_, 14, output);
      store_.bind(15, std::int64_t{replace == Replace::kAnswers});
      const std::int64_t row = store_.step() ? store_.integer(0) : 0;  // 0: an answer stands, and rows count from 1
      store_.reset();
      if (row != 0 && options_.keep_prompts) {
        const std::string messages = messages_json(call.messages);
        prompt_.bind(1, row).bind(2, std::string_view(messages));
        (void)prompt_.step();
      }
      if (row != 0) {
        plans_.use(call.stage, row);
      }
    });
  }
  /// Makes what was stored last: it is there after a kill (and after a crash of the machine, see Durability).
  void commit() {
    if (in_transaction()) {
      guarded([&] {
        plans_.write();
        database_.execute("COMMIT");
      });
    }
  }

  /// @param now  milliseconds since 1970 UTC
  /// @return     what each stage has done and has left, in the order in which stages were planned or first asked
  [[nodiscard]] std::vector<StageStatus> status(std::int64_t now = unix_milliseconds()) {
    return detail::journal_status(database_, now);
  }
  /// Calls `f(row)` for every call of a stage, in the order of keys: the same for the same calls, however they came.
  void for_each(std::string_view stage, FunctionRef<void(const JournalRow&)> f) {
    SqliteStatement rows(database_,
                         "SELECT text, finish, prompt_tokens, completion_tokens, key, model, attempt, fault, money, "
                         "begun, ended, ends, messages FROM calls LEFT JOIN prompts ON call = id WHERE stage = ?1 "
                         "ORDER BY key");
    rows.bind(1, stage);
    while (rows.step()) {
      f(read_row(rows, stage));
    }
  }
  /// Reads all pages and compares the indices with their tables; takes seconds a gigabyte.
  /// @throws  DataError if anything is damaged
  void check() {
    SqliteStatement rows(database_, "PRAGMA integrity_check(1)");
    if (rows.step() && rows.text(0) != "ok") {
      throw DataError::invalid(path(), "database", "damaged (" + std::string(rows.text(0)) + ")", "a whole journal");
    }
  }

 private:
  Journal(const std::filesystem::path& path, Options options, bool only_read)
      : options_(options),
        database_(open(path, options, only_read, lock_)),
        find_(database_,
              "SELECT text, finish, prompt_tokens, completion_tokens, id, input FROM calls "
              "WHERE key = ?1 AND fault IS NULL"),
        store_(
            database_,
            "INSERT INTO calls (key, stage, model, attempt, fault, text, finish, prompt_tokens, completion_tokens, "
            "begun, ended, money, input, output) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
            "ON CONFLICT (key) DO UPDATE SET fault = excluded.fault, text = excluded.text, finish = excluded.finish, "
            "prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens, "
            "begun = excluded.begun, ended = excluded.ended, money = excluded.money, ends = ends + 1, "
            "input = excluded.input, output = excluded.output WHERE fault IS NOT NULL OR (?15 AND excluded.fault IS "
            "NULL) RETURNING id"),
        prompt_(database_, "INSERT OR REPLACE INTO prompts (call, messages) VALUES (?1, ?2)"),
        describe_(database_, "UPDATE calls SET input = ?2, output = ?3 WHERE id = ?1"),
        plans_(database_) {}

  static SqliteDatabase open(const std::filesystem::path& path,
                             const Options& options,
                             bool only_read,
                             std::optional<JournalLock>& lock) {
    if (only_read) {
      return detail::open_journal_to_read(path);
    }
    detail::require_database(path);  // before anything is made beside it
    lock.emplace(path);
    SqliteDatabase database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    (void)detail::journal_version(database);  // refuses what is not ours before anything is written
    SqliteStatement mode(database, "PRAGMA journal_mode = WAL");
    if (!mode.step() || mode.text(0) != "wal") {
      throw IoError::failed(path.string(), "file system", "one without shared memory", "one with: a local disk");
    }
    mode.reset();
    database.execute(options.durability == Durability::kMachine ? "PRAGMA synchronous = FULL"
                                                                : "PRAGMA synchronous = NORMAL");
    database.execute("PRAGMA cache_size = -65536");  // 64 MiB: the inner nodes and most of the index of a million keys
    // a checkpoint waits for the disk twice: after 64 MiB of pages, not after SQLite's 4
    database.execute("PRAGMA wal_autocheckpoint = 16384");
    detail::migrate_journal(database);
    return database;
  }

  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(database_.handle()) == 0; }
  void begin() {
    if (!in_transaction()) {
      database_.execute("BEGIN");
    }
  }
  /// What a stage takes from an answer; an empty object where the stage does not say how it reads one.
  static std::optional<std::string> output_of(const ChatCall& call, const ChatAnswer& answer) {
    return call.output == nullptr ? std::optional<std::string>("{}") : call.output(answer);
  }
  static void bind_or_null(SqliteStatement& statement, int parameter, const std::optional<std::string>& text) {
    text ? statement.bind(parameter, std::string_view(*text)) : statement.bind_null(parameter);
  }
  template <class Step>
  void guarded(Step step) {
    try {
      step();
    } catch (...) {
      store_.reset();
      prompt_.reset();
      describe_.reset();
      if (in_transaction()) {
        (void)sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
      }
      throw;
    }
  }
  void bind_call(const CallKey& key, std::string_view model, const ChatCall& call, std::int64_t begun) {
    store_.bind(1, std::span<const std::uint8_t>(key)).bind(2, std::string_view(call.stage)).bind(3, model);
    store_.bind(4, std::int64_t{call.attempt}).bind(10, begun).bind(11, unix_milliseconds());
  }
  static std::string messages_json(const std::vector<ChatMessage>& messages) {
    io::Json json = io::Json::array();
    for (const ChatMessage& message : messages) {
      json.push_back({{"role", message.role}, {"content", message.content}});
    }
    return io::dump_json(json, -1);
  }
  /// @param first  the column of the text; finish and both counts follow
  [[nodiscard]] ChatAnswer read_answer(const SqliteStatement& row, int first) const {
    return {.text = std::string(row.text(first)),
            .finish = finish_of(row.text(first + 1), path()),
            .prompt_tokens = row.integer(first + 2),
            .completion_tokens = row.integer(first + 3)};
  }
  [[nodiscard]] JournalRow read_row(const SqliteStatement& rows, std::string_view stage) const {
    JournalRow row;
    const std::span<const std::uint8_t> key = rows.blob(4);
    std::copy_n(key.begin(), std::min(key.size(), row.key.size()), row.key.begin());
    row.stage = stage;
    row.model = rows.text(5);
    row.attempt = static_cast<int>(rows.integer(6));
    if (rows.is_null(7)) {
      row.result = read_answer(rows, 0);
    } else {
      row.result = Unexpected<CallFailure>(
          CallFailure{.fault = fault_of(rows.text(7), path()), .message = std::string(rows.text(0))});
    }
    row.money = rows.real(8);
    row.begun = rows.integer(9);
    row.ended = rows.integer(10);
    row.ends = rows.integer(11);
    if (!rows.is_null(12)) {
      const io::Json messages = io::parse_json(rows.text(12), path());
      for (const io::Json& message : messages) {
        const io::JsonFields fields(message, path());
        row.messages.push_back({.role = fields.get_string("role"), .content = fields.get_string("content")});
      }
    }
    return row;
  }

  Options options_;
  std::optional<JournalLock> lock_;  // before the database: given back after it is closed
  SqliteDatabase database_;
  SqliteStatement find_;
  SqliteStatement store_;
  SqliteStatement prompt_;
  SqliteStatement describe_;
  detail::JournalPlans plans_;
};

}  // namespace reasonembed::remixer
