#pragma once
/// @file The inner function of SHA-256, portable and with the instructions that x86-64 processors have for it.
#include <reasonembed/config.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI::detail {

using Sha256State = std::array<std::uint32_t, 8>;

/// The round constants                                                           [NIST FIPS 180-4, sec. 4.2.2]
alignas(16) inline constexpr std::array<std::uint32_t, 64> kSha256Rounds{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// Takes blocks of 64 bytes into the state                                       [NIST FIPS 180-4, sec. 6.2.2]
inline void sha256_portable(Sha256State& state, const std::byte* data, std::size_t blocks) {
  for (; blocks > 0; --blocks, data += 64) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        w[i] = w[i] << 8 | std::to_integer<std::uint32_t>(data[4 * i + j]);
      }
    }
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kSha256Rounds[i] + w[i];
      const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1;
      d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<std::uint32_t, 8> added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) {
      state[i] += added[i];
    }
  }
}

#if defined(__x86_64__)

/// Four words of 32 bits; the compilers' own vectors, since <immintrin.h> would triple what this header costs.
using Sha256Words [[gnu::vector_size(16)]] = std::uint32_t;
using Sha256Operand [[gnu::vector_size(16)]] = int;  // as the compilers declare the instructions

/// @return  whether the processor has the SHA extensions (and SSSE3, which every such processor has)
[[nodiscard]] inline bool has_sha_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool ssse3 = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 9 & 1U) != 0;
  return ssse3 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1U) != 0;
}

[[gnu::target("sha,ssse3")]] inline Sha256Words two_rounds(Sha256Words a, Sha256Words b, Sha256Operand words) {
  return reinterpret_cast<Sha256Words>(
      __builtin_ia32_sha256rnds2(reinterpret_cast<Sha256Operand>(a), reinterpret_cast<Sha256Operand>(b), words));
}

/// The same with the SHA extensions: four rounds and four words of the schedule a step.
/// @pre  has_sha_instructions()
[[gnu::target("sha,ssse3")]] inline void sha256_x86(Sha256State& state, const std::byte* data, std::size_t blocks) {
  using Bytes [[gnu::vector_size(16)]] = char;
  Sha256Words low;   // a b c d
  Sha256Words high;  // e f g h
  std::memcpy(&low, state.data(), sizeof low);
  std::memcpy(&high, state.data() + 4, sizeof high);
  // the instructions want f e b a and h g d c
  Sha256Words abef = __builtin_shufflevector(high, low, 1, 0, 5, 4);
  Sha256Words cdgh = __builtin_shufflevector(high, low, 3, 2, 7, 6);
  for (; blocks > 0; --blocks, data += 64) {
    const Sha256Words abef_before = abef;
    const Sha256Words cdgh_before = cdgh;
    Sha256Words w[4];
    for (std::size_t i = 0; i < 4; ++i) {
      Bytes bytes;
      std::memcpy(&bytes, data + 16 * i, sizeof bytes);
      w[i] = reinterpret_cast<Sha256Words>(
          __builtin_shufflevector(bytes, bytes, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    }
    for (std::size_t i = 0; i < 16; ++i) {
      Sha256Words rounds;
      std::memcpy(&rounds, kSha256Rounds.data() + 4 * i, sizeof rounds);
      rounds += w[i % 4];
      const auto first = reinterpret_cast<Sha256Operand>(rounds);
      const Sha256Operand second = __builtin_shufflevector(first, first, 2, 3, 0, 0);
      cdgh = two_rounds(cdgh, abef, first);
      abef = two_rounds(abef, cdgh, second);
      if (i < 12) {  // the words four steps on
        const Sha256Words& last = w[(i + 3) % 4];
        const auto before = reinterpret_cast<Sha256Words>(__builtin_ia32_sha256msg1(
            reinterpret_cast<Sha256Operand>(w[i % 4]), reinterpret_cast<Sha256Operand>(w[(i + 1) % 4])));
        const Sha256Words sum = before + __builtin_shufflevector(w[(i + 2) % 4], last, 1, 2, 3, 4);
        w[i % 4] = reinterpret_cast<Sha256Words>(
            __builtin_ia32_sha256msg2(reinterpret_cast<Sha256Operand>(sum), reinterpret_cast<Sha256Operand>(last)));
      }
    }
    abef += abef_before;
    cdgh += cdgh_before;
  }
  low = __builtin_shufflevector(abef, cdgh, 3, 2, 7, 6);
  high = __builtin_shufflevector(abef, cdgh, 1, 0, 5, 4);
  std::memcpy(state.data(), &low, sizeof low);
  std::memcpy(state.data() + 4, &high, sizeof high);
}

#endif

/// Takes blocks into the state, with the processor's instructions where it has them.
inline void sha256_blocks(Sha256State& state, const std::byte* data, std::size_t blocks) {
#if defined(__x86_64__)
  static const bool hardware = has_sha_instructions();
  if (hardware) {
    sha256_x86(state, data, blocks);
    return;
  }
#endif
  sha256_portable(state, data, blocks);
}

}  // namespace reasonembed::detail
