#pragma once
/// @file What a tokenizer must offer, and what all of them share.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/token_scratch.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// `max_tokens` for a text that must not be cut.
inline constexpr Index kNoTokenLimit = std::numeric_limits<Index>::max();

/// What one call of encode did.
struct Encoding {
  Index tokens = 0;     ///< ids appended, those of special tokens included
  Index truncated = 0;  ///< ids of the text's end that had no place; 0 means that nothing was lost

  friend bool operator==(const Encoding&, const Encoding&) = default;
};

/// The ids that have a role of their own, kNone where a tokenizer has no such token.
struct SpecialIds {
  static constexpr std::int32_t kNone = -1;
  std::int32_t unknown = kNone;
  std::int32_t begin = kNone;  ///< stands before every text: [CLS]
  std::int32_t end = kNone;    ///< stands behind every text: [SEP]

  friend bool operator==(const SpecialIds&, const SpecialIds&) = default;
};

/// Turns text into token ids, without state: every member is const and safe from many threads.
///
/// | expression                              | type               | meaning                                           |
/// |-----------------------------------------|--------------------|---------------------------------------------------|
/// | `t.encode(text, limit, scratch, ids)`   | `Encoding`         | appends the ids of `text`, special tokens at its  |
/// |                                         |                    | begin and end included, at most `limit` in all;   |
/// |                                         |                    | DataError if `text` is not UTF-8, ConfigError if  |
/// |                                         |                    | `limit` has no room for the special tokens; `ids` |
/// |                                         |                    | is unchanged if it throws                         |
/// | `t.encode(text)`                        | `std::vector<i32>` | the same in one call, without a limit             |
/// | `t.vocab_size()`                        | `Index`            | every id is in [0, vocab_size)                    |
/// | `t.token(id)`                           | `std::string_view` | for messages; valid as long as `t` lives          |
/// | `t.special_ids()`                       | `SpecialIds`       |                                                   |
///
/// Here `text` is a `std::string_view`, `limit` an `Index`, `scratch` a `TokenScratch`, `ids` and the result of
/// `t.encode(text)` are `std::vector<std::int32_t>`.
template <class T>
concept Tokenizer = requires(const T& tokenizer,
                             std::string_view text,
                             Index limit,
                             TokenScratch& scratch,
                             std::vector<std::int32_t>& ids,
                             std::int32_t id) {
  { tokenizer.encode(text, limit, scratch, ids) } -> std::same_as<Encoding>;
  { tokenizer.encode(text) } -> std::same_as<std::vector<std::int32_t>>;
  { tokenizer.vocab_size() } -> std::same_as<Index>;
  { tokenizer.token(id) } -> std::same_as<std::string_view>;
  { tokenizer.special_ids() } -> std::same_as<SpecialIds>;
};

/// All ids of one text: what the library's tokenizers offer as `encode(text)`.
template <class T>
[[nodiscard]] std::vector<std::int32_t> encode_whole(const T& tokenizer, std::string_view text) {
  TokenScratch scratch;
  std::vector<std::int32_t> ids;
  tokenizer.encode(text, kNoTokenLimit, scratch, ids);
  return ids;
}

/// One text after another in one buffer, cut by offsets: what an encoder takes.
struct TokenizedTexts {
  std::vector<std::int32_t> ids;            ///< (T) tokens of all texts
  std::vector<std::int32_t> offsets = {0};  ///< (B + 1) text b is ids[offsets[b], offsets[b + 1])
  std::vector<Index> truncated;             ///< (B) tokens that each text lost
};

/// Tokenizes several texts.
///
/// @param texts       B views or strings, each UTF-8
/// @param max_tokens  for each text, special tokens included
/// @throws            DataError if a text is not UTF-8, ConfigError if `max_tokens` is too small for special tokens
/// @note              one pass, in order, on the calling thread
template <Tokenizer T, class Texts>
[[nodiscard]] TokenizedTexts tokenize(const T& tokenizer, const Texts& texts, Index max_tokens = kNoTokenLimit) {
  TokenizedTexts result;
  TokenScratch scratch;
  for (const std::string_view text : texts) {
    result.truncated.push_back(tokenizer.encode(text, max_tokens, scratch, result.ids).truncated);
    if (result.ids.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw DataError::invalid(
          "text::tokenize", "number of tokens", std::to_string(result.ids.size()), "at most 2147483647 in one batch");
    }
    result.offsets.push_back(static_cast<std::int32_t>(result.ids.size()));
  }
  return result;
}

/// Appends ids of a text's content until there is no room, and counts the rest.
class TokenSink {
 public:
  /// @param max_tokens  room for the content and `special_tokens` more
  /// @throws            ConfigError if the special tokens alone have no room
  TokenSink(std::string_view where, Index max_tokens, Index special_tokens, std::vector<std::int32_t>& ids)
      : ids_(&ids), first_(ids.size()), room_(max_tokens - special_tokens) {
    if (max_tokens < special_tokens) {
      throw ConfigError::invalid(where,
                                 "max_tokens",
                                 std::to_string(max_tokens),
                                 ">= " + std::to_string(special_tokens) + ", the number of special tokens");
    }
  }

  void add(std::int32_t id) {
    if (room_ > 0) {
      ids_->push_back(id);
      --room_;
    } else {
      ++truncated_;
    }
  }
  /// A token that has its place whatever the length of the content.
  void add_special(std::int32_t id) { ids_->push_back(id); }

  [[nodiscard]] Encoding result() const { return {static_cast<Index>(ids_->size() - first_), truncated_}; }

 private:
  std::vector<std::int32_t>* ids_;
  std::size_t first_;
  Index room_;
  Index truncated_ = 0;
};

}  // namespace reasonembed::text
