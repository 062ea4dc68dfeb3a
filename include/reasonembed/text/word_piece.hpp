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
#include <reasonembed/text/word_piece_model.hpp>

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
      : options_(std::move(options)),
        model_(std::move(vocabulary),
               {.unknown = options_.unknown,
                .continuing_prefix = options_.continuing_prefix,
                .max_chars_per_word = options_.max_chars_per_word},
               where),
        normalizer_(options_.normalizer) {
    const auto required = [&](const std::string& token) {
      const std::int32_t id = model_.vocabulary().find(token);
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
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return model_.vocabulary(); }
  [[nodiscard]] Index vocab_size() const { return vocabulary().size(); }
  [[nodiscard]] std::string_view token(std::int32_t id) const { return vocabulary().token(id); }
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
          BertPreTokenizer::for_each_word(scratch.normalized, [&](std::string_view word) {
            model_.encode_word(word, scratch, [&](std::int32_t id) { sink.add(id); });
          });
        },
        [&](std::int32_t id) { sink.add(id); });
    sink.add_special(ids_.end);
    return sink.result();
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const { return encode_whole(*this, text); }

 private:
  Options options_;
  WordPieceModel model_;
  BertNormalizer normalizer_;
  SpecialTokens special_;
  SpecialIds ids_;
};
static_assert(Tokenizer<WordPiece>);

}  // namespace reasonembed::text
