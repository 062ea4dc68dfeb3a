#pragma once
/// @file The tables of a journal, how old ones become those of today, and who may write.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/remixer/sqlite.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Another process writes this journal.
class JournalLockedError : public IoError {
 public:
  using IoError::IoError;
  /// @param process  the number of the process that has it; "" if it is not known
  [[nodiscard]] static JournalLockedError held(std::string_view path, std::string_view process) {
    const std::string got = "written by another process" + std::string(process.empty() ? "" : ", number ");
    return JournalLockedError(reasonembed::detail::error_text(
        path, "journal", got + std::string(process), "one writer at a time: wait for it, or end it"));
  }
};

/// What SQLite's header of a journal says it is: "REMX".
inline constexpr std::int64_t kJournalApplication = 0x52454D58;

/// The steps that lead from an empty file to today's tables; a journal's schema version is how many it has taken.
///
/// A step that was released is never changed: a journal of today's version has the same tables, whether it was made
/// today or has come all the way.
inline constexpr std::array<const char*, 3> kJournalSteps = {
    R"sql(
      CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        fault TEXT,
        text TEXT NOT NULL,
        finish TEXT,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        ended INTEGER NOT NULL
      ) STRICT;
    )sql",
    R"sql(
      ALTER TABLE calls ADD COLUMN money REAL NOT NULL DEFAULT 0;
      ALTER TABLE calls ADD COLUMN ends INTEGER NOT NULL DEFAULT 1;
      CREATE TABLE prompts (
        call INTEGER PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
        messages TEXT NOT NULL
      ) STRICT;
      CREATE INDEX calls_by_stage ON calls (stage, fault, prompt_tokens, completion_tokens, money);
      CREATE VIEW answers AS
        SELECT id, stage, model, attempt, text, finish, prompt_tokens, completion_tokens, money FROM calls
        WHERE fault IS NULL;
      CREATE VIEW progress AS
        SELECT stage, count(*) AS calls, count(*) - count(fault) AS done, count(fault) AS failed,
          sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens, sum(money) AS money
        FROM calls GROUP BY stage;
    )sql",
    R"sql(
      ALTER TABLE calls ADD COLUMN input TEXT;
      ALTER TABLE calls ADD COLUMN output TEXT;
      CREATE TABLE plans (
        id INTEGER PRIMARY KEY,
        task TEXT NOT NULL,
        stage TEXT NOT NULL,
        total INTEGER,
        settled INTEGER NOT NULL DEFAULT 0,
        lost INTEGER NOT NULL DEFAULT 0,
        begun INTEGER NOT NULL,
        UNIQUE (task, stage)
      ) STRICT;
      CREATE TABLE uses (
        plan INTEGER NOT NULL REFERENCES plans (id),
        call INTEGER NOT NULL REFERENCES calls (id),
        PRIMARY KEY (plan, call)
      ) STRICT, WITHOUT ROWID;
      CREATE VIEW outputs AS
        SELECT task, plans.stage AS stage, calls.id AS call, model, attempt, input, output, text
        FROM plans JOIN uses ON plan = plans.id JOIN calls ON calls.id = call
        WHERE fault IS NULL AND output IS NOT NULL;
      CREATE VIEW filtered_documents AS
        SELECT task, json_extract(input, '$.document_id') AS document_id,
          json_extract(output, '$.belongs') AS belongs, model, call
        FROM outputs WHERE stage = 'filter_domain';
      CREATE VIEW generated_queries AS
        SELECT task, json_extract(output, '$.query_id') AS query_id, json_extract(output, '$.query') AS query,
          json_extract(input, '$.document_id') AS document_id, json_extract(input, '$.length') AS length,
          json_extract(input, '$.level') AS level, model, call
        FROM outputs WHERE stage = 'generate_queries';
      CREATE VIEW mined_candidates AS
        SELECT DISTINCT task, json_extract(input, '$.query_id') AS query_id, json_extract(input, '$.query') AS query,
          json_extract(input, '$.source_id') AS source_id, json_extract(input, '$.document_id') AS document_id,
          json_extract(input, '$.rank') AS rank
        FROM plans JOIN uses ON plan = plans.id JOIN calls ON calls.id = call
        WHERE plans.stage = 'annotate_relevance' AND input IS NOT NULL;
      CREATE VIEW annotations AS
        SELECT task, json_extract(input, '$.query_id') AS query_id, json_extract(input, '$.query') AS query,
          json_extract(input, '$.source_id') AS source_id, json_extract(input, '$.document_id') AS document_id,
          json_extract(input, '$.rank') AS rank, json_extract(output, '$.score') AS score, text AS reasoning,
          model, call
        FROM outputs WHERE stage = 'annotate_relevance';
      CREATE VIEW reasoning_queries AS
        SELECT task, json_extract(input, '$.query_id') AS query_id, json_extract(input, '$.query') AS query,
          json_extract(output, '$.reasoning_query') AS reasoning_query, model, call
        FROM outputs WHERE stage = 'write_reasoning_queries';
    )sql"};
