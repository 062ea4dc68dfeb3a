#pragma once
/// @file Text files line by line, in memory that does not grow with the file.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/utf8.hpp>

#include <fcntl.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// Options of LineReader.
struct LineReaderOptions {
  std::size_t longest = std::size_t{1} << 28;  ///< bytes of the longest line read; guards against files without lines

  friend bool operator==(const LineReaderOptions&, const LineReaderOptions&) = default;
};

/// Reads a UTF-8 text file line by line.
///
/// A line ends in \n or \r\n, which are not part of it; the last one may lack its end. A byte order mark at the start
/// of the file is dropped. A lone \r and a NUL byte are content like any other.
///
/// @note  memory: the longest line plus 64 KiB; stays where it is, for text() looks into it; not safe from many threads
class LineReader {
 public:
  using Options = LineReaderOptions;

  /// @throws IoError if the file can't be opened
  explicit LineReader(const std::filesystem::path& path, Options options = {})
      : file_(path, O_RDONLY), options_(options) {}

  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  LineReader(LineReader&&) = delete;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader() = default;

  /// Moves to the next line.
  /// @return  false at the end of the file
  /// @throws  IoError if the disk fails, DataError (file:line) for a line that is not UTF-8 or too long
  [[nodiscard]] bool next() {
    std::size_t end = find_end();
    const bool last = end == std::string::npos;
    if (last && start_ == buffer_.size()) {
      text_ = {};
      return false;
    }
    end = last ? buffer_.size() : end;
    text_ = std::string_view(buffer_).substr(start_, end - start_);
    start_ = last ? end : end + 1;
    if (++line_ == 1 && text_.starts_with(kByteOrderMark)) {
      text_.remove_prefix(kByteOrderMark.size());
    }
    if (text_.ends_with('\r')) {
      text_.remove_suffix(1);
    }
    const std::size_t bad = find_invalid_utf8(text_);
    if (bad != std::string_view::npos) {
      const std::string byte = "0x" + detail::hex_byte(static_cast<unsigned char>(text_[bad]));
      throw DataError::at_line(path(), line_, "byte " + std::to_string(bad + 1), byte, "UTF-8 text");
    }
    return true;
  }
  /// @return  the current line, valid until the next call of next()
  [[nodiscard]] std::string_view text() const { return text_; }
  /// @return  the 1-based number of the current line, 0 before the first
  [[nodiscard]] std::size_t line() const { return line_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }
  /// @return  file:line of the current line, as errors print it
  [[nodiscard]] std::string where() const { return path() + ":" + std::to_string(line_); }

 private:
  /// @return  index of the next \n in the buffer, filled as far as needed; npos if the file ends first
  std::size_t find_end() {
    constexpr std::size_t kChunk = std::size_t{1} << 16;
    std::size_t searched = start_;
    for (;;) {
      const std::size_t end = buffer_.find('\n', searched);
      if ((end == std::string::npos ? buffer_.size() : end) - start_ > options_.longest) {
        throw DataError::at_line(
            path(), line_ + 1, "line", "longer than " + std::to_string(options_.longest) + " bytes", "lines of text");
      }
      if (end != std::string::npos || ended_) {
        return end;
      }
      buffer_.erase(0, start_);
      start_ = 0;
      searched = buffer_.size();
      buffer_.resize(searched + kChunk);
      const std::size_t count = file_.read(buffer_.data() + searched, kChunk);
      buffer_.resize(searched + count);
      ended_ = count == 0;
    }
  }

  FileHandle file_;
  Options options_;
  std::string buffer_;
  std::string_view text_;
  std::size_t start_ = 0;  // of the next line in buffer_
  std::size_t line_ = 0;
  bool ended_ = false;
};

/// Calls `f(line number, text)` for every line, blank ones included.
///
/// @throws  as LineReader, and what `f` throws
inline void for_each_line(const std::filesystem::path& path, FunctionRef<void(std::size_t, std::string_view)> f) {
  LineReader reader(path);
  while (reader.next()) {
    f(reader.line(), reader.text());
  }
}

/// All lines of a file.
[[nodiscard]] inline std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  for_each_line(path, [&](std::size_t /*line*/, std::string_view text) { lines.emplace_back(text); });
  return lines;
}

/// Calls `f()` for every line of a file of records, one a line, while `reader` stands on it.
///
/// Blank lines (spaces and tabs at most) are skipped at the end of the file, where editors and shell redirections leave
/// them. Before another record they are refused: there they mean that a record was lost, and skipping them would shift
/// whatever counts records.
///
/// @param want  what a line should hold, for the error
inline void for_each_record(LineReader& reader, std::string_view want, FunctionRef<void()> f) {
  std::size_t blank = 0;  // first line of the run of blank ones before the current line
  while (reader.next()) {
    if (reader.text().find_first_not_of(" \t") == std::string_view::npos) {
      blank = blank == 0 ? reader.line() : blank;
      continue;
    }
    if (blank != 0) {
      throw DataError::at_line(reader.path(), blank, "line", "blank", want);
    }
    f();
  }
}

}  // namespace reasonembed::io
