#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// The tokens <0x00> to <0xFF> of a vocabulary, which spell what it has no token for.
class ByteFallback {
 public:
  ByteFallback() { ids_.fill(Vocabulary::kMissing); }
  explicit ByteFallback(const Vocabulary& vocabulary) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (std::size_t byte = 0; byte < ids_.size(); ++byte) {
      ids_[byte] = vocabulary.find(std::string{'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15U], '>'});
    }
  }

  /// Calls on_id(std::int32_t) for every byte, or for none if the token of one is missing.
  ///
  /// @return  true if all tokens are there
  template <class OnId>
  bool spell(std::string_view bytes, OnId&& on_id) const {
    for (const char byte : bytes) {
      if (id(byte) == Vocabulary::kMissing) {
        return false;
      }
    }
    for (const char byte : bytes) {
      on_id(id(byte));
    }
    return true;
  }

 private:
  [[nodiscard]] std::int32_t id(char byte) const { return ids_[static_cast<unsigned char>(byte)]; }

  std::array<std::int32_t, 256> ids_{};
};

}  // namespace reasonembed::text
