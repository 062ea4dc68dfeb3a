#include <reasonembed/core/random.hpp>
#include <reasonembed/core/sha256_block.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace re = reasonembed;
using re::detail::Sha256State;

namespace {

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  re::RandomStream random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random.below(256));
  }
  return bytes;
}

Sha256State random_state(std::uint64_t seed) {
  re::RandomStream random(seed, 1);
  Sha256State state{};
  for (std::uint32_t& word : state) {
    word = random.next_u32();
  }
  return state;
}

}  // namespace

TEST_SUITE("core/sha256_block") {
  TEST_CASE("sha256_portable: the block of the empty message leads to its hash") {  // NIST FIPS 180-4, CAVS short
    Sha256State state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::vector<std::byte> block(64);
    block[0] = std::byte{0x80};
    re::detail::sha256_portable(state, block.data(), 1);
    CHECK(state ==
          Sha256State{0xe3b0c442, 0x98fc1c14, 0x9afbf4c8, 0x996fb924, 0x27ae41e4, 0x649b934c, 0xa495991b, 0x7852b855});
  }
  TEST_CASE("sha256_portable: many blocks are one after another, none is none") {
    const std::vector<std::byte> bytes = random_bytes(64 * 5, 3);
    Sha256State together = random_state(3);
    Sha256State single = together;
    re::detail::sha256_portable(together, bytes.data(), 0);
    CHECK(together == single);
    re::detail::sha256_portable(together, bytes.data(), 5);
    for (std::size_t block = 0; block < 5; ++block) {
      re::detail::sha256_portable(single, bytes.data() + 64 * block, 1);
    }
    CHECK(together == single);
  }
  TEST_CASE("sha256_blocks: the processor's instructions give the portable result, at any address") {
#if defined(__x86_64__)
    if (!re::detail::has_sha_instructions()) {
      MESSAGE("SKIPPED: this processor has no SHA instructions");
    }
#endif
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      const std::size_t blocks = seed % 7;
      const std::size_t shift = seed % 16;
      const std::vector<std::byte> bytes = random_bytes(64 * blocks + shift, seed);
      Sha256State state = random_state(seed);
      Sha256State want = state;
      re::detail::sha256_blocks(state, bytes.data() + shift, blocks);
      re::detail::sha256_portable(want, bytes.data() + shift, blocks);
      REQUIRE(state == want);
    }
  }
}
