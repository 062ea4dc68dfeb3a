#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
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

/// Drops elements [first, first + x.size()) of a sequence: element e belongs to word e % 4 of the block
/// (e / 4, site, sequence), and is dropped if the word is below rate 2^32.
template <class T>
void dropout_elements(
    const T* x, T* y, Index size, std::uint64_t first, const DropoutMask& mask, std::uint64_t sequence) {
  const auto threshold = static_cast<std::uint64_t>(mask.rate * 0x1p32);
  const auto factor = static_cast<T>(1.0 / (1.0 - mask.rate));
  const Philox4x32::Key key{static_cast<std::uint32_t>(mask.seed), static_cast<std::uint32_t>(mask.seed >> 32)};
  for (Index done = 0; done < size;) {
    const std::uint64_t element = first + static_cast<std::uint64_t>(done);
    const Philox4x32::Counter words = Philox4x32::block({static_cast<std::uint32_t>(element / 4),
                                                         mask.site,
                                                         static_cast<std::uint32_t>(sequence),
                                                         static_cast<std::uint32_t>(sequence >> 32)},
                                                        key);
    for (std::size_t word = element % 4; word < 4 && done < size; ++word, ++done) {
      y[done] = words[word] < threshold ? T{0} : x[done] * factor;
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
/// @note   O(T D), one block of Philox4x32 [Salmon et al. 2011] for four elements; no allocation
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
    for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
      const T* in = x.data() + t * x.stride();
      T* out = y.data() + t * y.stride();
      if (mask.rate > 0.0) {
        const auto first = static_cast<std::uint64_t>((t - offsets[b]) * x.cols());
        detail::dropout_elements(in, out, x.cols(), first, mask, mask.first_sequence + b);
      } else if (in != out) {
        std::copy_n(in, x.cols(), out);
      }
    }
  }
}

}  // namespace reasonembed::simd
