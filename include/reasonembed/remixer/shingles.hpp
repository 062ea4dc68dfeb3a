#pragma once
/// @file Texts as sets of short pieces, the measure by which near-duplicates are told.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/analyzer.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What a shingle is a run of.
enum class ShingleUnit : bool { kWords, kCharacters };

/// Options of shingles.
struct ShingleOptions {
  ShingleUnit unit = ShingleUnit::kWords;
  Index length = 3;  ///< words or characters of a shingle, >= 1

  friend bool operator==(const ShingleOptions&, const ShingleOptions&) = default;
};

/// @return  the words of a text in lower case (retrieval::UnicodeWords): what two texts have in common that differ in
///          case, punctuation and white space alone
[[nodiscard]] inline std::vector<std::string> normalized_words(std::string_view text) {
  std::vector<std::string> words;
  retrieval::UnicodeWords().for_each_word(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

/// @return  the words of normalized_words, one blank between two
[[nodiscard]] inline std::string normalized_text(std::string_view text) {
  std::string joined;
  retrieval::UnicodeWords().for_each_word(
      text, [&](std::string_view word) { joined.append(joined.empty() ? "" : " ").append(word); });
  return joined;
}

namespace detail {

/// FNV-1a with the finaliser of MurmurHash3, whose bits all depend on all bytes. The same on every platform.
[[nodiscard]] constexpr std::uint64_t text_hash(std::string_view text, std::uint64_t seed = 0) {
  std::uint64_t hash = 0xCBF29CE484222325U ^ seed;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  hash = (hash ^ hash >> 33U) * 0xFF51AFD7ED558CCDU;
  hash = (hash ^ hash >> 33U) * 0xC4CEB9FE1A85EC53U;
  return hash ^ hash >> 33U;
}

/// @return  where each unit of the normalised text begins, and its end + 1 as the last: unit i is [at[i], at[i + 1] -
/// 1)
///          for words, [at[i], at[i + 1]) for characters
inline std::vector<std::size_t> unit_starts(std::string_view normalized, ShingleUnit unit) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < normalized.size();) {
    starts.push_back(i);
    if (unit == ShingleUnit::kWords) {
      i = std::min(normalized.find(' ', i), normalized.size() - 1) + 1;
    } else {
      i += text::decode_utf8(normalized, i).length;
    }
  }
  starts.push_back(normalized.size() + (unit == ShingleUnit::kWords ? 1 : 0));
  return starts;
}

}  // namespace detail

/// The set of a text's shingles: the runs of `length` neighbouring words of its normalised text, or of its characters,
/// blanks between words included. A text shorter than that is one shingle, one without words has none.
///
/// @return  their hashes, ascending and distinct
/// @throws  ConfigError if length < 1
/// @note    O(n length)
[[nodiscard]] inline std::vector<std::uint64_t> shingles(std::string_view text, const ShingleOptions& options = {}) {
  if (options.length < 1) {
    throw ConfigError::invalid("remixer::shingles", "length", std::to_string(options.length), "at least 1");
  }
  const std::string normalized = normalized_text(text);
  std::vector<std::uint64_t> hashes;
  if (normalized.empty()) {
    return hashes;
  }
  const std::vector<std::size_t> starts = detail::unit_starts(normalized, options.unit);
  const std::size_t units = starts.size() - 1;
  const std::size_t length = std::min(static_cast<std::size_t>(options.length), units);
  const std::size_t blank = options.unit == ShingleUnit::kWords ? 1 : 0;
  for (std::size_t i = 0; i + length <= units; ++i) {
    const std::size_t end = starts[i + length] - blank;
    hashes.push_back(detail::text_hash(std::string_view(normalized).substr(starts[i], end - starts[i])));
  }
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

/// The part of two sets that both have.
///
///   J(A, B) = |A and B| / |A or B|, 0 if both are empty: texts without words are like nothing
///
/// @param a,b  ascending and distinct
[[nodiscard]] inline double jaccard(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  std::size_t common = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    common += a[i] == b[j] ? 1 : 0;
    const bool advance_a = a[i] <= b[j];
    j += b[j] <= a[i] ? 1 : 0;
    i += advance_a ? 1 : 0;
  }
  const std::size_t all = a.size() + b.size() - common;
  return all == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(all);
}
[[nodiscard]] inline double jaccard(std::string_view a, std::string_view b, const ShingleOptions& options = {}) {
  return jaccard(shingles(a, options), shingles(b, options));
}

}  // namespace reasonembed::remixer
