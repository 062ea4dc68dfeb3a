#include <reasonembed/simd/philox.hpp>

#include <doctest/doctest.h>
#include <xsimd/xsimd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace re = reasonembed;
using re::Philox4x32;
using re::simd::kPhiloxCounters;

namespace {

using Words = std::array<std::uint32_t, 4 * kPhiloxCounters>;

constexpr Philox4x32::Counter kCounters[] = {{0, 0, 0, 0},
                                             {1, 2, 3, 4},
                                             {0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU},
                                             {0xFFFFFFF8U, 7, 0x80000000U, 9},  // wraps within the sixteen
                                             {0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}};
constexpr Philox4x32::Key kKeys[] = {{0, 0}, {0xFFFFFFFFU, 0xFFFFFFFFU}, {0xA4093822U, 0x299F31D0U}};

template <class Arch>
void check_words() {
  for (const Philox4x32::Counter& counter : kCounters) {
    for (const Philox4x32::Key& key : kKeys) {
      Words words{};
      re::simd::philox_words<Arch>(counter, key, words);
      for (std::size_t i = 0; i < kPhiloxCounters; ++i) {
        Philox4x32::Counter one = counter;
        one[0] += static_cast<std::uint32_t>(i);
        const Philox4x32::Counter want = Philox4x32::block(one, key);
        for (std::size_t j = 0; j < 4; ++j) {
          CHECK(words[kPhiloxCounters * j + i] == want[j]);
        }
      }
    }
  }
}

}  // namespace

TEST_SUITE("simd/philox") {
  TEST_CASE("philox_words: are those of sixteen counters, block by block") {
    check_words<re::simd::CompiledArch>();
  }
  TEST_CASE("philox_words: the path for every processor gives the same") {
    check_words<xsimd::generic>();
  }
  TEST_CASE("philox_words: the published vector of the generator is among them") {
    Words words{};
    re::simd::philox_words({0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}, {0xA4093822U, 0x299F31D0U}, words);
    CHECK(words[0] == 0xD16CFE09U);  // Salmon et al. 2011, known-answer tests of Random123
    CHECK(words[16] == 0x94FDCCEBU);
    CHECK(words[32] == 0x5001E420U);
    CHECK(words[48] == 0x24126EA1U);
  }
}
