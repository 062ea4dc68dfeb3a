#pragma once
/// @file What makes two calls the same call.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// SHA-256 of all that an answer depends on.
using CallKey = Sha256::Digest;

/// A hash for unordered containers: the key's bytes are random already.
struct CallKeyHash {
  [[nodiscard]] std::size_t operator()(const CallKey& key) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, key.data(), sizeof value);
    return value;
  }
};

namespace detail {

/// A hash of fields: each is preceded by its length, so that no two lists of fields have the same bytes.
class FieldHash {
 public:
  void field(std::string_view text) {
    number(static_cast<std::int64_t>(text.size()));
    hash_.update(text);
  }
  void number(std::int64_t value) { print(value); }
  /// @note  the fewest digits that read back to the same bits: equal numbers, equal text
  void number(double value) { print(value); }
  [[nodiscard]] CallKey digest() const { return hash_.digest(); }

 private:
  template <class T>
  void print(T value) {
    char text[40];
    const auto [end, error] = std::to_chars(text, text + sizeof text - 1, value);
    *end = ':';
    hash_.update(std::string_view(text, static_cast<std::size_t>(end - text) + 1));
  }
  Sha256 hash_;
};

}  // namespace detail

/// The key of a call to the model `identity`.
///
///   SHA-256(format, identity, temperature, top_p, top_k, max_tokens, seed, attempt, messages)
///
/// The input of a stage is in the messages, and so are its prompt's words. `id`, `stage`, `input`
/// and `output` are left out: the same question is paid once, whoever asks. Two different answers to one question need
/// another `seed` or `attempt`.
///
/// @note  O(bytes of the messages); the same on every machine
[[nodiscard]] inline CallKey call_key(std::string_view identity, const ChatCall& call) {
  detail::FieldHash hash;
  hash.field("reasonembed call 1");
  hash.field(identity);
  hash.number(call.sampling.temperature);
  hash.number(call.sampling.top_p);
  hash.number(std::int64_t{call.sampling.top_k});
  hash.number(std::int64_t{call.sampling.max_tokens});
  hash.number(std::int64_t{call.sampling.seed.has_value()});
  hash.number(call.sampling.seed.value_or(0));
  hash.number(std::int64_t{call.attempt});
  hash.number(static_cast<std::int64_t>(call.messages.size()));
  for (const ChatMessage& message : call.messages) {
    hash.field(message.role);
    hash.field(message.content);
  }
  return hash.digest();
}

/// @return  64 lower-case hexadecimal digits
[[nodiscard]] inline std::string hex_of(const CallKey& key) {
  std::string text;
  text.reserve(2 * key.size());
  for (const std::uint8_t byte : key) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

/// @param where  what the error calls the place of `hex`
/// @throws       DataError if `hex` is not 64 lower-case hexadecimal digits
[[nodiscard]] inline CallKey key_of(std::string_view hex, std::string_view where) {
  CallKey key{};
  bool valid = hex.size() == 2 * key.size() && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  for (std::size_t i = 0; valid && i < key.size(); ++i) {
    const char* const first = hex.data() + 2 * i;
    valid = std::from_chars(first, first + 2, key[i], 16).ec == std::errc();
  }
  if (!valid) {
    throw DataError::invalid(where, "key", io::in_quotes(hex, 80), "64 lower-case hexadecimal digits");
  }
  return key;
}

}  // namespace reasonembed::remixer
