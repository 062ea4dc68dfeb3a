#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// SentencePiece's precompiled table of what short texts are replaced by, the normaliser of XLM-R.
///
/// A table is the size of a double-array trie in bytes (u32), the trie (u32 each, little endian) and the replacements,
/// each ended by a zero byte; the trie maps a text to the offset of its replacement.       [Kudo 2018b, Darts-clone]
///
/// Equal to Hugging Face's Precompiled, its oddity included: a user-perceived character of less than 6 bytes is
/// replaced as a whole by what its shortest known beginning maps to, so that marks behind it may vanish; a longer one
/// is replaced character by character.
///
/// @note  immutable, safe from many threads
class CharacterMap {
 public:
  /// @param table  the bytes of the table; empty replaces nothing
  /// @throws       DataError if a text could lead outside of the table
  explicit CharacterMap(std::string_view table = {}, std::string_view where = "text::CharacterMap") {
    if (table.empty()) {
      return;
    }
    const auto refuse = [&](const std::string& got, std::string_view want) {
      throw DataError::invalid(where, "precompiled_charsmap", got, want);
    };
    std::uint32_t bytes = 0;
    if (table.size() >= sizeof(bytes)) {
      std::memcpy(&bytes, table.data(), sizeof(bytes));
    }
    table.remove_prefix(table.size() < sizeof(bytes) ? table.size() : sizeof(bytes));
    if (bytes == 0 || bytes % sizeof(std::uint32_t) != 0 || bytes > table.size()) {
      refuse("a trie of " + std::to_string(bytes) + " bytes in a table of " + std::to_string(table.size()),
             "a trie of whole units within the table");
    }
    units_.resize(bytes / sizeof(std::uint32_t));
    std::memcpy(units_.data(), table.data(), bytes);
    replacements_ = table.substr(bytes);
    if (!is_closed()) {
      refuse("a trie with an edge out of the table", "edges and replacements within the table");
    }
  }

  /// Appends the text with its characters replaced.
  ///
  /// @param text  well-formed UTF-8
  /// @note        O(n) time for a table of bounded depth; allocates only where `out` must grow
  void normalize(std::string_view text, std::string& out) const {
    GraphemeBreaks breaks;
    std::size_t first = 0;
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      i += character.length;
      if (i == text.size() || breaks.between(boundary(character.value), boundary(decode_utf8(text, i).value))) {
        replace_cluster(text.substr(first, i - first), out);
        first = i;
      }
    }
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  /// A character with the same boundaries as `c` that utf8proc knows.
  [[nodiscard]] static char32_t boundary(char32_t c) {
    return ReferenceCharacters::is_newer_extending(c) ? char32_t{0x300} : c;
  }
  [[nodiscard]] static bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1U) == 1U; }
  [[nodiscard]] static std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FFU; }
  [[nodiscard]] static std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

  /// Visits every node that a text can reach.
  [[nodiscard]] bool is_closed() const {
    std::vector<bool> seen(units_.size());
    std::vector<std::size_t> open;
    const auto visit = [&](std::size_t node) {
      if (node >= units_.size()) {
        return false;
      }
      if (!seen[node]) {
        seen[node] = true;
        open.push_back(node);
      }
      return true;
    };
    bool closed = visit(offset(units_[0]));
    while (closed && !open.empty()) {
      const std::size_t node = open.back();
      open.pop_back();
      for (std::size_t byte = 1; closed && byte < 256; ++byte) {
        const std::size_t next = node ^ byte;
        closed = next < units_.size();
        if (closed && label(units_[next]) == byte) {
          const std::size_t child = next ^ offset(units_[next]);
          closed = visit(child) && (!has_leaf(units_[next]) || value(child) <= replacements_.size());
        }
      }
    }
    return closed;
  }
  [[nodiscard]] std::size_t value(std::size_t node) const { return units_[node] & 0x7FFFFFFFU; }

  /// @return  where the replacement of the shortest known beginning of `text` stands, kNone if there is none
  [[nodiscard]] std::size_t find(std::string_view text) const {
    if (units_.empty()) {
      return kNone;
    }
    std::size_t node = offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const std::uint32_t unit = units_[node ^ byte];
      if (byte == 0 || label(unit) != byte) {
        return kNone;
      }
      node ^= byte ^ offset(unit);
      if (has_leaf(unit)) {
        return value(node);
      }
    }
    return kNone;
  }

  [[nodiscard]] bool append_replacement(std::string_view text, std::string& out) const {
    const std::size_t at = find(text);
    if (at != kNone) {
      const std::string_view rest = std::string_view(replacements_).substr(at);
      out += rest.substr(0, rest.find('\0'));
    }
    return at != kNone;
  }

  void replace_cluster(std::string_view cluster, std::string& out) const {
    constexpr std::size_t kLong = 6;
    if (cluster.size() < kLong && append_replacement(cluster, out)) {
      return;
    }
    for (std::size_t i = 0; i < cluster.size();) {
      const std::string_view character = cluster.substr(i, decode_utf8(cluster, i).length);
      if (!append_replacement(character, out)) {
        out += character;
      }
      i += character.size();
    }
  }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace reasonembed::text
