#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Checks that offsets cut `tokens` rows into sequences: they begin at 0, never fall and end at `tokens`.
///
/// @param offsets  (B + 1)
/// @throws ShapeError if they don't
inline void require_offsets(std::string_view where, std::span<const std::int32_t> offsets, Index tokens) {
  if (offsets.empty()) {
    throw ShapeError::invalid(where, "offsets.size()", "0", "at least 1");
  }
  require_extent(where, "offsets[0]", offsets[0], 0);
  for (std::size_t b = 1; b < offsets.size(); ++b) {
    if (offsets[b] < offsets[b - 1]) {
      throw ShapeError::invalid(where,
                                "offsets[" + std::to_string(b) + "]",
                                std::to_string(offsets[b]),
                                "at least " + std::to_string(offsets[b - 1]));
    }
  }
  if (offsets.back() != tokens) {  // not require_extent: its argument would be put together on every call
    throw ShapeError::mismatch(where, "offsets[" + std::to_string(offsets.size() - 1) + "]", offsets.back(), tokens);
  }
}

/// Checks that numbers name rows of a matrix.
///
/// @param what  the name of `indices` in messages
/// @throws ShapeError that names the first position and number outside 0 .. rows - 1
inline void require_row_numbers(std::string_view where,
                                std::string_view what,
                                std::span<const std::int32_t> indices,
                                Index rows) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= rows) {
      throw ShapeError::invalid(where,
                                std::string(what) + "[" + std::to_string(i) + "]",
                                std::to_string(indices[i]),
                                "0 <= row < " + std::to_string(rows));
    }
  }
}

}  // namespace reasonembed::simd
