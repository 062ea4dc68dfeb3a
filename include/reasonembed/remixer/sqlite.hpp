#pragma once
/// @file SQLite with the errors of this library: a database, its statements, and transactions.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

class SqliteStatement;

/// An open SQLite database.
///
/// Errors name the file: DataError for one that is no database or is damaged, IoError for what the system refuses
/// (missing, read-only, full, locked).
///
/// @note  move-only; one thread at a time
class SqliteDatabase {
 public:
  /// @param flags  as of sqlite3_open_v2
  /// @throws       IoError if the file can't be opened
  SqliteDatabase(const std::filesystem::path& path, int flags) : path_(path.string()) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path_.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) {
      refuse(code);
    }
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_timeout(handle, 10'000);  // readers of the same file hold it for moments
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

  /// Runs statements that give no rows.
  /// @throws  DataError or IoError, see above
  void execute(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
      refuse(code);
    }
  }
  /// The first number of the first row that a statement gives, 0 if it gives none.
  [[nodiscard]] std::int64_t number(const std::string& sql);

  /// @throws  the error that `code` stands for
  [[noreturn]] void refuse(int code) const {
    std::string got = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
    switch (code & 0xFF) {
      case SQLITE_NOTADB:
        throw DataError::invalid(path_, "file", "no SQLite database", "a journal of this library, or no file");
      case SQLITE_CORRUPT:
      case SQLITE_FORMAT:
        throw DataError::invalid(path_, "database", "damaged (" + got + ")", "a whole journal");
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw IoError::failed(path_, "database", "locked by another process", "nobody else's for the moment");
      case SQLITE_FULL:
        throw IoError::failed(path_, "write", "refused (" + got + ")", "room for all rows");
      case SQLITE_CANTOPEN:
      case SQLITE_IOERR:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        throw IoError::failed(path_, "file", "refused (" + got + ")", "a file that can be read and written");
      default:
        throw DataError::invalid(path_, "SQL", "refused (" + got + ")", "a journal with the tables of its version");
    }
  }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { (void)sqlite3_close_v2(handle); }
  };

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement, run any number of times.
///
///   statement.bind(1, text).bind(2, number);  while (statement.step()) { statement.text(0); }
///
/// @note  must not outlive its database; a moved-from statement is empty
class SqliteStatement {
 public:
  SqliteStatement(const SqliteDatabase& database, std::string_view sql) : database_(&database) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(
        database.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) {
      database.refuse(code);
    }
  }

  /// Parameters count from 1. Texts and blobs must live until the next step() or reset().
  SqliteStatement& bind(int parameter, std::int64_t value) {
    return require(sqlite3_bind_int64(handle_.get(), parameter, value));
  }
  SqliteStatement& bind(int parameter, double value) {
    return require(sqlite3_bind_double(handle_.get(), parameter, value));
  }
  SqliteStatement& bind(int parameter, std::string_view text) {
    return require(sqlite3_bind_text64(
        handle_.get(), parameter, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  SqliteStatement& bind(int parameter, std::span<const std::uint8_t> blob) {
    return require(sqlite3_bind_blob64(handle_.get(), parameter, blob.data(), blob.size(), SQLITE_STATIC));
  }
  SqliteStatement& bind_null(int parameter) { return require(sqlite3_bind_null(handle_.get(), parameter)); }

  /// @return  whether there is a row; after false the statement can be bound and run again
  bool step() {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) {
      return true;
    }
    (void)sqlite3_reset(handle_.get());
    if (code != SQLITE_DONE) {
      database_->refuse(code);
    }
    return false;
  }
  /// Ends a run whose rows are not all taken.
  void reset() { (void)sqlite3_reset(handle_.get()); }

  /// Columns count from 0.
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }
  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  [[nodiscard]] double real(int column) const { return sqlite3_column_double(handle_.get(), column); }
  /// @return  valid until the next step() or reset()
  [[nodiscard]] std::string_view text(int column) const {
    const unsigned char* const bytes = sqlite3_column_text(handle_.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
    return bytes == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(bytes), size);
  }
  /// @return  likewise
  [[nodiscard]] std::span<const std::uint8_t> blob(int column) const {
    const void* const bytes = sqlite3_column_blob(handle_.get(), column);
    return {static_cast<const std::uint8_t*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { (void)sqlite3_finalize(handle); }
  };
  SqliteStatement& require(int code) {
    if (code != SQLITE_OK) {
      database_->refuse(code);
    }
    return *this;
  }

  const SqliteDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

inline std::int64_t SqliteDatabase::number(const std::string& sql) {
  SqliteStatement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

}  // namespace reasonembed::remixer
