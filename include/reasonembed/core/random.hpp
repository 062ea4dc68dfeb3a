#pragma once
/// @file Counter-based random numbers: the same stream on every backend, compiler and thread.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI {

/// Philox4x32-10: a keyed bijection on 128-bit counters whose outputs are statistically independent random words.
///
///   one round: (L0, R0, L1, R1) <- (hi(M1 L1) ^ R0 ^ k0, lo(M1 L1), hi(M0 L0) ^ R1 ^ k1, lo(M0 L0)), ten rounds, the
///   key raised by the Weyl constants W0, W1 between rounds                          [Salmon et al. 2011, sec. 3.3]
///
/// @note  stateless and constexpr; the words equal those of Random123's philox4x32_R<10>
struct Philox4x32 {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;

  /// @return  the four random words of one counter under one key
  [[nodiscard]] REASONEMBED_HD static constexpr Counter block(Counter counter, Key key) {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t left = std::uint64_t{0xD2511F53U} * counter[0];
      const std::uint64_t right = std::uint64_t{0xCD9E8D57U} * counter[2];
      counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0],
                 static_cast<std::uint32_t>(right),
                 static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1],
                 static_cast<std::uint32_t>(left)};
      key[0] += 0x9E3779B9U;
      key[1] += 0xBB67AE85U;
    }
    return counter;
  }
};

namespace detail {

/// @return  log(u) to 2 ulp for 0 < u <= 1, from exactly rounded operations only (so its bits are portable)
[[nodiscard]] inline double portable_log(double u) {
  const auto bits = std::bit_cast<std::uint64_t>(u);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);  // [1, 2)
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    ++exponent;
  }
  const double s = (mantissa - 1.0) / (mantissa + 1.0);  // log m = 2 atanh(s), |s| < 0.172: twelve terms reach 1e-17
  const double square = s * s;
  double series = 1.0 / 23.0;
  for (int odd = 21; odd >= 1; odd -= 2) {
    series = std::fma(series, square, 1.0 / odd);
  }
  return std::fma(static_cast<double>(exponent), 0.6931471805599453, 2.0 * s * series);
}

/// @return  {cos, sin} of 2 pi v for 0 <= v < 1, from exactly rounded operations only (so their bits are portable)
[[nodiscard]] inline std::array<double, 2> portable_cos_sin(double v) {
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): v is not negative, and another function could round otherwise
  const int quadrant = static_cast<int>(v * 4.0 + 0.5);  // a power of two and a half: exact whether contracted or not
  const double x = (v - 0.25 * quadrant) * 6.283185307179586;  // |x| <= pi / 4
  const double square = x * x;
  double cosine = 1.0;
  double sine = 1.0;
  for (int degree = 18; degree >= 2; degree -= 2) {  // nested Taylor sums; the first term left out is below 1e-18
    cosine = std::fma(-cosine, square / (degree * (degree - 1)), 1.0);
    sine = std::fma(-sine, square / (degree * (degree + 1)), 1.0);
  }
  sine *= x;
  switch (quadrant & 3) {
    case 0:
      return {cosine, sine};
    case 1:
      return {-sine, cosine};
    case 2:
      return {-cosine, -sine};
    default:
      return {sine, -cosine};
  }
}

}  // namespace detail

/// A reproducible sequence of random numbers: word i of stream s under seed k is word i % 4 of
/// Philox4x32(counter = (i / 4, s), key = k).
///
/// Streams of one seed are independent and unlimited (one per purpose, epoch or text), so no state is handed around.
/// The whole state is (seed, stream, position), three integers that a checkpoint stores.
///
/// @note  value type; not thread-safe: one stream a thread. No <random> distribution is used (they differ between
///        standard libraries): uniform, below and shuffle are integer arithmetic; normal uses +, -, *, /, std::fma and
///        std::sqrt, all exactly rounded by IEEE 754, so every number is bit-identical on every conforming platform.
class RandomStream {
 public:
  using result_type = std::uint32_t;  // NOLINT(readability-identifier-naming): UniformRandomBitGenerator

