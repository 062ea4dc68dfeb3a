#pragma once
/// @file NumPy's .npy format for matrices of float32, the plainest way to hand vectors to other programs.
///
///   file = "\x93NUMPY", version, header length, a Python dict {'descr', 'fortran_order', 'shape'}, the elements
///
/// [NumPy, numpy.lib.format]. Written: version 1.0, '<f4', C order, two dimensions. Read: the same, of any version.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/memory_map.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/file_handle.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace reasonembed::inline REASONEMBED_ABI::io {

static_assert(std::endian::native == std::endian::little, "reasonembed::io: '<f4' is little-endian");

namespace detail {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";
inline constexpr std::size_t kNpyHeader = 128;  // any 2-D shape fits; a multiple of 64 as NumPy wants it

inline std::string npy_header(Index rows, Index cols) {
  std::string text(kNpyMagic);
  text += {'\x01', '\x00', static_cast<char>(kNpyHeader - 10), '\x00'};
  text += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " + std::to_string(cols) +
          "), }";
  text.append(kNpyHeader - 1 - text.size(), ' ');
  return text + "\n";
}

/// @return  what follows `'key':` in a header, without leading spaces
/// @throws  DataError if the key is not there
inline std::string_view npy_field(const std::string& where, std::string_view header, std::string_view key) {
  const std::string name = "'" + std::string(key) + "':";
  const std::size_t at = header.find(name);
  if (at == std::string_view::npos) {
    throw DataError::invalid(where, "header", in_quotes(header, 100), "a dict with " + name.substr(0, name.size() - 1));
  }
  const std::string_view rest = header.substr(at + name.size());
  return rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
}

/// Reads one extent and what must follow it.
inline bool take_extent(std::string_view& text, Index& extent, std::string_view after) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (error != std::errc() || extent < 0 || !text.starts_with(after)) {
    return false;
  }
  text.remove_prefix(after.size());
  return true;
}

}  // namespace detail

/// Writes a matrix row by row into an .npy file that appears at `path`, whole, when finish() is called.
class NpyWriter {
 public:
  /// @param cols  the width of every row
  /// @throws      IoError if the file can't be created
  NpyWriter(const std::filesystem::path& path, Index cols) : file_(path), cols_(cols) {
    file_.write(detail::npy_header(0, cols));
  }

  /// @param rows  (N, cols)
  /// @throws      ShapeError for another width, IoError if the disk is full
  void append(MatrixView<const float> rows) {
    require_extent("io::NpyWriter::append", "rows.cols()", rows.cols(), cols_);
    for (Index row = 0; row < rows.rows(); ++row) {
      const auto bytes = std::as_bytes(rows.row(row));
      file_.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    rows_ += rows.rows();
  }
  /// Writes the number of rows and makes the file visible.
  /// @throws  IoError if that fails; what was at the path before is then unchanged
  void finish() {
    file_.overwrite(0, detail::npy_header(rows_, cols_));
    file_.commit();
  }

 private:
  AtomicFile file_;
  Index rows_ = 0;
  Index cols_;
};

/// @param matrix  (N, D)
/// @throws        IoError if the file can't be written; the old file is then unchanged
inline void write_npy(const std::filesystem::path& path, MatrixView<const float> matrix) {
  NpyWriter writer(path, matrix.cols());
  writer.append(matrix);
  writer.finish();
}

/// Rows of an .npy file, in memory while the object lives and until it takes others; see NpyFile::fetch().
///
/// @note  move-only
class NpyRows {
 public:
  /// @return  (count, cols)
  [[nodiscard]] MatrixView<const float> view() const { return view_; }

