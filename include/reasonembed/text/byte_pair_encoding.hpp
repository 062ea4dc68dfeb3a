#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/bpe_merges.hpp>
#include <reasonembed/text/byte_fallback.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>
#include <reasonembed/text/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct BytePairEncodingOptions {
  std::optional<std::string> unknown = std::nullopt;  ///< without one, unknown characters vanish
  bool fuse_unknown = false;                          ///< unknown characters side by side are one token
  bool byte_fallback = false;                         ///< spell unknown characters by <0x00> to <0xFF>
  bool ignore_merges = false;                         ///< a word that is a token stays one, whatever the merges say
  std::string continuing_prefix = {};                 ///< marks a character that does not begin its word
  std::string end_suffix = {};                        ///< marks a character that ends its word

  friend bool operator==(const BytePairEncodingOptions&, const BytePairEncodingOptions&) = default;
};

/// Byte pair encoding of one word: its characters, merged.                                       [Sennrich 2016]
///
/// Equal to Hugging Face's BPE without dropout.
///
/// @note  immutable, safe from many threads
class BytePairEncoding {
 public:
  using Options = BytePairEncodingOptions;

  /// @param where  what errors call the source
  /// @throws       ConfigError naming the unknown token if the vocabulary lacks it
  BytePairEncoding(Vocabulary vocabulary,
                   BpeMerges merges,
                   Options options = {},
                   std::string_view where = "text::BytePairEncoding")
      : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(std::move(options)) {
    if (options_.unknown) {
      unknown_ = vocabulary_.find(*options_.unknown);
      if (unknown_ == Vocabulary::kMissing) {
        throw ConfigError::invalid(
            where, "unknown token \"" + *options_.unknown + "\"", "missing", "a token of the vocabulary");
      }
    }
    if (options_.byte_fallback) {
      bytes_ = ByteFallback(vocabulary_);
    }
    plain_ = options_.continuing_prefix.empty() && options_.end_suffix.empty();
    for (char32_t c = 0; c < frequent_.size(); ++c) {
      std::string character;
      append_utf8(c, character);
      frequent_[c] = vocabulary_.find(character);
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  /// @return  kMissing if there is none
  [[nodiscard]] std::int32_t unknown_id() const { return unknown_; }

  /// Calls on_id(std::int32_t) for every token of one word.
  ///
  /// @param word  UTF-8, not empty, of less than 4 GiB
  /// @note        O(n log n) time for n characters; allocates only where `scratch` must grow
  template <class OnId>
  void encode_word(std::string_view word, TokenScratch& scratch, OnId&& on_id) const {
    if (options_.ignore_merges) {
      if (const std::int32_t id = vocabulary_.find(word); id != Vocabulary::kMissing) {
        on_id(id);
        return;
      }
    }
    MergeBuffers& buffers = scratch.merges;
    buffers.symbols.clear();
    add_symbols(word, scratch.staged, buffers);
    if (buffers.symbols.empty()) {
      return;
    }
    merges_.apply(buffers);
    for (std::uint32_t i = 0; i != MergeBuffers::kNone; i = buffers.symbols[i].next) {
      on_id(buffers.symbols[i].id);
    }
  }

 private:
  static void add_symbol(std::int32_t id, MergeBuffers& buffers) {
    const auto at = static_cast<std::uint32_t>(buffers.symbols.size());
    if (at > 0) {
      buffers.symbols.back().next = at;
    }
    buffers.symbols.push_back({id, at > 0 ? at - 1 : MergeBuffers::kNone, MergeBuffers::kNone});
  }

  /// One symbol a character. An unknown one waits until it is known whether the next joins it; bytes that spell a
  /// character do not end the wait, as in the reference.
  void add_symbols(std::string_view word, std::string& marked, MergeBuffers& buffers) const {
    bool unknown_waits = false;
    const auto flush = [&] {
      if (unknown_waits) {
        add_symbol(unknown_, buffers);
      }
      unknown_waits = false;
    };
    for (std::size_t i = 0; i < word.size();) {
      const DecodedCharacter character = decode_utf8(word, i);
      const std::string_view spelled = mark(word, i, character.length, marked);
      const std::int32_t id =
          plain_ && character.value < frequent_.size() ? frequent_[character.value] : vocabulary_.find(spelled);
      i += character.length;
      if (id != Vocabulary::kMissing) {
        flush();
        add_symbol(id, buffers);
      } else if (!(options_.byte_fallback &&
                   bytes_.spell(spelled, [&](std::int32_t byte) { add_symbol(byte, buffers); })) &&
                 unknown_ != Vocabulary::kMissing) {
        if (!options_.fuse_unknown) {
          flush();
        }
        unknown_waits = true;
      }
    }
    flush();
  }

  /// The character at byte `i` with the prefix and the suffix that its place asks for.
  [[nodiscard]] std::string_view mark(std::string_view word,
                                      std::size_t i,
                                      std::size_t length,
                                      std::string& marked) const {
    const std::string_view character = word.substr(i, length);
    if (plain_) {
      return character;
    }
    marked.assign(i > 0 ? options_.continuing_prefix : std::string());
    marked += character;
    if (i + length == word.size()) {
      marked += options_.end_suffix;
    }
    return marked;
  }

  Vocabulary vocabulary_;
  BpeMerges merges_;
  Options options_;
  ByteFallback bytes_;
  std::int32_t unknown_ = Vocabulary::kMissing;
  bool plain_ = true;                           ///< neither prefix nor suffix
  std::array<std::int32_t, 0x180> frequent_{};  ///< ids of the first characters, those that stand for bytes among them
};

}  // namespace reasonembed::text
