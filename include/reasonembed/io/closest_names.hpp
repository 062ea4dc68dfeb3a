#pragma once
#include <reasonembed/config.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// The number of single-byte insertions, deletions and replacements that turn `a` into `b` [Levenshtein 1966].
///
/// @note  O(|a| |b|) time
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The `count` names most like `wanted`, best first, equal ones in their given order: for the error of a missing name.
///
/// Only the first 256 bytes of each name count, so that a hostile file can't make its own error message slow.
[[nodiscard]] inline std::vector<std::string> closest_names(std::string_view wanted,
                                                            std::span<const std::string> names,
                                                            std::size_t count = 3) {
  constexpr std::size_t kCompared = 256;
  std::vector<std::pair<std::size_t, std::size_t>> ranked;  // distance, position
  ranked.reserve(names.size());
  for (const std::string& name : names) {
    ranked.emplace_back(edit_distance(wanted.substr(0, kCompared), std::string_view(name).substr(0, kCompared)),
                        ranked.size());
  }
  count = std::min(count, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());
  std::vector<std::string> closest;
  closest.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    closest.push_back(names[ranked[i].second]);
  }
  return closest;
}

}  // namespace reasonembed::io
