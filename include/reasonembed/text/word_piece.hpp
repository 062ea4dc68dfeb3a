#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/bert_normalizer.hpp>
#include <reasonembed/text/bert_pre_tokenizer.hpp>
#include <reasonembed/text/special_tokens.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/text/unicode.hpp>
#include <reasonembed/text/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct WordPieceOptions {
  BertNormalizerOptions normalizer = {};
  std::string unknown = "[UNK]";
  std::string begin = "[CLS]";
  std::string end = "[SEP]";
  /// Recognised in raw text, before normalisation; each must be in the vocabulary.
  std::vector<std::string> special_tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  std::string continuing_prefix = "##";  ///< marks a piece that does not begin its word
  Index max_chars_per_word = 100;        ///< a longer word is unknown as a whole

  friend bool operator==(const WordPieceOptions&, const WordPieceOptions&) = default;
};

/// The tokenizer of BERT: special tokens, normalisation, words, and of each word from its start always the longest
/// piece that the vocabulary holds; a word that can't be cut so is one unknown token. The result stands between [CLS]
/// and [SEP].                                                                            [Devlin 2019, sec. 3; Wu 2016,
/// sec. 4.1]
///
/// Token ids are those of Hugging Face `tokenizers` with BertNormalizer, BertPreTokenizer, WordPiece.
///
/// Models: Tokenizer.
class WordPiece {
 public:
  using Options = WordPieceOptions;

  /// @param where  what errors call the source of the vocabulary
  /// @throws       ConfigError naming a special token that the vocabulary lacks, or an option out of range
  explicit WordPiece(Vocabulary vocabulary, Options options = {}, std::string_view where = "text::WordPiece")
      : vocabulary_(std::move(vocabulary)), options_(std::move(options)), normalizer_(options_.normalizer) {
    if (options_.max_chars_per_word < 1) {
      throw ConfigError::invalid(where, "max_chars_per_word", std::to_string(options_.max_chars_per_word), ">= 1");
    }
    const auto required = [&](const std::string& token) {
      const std::int32_t id = vocabulary_.find(token);
      if (id == Vocabulary::kMissing) {
        throw ConfigError::invalid(where, "special token \"" + token + "\"", "missing", "a token of the vocabulary");
      }
      return id;
    };
    ids_ = {required(options_.unknown), required(options_.begin), required(options_.end)};
    std::vector<SpecialToken> special;
    special.reserve(options_.special_tokens.size());
    for (const std::string& token : options_.special_tokens) {
      special.push_back({token, required(token)});
    }
    special_ = SpecialTokens(std::move(special));
    prefix_hash_ = Vocabulary::extend_hash(Vocabulary::kEmptyHash, options_.continuing_prefix);
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  [[nodiscard]] Index vocab_size() const { return vocabulary_.size(); }
  [[nodiscard]] std::string_view token(std::int32_t id) const { return vocabulary_.token(id); }
  [[nodiscard]] SpecialIds special_ids() const { return ids_; }

  /// See Tokenizer. What does not fit is cut from the end of the content, as Hugging Face's truncation does.
  ///
  /// @note  O(n l) time, l the bytes of the longest token, whatever the text; allocates only where `scratch` and `ids`
  ///        must grow. A text that is cut is still read to its end, to count what it loses.
  Encoding encode(std::string_view text,
                  Index max_tokens,
                  TokenScratch& scratch,
                  std::vector<std::int32_t>& ids) const {
    constexpr std::string_view kWhere = "text::WordPiece::encode";
    require_utf8(kWhere, text);
    TokenSink sink(kWhere, max_tokens, 2, ids);
    sink.add_special(ids_.begin);
    special_.split(
        text,
        [&](std::string_view plain) {
          scratch.normalized.clear();
          normalizer_.normalize(plain, scratch.marks, scratch.normalized);
          BertPreTokenizer::for_each_word(scratch.normalized,
                                          [&](std::string_view word) { add_word(word, scratch.pieces, sink); });
        },
        [&](std::int32_t id) { sink.add(id); });
    sink.add_special(ids_.end);
    return sink.result();
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    TokenScratch scratch;
    std::vector<std::int32_t> ids;
    encode(text, kNoTokenLimit, scratch, ids);
    return ids;
  }

 private:
  /// Adds the pieces of one word, or the unknown token if it can't be cut into pieces.
  void add_word(std::string_view word, std::vector<std::int32_t>& pieces, TokenSink& sink) const {
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
      sink.add(ids_.unknown);
      return;
    }
    for (const std::int32_t id : pieces) {
      sink.add(id);
    }
  }

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
  BertNormalizer normalizer_;
  SpecialTokens special_;
  SpecialIds ids_;
  std::uint64_t prefix_hash_ = Vocabulary::kEmptyHash;
};
static_assert(Tokenizer<WordPiece>);

}  // namespace reasonembed::text
