#include <reasonembed/core/checksum.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

namespace {

std::string of(std::string_view text) {
  return re::checksum(std::as_bytes(std::span(text)));
}

std::vector<std::byte> bytes(std::size_t size) {
  std::vector<std::byte> list(size);
  for (std::size_t i = 0; i < size; ++i) {
    list[i] = static_cast<std::byte>(i * 131 + 7);
  }
  return list;
}

/// The definition, word by word.
std::string reference(std::vector<std::byte> message) {
  const std::size_t size = message.size();
  message.resize((size + 63) / 64 * 64);
  const auto mix = [](std::uint64_t h, std::uint64_t w) {
    return std::rotl(h + w * 0xC2B2AE3D27D4EB4FU, 31) * 0x9E3779B185EBCA87U;
  };
  std::array<std::uint64_t, 8> lanes{1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t i = 0; i < message.size() / 8; ++i) {
    std::uint64_t word = 0;
    for (std::size_t j = 8; j-- > 0;) {
      word = word << 8U | std::to_integer<std::uint64_t>(message[8 * i + j]);  // little-endian
    }
    lanes[i % 8] = mix(lanes[i % 8], word);
  }
  std::uint64_t hash = size;
  for (const std::uint64_t lane : lanes) {
    hash = mix(hash, lane);
  }
  hash = (hash ^ hash >> 33) * 0xC2B2AE3D27D4EB4FU;
  hash ^= hash >> 29;
  std::string digits;
  for (std::size_t i = 0; i < 16; ++i) {
    digits.insert(digits.begin(), "0123456789abcdef"[hash & 15]);
    hash >>= 4;
  }
  return digits;
}

}  // namespace

TEST_SUITE("core/checksum") {
  TEST_CASE("checksum: is its definition at every length around words and stripes") {
    for (const std::size_t size : {0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 191, 1000, 4096, 4103}) {
      CAPTURE(size);
      CHECK(re::checksum(bytes(size)) == reference(bytes(size)));
    }
  }
  TEST_CASE("checksum: stays what it is, for it is written into files") {
    CHECK(of("") == reference({}));
    CHECK(of("").size() == 16);
    CHECK(of("salt") != of("salt "));
  }
  TEST_CASE("checksum: every bit of every byte matters") {
    for (const std::size_t size : {1, 8, 64, 65, 200}) {
      std::vector<std::byte> message = bytes(size);
      std::set<std::string> seen{re::checksum(message)};
      for (std::size_t i = 0; i < size; ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
          message[i] ^= static_cast<std::byte>(1U << bit);
          seen.insert(re::checksum(message));
          message[i] ^= static_cast<std::byte>(1U << bit);
        }
      }
      CHECK(seen.size() == size * 8 + 1);
    }
  }
  TEST_CASE("checksum: tells zeros of different lengths and blocks in another order apart") {
    std::set<std::string> seen;
    for (std::size_t size = 0; size < 300; ++size) {
      seen.insert(re::checksum(std::vector<std::byte>(size)));
    }
    CHECK(seen.size() == 300);
    std::vector<std::byte> message = bytes(256);
    std::vector<std::byte> swapped = message;
    std::memcpy(swapped.data(), message.data() + 64, 64);
    std::memcpy(swapped.data() + 64, message.data(), 64);
    CHECK(re::checksum(swapped) != re::checksum(message));
  }
  TEST_CASE("Checksum: where the pieces of a message end makes no difference") {
    const std::vector<std::byte> message = bytes(1000);
    for (const std::size_t piece : {1, 7, 63, 64, 65, 100, 128, 999, 1000}) {
      re::Checksum sum;
      for (std::size_t first = 0; first < message.size(); first += piece) {
        sum.update(std::span(message).subspan(first, std::min(piece, message.size() - first)));
        sum.update({});
        CHECK(sum.hex() == re::checksum(std::span(message).first(std::min(first + piece, message.size()))));
      }
    }
    CHECK(re::Checksum().hex() == re::checksum({}));
  }
  TEST_CASE("checksum: does not depend on where the bytes lie") {
    const std::vector<std::byte> message = bytes(333);
    for (std::size_t shift = 1; shift < 9; ++shift) {
      std::vector<std::byte> moved(message.size() + shift);
      std::memcpy(moved.data() + shift, message.data(), message.size());
      CHECK(re::checksum(std::span(moved).subspan(shift)) == re::checksum(message));
    }
  }
}
