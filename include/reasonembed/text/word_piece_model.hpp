#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>
#include <reasonembed/text/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct WordPieceModelOptions {
  std::string unknown = "[UNK]";
  std::string continuing_prefix = "##";  ///< marks a piece that does not begin its word
  Index max_chars_per_word = 100;        ///< a longer word is unknown as a whole

  friend bool operator==(const WordPieceModelOptions&, const WordPieceModelOptions&) = default;
};

/// WordPiece of one word: from its start always the longest piece that the vocabulary holds; a word that can't be cut
/// so is one unknown token.                                                          [Wu 2016, sec. 4.1]
///
/// Equal to Hugging Face's WordPiece.
///
/// @note  immutable, safe from many threads
class WordPieceModel {
 public:
  using Options = WordPieceModelOptions;

  /// @param where  what errors call the source
  /// @throws       ConfigError naming the unknown token if the vocabulary lacks it, or an option out of range
  explicit WordPieceModel(Vocabulary vocabulary, Options options = {}, std::string_view where = "text::WordPieceModel")
      : vocabulary_(std::move(vocabulary)),
        options_(std::move(options)),
        prefix_hash_(Vocabulary::extend_hash(Vocabulary::kEmptyHash, options_.continuing_prefix)) {
    if (options_.max_chars_per_word < 1) {
      throw ConfigError::invalid(where, "max_chars_per_word", std::to_string(options_.max_chars_per_word), ">= 1");
    }
    unknown_ = vocabulary_.find(options_.unknown);
    if (unknown_ == Vocabulary::kMissing) {
      throw ConfigError::invalid(
          where, "special token \"" + options_.unknown + "\"", "missing", "a token of the vocabulary");
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  [[nodiscard]] std::int32_t unknown_id() const { return unknown_; }

  /// Calls on_id(std::int32_t) for every piece of one word.
  ///
  /// @param word  UTF-8
  /// @note        O(n l) time for n bytes, l the longest token; allocates only where `scratch` must grow
  template <class OnId>
  void encode_word(std::string_view word, TokenScratch& scratch, OnId&& on_id) const {
    std::vector<std::int32_t>& pieces = scratch.pieces;
    pieces.clear();
    // No character takes more than 4 bytes, so most words need no count.
    const auto limit = static_cast<std::size_t>(options_.max_chars_per_word);
    bool known = word.size() <= limit || count_characters(word) <= limit;
    for (std::size_t i = 0; known && i < word.size();) {
      const Piece piece = longest_piece(word.substr(i), i == 0);
      known = piece.size > 0;
      i += piece.size;
      pieces.push_back(piece.id);
    }
    if (!known) {
      on_id(unknown_);
      return;
    }
    for (const std::int32_t id : pieces) {
      on_id(id);
    }
  }

 private:
  struct Piece {
    std::int32_t id = Vocabulary::kMissing;
    std::size_t size = 0;  ///< bytes, 0 if the vocabulary holds no beginning of the text
  };

  /// The longest token at the start of `rest`. Prefixes are hashed once, from short to long, and the last hit wins.
  [[nodiscard]] Piece longest_piece(std::string_view rest, bool begins_word) const {
    const std::string_view head = begins_word ? std::string_view() : std::string_view(options_.continuing_prefix);
    const std::size_t longest = vocabulary_.longest() > head.size() ? vocabulary_.longest() - head.size() : 0;
    const std::size_t size = rest.size() < longest ? rest.size() : longest;
    std::uint64_t hash = begins_word ? Vocabulary::kEmptyHash : prefix_hash_;
    Piece piece;
    for (std::size_t i = 0; i < size;) {
      hash = Vocabulary::extend_hash(hash, rest[i]);
      ++i;
      if (i < rest.size() && (static_cast<unsigned char>(rest[i]) >> 6) == 2) {
        continue;  // inside a character
      }
      if (const std::int32_t id = vocabulary_.find(hash, head, rest.substr(0, i)); id != Vocabulary::kMissing) {
        piece = {id, i};
      }
    }
    return piece;
  }

  Vocabulary vocabulary_;
  Options options_;
  std::uint64_t prefix_hash_;
  std::int32_t unknown_ = Vocabulary::kMissing;
};

}  // namespace reasonembed::text