inline constexpr std::int64_t kJournalVersion = static_cast<std::int64_t>(kJournalSteps.size());

/// The right to write a journal, held by one process at a time and given back when it ends, whatever ends it.
///
/// The lock is a file of its own (`<journal>.lock`), since a process that closes any handle of SQLite's file loses the
/// locks SQLite holds on it. The file stays.
class JournalLock {
 public:
  /// @throws  JournalLockedError if another process, or another object of this one, holds it; IoError
  explicit JournalLock(const std::filesystem::path& journal)
      : file_(std::filesystem::path(journal) += ".lock", O_RDWR | O_CREAT) {
    int result = -1;
    do {
      result = ::flock(file_.number(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EWOULDBLOCK) {
      std::array<char, 20> process{};
      const std::size_t size = file_.read(process.data(), process.size());
      throw JournalLockedError::held(journal.string(), std::string_view(process.data(), size));
    }
    if (result != 0 || ::ftruncate(file_.number(), 0) != 0) {
      throw IoError::failed(file_.path(), "lock", io::system_reason(errno), "a file system with flock");
    }
    file_.write(std::to_string(::getpid()));
  }

 private:
  io::FileHandle file_;
};

namespace detail {

/// SQLite takes a file of a few bytes for an empty database, and would write over it.
/// @throws  DataError if there is a file with other content than a database
inline void require_database(const std::filesystem::path& path) {
  constexpr std::string_view kBegin("SQLite format 3\0", 16);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || std::filesystem::file_size(path, error) == 0) {
    return;  // made, or refused by the system
  }
  std::array<char, kBegin.size()> begin{};
  const std::size_t size = io::FileHandle(path, O_RDONLY).read(begin.data(), begin.size());
  if (std::string_view(begin.data(), size) != kBegin) {
    throw DataError::invalid(path.string(), "file", "no SQLite database", "a journal of this library, or no file");
  }
}

/// @return   the schema version of a journal, 0 for a file without any table
/// @throws   DataError if the database is another program's, or a later version's
inline std::int64_t journal_version(SqliteDatabase& database) {
  const std::int64_t application = database.number("PRAGMA application_id");
  const std::int64_t version = database.number("PRAGMA user_version");
  const bool empty = database.number("SELECT count(*) FROM sqlite_master") == 0;
  if (application == 0 && version == 0 && empty) {
    return 0;
  }
  if (application != kJournalApplication) {
    throw DataError::invalid(database.path(),
                             "application id",
                             std::to_string(application) + ", so the database is another program's",
                             std::to_string(kJournalApplication) + " of a journal");
  }
  if (version < 1 || version > kJournalVersion) {
    throw DataError::invalid(database.path(),
                             "schema version",
                             std::to_string(version),
                             "1 to " + std::to_string(kJournalVersion) + "; a later version of this library wrote it");
  }
  return version;
}

/// Takes the steps that are missing, all or none.
inline void migrate_journal(SqliteDatabase& database) {
  const std::int64_t version = journal_version(database);
  if (version == kJournalVersion) {
    return;
  }
  database.execute("BEGIN IMMEDIATE");
  try {
    for (auto step = static_cast<std::size_t>(version); step < kJournalSteps.size(); ++step) {
      database.execute(kJournalSteps[step]);
    }
    database.execute("PRAGMA application_id = " + std::to_string(kJournalApplication));
    database.execute("PRAGMA user_version = " + std::to_string(kJournalVersion));
    database.execute("COMMIT");
  } catch (...) {
    (void)sqlite3_exec(database.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

/// Opens a journal of today's version to read it.
/// @throws  IoError if there is none; DataError if it is no journal, or of another version
inline SqliteDatabase open_journal_to_read(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw IoError::failed(path.string(), "file", "missing", "a journal");
  }
  require_database(path);
  SqliteDatabase database(path, SQLITE_OPEN_READONLY);
  if (const std::int64_t version = journal_version(database); version != kJournalVersion) {
    throw DataError::invalid(path.string(),
                             "schema version",
                             std::to_string(version),
                             std::to_string(kJournalVersion) + "; open it for writing once to bring it there");
  }
  return database;
}

}  // namespace detail

}  // namespace reasonembed::remixer
