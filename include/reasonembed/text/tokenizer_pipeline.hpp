#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/added_tokens.hpp>
#include <reasonembed/text/byte_pair_encoding.hpp>
#include <reasonembed/text/byte_trie.hpp>
#include <reasonembed/text/normalizers.hpp>
#include <reasonembed/text/pre_tokenizers.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/text/unicode.hpp>
#include <reasonembed/text/unigram.hpp>
#include <reasonembed/text/vocabulary.hpp>
#include <reasonembed/text/word_piece_model.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// The files that a tokenizer was made from, kept to be written again.
struct TokenizerSource {
  std::string tokenizer;  ///< tokenizer.json
  std::string config;     ///< tokenizer_config.json, empty if there was none
};

/// The parts of a tokenizer in the order in which a text passes them.
struct TokenizerParts {
  std::vector<AddedToken> added_tokens;
  NormalizerSequence normalizer;
  PreTokenizerSequence pre_tokenizer;
  std::variant<BytePairEncoding, Unigram, WordPieceModel> model;
  std::vector<std::int32_t> before;               ///< ids that stand before every text
  std::vector<std::int32_t> behind;               ///< ids that stand behind every text
  std::shared_ptr<const TokenizerSource> source;  ///< null if there is none
};

/// A tokenizer assembled from parts, as a Hugging Face tokenizer.json describes it: added tokens are cut out of the raw
/// text, what is left is normalised, further added tokens are cut out of that, and the rest is cut into words, which
/// the model turns into tokens; all stands between the special tokens of the post-processor.
///
/// Token ids are those of Hugging Face `tokenizers` 0.23.3.
///
/// Models: Tokenizer.
class TokenizerPipeline {
 public:
  /// @param where  what errors call the source
  /// @throws       ConfigError naming an added token or a special token that is no token of the vocabulary
  explicit TokenizerPipeline(TokenizerParts parts, std::string_view where = "text::TokenizerPipeline")
      : parts_(std::move(parts)) {
    ByteTrie seen;
    for (std::size_t i = 0; i < parts_.added_tokens.size(); ++i) {
      place(i, seen, where);
    }
    for (const std::vector<std::int32_t>* ids : {&parts_.before, &parts_.behind}) {
      for (const std::int32_t id : *ids) {
        if (id < 0 || id >= vocab_size()) {
          throw ConfigError::invalid(
              where, "special token id", std::to_string(id), "0 to " + std::to_string(vocab_size() - 1));
        }
      }
    }
    collect_searches(where);
  }

  [[nodiscard]] const TokenizerParts& parts() const { return parts_; }
  [[nodiscard]] const Vocabulary& vocabulary() const {
    return std::visit([](const auto& model) -> const Vocabulary& { return model.vocabulary(); }, parts_.model);
  }
  [[nodiscard]] Index vocab_size() const { return vocabulary().size() + static_cast<Index>(beyond_.size()); }
  [[nodiscard]] std::string_view token(std::int32_t id) const {
    const Index known = vocabulary().size();
    if (id >= known && id < vocab_size()) {
      return parts_.added_tokens[beyond_[static_cast<std::size_t>(id - known)]].content;
    }
    if (id < 0 || id >= known) {
      throw ConfigError::invalid(
          "text::TokenizerPipeline::token", "id", std::to_string(id), "0 to " + std::to_string(vocab_size() - 1));
    }
    return vocabulary().token(id);
  }
  [[nodiscard]] SpecialIds special_ids() const {
    return {.unknown = std::visit([](const auto& model) { return model.unknown_id(); }, parts_.model),
            .begin = parts_.before.empty() ? SpecialIds::kNone : parts_.before.front(),
            .end = parts_.behind.empty() ? SpecialIds::kNone : parts_.behind.back()};
  }

