#pragma once
/// @file Vectors in one byte a number.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/shortest_number.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// The range of every dimension over a calibration set, and the int8 codes it gives, byte for byte those of
/// sentence-transformers' `quantize_embeddings(precision="int8")`.
///
///   s_d = (high_d - low_d) / 255                                  one step, in float
///   c_d = clip(floor((x_d - low_d) / s_d), 0, 255) - 128          the code
///   y_d = (c_d + 128) s_d + low_d                                 decoded: the lower edge of the code's step
///
/// A number within its range is decoded to at most one step below itself; one outside becomes the nearest end.
///
/// @note  value type; const functions are safe from many threads
class Int8Calibration {
 public:
  /// The smallest and largest number of each dimension of typical vectors; a thousand or more give steady ranges.
  ///
  /// @param vectors  (N, D), N >= 2
  /// @throws         DataError if N < 2, or a dimension is constant; NonFiniteError; ShapeError if D is 0
  explicit Int8Calibration(MatrixView<const float> vectors) {
    if (vectors.rows() < 2) {
      throw DataError::invalid(
          kWhere, "number of calibration vectors", std::to_string(vectors.rows()), "at least 2, to have a range");
    }
    require_finite(kWhere, "calibration vectors", vectors);
    low_.assign(vectors.row(0).begin(), vectors.row(0).end());
    high_ = low_;
    for (Index n = 1; n < vectors.rows(); ++n) {
      for (std::size_t d = 0; d < low_.size(); ++d) {
        low_[d] = std::min(low_[d], vectors.row(n)[d]);
        high_[d] = std::max(high_[d], vectors.row(n)[d]);
      }
    }
    set_steps(kWhere);
  }
  explicit Int8Calibration(const Matrix<float>& vectors) : Int8Calibration(vectors.view()) {}
  /// @param low,high  (D) the ends of each dimension's range
  /// @throws          ShapeError if the lengths differ or are 0; NonFiniteError; DataError for an empty range
  Int8Calibration(std::vector<float> low, std::vector<float> high)
      : Int8Calibration(std::move(low), std::move(high), std::string(kWhere)) {}

  /// @return  D
  [[nodiscard]] Index width() const { return static_cast<Index>(low_.size()); }
  [[nodiscard]] std::span<const float> low() const { return low_; }
  [[nodiscard]] std::span<const float> high() const { return high_; }

  /// @param vectors  (N, D)
  /// @return         (N, D) codes
  /// @throws         ShapeError if vectors.cols() != width(); NonFiniteError naming row and element
  [[nodiscard]] Matrix<std::int8_t> encode(MatrixView<const float> vectors) const {
    constexpr std::string_view kEncode = "retrieval::Int8Calibration::encode";
    require_extent(kEncode, "vectors.cols()", vectors.cols(), width());
    require_finite(kEncode, "vectors", vectors);
    Matrix<std::int8_t> codes(vectors.rows(), vectors.cols());
    for (Index n = 0; n < vectors.rows(); ++n) {
      const std::span<const float> from = vectors.row(n);
      const std::span<std::int8_t> to = codes.row(n);
      for (std::size_t d = 0; d < from.size(); ++d) {
        const float step = std::clamp(std::floor((from[d] - low_[d]) / step_[d]), 0.0F, 255.0F);
        to[d] = static_cast<std::int8_t>(static_cast<int>(step) - 128);
      }
    }
    return codes;
  }
  [[nodiscard]] Matrix<std::int8_t> encode(const Matrix<float>& vectors) const { return encode(vectors.view()); }

  /// @param codes  (N, D)
  /// @return       (N, D) approximate vectors
  /// @throws       ShapeError if codes.cols() != width()
  [[nodiscard]] Matrix<float> decode(MatrixView<const std::int8_t> codes) const {
    require_extent("retrieval::Int8Calibration::decode", "codes.cols()", codes.cols(), width());
    Matrix<float> vectors(codes.rows(), codes.cols());
    for (Index n = 0; n < codes.rows(); ++n) {
      for (Index d = 0; d < codes.cols(); ++d) {
        vectors(n, d) = static_cast<float>(decoded(codes(n, d), static_cast<std::size_t>(d)));
      }
    }
    return vectors;
  }
  [[nodiscard]] Matrix<float> decode(const Matrix<std::int8_t>& codes) const { return decode(codes.view()); }

  /// <q, y> of a float query and decoded codes: within a step a dimension of the product of the float vectors.
  ///
  /// @param query  (D)
  /// @param codes  (D)
  /// @throws       ShapeError if a length is not width()
  /// @note         in double, in order of d
  [[nodiscard]] double dot(std::span<const float> query, std::span<const std::int8_t> codes) const {
    constexpr std::string_view kDot = "retrieval::Int8Calibration::dot";
    require_extent(kDot, "query.size()", static_cast<Index>(query.size()), width());
    require_extent(kDot, "codes.size()", static_cast<Index>(codes.size()), width());
    double sum = 0.0;
    for (std::size_t d = 0; d < query.size(); ++d) {
      sum += static_cast<double>(query[d]) * decoded(codes[d], d);
    }
    return sum;
  }

