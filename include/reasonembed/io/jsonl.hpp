#pragma once
/// @file JSON Lines: one JSON object a line.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/line_reader.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// Calls `f(row)` for every object of a JSON Lines file, in order.
///
/// @param f  `row.where()` is file:line, and so begin the errors of its getters; the row is valid during the call
/// @throws   IoError if the file can't be read; DataError that names file:line for text that is not UTF-8, not JSON or
///           no object, and for a blank line before the end (see for_each_record); what `f` throws
/// @note     memory: one line and its value, however long the file
inline void for_each_json_line(const std::filesystem::path& path, FunctionRef<void(const JsonFields&)> f) {
  LineReader reader(path);
  for_each_record(reader, "a JSON object", [&] {
    std::string where = reader.where();
    const Json row = parse_json(reader.text(), where);
    f(JsonFields(row, std::move(where)));
  });
}

/// Appends rows to a JSON Lines file, such as the log of a run that may be resumed.
///
/// Each row reaches the operating system before write() returns, in one request, so that another program can follow the
/// file; a row that does not fit on the disk is taken back whole.
///
/// @note  one writer a file; not safe from many threads
class JsonlWriter {
 public:
  /// Opens or creates `path`. A last line without its newline is completed if it is JSON.
  /// @throws  IoError if the file can't be opened for appending, DataError if its last line is cut off
  explicit JsonlWriter(const std::filesystem::path& path) : file_(path, O_RDWR | O_CREAT | O_APPEND) {
    const std::string tail = unfinished_line();
    if (tail.empty()) {
      return;
    }
    try {
      (void)parse_json(tail, file_.path());
    } catch (const DataError&) {
      throw DataError::invalid(file_.path(), "last line", "cut off at " + in_quotes(tail), "a complete row");
    }
    append("\n");
  }

  /// @throws  IoError if the row can't be written (the file then ends with the row before), DataError or NonFiniteError
  ///          if it can't be put into JSON
  void write(const Json& row) { append(dump_json(row, -1) + "\n"); }
  /// Waits until the rows are on the disk.
  void sync() { file_.sync(); }

 private:
  void append(std::string_view text) {
    struct stat before{};
    const bool known = ::fstat(file_.number(), &before) == 0 && S_ISREG(before.st_mode);
    try {
      file_.write(text);
    } catch (const IoError&) {
      if (known && ::ftruncate(file_.number(), before.st_size) != 0) {
        throw IoError::failed(
            file_.path(), "last line", "cut off, and so it stays (" + system_reason(errno) + ")", "room for all bytes");
      }
      throw;
    }
  }
  /// @return  what follows the last newline
  [[nodiscard]] std::string unfinished_line() const {
    constexpr off_t kChunk = off_t{1} << 16;
    struct stat status{};
    off_t start = ::fstat(file_.number(), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : 0;
    std::string tail;
    while (start > 0 && tail.find('\n') == std::string::npos) {
      const off_t size = std::min(start, kChunk);
      start -= size;
      std::string chunk(static_cast<std::size_t>(size), '\0');
      if (::lseek(file_.number(), start, SEEK_SET) < 0 || file_.read(chunk.data(), chunk.size()) != chunk.size()) {
        throw IoError::failed(file_.path(), "last line", "unreadable", "a readable file");
      }
      tail.insert(0, chunk);
    }
    return tail.substr(tail.rfind('\n') + 1);  // npos + 1 == 0
  }

  FileHandle file_;
};

}  // namespace reasonembed::io
