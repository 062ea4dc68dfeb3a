#pragma once
/// @file Vectors in one bit a number.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/reduce.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// A byte of binary codes: std::uint8_t as sentence-transformers' "ubinary" has it, or std::int8_t as its "binary".
template <class Byte>
concept BinaryByte = std::same_as<Byte, std::uint8_t> || std::same_as<Byte, std::int8_t>;

/// The signs of vectors, eight to a byte, byte for byte those of sentence-transformers' `quantize_embeddings`.
///
///   bit d = x_d > 0, the first in the highest bit of the first byte; the last byte is filled up with zeros
///
/// "binary" is "ubinary" less 128.
///
/// @tparam Byte    std::uint8_t for "ubinary", std::int8_t for "binary"
/// @param vectors  (N, D)
/// @return         (N, ceil(D / 8))
/// @throws         NonFiniteError naming row and element
template <BinaryByte Byte = std::uint8_t>
[[nodiscard]] Matrix<Byte> binary_codes(MatrixView<const float> vectors) {
  constexpr std::uint8_t kFlip = std::same_as<Byte, std::int8_t> ? 0x80 : 0;  // less 128 is the highest bit, flipped
  Matrix<Byte> codes(vectors.rows(), (vectors.cols() + 7) / 8);
  for (Index n = 0; n < vectors.rows(); ++n) {
    const std::span<const float> from = vectors.row(n);
    if (const Index bad = simd::first_non_finite(from); bad >= 0) {
      throw NonFiniteError::found("retrieval::binary_codes",
                                  "vectors[" + std::to_string(n) + "]",
                                  static_cast<std::size_t>(bad),
                                  static_cast<double>(from[static_cast<std::size_t>(bad)]));
    }
    const std::span<Byte> to = codes.row(n);
    for (std::size_t i = 0; i < to.size(); ++i) {
      unsigned byte = 0;
      for (std::size_t d = 8 * i; d < 8 * i + 8; ++d) {
        byte = byte << 1U | static_cast<unsigned>(d < from.size() && from[d] > 0.0F);
      }
      to[i] = static_cast<Byte>(byte ^ kFlip);
    }
  }
  return codes;
}
template <BinaryByte Byte = std::uint8_t>
[[nodiscard]] Matrix<Byte> binary_codes(const Matrix<float>& vectors) {
  return binary_codes<Byte>(vectors.view());
}

/// The number of bits in which two codes differ. For sign vectors a, b in {-1, 1}^D it ranks as the dot product does:
/// <a, b> = D - 2 hamming(a, b).
///
/// @throws ShapeError if the lengths differ
/// @note   O(D / 64), no allocation
template <BinaryByte Byte>
[[nodiscard]] std::int64_t hamming(std::span<const Byte> a, std::span<const Byte> b) {
  require_extent("retrieval::hamming", "b.size()", static_cast<Index>(b.size()), static_cast<Index>(a.size()));
  std::int64_t bits = 0;
  for (std::size_t i = 0; i < a.size(); i += sizeof(std::uint64_t)) {
    const std::size_t count = a.size() - i < sizeof(std::uint64_t) ? a.size() - i : sizeof(std::uint64_t);
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a.data() + i, count);
    std::memcpy(&y, b.data() + i, count);
    bits += std::popcount(x ^ y);
  }
  return bits;
}
template <BinaryByte Byte>
[[nodiscard]] std::int64_t hamming(std::span<Byte> a, std::span<Byte> b) {
  return hamming<Byte>(std::span<const Byte>(a), std::span<const Byte>(b));
}

/// @param width  D, the length of the vectors
/// @param codes  (N, ceil(D / 8))
/// @return       (N, D), 1 where a number was positive and -1 elsewhere
/// @throws       ShapeError if codes.cols() != ceil(width / 8)
template <BinaryByte Byte>
[[nodiscard]] Matrix<float> decode_binary(MatrixView<const Byte> codes, Index width) {
  constexpr unsigned kFlip = std::same_as<Byte, std::int8_t> ? 0x80 : 0;
  if (width < 0) {
    throw ShapeError::invalid("retrieval::decode_binary", "width", std::to_string(width), "at least 0");
  }
  require_extent("retrieval::decode_binary", "codes.cols()", codes.cols(), (width + 7) / 8);
  Matrix<float> signs(codes.rows(), width);
  for (Index n = 0; n < codes.rows(); ++n) {
    for (Index d = 0; d < width; ++d) {
      const unsigned byte = static_cast<std::uint8_t>(codes(n, d / 8)) ^ kFlip;
      signs(n, d) = (byte >> (7 - d % 8) & 1U) == 1U ? 1.0F : -1.0F;
    }
  }
  return signs;
}
template <BinaryByte Byte>
[[nodiscard]] Matrix<float> decode_binary(const Matrix<Byte>& codes, Index width) {
  return decode_binary<Byte>(codes.view(), width);
}

}  // namespace reasonembed::retrieval
