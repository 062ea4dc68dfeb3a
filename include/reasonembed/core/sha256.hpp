#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/sha256_block.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI {

/// SHA-256 of a message that arrives in pieces                                             [NIST FIPS 180-4, sec. 6.2]
///
/// @note  value type: a copy continues independently. No allocation. Uses the SHA instructions of the processor where
///        there are any, which take a fifth of the time. It identifies files and weights; it is not meant
///        for secrets.
class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  /// Appends bytes to the message.
  void update(std::span<const std::byte> bytes) {
    length_ += bytes.size();
    while (!bytes.empty()) {
      if (filled_ == 0 && bytes.size() >= block_.size()) {
        const std::size_t blocks = bytes.size() / block_.size();
        detail::sha256_blocks(state_, bytes.data(), blocks);
        bytes = bytes.subspan(blocks * block_.size());
        continue;
      }
      const std::size_t taken = std::min(bytes.size(), block_.size() - filled_);
      std::memcpy(block_.data() + filled_, bytes.data(), taken);
      filled_ += taken;
      bytes = bytes.subspan(taken);
      if (filled_ == block_.size()) {
        detail::sha256_blocks(state_, block_.data(), 1);
        filled_ = 0;
      }
    }
  }
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

  /// @return  the hash of everything appended so far; appending may go on afterwards
  [[nodiscard]] Digest digest() const {
    Sha256 last = *this;
    const std::uint64_t bits = length_ * 8;
    std::array<std::byte, 72> padding{std::byte{0x80}};
    const std::size_t zeros_end = filled_ < 56 ? 56 - filled_ : 120 - filled_;
    for (std::size_t i = 0; i < 8; ++i) {
      padding[zeros_end + i] = static_cast<std::byte>(bits >> (56 - 8 * i));
    }
    last.update(std::span(padding).first(zeros_end + 8));
    Digest result{};
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = static_cast<std::uint8_t>(last.state_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return result;
  }

  /// @return  the digest as 64 lower-case hexadecimal digits
  [[nodiscard]] std::string hex() const {
    std::string text;
    for (const std::uint8_t byte : digest()) {
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  }

 private:
  detail::Sha256State state_{
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t length_ = 0;
};

/// @return  the SHA-256 of `bytes` as 64 lower-case hexadecimal digits
[[nodiscard]] inline std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}
[[nodiscard]] inline std::string sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text)));
}

}  // namespace reasonembed
