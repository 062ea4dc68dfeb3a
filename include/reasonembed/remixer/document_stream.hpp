#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/sha256.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// The random numbers that belong to a document: a function of seed, purpose and text, and of nothing else, so that
/// what is drawn for one document does not change when a corpus grows, shrinks or is put into another order.
///
/// @param purpose  what is drawn, e.g. "conditions"; different purposes have independent numbers
/// @note           the stream is the first 64 bits of SHA-256(purpose, NUL, text); O(bytes)
[[nodiscard]] inline RandomStream document_stream(std::uint64_t seed, std::string_view purpose, std::string_view text) {
  Sha256 hash;
  hash.update(purpose);
  hash.update(std::string_view("\0", 1));
  hash.update(text);
  const Sha256::Digest digest = hash.digest();
  std::uint64_t stream = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    stream = stream << 8 | digest[i];
  }
  return RandomStream(seed, stream);
}

}  // namespace reasonembed::remixer
