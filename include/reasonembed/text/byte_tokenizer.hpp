#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct ByteTokenizerOptions {
  bool add_begin = false;  ///< put ByteTokenizer::kBegin before every text
  bool add_end = true;     ///< put ByteTokenizer::kEnd behind every text

  friend bool operator==(const ByteTokenizerOptions&, const ByteTokenizerOptions&) = default;
};

/// One token for every byte of UTF-8: the id of a byte is its value. Needs no vocabulary, knows every text.
///
/// Models: Tokenizer.
class ByteTokenizer {
 public:
  using Options = ByteTokenizerOptions;
  static constexpr std::int32_t kBegin = 256;
  static constexpr std::int32_t kEnd = 257;

  explicit ByteTokenizer(Options options = {}) : options_(options) {}

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Index vocab_size() const { return kEnd + 1; }
  [[nodiscard]] SpecialIds special_ids() const {
    return {.begin = options_.add_begin ? kBegin : SpecialIds::kNone,
            .end = options_.add_end ? kEnd : SpecialIds::kNone};
  }
  /// @return  the byte, or the name of a special token
  /// @throws  ConfigError if `id` is outside [0, vocab_size)
  [[nodiscard]] std::string_view token(std::int32_t id) const {
    if (id < 0 || id > kEnd) {
      throw ConfigError::invalid("text::ByteTokenizer::token", "id", std::to_string(id), "0 to 257");
    }
    return id == kBegin ? "[BEGIN]" : id == kEnd ? "[END]" : std::string_view(&kBytes[static_cast<std::size_t>(id)], 1);
  }

  /// See Tokenizer. A cut may fall inside a character: ids are bytes.
  ///
  /// @note  O(n); allocates only where `ids` must grow
  Encoding encode(std::string_view text, Index max_tokens, TokenScratch&, std::vector<std::int32_t>& ids) const {
    constexpr std::string_view kWhere = "text::ByteTokenizer::encode";
    require_utf8(kWhere, text);
    TokenSink sink(kWhere, max_tokens, Index{options_.add_begin} + Index{options_.add_end}, ids);
    if (options_.add_begin) {
      sink.add_special(kBegin);
    }
    for (const char byte : text) {
      sink.add(static_cast<unsigned char>(byte));
    }
    if (options_.add_end) {
      sink.add_special(kEnd);
    }
    return sink.result();
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const { return encode_whole(*this, text); }

 private:
  static constexpr std::array<char, 256> kBytes = [] {
    std::array<char, 256> bytes{};
    for (std::size_t byte = 0; byte < bytes.size(); ++byte) {
      bytes[byte] = static_cast<char>(byte);
    }
    return bytes;
  }();

  Options options_;
};
static_assert(Tokenizer<ByteTokenizer>);

}  // namespace reasonembed::text
