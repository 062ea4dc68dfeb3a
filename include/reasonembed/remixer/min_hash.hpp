#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of MinHash.
struct MinHashOptions {
  Index permutations = 128;  ///< numbers of a signature, >= 1
  std::uint64_t seed = 42;

  friend bool operator==(const MinHashOptions&, const MinHashOptions&) = default;
};

/// Signatures of sets whose agreement estimates how much the sets have in common.
///
///   signature_i(A) = min_{x in A} h_i(x),   P(signature_i(A) = signature_i(B)) = J(A, B)           [Broder 1997]
///   h_i(x) = high 32 bits of (a_i x + b_i), a_i odd                               [Dietzfelbinger et al. 1996]
///
/// The estimate is a mean of `permutations` coins: its standard deviation is sqrt(J (1 - J) / permutations), 0.044 at
/// most for 128.
///
/// @note  a function of seed and set alone; reading from many threads is safe
class MinHash {
 public:
  using Options = MinHashOptions;
  /// @throws  ConfigError if permutations < 1
  explicit MinHash(Options options = {}) : options_(options) {
    if (options.permutations < 1) {
      throw ConfigError::invalid(
          "remixer::MinHash", "permutations", std::to_string(options.permutations), "at least 1");
    }
    RandomStream random(options.seed);
    for (Index i = 0; i < options.permutations; ++i) {
      factors_.push_back(random.next_u64() | 1U);
      terms_.push_back(random.next_u64());
    }
  }

  /// @param set  hashes of its elements, such as shingles() gives
  /// @return     (permutations) numbers; all of them the largest for an empty set
  /// @note       O(|set| permutations)
  [[nodiscard]] std::vector<std::uint32_t> signature(std::span<const std::uint64_t> set) const {
    std::vector<std::uint32_t> least(factors_.size(), std::numeric_limits<std::uint32_t>::max());
    for (const std::uint64_t x : set) {
      for (std::size_t i = 0; i < least.size(); ++i) {
        least[i] = std::min(least[i], static_cast<std::uint32_t>((factors_[i] * x + terms_[i]) >> 32U));
      }
    }
    return least;
  }

  /// @param a,b  signatures of this object, not of empty sets
  /// @return     the estimate of J, in [0, 1]
  /// @throws     ShapeError if one is of another length
  [[nodiscard]] double similarity(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) const {
    require_extent("remixer::MinHash::similarity", "a.size()", static_cast<Index>(a.size()), options_.permutations);
    require_extent("remixer::MinHash::similarity", "b.size()", static_cast<Index>(b.size()), options_.permutations);
    Index same = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      same += a[i] == b[i] ? 1 : 0;
    }
    return static_cast<double>(same) / static_cast<double>(a.size());
  }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  Options options_;
  std::vector<std::uint64_t> factors_;
  std::vector<std::uint64_t> terms_;
};

}  // namespace reasonembed::remixer