  /// See Tokenizer. What does not fit is cut from the end of the content, as Hugging Face's truncation does.
  ///
  /// @throws  DataError for a text of 4 GiB or more
  /// @note    O(n log n) time whatever the text, times the length of the longest token where tokens are searched for;
  ///          allocates only where `scratch` and `ids` must grow. A text that is cut is still read to its end, to count
  ///          what it loses.
  Encoding encode(std::string_view text,
                  Index max_tokens,
                  TokenScratch& scratch,
                  std::vector<std::int32_t>& ids) const {
    constexpr std::string_view kWhere = "text::TokenizerPipeline::encode";
    require_utf8(kWhere, text);
    if (text.size() >= std::numeric_limits<std::uint32_t>::max()) {
      throw DataError::invalid(kWhere, "text", std::to_string(text.size()) + " bytes", "less than 4 GiB");
    }
    TokenSink sink(kWhere, max_tokens, static_cast<Index>(parts_.before.size() + parts_.behind.size()), ids);
    for (const std::int32_t id : parts_.before) {
      sink.add_special(id);
    }
    const auto on_token = [&](std::int32_t id) { sink.add(id); };
    raw_.split(
        text,
        [&](std::string_view plain) {
          const NormalizerSequence::Result part =
              parts_.normalizer.normalize(plain, plain.data() == text.data(), scratch);
          normalized_.split(
              part.text,
              [&](std::string_view rest) {
                encode_plain(rest, part.at_text_start && rest.data() == part.text.data(), scratch, sink);
              },
              on_token);
        },
        on_token);
    for (const std::int32_t id : parts_.behind) {
      sink.add_special(id);
    }
    return sink.result();
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const { return encode_whole(*this, text); }

 private:
  /// A text without added tokens, through pre-tokenizer and model.
  void encode_plain(std::string_view text, bool at_text_start, TokenScratch& scratch, TokenSink& sink) const {
    parts_.pre_tokenizer.split(text, at_text_start, scratch);
    std::visit(
        [&](const auto& model) {
          for (std::size_t i = 0; i < scratch.words.size(); ++i) {
            model.encode_word(scratch.words[i], scratch, [&](std::int32_t id) { sink.add(id); });
          }
        },
        parts_.model);
  }

  /// Ids of added tokens are those of the vocabulary, or follow its last one in order.
  void place(std::size_t i, ByteTrie& seen, std::string_view where) {
    const AddedToken& token = parts_.added_tokens[i];
    if (token.content.empty()) {
      throw ConfigError::invalid(where, "added token", "empty", "at least one character");
    }
    if (!seen.insert(token.content, 0)) {
      throw ConfigError::invalid(where, "added token \"" + token.content + "\"", "given twice", "different tokens");
    }
    const std::int32_t known = vocabulary().find(token.content);
    const auto expected = known != Vocabulary::kMissing ? known : static_cast<std::int32_t>(vocab_size());
    if (token.id != expected) {
      throw ConfigError::invalid(where,
                                 "id of added token \"" + token.content + "\"",
                                 std::to_string(token.id),
                                 std::to_string(expected) + (known != Vocabulary::kMissing ? ", as in the vocabulary"
                                                                                           : ", the next free one"));
    }
    if (known == Vocabulary::kMissing) {
      beyond_.push_back(i);
    }
  }

  void collect_searches(std::string_view where) {
    TokenScratch scratch;
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    std::vector<std::string> raw_texts;
    std::vector<std::string> normalized_texts;
    for (const AddedToken& token : parts_.added_tokens) {
      (token.normalized ? normalized : raw).push_back(token);
      if (token.normalized) {
        normalized_texts.emplace_back(parts_.normalizer.normalize(token.content, true, scratch).text);
      } else {
        raw_texts.push_back(token.content);
      }
    }
    raw_ = AddedTokens(std::move(raw), raw_texts, where);
    normalized_ = AddedTokens(std::move(normalized), normalized_texts, where);
  }

  TokenizerParts parts_;
  std::vector<std::size_t> beyond_;  ///< the added tokens that are not in the vocabulary, by id
  AddedTokens raw_;                  ///< searched for in the raw text
  AddedTokens normalized_;           ///< searched for in the normalised text
};
static_assert(Tokenizer<TokenizerPipeline>);

}  // namespace reasonembed::text
