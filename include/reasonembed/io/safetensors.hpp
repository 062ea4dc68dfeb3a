#pragma once
/// @file Reading of safetensors files: tensors by name, straight from a memory map.
///
///   file = u64 n (little-endian), n bytes of JSON {name: {dtype, shape, data_offsets: [begin, end]}, ...}, data
///
/// The format is that of https://github.com/huggingface/safetensors (README, "Format"). Everything in it that can lie
/// is checked when a file is opened, so that a tensor handed out is always within the file.
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/memory_map.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// One tensor of a file.
struct TensorInfo {
  DType dtype = DType::kF32;
  std::vector<Index> shape;          ///< extents, row-major; empty for a scalar
  std::span<const std::byte> bytes;  ///< little-endian elements at any alignment, size() * dtype_size(dtype) of them

  /// @return  the number of elements
  [[nodiscard]] Index size() const { return static_cast<Index>(bytes.size() / dtype_size(dtype)); }
};

/// A shape for an error, such as "[384, 1536]"; what follows eight extents is left out.
[[nodiscard]] inline std::string shape_text(std::span<const Index> shape) {
  constexpr std::size_t kShown = 8;
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(shape.size(), kShown); ++i) {
    text.append(i == 0 ? "" : ", ").append(std::to_string(shape[i]));
  }
  text += shape.size() > kShown ? ", ..." : "";
  return text + "]";
}

namespace detail {

/// What a reader of a missing tensor may have meant, for the error.
inline std::string tensor_suggestion(std::string_view name, std::span<const std::string> names) {
  std::string text = "one of the " + std::to_string(names.size()) + " tensors there";
  const std::vector<std::string> closest = closest_names(name, names);
  for (const std::string& other : closest) {
    text.append(&other == closest.data() ? ", such as " : ", ").append(in_quotes(other, 120));
  }
  return text;
}

/// @return  bytes of a tensor; checked against overflow
/// @throws  DataError if they pass 2^63 - 1
inline std::uint64_t tensor_bytes(const std::string& where, DType dtype, std::span<const Index> shape) {
  std::uint64_t bytes = dtype_size(dtype);
  for (const Index extent : shape) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (extent != 0 && bytes > kMost / static_cast<std::uint64_t>(extent)) {
      throw DataError::invalid(
          where, "shape", shape_text(shape), "less than 2^63 bytes of " + std::string(dtype_name(dtype)));
    }
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

/// @throws DataError for a finite element of type From that became infinite in `row`
template <class From, class T>
void require_range(const std::string& where, const std::byte* from, Index first, std::span<const T> row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!std::isinf(static_cast<float>(row[i]))) {
      continue;
    }
    From value{};
    std::memcpy(&value, from + i * sizeof(value), sizeof(value));
    if (std::isfinite(value)) {
      throw DataError::invalid(where,
                               "element " + std::to_string(static_cast<std::size_t>(first) + i),
                               Json(value).dump(),
                               std::string("a number in the range of ") + (std::same_as<T, bf16> ? "bf16" : "float"));
    }
  }
}

/// Converts one row; a finite number that T can't hold is refused.
template <Stored T>
void convert_row(const std::string& where, const TensorInfo& tensor, Index first, std::span<T> row) {
  const std::byte* from = tensor.bytes.data() + static_cast<std::size_t>(first) * dtype_size(tensor.dtype);
  if (!convert_elements(tensor.dtype, from, row)) {
    throw DataError::invalid(where, "dtype", dtype_name(tensor.dtype), "F64, F32, F16 or BF16");
  }
  if constexpr (!std::same_as<T, double>) {
    if (tensor.dtype == DType::kF64) {
      require_range<double, T>(where, from, first, row);
    } else if (tensor.dtype == DType::kF32 && std::same_as<T, bf16>) {
      require_range<float, T>(where, from, first, row);
    }
  }
}

}  // namespace detail

/// The tensors of one safetensors file, mapped into memory.
///
/// @note  move-only; const functions are safe from many threads. O(header) to open; pages are read when touched.
class SafeTensors {
 public:
  /// Longest header of the format.
  static constexpr std::uint64_t kLongestHeader = 100'000'000;

