#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/philox.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Which elements dropout drops: a function of these values and of the element's place in its sequence.
struct DropoutMask {
  double rate = 0.0;                 ///< probability of an element to be dropped, in [0, 1)
  std::uint64_t seed = 0;            ///< key of the random numbers
  std::uint32_t site = 0;            ///< number of the dropout call within a pass
  std::uint64_t first_sequence = 0;  ///< number of the first sequence of the call in the whole batch
};

namespace detail {

/// The random words of 64 consecutive elements of a sequence: element e has word e / 16 % 4 of the block
/// (e / 64 * 16 + e % 16, site, sequence) under the key `seed`.
using DropoutWords = std::array<std::uint32_t, 4 * kPhiloxCounters>;

/// @param first  element with which the words begin, a multiple of 64
inline void dropout_words(const DropoutMask& mask, std::uint64_t sequence, std::uint64_t first, DropoutWords& words) {
  const Philox4x32::Key key{static_cast<std::uint32_t>(mask.seed), static_cast<std::uint32_t>(mask.seed >> 32)};
  philox_words({static_cast<std::uint32_t>(first / 4),
                mask.site,
                static_cast<std::uint32_t>(sequence),
                static_cast<std::uint32_t>(sequence >> 32)},
               key,
               words);
}

/// Drops elements of one sequence.
template <class T>
void dropout_sequence(MatrixView<const T> x, MatrixView<T> y, const DropoutMask& mask, std::uint64_t sequence) {
  const auto threshold = static_cast<std::uint32_t>(mask.rate * 0x1p32);  // a word below it drops
  const auto factor = static_cast<T>(1.0 / (1.0 - mask.rate));
  DropoutWords words;
  constexpr auto kWords = static_cast<Index>(std::tuple_size_v<DropoutWords>);
  for (Index first = 0; first < x.size(); first += kWords) {
    dropout_words(mask, sequence, static_cast<std::uint64_t>(first), words);
    const Index end = std::min(first + kWords, x.size());
    for (Index element = first; element < end;) {  // a piece within one row
      const Index row = element / x.cols();
      const Index col = element % x.cols();
      const Index count = std::min(x.cols() - col, end - element);
      const T* in = x.data() + row * x.stride() + col;
      T* out = y.data() + row * y.stride() + col;
      const std::uint32_t* word = words.data() + (element - first);
      for (Index i = 0; i < count; ++i) {
        const T scaled = in[i] * factor;
        out[i] = word[i] < threshold ? T{0} : scaled;
      }
      element += count;
    }
  }
}

}  // namespace detail

/// Zeroes each element with probability `rate` and scales the rest by 1 / (1 - rate) [Srivastava et al. 2014]. The
/// gradient is the same call on dy.
///
/// Whether an element is dropped depends on the mask's seed and site, on the number of its sequence in the whole batch
/// and on its place in the sequence, never on the sequences around it or on how the batch is cut into chunks.
///
/// @param x        (T, D)
/// @param y        (T, D), overwritten; may be x
/// @param mask     rate 0 copies x
/// @param offsets  (B + 1) first token of each sequence, then T
/// @throws ConfigError if the rate is not in [0, 1)
/// @throws ShapeError if the shapes do not fit or a sequence has more than 2^34 elements
/// @note   O(T D), one block of Philox4x32 for four elements; no allocation
template <class T>
void dropout(std::type_identity_t<MatrixView<const T>> x,
             MatrixView<T> y,
             const DropoutMask& mask,
             std::span<const std::int32_t> offsets) {
  if (!(mask.rate >= 0.0 && mask.rate < 1.0)) {
    throw ConfigError::invalid("simd::dropout", "mask.rate", std::to_string(mask.rate), "0 <= rate < 1");
  }
  require_same_shape("simd::dropout", "y.rows()", "y.cols()", y, x);
  require_offsets("simd::dropout", offsets, x.rows());
  constexpr Index kMostElements = Index{4} * std::numeric_limits<std::uint32_t>::max();
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    if (x.cols() > 0 && offsets[b + 1] - offsets[b] > kMostElements / x.cols()) {
      throw ShapeError::invalid("simd::dropout",
                                "length of sequence " + std::to_string(b),
                                std::to_string(offsets[b + 1] - offsets[b]),
                                "at most 2^34 elements");
    }
  }
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    const MatrixView<const T> in = x.row_block(offsets[b], offsets[b + 1] - offsets[b]);
    const MatrixView<T> out = y.row_block(offsets[b], offsets[b + 1] - offsets[b]);
    if (mask.rate > 0.0) {
      detail::dropout_sequence<T>(in, out, mask, mask.first_sequence + b);
    } else if (in.data() != out.data()) {
      for (Index t = 0; t < in.rows(); ++t) {
        std::copy_n(in.data() + t * in.stride(), in.cols(), out.data() + t * out.stride());
      }
    }
  }
}

}  // namespace reasonembed::simd
