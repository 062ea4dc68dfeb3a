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
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <bit>
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

/// @return  (N, D)
/// @throws  IoError if the file can't be read; DataError for anything but a whole two-dimensional C-order '<f4' array
[[nodiscard]] inline Matrix<float> read_npy(const std::filesystem::path& path) {
  const std::string where = path.string();
  const MemoryMap map(where);
  const std::string_view file = map.text();
  if (file.size() < 12 || !file.starts_with(detail::kNpyMagic)) {
    throw DataError::invalid(where, "start of the file", in_quotes(file.substr(0, 8)), "that of an .npy file");
  }
  const bool wide = file[6] != 1;  // versions 2 and 3 have a header length of four bytes
  std::uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, wide ? 4 : 2);
  const std::size_t start = (wide ? 12U : 10U) + std::size_t{length};
  if (start > file.size()) {
    throw DataError::invalid(where, "header length", std::to_string(length), "less than the file");
  }
  const std::string_view header = file.substr(wide ? 12 : 10, length);
  const std::string_view type = detail::npy_field(where, header, "descr");
  if (!type.starts_with("'<f4'")) {
    throw DataError::invalid(where, "descr", in_quotes(type.substr(0, type.find(','))), "'<f4' (float32)");
  }
  if (!detail::npy_field(where, header, "fortran_order").starts_with("False")) {
    throw DataError::invalid(where, "fortran_order", "True", "False");
  }
  const std::string_view shape = detail::npy_field(where, header, "shape");
  std::string_view rest = shape;
  Index rows = 0;
  Index cols = 0;
  const bool opened = rest.starts_with('(');
  rest.remove_prefix(opened ? 1 : 0);
  if (!opened || !detail::take_extent(rest, rows, ",") || !detail::take_extent(rest, cols, ")")) {
    throw DataError::invalid(where, "shape", in_quotes(shape.substr(0, shape.find(')') + 1)), "(rows, columns)");
  }
  const std::size_t size = (file.size() - start) / sizeof(float);
  const bool fits = cols == 0 || static_cast<std::size_t>(rows) <= size / static_cast<std::size_t>(cols);
  if (!fits || (file.size() - start) != static_cast<std::size_t>(rows * cols) * sizeof(float)) {
    throw DataError::invalid(where,
                             "data",
                             std::to_string(file.size() - start) + " bytes",
                             "4 for each of " + std::to_string(rows) + " x " + std::to_string(cols) + " elements");
  }
  Matrix<float> matrix(rows, cols);
  if (!matrix.flat().empty()) {
    std::memcpy(matrix.flat().data(), file.data() + start, matrix.flat().size_bytes());
  }
  return matrix;
}

}  // namespace reasonembed::io