  explicit RandomStream(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] std::uint64_t stream() const { return stream_; }
  /// @return  32-bit words drawn so far
  [[nodiscard]] std::uint64_t position() const { return position_; }
  /// Continues as if `position` words had been drawn; O(1).
  void seek(std::uint64_t position) {
    position_ = position;
    if (position_ % 4 != 0) {
      refill();
    }
  }

  /// @return  the next 32 random bits
  std::uint32_t next_u32() {
    if (position_ % 4 == 0) {
      refill();
    }
    return words_[position_++ % 4];
  }
  /// @return  the next 64 random bits (two words, the first is the high half)
  std::uint64_t next_u64() {
    const std::uint64_t high = next_u32();
    return high << 32 | next_u32();
  }

  /// @return  uniform on the multiples of 2^-24 in [0, 1); one word
  float uniform() { return static_cast<float>(next_u32() >> 8) * 0x1p-24F; }
  /// @return  uniform on the multiples of 2^-53 in [0, 1); two words
  double uniform_double() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

  /// Two independent standard normal numbers; four words.
  ///
  ///   (r cos(2 pi v), r sin(2 pi v)),  r = sqrt(-2 log u),  u in (0, 1], v in [0, 1)        [Box & Muller 1958]
  std::array<double, 2> normal_pair() {
    const double u = 1.0 - uniform_double();  // exact; never 0
    const auto [cosine, sine] = detail::portable_cos_sin(uniform_double());
    const double radius = std::sqrt(-2.0 * detail::portable_log(u));
    return {radius * cosine, radius * sine};
  }
  /// @return  one standard normal number; four words, so that the position alone is the state
  double normal() { return normal_pair()[0]; }

  /// @return  uniform on {0, ..., count - 1} without bias [Lemire 2019, alg. 5]; one word, rarely more (for
  ///          count > 2^32 two words and masked rejection)
  /// @throws  ConfigError if count is 0
  std::uint64_t below(std::uint64_t count) {
    if (count == 0) {
      throw ConfigError::invalid("RandomStream::below", "count", "0", "at least 1");
    }
    if (count > 0xFFFFFFFFULL) {
      const std::uint64_t mask = ~std::uint64_t{0} >> std::countl_zero(count - 1);
      std::uint64_t draw = next_u64() & mask;
      while (draw >= count) {
        draw = next_u64() & mask;
      }
      return draw;
    }
    const auto small = static_cast<std::uint32_t>(count);
    const std::uint32_t reject_below = (0U - small) % small;  // 2^32 mod count
    std::uint64_t product = std::uint64_t{next_u32()} * small;
    while (static_cast<std::uint32_t>(product) < reject_below) {
      product = std::uint64_t{next_u32()} * small;
    }
    return product >> 32;
  }

  /// Puts the elements of a span, vector or array in a uniformly random order (Fisher-Yates).
  template <class Container>
  void shuffle(Container&& container) {
    const std::span elements(container);
    for (std::size_t left = elements.size(); left > 1; --left) {
      using std::swap;
      swap(elements[left - 1], elements[static_cast<std::size_t>(below(left))]);
    }
  }

  result_type operator()() { return next_u32(); }
  [[nodiscard]] static constexpr result_type min() { return 0; }
  [[nodiscard]] static constexpr result_type max() { return 0xFFFFFFFFU; }

  /// Two streams are equal if all their future numbers are.
  friend bool operator==(const RandomStream& a, const RandomStream& b) {
    return a.seed_ == b.seed_ && a.stream_ == b.stream_ && a.position_ == b.position_;
  }

 private:
  void refill() {
    const std::uint64_t index = position_ / 4;
    words_ = Philox4x32::block({static_cast<std::uint32_t>(index),
                                static_cast<std::uint32_t>(index >> 32),
                                static_cast<std::uint32_t>(stream_),
                                static_cast<std::uint32_t>(stream_ >> 32)},
                               {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_ = 0;
  Philox4x32::Counter words_{};
};

}  // namespace reasonembed
