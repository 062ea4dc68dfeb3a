#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/unicode.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Tokens and their ids, both ways: one string of all tokens, and one open-addressing table of (hash, id) over it.
///
/// @note  at most half of the table is used, so a look-up reads about 1.5 slots; immutable, safe from many threads
class Vocabulary {
 public:
  /// What find returns for a token that is not there.
  static constexpr std::int32_t kMissing = -1;

  /// The state of a hash before its first byte; extend_hash adds one. A caller that tries prefixes of one word hashes
  /// each of its bytes once.
  static constexpr std::uint64_t kEmptyHash = 0xCBF29CE484222325ULL;
  [[nodiscard]] static constexpr std::uint64_t extend_hash(std::uint64_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;  // FNV-1a, 64 bits
  }
  [[nodiscard]] static constexpr std::uint64_t extend_hash(std::uint64_t hash, std::string_view bytes) {
    for (const char byte : bytes) {
      hash = extend_hash(hash, byte);
    }
    return hash;
  }

  /// @param tokens  token i has id i; each non-empty UTF-8, all different
  /// @param where   what errors call the source
  /// @throws        DataError naming the token and both ids or, if `lines`, the line
  explicit Vocabulary(std::span<const std::string> tokens, std::string_view where = "text::Vocabulary")
      : Vocabulary(std::vector<std::string_view>(tokens.begin(), tokens.end()), where, Numbering::kIds) {}

  /// Reads one token per line, the form of vocab.txt: line n holds the token with id n - 1.
  ///
  /// A carriage return at the end of a line belongs to the line's end, and the last line may lack its end. Blanks are
  /// kept: no word holds one, so such a token only keeps its id.
  ///
  /// @param content  the file's text
  /// @param file     its name, for errors
  /// @throws         DataError with file and line: an empty line (a hole), a token given twice, not UTF-8
  [[nodiscard]] static Vocabulary from_lines(std::string_view content, std::string_view file) {
    std::vector<std::string_view> tokens;
    while (!content.empty()) {
      const std::size_t end = content.find('\n');
      std::string_view line = content.substr(0, end);
      content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
      if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
      }
      tokens.push_back(line);
    }
    return {tokens, file, Numbering::kLines};
  }

  [[nodiscard]] Index size() const { return static_cast<Index>(ends_.size()); }
  /// @return  bytes of the longest token
  [[nodiscard]] std::size_t longest() const { return longest_; }

  /// @return  valid as long as the vocabulary lives
  /// @throws  ConfigError if `id` is outside [0, size)
  [[nodiscard]] std::string_view token(std::int32_t id) const {
    if (id < 0 || id >= size()) {
      throw ConfigError::invalid(
          "text::Vocabulary::token", "id", std::to_string(id), "0 to " + std::to_string(size() - 1));
    }
    return stored(id);
  }

  /// @return  the id of `token`, kMissing if it is not there
  [[nodiscard]] std::int32_t find(std::string_view token) const {
    return find(extend_hash(kEmptyHash, token), token, {});
  }
  /// The same for the token that `head` and `tail` make together.
  ///
  /// @param hash  extend_hash(extend_hash(kEmptyHash, head), tail)
  [[nodiscard]] std::int32_t find(std::uint64_t hash, std::string_view head, std::string_view tail) const {
    const std::uint32_t key = fold(hash);
    for (std::size_t i = key & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.id == kMissing) {
        return kMissing;
      }
      if (slot.hash == key) {
        const std::string_view token = stored(slot.id);
        if (token.size() == head.size() + tail.size() && token.starts_with(head) && token.ends_with(tail)) {
          return slot.id;
        }
      }
    }
  }

 private:
  enum class Numbering : bool { kIds, kLines };
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = kMissing;
  };

  Vocabulary(const std::vector<std::string_view>& tokens, std::string_view where, Numbering numbering)
      : slots_(std::bit_ceil(2 * tokens.size() + 1)), mask_(slots_.size() - 1) {
    std::size_t bytes = 0;
    for (const std::string_view token : tokens) {
      bytes += token.size();
    }
    if (bytes > std::numeric_limits<std::uint32_t>::max() ||
        tokens.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw DataError::invalid(where, "vocabulary", std::to_string(bytes) + " bytes", "less than 4 GiB of tokens");
    }
    bytes_.reserve(bytes);
    ends_.reserve(tokens.size());
    for (const std::string_view token : tokens) {
      insert(token, where, numbering);
    }
  }

  void insert(std::string_view token, std::string_view where, Numbering numbering) {
    const auto id = static_cast<std::int32_t>(ends_.size());
    const bool lines = numbering == Numbering::kLines;
    const auto refuse = [&](const std::string& got, std::string_view want) {
      return lines ? DataError::at_line(where, static_cast<std::size_t>(id) + 1, "token", got, want)
                   : DataError::invalid(where, "token " + std::to_string(id), got, want);
    };
    if (token.empty()) {
      throw refuse("empty", "a token: ids leave no holes");
    }
    for (std::size_t i = 0; i < token.size(); i += decode_utf8(token, i).length) {
      if (!decode_utf8(token, i).valid) {
        throw refuse("not UTF-8 at byte " + std::to_string(i), "UTF-8 text");
      }
    }
    const std::uint64_t hash = extend_hash(kEmptyHash, token);
    if (const std::int32_t first = find(hash, token, {}); first != kMissing) {
      const std::string at = lines ? "line " + std::to_string(first + 1) : "token " + std::to_string(first);
      throw refuse("\"" + std::string(token) + "\", which is also " + at, "different tokens");
    }
    bytes_ += token;
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    longest_ = token.size() > longest_ ? token.size() : longest_;
    std::size_t i = fold(hash) & mask_;
    while (slots_[i].id != kMissing) {
      i = (i + 1) & mask_;
    }
    slots_[i] = {fold(hash), id};
  }

  /// FNV-1a mixes its low bits worst.
  [[nodiscard]] static constexpr std::uint32_t fold(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  }
  [[nodiscard]] std::string_view stored(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    const std::size_t first = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(first, ends_[i] - first);
  }

  std::string bytes_;                ///< all tokens, one behind the other
  std::vector<std::uint32_t> ends_;  ///< token i ends before byte ends_[i]
  std::vector<Slot> slots_;
  std::size_t mask_;
  std::size_t longest_ = 0;
};

}  // namespace reasonembed::text