  /// Writes `{"format": 1, "kind": "int8", "low": [...], "high": [...]}`. @throws IoError
  void save(const std::filesystem::path& path) const {
    const auto numbers = [](const std::vector<float>& values) {
      io::Json list = io::Json::array();
      for (const float value : values) {
        list.push_back(io::shortest_number(value));
      }
      return list;
    };
    io::write_json(path, {{"format", 1}, {"kind", "int8"}, {"low", numbers(low_)}, {"high", numbers(high_)}});
  }
  /// @throws  IoError; DataError naming file and field for anything that save does not write
  [[nodiscard]] static Int8Calibration load(const std::filesystem::path& path) {
    const io::Json json = io::read_json(path);
    const io::JsonFields fields(json, path.string());
    (void)fields.get_int("format", 1, 1);
    if (const std::string& kind = fields.get_string("kind"); kind != "int8") {
      throw DataError::invalid(path.string(), "kind", "\"" + kind + "\"", "\"int8\"");
    }
    return {read_numbers(fields, "low"), read_numbers(fields, "high"), path.string()};
  }

  friend bool operator==(const Int8Calibration&, const Int8Calibration&) = default;

 private:
  static constexpr std::string_view kWhere = "retrieval::Int8Calibration";

  Int8Calibration(std::vector<float> low, std::vector<float> high, const std::string& where)
      : low_(std::move(low)), high_(std::move(high)) {
    require_extent(where, "high.size()", static_cast<Index>(high_.size()), static_cast<Index>(low_.size()));
    require_finite(where, "low", {low_.data(), 1, width()});
    require_finite(where, "high", {high_.data(), 1, width()});
    set_steps(where);
  }

  static void require_finite(std::string_view where, std::string_view what, MatrixView<const float> values) {
    for (Index n = 0; n < values.rows(); ++n) {
      for (Index d = 0; d < values.cols(); ++d) {
        if (!std::isfinite(values(n, d))) {
          const std::string name = std::string(what) + (values.rows() > 1 ? "[" + std::to_string(n) + "]" : "");
          throw NonFiniteError::found(where, name, static_cast<std::size_t>(d), static_cast<double>(values(n, d)));
        }
      }
    }
  }

  void set_steps(std::string_view where) {
    if (low_.empty()) {
      throw ShapeError::invalid(where, "width", "0", "at least 1");
    }
    step_.resize(low_.size());
    for (std::size_t d = 0; d < low_.size(); ++d) {
      step_[d] = (high_[d] - low_[d]) / 255.0F;
      if (!(step_[d] > 0.0F && std::isfinite(step_[d]))) {
        throw DataError::invalid(where,
                                 "range of dimension " + std::to_string(d),
                                 io::dump_json({io::shortest_number(low_[d]), io::shortest_number(high_[d])}, -1),
                                 "two ends that 256 steps of a float tell apart");
      }
    }
  }

  [[nodiscard]] double decoded(std::int8_t code, std::size_t d) const {
    return (static_cast<double>(code) + 128.0) * static_cast<double>(step_[d]) + static_cast<double>(low_[d]);
  }

  static std::vector<float> read_numbers(const io::JsonFields& fields, const std::string& name) {
    std::vector<float> numbers;
    for (const io::Json& element : fields.get_array(name)) {
      const std::string what = name + "[" + std::to_string(numbers.size()) + "]";
      constexpr auto kMost = static_cast<double>(std::numeric_limits<float>::max());
      if (!element.is_number() || std::abs(element.get<double>()) > kMost) {
        throw DataError::invalid(fields.where(), what, element.dump(), "a number in the range of float");
      }
      numbers.push_back(static_cast<float>(element.get<double>()));
    }
    return numbers;
  }

  std::vector<float> low_;   // (D)
  std::vector<float> high_;  // (D)
  std::vector<float> step_;  // (D)
};

/// sum_d a_d b_d of int8 codes, exactly.
///
/// Codes are steps from the middle of each dimension's range, so this ranks as sentence-transformers' int8 search does;
/// it is not the product of the decoded vectors; for that see `Int8Calibration::dot`.
///
/// @throws ShapeError if the lengths differ
/// @note   O(D), no allocation; no rounding, so the order of the sum does not matter
[[nodiscard]] inline std::int64_t int8_dot(std::span<const std::int8_t> a, std::span<const std::int8_t> b) {
  require_extent("retrieval::int8_dot", "b.size()", static_cast<Index>(b.size()), static_cast<Index>(a.size()));
  constexpr std::size_t kBlock = 65536;  // 2^16 products of at most 2^14 fit into 32 bits
  std::int64_t total = 0;
  for (std::size_t first = 0; first < a.size(); first += kBlock) {
    const std::size_t last = std::min(first + kBlock, a.size());
    std::int32_t sum = 0;
    for (std::size_t d = first; d < last; ++d) {
      sum += std::int32_t{a[d]} * std::int32_t{b[d]};
    }
    total += sum;
  }
  return total;
}

}  // namespace reasonembed::retrieval
