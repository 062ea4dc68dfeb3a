#pragma once
/// @file The table of a static embedding model: token ids to the mean of their rows.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/simd/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

template <class T>
T element_of(const io::TensorInfo& tensor, std::size_t i) {
  T value{};
  std::memcpy(&value, tensor.bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

}  // namespace detail

/// A static embedding model without its tokenizer [Minish Lab 2024, model2vec]: a row for each token, or for each
/// cluster of tokens, and weights of tokens where the rows do not hold them already.
///
///   y = mean_t w[token_t] E[m[token_t]],  m the identity and w 1 where the model has none
///
/// @note  const functions are safe from many threads
class StaticEmbeddings {
 public:
  /// Reads `embeddings` (R, D) with, where they are, `mapping` (V) and `weights` (V), as model2vec writes them; or
  /// `embedding.weight` (V, D), as sentence-transformers does. Rows may be F64, F32, F16, BF16 or I8.
  ///
  /// @throws DataError or ShapeError naming a tensor that is missing, of no use here, of another type or shape;
  /// DataError
  ///         for a mapping to a row that is not there; NonFiniteError for a row or weight that is no number
  [[nodiscard]] static StaticEmbeddings read(const io::SafeTensors& file) {
    StaticEmbeddings table;
    const bool plain = file.contains("embedding.weight") && !file.contains("embeddings");
    const std::string_view rows = plain ? "embedding.weight" : "embeddings";
    table.read_rows(file, rows);
    for (const std::string& name : file.names()) {
      if (name != rows && (plain || (name != "mapping" && name != "weights"))) {
        throw DataError::invalid(
            file.where(), "tensor \"" + name + "\"", "present", "only those of a static embedding model");
      }
    }
    if (file.contains("mapping")) {
      table.read_mapping(file);
    }
    if (file.contains("weights")) {
      table.read_weights(file);
    }
    return table;
  }

  /// @return  D, the width of a vector
  [[nodiscard]] Index dim() const { return rows_.cols(); }
  /// @return  V, tokens it has a row for
  [[nodiscard]] Index vocab_size() const {
    return mapping_.empty() ? rows_.rows() : static_cast<Index>(mapping_.size());
  }

  /// @param ids  of one text
  /// @param out  (D), overwritten; zeros for a text without tokens
  /// @throws     ShapeError if an id has no row, or `out` is of another width
  /// @note       O(T D), summed in double in the order of the tokens; no allocation but D doubles
  void mean(std::span<const std::int32_t> ids, std::span<float> out) const {
    require_extent("model::StaticEmbeddings::mean", "out.size()", static_cast<Index>(out.size()), dim());
    std::vector<double> sum(out.size(), 0.0);
    for (std::size_t t = 0; t < ids.size(); ++t) {
      if (ids[t] < 0 || ids[t] >= vocab_size()) {
        throw ShapeError::invalid("model::StaticEmbeddings::mean",
                                  "ids[" + std::to_string(t) + "]",
                                  std::to_string(ids[t]),
                                  "0 <= id < " + std::to_string(vocab_size()));
      }
      const auto id = static_cast<std::size_t>(ids[t]);
      const double weight = weights_.empty() ? 1.0 : weights_[id];
      const std::span<const float> row = rows_.view().row(mapping_.empty() ? ids[t] : mapping_[id]);
      for (std::size_t d = 0; d < sum.size(); ++d) {
        sum[d] += weight * static_cast<double>(row[d]);
      }
    }
    const double count = ids.empty() ? 1.0 : static_cast<double>(ids.size());
    std::transform(sum.begin(), sum.end(), out.begin(), [&](double s) { return static_cast<float>(s / count); });
  }

 private:
  void read_rows(const io::SafeTensors& file, std::string_view name) {
    const io::TensorInfo& tensor = file.tensor(name);
    if (tensor.shape.size() != 2 || tensor.shape[0] < 1 || tensor.shape[1] < 1) {
      throw ShapeError::invalid(file.where() + ": tensor \"" + std::string(name) + "\"",
                                "shape",
                                io::shape_text(tensor.shape),
                                "[tokens, width]");
    }
    rows_ = Matrix<float>(tensor.shape[0], tensor.shape[1]);
    if (tensor.dtype != io::DType::kI8) {
      file.read(name, rows_.view());
    } else {  // of one scale for all, which normalisation takes out
      for (std::size_t i = 0; i < rows_.flat().size(); ++i) {
        rows_.flat()[i] = static_cast<float>(detail::element_of<std::int8_t>(tensor, i));
      }
    }
    if (const Index bad = simd::first_non_finite(rows_.flat()); bad >= 0) {
      const auto at = static_cast<std::size_t>(bad);
      throw NonFiniteError::found(file.where(), "tensor \"" + std::string(name) + "\"", at, double(rows_.flat()[at]));
    }
  }

  void read_mapping(const io::SafeTensors& file) {
    const io::TensorInfo& tensor = file.tensor("mapping");
    const std::string where = file.where() + ": tensor \"mapping\"";
    if (tensor.shape.size() != 1 || tensor.shape[0] < 1) {
      throw ShapeError::invalid(where, "shape", io::shape_text(tensor.shape), "[tokens]");
    }
    const bool wide = tensor.dtype == io::DType::kI64;
    if (!wide && tensor.dtype != io::DType::kI32) {
      throw DataError::invalid(where, "dtype", io::dtype_name(tensor.dtype), "I32 or I64");
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.shape[0]); ++i) {
      const std::int64_t row =
          wide ? detail::element_of<std::int64_t>(tensor, i) : detail::element_of<std::int32_t>(tensor, i);
      if (row < 0 || row >= rows_.rows()) {
        throw DataError::invalid(
            where, "element " + std::to_string(i), std::to_string(row), "0 <= row < " + std::to_string(rows_.rows()));
      }
      mapping_.push_back(static_cast<Index>(row));
    }
  }

  void read_weights(const io::SafeTensors& file) {
    if (const auto& shape = file.tensor("weights").shape; shape != std::vector<Index>{vocab_size()}) {
      throw ShapeError::invalid(file.where() + ": tensor \"weights\"",
                                "shape",
                                io::shape_text(shape),
                                "[" + std::to_string(vocab_size()) + "], one for each token");
    }
    weights_.resize(static_cast<std::size_t>(vocab_size()));
    file.read("weights", std::span<double>(weights_));
    const auto bad = std::find_if(weights_.begin(), weights_.end(), [](double w) { return !std::isfinite(w); });
    if (bad != weights_.end()) {
      throw NonFiniteError::found(
          file.where(), "tensor \"weights\"", static_cast<std::size_t>(bad - weights_.begin()), *bad);
    }
  }

  Matrix<float> rows_;           // (R, D)
  std::vector<Index> mapping_;   // (V) or empty
  std::vector<double> weights_;  // (V) or empty
};

}  // namespace reasonembed::model
