#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Parts of one text in order, one behind the other in one buffer.
class Pieces {
 public:
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  /// @return  valid until the next change
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    const std::size_t first = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(first, ends_[i] - first);
  }
  /// @return  true if the first piece begins where the raw text begins: some rules treat a text's begin differently
  [[nodiscard]] bool at_text_start() const { return at_text_start_; }

  void set_at_text_start(bool at_text_start) { at_text_start_ = at_text_start; }

  void clear() {
    bytes_.clear();
    ends_.clear();
    at_text_start_ = false;
  }
  /// Appends a piece; an empty one leaves no trace.
  void add(std::string_view piece) {
    bytes_ += piece;
    close();
  }
  /// The buffer, to append the characters of one piece to; then close() ends the piece.
  [[nodiscard]] std::string& open() { return bytes_; }
  void close() {
    if (bytes_.size() > (ends_.empty() ? 0 : ends_.back())) {
      ends_.push_back(bytes_.size());
    }
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;  ///< piece i ends before byte ends_[i]
  bool at_text_start_ = false;
};

/// Symbols of one word while they are merged: a linked list in an array, and the merges that wait.
struct MergeBuffers {
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;
  struct Symbol {
    std::int32_t id = -1;  ///< -1: merged into an earlier one
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
  };
  std::vector<Symbol> symbols;
  std::vector<std::uint64_t> queue;  ///< a heap of (rank, place)
};

/// The best way to cut a text's first bytes, as the search for a best path remembers it.
struct PathNode {
  double score = 0.0;
  std::size_t start = 0;   ///< where its last token begins
  std::int32_t id = -1;    ///< that token
  bool reachable = false;  ///< false: no token ends here
};

/// Buffers that a tokenizer works in. One for each thread; after the first long text nothing more is allocated.
struct TokenScratch {
  std::string normalized;            ///< the text as its normaliser left it
  std::string staged;                ///< the same between two steps of a normaliser
  MarkRun marks;                     ///< combining marks that wait for their order
  std::vector<char32_t> run;         ///< characters that wait for their composition
  Pieces words;                      ///< the text as its pre-tokenizer cut it
  Pieces staged_words;               ///< the same between two steps of a pre-tokenizer
  std::vector<std::int32_t> pieces;  ///< ids of one word
  MergeBuffers merges;               ///< of byte pair encoding
  std::vector<PathNode> paths;       ///< of Unigram
};

}  // namespace reasonembed::text
