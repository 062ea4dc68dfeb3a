#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/text/tokenizer_pipeline.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Whichever tokenizer a model directory asks for; which one is known at run time only.
///
/// Models: Tokenizer.
class AnyTokenizer {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): every tokenizer is one
  AnyTokenizer(WordPiece tokenizer) : tokenizer_(std::move(tokenizer)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): every tokenizer is one
  AnyTokenizer(ByteTokenizer tokenizer) : tokenizer_(tokenizer) {}
  // NOLINTNEXTLINE(google-explicit-constructor): every tokenizer is one
  AnyTokenizer(TokenizerPipeline tokenizer) : tokenizer_(std::move(tokenizer)) {}

  Encoding encode(std::string_view text,
                  Index max_tokens,
                  TokenScratch& scratch,
                  std::vector<std::int32_t>& ids) const {
    return std::visit([&](const auto& t) { return t.encode(text, max_tokens, scratch, ids); }, tokenizer_);
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const { return encode_whole(*this, text); }
  [[nodiscard]] Index vocab_size() const {
    return std::visit([](const auto& t) { return t.vocab_size(); }, tokenizer_);
  }
  [[nodiscard]] std::string_view token(std::int32_t id) const {
    return std::visit([&](const auto& t) { return t.token(id); }, tokenizer_);
  }
  [[nodiscard]] SpecialIds special_ids() const {
    return std::visit([](const auto& t) { return t.special_ids(); }, tokenizer_);
  }
  /// @return  the tokenizer if it is a T, otherwise nullptr; valid as long as this one lives
  template <class T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&tokenizer_);
  }

 private:
  std::variant<WordPiece, ByteTokenizer, TokenizerPipeline> tokenizer_;
};
static_assert(Tokenizer<AnyTokenizer>);

}  // namespace reasonembed::text
