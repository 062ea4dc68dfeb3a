#pragma once
/// @file Writing of safetensors files.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// A tensor to be written; the bytes belong to somebody else.
struct NamedTensor {
  std::string name;
  TensorInfo tensor;

  /// @param elements  (R, C) without gaps between rows, written with shape [R, C]
  /// @throws          ShapeError if rows are farther apart than their length
  template <class T>
  [[nodiscard]] static NamedTensor of(std::string name, MatrixView<const T> elements) {
    if (!elements.contiguous()) {
      throw ShapeError::mismatch(
          "io::NamedTensor::of", in_quotes(name) + " stride", elements.stride(), elements.cols());
    }
    return {std::move(name), {kDTypeOf<T>, {elements.rows(), elements.cols()}, std::as_bytes(elements.flat())}};
  }
  /// @param elements  (N), written with shape [N]
  template <class T>
  [[nodiscard]] static NamedTensor of(std::string name, std::span<const T> elements) {
    return {std::move(name), {kDTypeOf<T>, {static_cast<Index>(elements.size())}, std::as_bytes(elements)}};
  }
};

namespace detail {

/// @throws DataError for a name or a size that the format forbids
inline void require_writable(const std::string& where, std::span<const NamedTensor* const> sorted_by_name) {
  for (std::size_t i = 0; i < sorted_by_name.size(); ++i) {
    const auto& [name, tensor] = *sorted_by_name[i];
    const std::string label = where + ": tensor " + in_quotes(name, 120);
    if (name == "__metadata__" || (i > 0 && name == sorted_by_name[i - 1]->name)) {
      throw DataError::invalid(label, "name", name == "__metadata__" ? "reserved" : "given twice", "a name of its own");
    }
    if (std::any_of(tensor.shape.begin(), tensor.shape.end(), [](Index extent) { return extent < 0; })) {
      throw DataError::invalid(label, "shape", shape_text(tensor.shape), "extents >= 0");
    }
    const std::uint64_t size = tensor_bytes(label, tensor.dtype, tensor.shape);
    if (tensor.bytes.size() != size) {
      throw DataError::invalid(
          label,
          "data",
          std::to_string(tensor.bytes.size()) + " bytes",
          std::to_string(size) + " for " + std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape));
    }
  }
}

}  // namespace detail

/// Writes a safetensors file in one step (see write_file_atomically).
///
/// The same tensors and metadata give the same bytes, in whatever order they come: wide dtypes first, then by name, so
/// that every tensor is aligned to its element. The header is padded with spaces to 8 bytes.
///
/// @throws  DataError for a duplicate or reserved name or bytes that don't fit the shape, IoError if the file can't be
///          written; the old file is then unchanged
inline void write_safetensors(const std::filesystem::path& path,
                              std::span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  const std::string where = path.string();
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) {
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  detail::require_writable(where, order);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const auto a_size = dtype_size(a->tensor.dtype);
    const auto b_size = dtype_size(b->tensor.dtype);
    return a_size != b_size ? a_size > b_size : a->name < b->name;
  });

  Json header = Json::object();
  if (!metadata.empty()) {
    header["__metadata__"] = metadata;
  }
  std::uint64_t begin = 0;
  for (const auto* item : order) {
    const std::uint64_t end = begin + item->tensor.bytes.size();
    header[item->name] = {
        {"dtype", dtype_name(item->tensor.dtype)}, {"shape", item->tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = dump_json(header, -1);
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > SafeTensors::kLongestHeader) {
    throw DataError::invalid(
        where, "header length", std::to_string(text.size()), "at most " + std::to_string(SafeTensors::kLongestHeader));
  }
  const std::uint64_t length = text.size();
  write_file_atomically(path, [&](AtomicFile& file) {
    file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
    file.write(text);
    for (const auto* item : order) {
      file.write({reinterpret_cast<const char*>(item->tensor.bytes.data()), item->tensor.bytes.size()});
    }
  });
}

}  // namespace reasonembed::io
