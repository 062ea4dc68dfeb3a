#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// B sequences laid end to end; no padding exists, so there is no mask to get wrong.
struct PackedBatch {
  std::span<const std::int32_t> tokens;   ///< (T) token ids
  std::span<const std::int32_t> offsets;  ///< (B + 1) first token of each sequence, then T; strictly increasing
  std::uint64_t first_sequence = 0;       ///< number of the first sequence in the whole batch; keys the dropout masks

  [[nodiscard]] Index token_count() const { return static_cast<Index>(tokens.size()); }
  [[nodiscard]] Index sequence_count() const { return offsets.empty() ? 0 : static_cast<Index>(offsets.size()) - 1; }

  /// @param max_length  most tokens a sequence may have
  /// @throws ShapeError if the offsets don't partition the tokens into non-empty sequences of at most max_length
  void validate(Index max_length) const {
    if (offsets.empty() || offsets.front() != 0) {
      throw ShapeError::invalid(
          "nn::PackedBatch", "offsets", offsets.empty() ? "empty" : "not starting at 0", "B + 1 offsets starting at 0");
    }
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
      const Index length = Index{offsets[b + 1]} - offsets[b];
      if (length <= 0 || length > max_length) {
        throw ShapeError::invalid("nn::PackedBatch",
                                  "length of sequence " + std::to_string(b),
                                  std::to_string(length),
                                  "1.." + std::to_string(max_length));
      }
    }
    require_extent("nn::PackedBatch", "offsets.back()", offsets.back(), token_count());
  }
};

}  // namespace reasonembed::nn