 private:
  friend class NpyFile;
  MappedPart mapped_;
  Matrix<float> read_;  // where rows can't be mapped
  MatrixView<const float> view_;
};

/// A two-dimensional .npy file that stays on the disk: rows are read when they are asked for.
///
/// @note  move-only; reading from many threads is safe. The page cache of the system is what holds the file, not this
///        process. A file that is shortened meanwhile is an IoError, for rows that are fetched already see MappedPart.
class NpyFile {
 public:
  /// @throws  IoError if the file can't be read; DataError for anything but a whole two-dimensional C-order '<f4' array
  explicit NpyFile(const std::filesystem::path& path) : file_(path, O_RDONLY) {
    struct stat status{};
    if (::fstat(file_.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
      throw IoError::failed(
          file_.path(), "path", S_ISDIR(status.st_mode) ? "a directory" : "a special file", "a regular file");
    }
    read_header(static_cast<std::size_t>(status.st_size));
  }

  /// @return  N
  [[nodiscard]] Index rows() const { return rows_; }
  /// @return  D
  [[nodiscard]] Index cols() const { return cols_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

  /// Reads rows [first, first + out.rows()).
  /// @param out  (any, cols()), contiguous
  /// @throws     ShapeError if there are no such rows or the width differs; IoError if the disk or the file fails
  void read(Index first, MatrixView<float> out) const {
    require_extent("io::NpyFile::read", "out.cols()", out.cols(), cols_);
    REASONEMBED_ASSERT(out.contiguous());
    if (first < 0 || first > rows_ - out.rows()) {
      throw ShapeError::invalid("io::NpyFile::read",
                                "rows",
                                "[" + std::to_string(first) + ", " + std::to_string(first + out.rows()) + ")",
                                "a part of the " + std::to_string(rows_) + " rows");
    }
    if (!out.empty()) {
      read_bytes({reinterpret_cast<char*>(out.data()), bytes(out.rows())}, offset(first));
    }
  }
  /// Brings rows [first, first + count) into memory: mapped where the system can, which saves a copy, or else read.
  /// @throws  as read()
  /// @note    whoever goes through a file in order has it read ahead of by the system, which keeps track of one such
  ///          stream an object: threads that go through different parts do better with an object each
  void fetch(Index first, Index count, NpyRows& rows) const {
    rows.view_ = {};
    const bool aligned = start_ % alignof(float) == 0;
    if (first >= 0 && count >= 0 && first <= rows_ - count && aligned &&
        rows.mapped_.map(file_.number(), offset(first), bytes(count))) {
      rows.view_ = {reinterpret_cast<const float*>(rows.mapped_.bytes().data()), count, cols_};
      return;
    }
    if (rows.read_.rows() < count || rows.read_.cols() != cols_) {
      rows.read_ = Matrix<float>(count, cols_);
    }
    read(first, rows.read_.view().row_block(0, count));
    rows.view_ = rows.read_.view().row_block(0, count);
  }

 private:
  [[nodiscard]] std::size_t bytes(Index rows) const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols_) * sizeof(float);
  }
  [[nodiscard]] std::size_t offset(Index row) const { return start_ + bytes(row); }

  void read_bytes(std::span<char> out, std::size_t at) const {
    for (std::size_t done = 0; done < out.size();) {
      const ssize_t count =
          ::pread(file_.number(), out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (count > 0) {
        done += static_cast<std::size_t>(count);
      } else if (count == 0) {
        throw IoError::failed(
            file_.path(), "end of the file", "at byte " + std::to_string(at + done), "as far as when it was opened");
      } else if (errno != EINTR) {
        throw IoError::failed(file_.path(), "read", system_reason(errno), "a readable file");
      }
    }
  }
  void read_header(std::size_t file_size) {
    const std::string& where = file_.path();
    std::string text(std::min<std::size_t>(file_size, 12), '\0');
    read_bytes(text, 0);
    if (text.size() < 12 || !text.starts_with(detail::kNpyMagic)) {
      throw DataError::invalid(where, "start of the file", in_quotes(text.substr(0, 8)), "that of an .npy file");
    }
    const bool wide = text[6] != 1;  // versions 2 and 3 have a header length of four bytes
    std::uint32_t length = 0;
    std::memcpy(&length, text.data() + 8, wide ? 4 : 2);
    start_ = (wide ? 12U : 10U) + std::size_t{length};
    if (start_ > file_size) {
      throw DataError::invalid(where, "header length", std::to_string(length), "less than the file");
    }
    std::string header(length, '\0');
    read_bytes(header, start_ - length);
    const std::string_view type = detail::npy_field(where, header, "descr");
    if (!type.starts_with("'<f4'")) {
      throw DataError::invalid(where, "descr", in_quotes(type.substr(0, type.find(','))), "'<f4' (float32)");
    }
    if (!detail::npy_field(where, header, "fortran_order").starts_with("False")) {
      throw DataError::invalid(where, "fortran_order", "True", "False");
    }
    read_shape(detail::npy_field(where, header, "shape"), file_size - start_);
  }
  /// @param held  bytes behind the header
  void read_shape(std::string_view shape, std::size_t held) {
    const std::string& where = file_.path();
    std::string_view rest = shape;
    const bool opened = rest.starts_with('(');
    rest.remove_prefix(opened ? 1 : 0);
    if (!opened || !detail::take_extent(rest, rows_, ",") || !detail::take_extent(rest, cols_, ")")) {
      throw DataError::invalid(where, "shape", in_quotes(shape.substr(0, shape.find(')') + 1)), "(rows, columns)");
    }
    const std::size_t size = held / sizeof(float);
    const bool fits = cols_ == 0 || static_cast<std::size_t>(rows_) <= size / static_cast<std::size_t>(cols_);
    if (!fits || held != bytes(rows_)) {
      throw DataError::invalid(where,
                               "data",
                               std::to_string(held) + " bytes",
                               "4 for each of " + std::to_string(rows_) + " x " + std::to_string(cols_) + " elements");
    }
  }

  FileHandle file_;
  std::size_t start_ = 0;  // of the elements in the file
  Index rows_ = 0;
  Index cols_ = 0;
};

/// @return  (N, D)
/// @throws  as NpyFile
[[nodiscard]] inline Matrix<float> read_npy(const std::filesystem::path& path) {
  const NpyFile file(path);
  Matrix<float> matrix(file.rows(), file.cols());
  file.read(0, matrix.view());
  return matrix;
}

}  // namespace reasonembed::io