  /// @throws  IoError if the file can't be mapped; DataError that names the file, the tensor, what was found and what
  ///          was expected, for anything the format forbids
  [[nodiscard]] static SafeTensors open(const std::filesystem::path& path) {
    MemoryMap map(path.string());
    SafeTensors file = parse(map.bytes(), path.string());
    file.map_ = std::move(map);
    return file;
  }
  /// The same for a file that is in memory already.
  /// @param bytes  must outlive the object
  /// @param where  what errors call it
  [[nodiscard]] static SafeTensors parse(std::span<const std::byte> bytes, std::string where) {
    SafeTensors file;
    file.where_ = std::move(where);
    file.read_header(bytes);
    return file;
  }

  [[nodiscard]] const std::string& where() const { return where_; }
  /// @return  the names in byte order
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    names.reserve(tensors_.size());
    for (const auto& [name, tensor] : tensors_) {
      names.push_back(name);
    }
    return names;
  }
  [[nodiscard]] bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  /// @throws  DataError that names the closest names if there is no such tensor
  [[nodiscard]] const TensorInfo& tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw DataError::invalid(
          where_, "tensor " + in_quotes(name, 120), "missing", detail::tensor_suggestion(name, names()));
    }
    return found->second;
  }
  /// @return  the free text under "__metadata__"
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Reads a tensor of F64, F32, F16 or BF16; exact where the target holds the value, else rounded to nearest.
  ///
  /// @param out  (R, C) for a tensor of shape [R, C], or [C] if R is 1
  /// @throws     DataError if the tensor is missing, of another dtype, or holds a finite number that float can't hold;
  ///             ShapeError if it has another shape. NaN and infinity are read as they are: who computes decides.
  void read(std::string_view name, MatrixView<float> out) const { read_rows(name, 0, out.rows(), out); }
  void read(std::string_view name, MatrixView<double> out) const { read_rows(name, 0, out.rows(), out); }
  void read(std::string_view name, MatrixView<bf16> out) const { read_rows(name, 0, out.rows(), out); }
  /// Reads rows [first, first + out.rows()) of a tensor of `rows` rows.
  ///
  /// @pre     0 <= first, first + out.rows() <= rows
  /// @throws  as read
  template <Stored T>
  void read_rows(std::string_view name, Index first, Index rows, MatrixView<T> out) const {
    REASONEMBED_ASSERT(first >= 0 && first <= rows - out.rows());
    const TensorInfo& found = tensor(name);
    const std::vector<Index> want = {rows, out.cols()};
    const bool vector = rows == 1 && found.shape == std::vector<Index>{out.cols()};
    if (!vector && found.shape != want) {
      throw ShapeError::invalid(where(name), "shape", shape_text(found.shape), shape_text(want));
    }
    const std::string label = where(name);
    for (Index row = 0; row < out.rows(); ++row) {
      detail::convert_row(label, found, (first + row) * out.cols(), out.row(row));
    }
  }
  /// Gives back the memory that reading a tensor took, see MemoryMap::release; of a file in memory, nothing.
  ///
  /// @throws  DataError if there is no such tensor
  void release(std::string_view name) const {
    const TensorInfo& found = tensor(name);
    if (map_.size() > 0) {
      map_.release(found.bytes);
    }
  }
  /// @param out  all elements in row-major order, whatever the shape
  void read(std::string_view name, std::span<float> out) const { read_flat(name, out); }
  void read(std::string_view name, std::span<double> out) const { read_flat(name, out); }

 private:
  using Extent = std::pair<std::uint64_t, std::uint64_t>;  // [begin, end) in the data

  [[nodiscard]] std::string where(std::string_view name) const { return where_ + ": tensor " + in_quotes(name, 120); }

  template <class T>
  void read_flat(std::string_view name, std::span<T> out) const {
    const TensorInfo& found = tensor(name);
    if (found.size() != static_cast<Index>(out.size())) {
      throw ShapeError::invalid(
          where(name), "shape", shape_text(found.shape), std::to_string(out.size()) + " elements");
    }
    detail::convert_row(where(name), found, 0, out);
  }

  void read_header(std::span<const std::byte> bytes) {
    std::uint64_t length = 0;
    if (bytes.size() < sizeof(length)) {
      throw DataError::invalid(
          where_, "file", std::to_string(bytes.size()) + " bytes", "at least 8, the length of the header");
    }
    std::memcpy(&length, bytes.data(), sizeof(length));
    const std::uint64_t rest = bytes.size() - sizeof(length);
    if (length > kLongestHeader || length > rest) {
      throw DataError::invalid(where_,
                               "header length",
                               std::to_string(length),
                               length > kLongestHeader ? "at most " + std::to_string(kLongestHeader)
                                                       : "at most " + std::to_string(rest) + ", the rest of the file");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof(length), length);
    if (!text.starts_with('{')) {
      throw DataError::invalid(where_, "start of the header", in_quotes(text, 8), "\"{\"");
    }
    const std::string label = where_ + ": header";
    const Json header = parse_json(text, label);
    const std::span<const std::byte> data = bytes.subspan(sizeof(length) + static_cast<std::size_t>(length));
    std::vector<std::pair<Extent, std::string_view>> extents;
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        read_metadata(value);
      } else {
        const auto added = tensors_.emplace(name, TensorInfo{}).first;
        extents.emplace_back(read_tensor(name, value, data, added->second), added->first);
      }
    }
    require_partition(std::move(extents), data.size());
  }
  void read_metadata(const Json& value) {
    const JsonFields fields(value, where_ + ": __metadata__");
    for (const auto& [key, text] : value.items()) {
      metadata_.emplace(key, fields.get_string(key));
    }
  }
  Extent read_tensor(std::string_view name, const Json& value, std::span<const std::byte> data, TensorInfo& tensor) {
    const std::string label = where(name);
    const JsonFields fields(value, label);
    const std::string& dtype = fields.get_string("dtype");
    const auto found = find_dtype(dtype);
    if (!found) {
      throw DataError::invalid(label, "dtype", in_quotes(dtype), "one of " + dtype_names());
    }
    tensor.dtype = *found;
    for (const std::int64_t extent : fields.get_ints("shape", 0)) {
      tensor.shape.push_back(static_cast<Index>(extent));
    }
    const std::uint64_t size = detail::tensor_bytes(label, tensor.dtype, tensor.shape);
    const std::vector<std::int64_t> offsets = fields.get_ints("data_offsets", 0);
    if (offsets.size() != 2) {
      throw DataError::invalid(label, "data_offsets", std::to_string(offsets.size()) + " numbers", "[begin, end]");
    }
    const Extent extent(offsets[0], offsets[1]);
    const std::string got = shape_text(std::vector<Index>(offsets.begin(), offsets.end()));
    if (extent.first > extent.second || extent.second > data.size()) {
      throw DataError::invalid(
          label, "data_offsets", got, "begin <= end <= " + std::to_string(data.size()) + ", the size of the data");
    }
    if (extent.second - extent.first != size) {
      throw DataError::invalid(
          label, "data_offsets", got, std::to_string(size) + " bytes for " + dtype + " " + shape_text(tensor.shape));
    }
    tensor.bytes = data.subspan(static_cast<std::size_t>(extent.first), static_cast<std::size_t>(size));
    return extent;
  }
  /// The format allows neither overlaps nor holes: either could hide other content in a file that looks the same.
  void require_partition(std::vector<std::pair<Extent, std::string_view>> extents, std::uint64_t size) const {
    std::sort(extents.begin(), extents.end());
    std::uint64_t end = 0;
    for (const auto& [extent, name] : extents) {
      if (extent.first != end) {
        throw DataError::invalid(where(name),
                                 "begin of data_offsets",
                                 std::to_string(extent.first) + (extent.first < end ? " (overlap)" : " (hole)"),
                                 std::to_string(end) + ", the end of the tensor before");
      }
      end = extent.second;
    }
    if (end != size) {
      throw DataError::invalid(
          where_, "data", std::to_string(size) + " bytes", std::to_string(end) + ", the end of the last tensor");
    }
  }

  std::string where_;
  MemoryMap map_;
  std::map<std::string, TensorInfo, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace reasonembed::io
