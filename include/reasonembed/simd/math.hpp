#pragma once
/// @file Exponential, logistic function and normal distribution on registers.
#include <reasonembed/config.hpp>
#include <reasonembed/simd/batch.hpp>

#include <array>
#include <cstddef>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

// Polynomials through the Chebyshev nodes of their interval, computed with 60 digits; tests/unit/simd/accuracy_test.cpp
// measures what they are worth.
//   exp:  (e^r - 1 - r) / r^2 for |r| <= log(2) / 2; relative error of e^r below 1.1e-8 and 2.3e-19
//   tail: e^(a^2/2) Q(a) (a + 4) as a polynomial in t = (a - 4) / (a + 4) for 0 <= a <= largest; Q is the upper tail of
//         the normal distribution; the form is that of [Shepherd & Laframboise 1981]; relative error below 1.3e-8 and
//         3.7e-17
template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  static constexpr std::array<float, 5> kExp{0.5F, 0.1666657667F, 0.04166655421F, 0.008363232884F, 0.001392625083F};
  static constexpr float kLog2High = 0.693145751953125F;  // 15 bits: n kLog2High is exact
  static constexpr float kLog2Low = 1.42860682031e-6F;
  static constexpr float kExpLowest = -104.0F;  // e^x rounds to 0 below
  static constexpr float kExpHighest = 89.0F;   // and to infinity above
  static constexpr std::array<float, 10> kTail{0.7552851385F,
                                               -0.6078966061F,
                                               0.3871366798F,
                                               -0.1865230059F,
                                               0.06040646975F,
                                               -0.007527212912F,
                                               -0.003523574056F,
                                               0.001569313645F,
                                               0.0001948018511F,
                                               -0.000122983157F};
  static constexpr float kNormalLargest = 14.5F;  // Q(a) rounds to 0 above
};

template <>
struct MathConstants<double> {
  static constexpr std::array<double, 11> kExp{0.5,
                                               0.1666666666666667103,
                                               0.04166666666666666978,
                                               0.00833333333332608312,
                                               0.001388888888888371117,
                                               0.0001984126987500227879,
                                               0.0000248015873256774619,
                                               2.755725517000088744e-6,
                                               2.755727347871858047e-7,
                                               2.510531272962210179e-8,
                                               2.09147553258932022e-9};
  static constexpr double kLog2High = 0x1.62e42fefp-1;  // 33 bits
  static constexpr double kLog2Low = 7.44061711001239671613e-11;
  static constexpr double kExpLowest = -746.0;
  static constexpr double kExpHighest = 710.0;
  static constexpr std::array<double, 23> kTail{
      0.7552851304157514799,    -0.6078966419718917589,    0.3871374007422188786,    -0.1865218579596941633,
      0.06039657489069946413,   -0.007540188965593059021,  -0.003479692362242533344, 0.001630818441890359596,
      0.0001333442540190491162, -0.0002310948183193762113, -1.907866531661357434e-6, 0.00003514418115776097273,
      7.150055959216098661e-7,  -5.918892731763236447e-6,  -6.251321040478680193e-7, 1.019804851813517266e-6,
      2.636824857640762506e-7,  -1.542632053677107395e-7,  -7.63808205349045035e-8,  1.457859334703645972e-8,
      1.39240239935017101e-8,   7.269545479026689456e-11,  -9.653425420228504669e-10};
  static constexpr double kNormalLargest = 39.0;
};

}  // namespace detail

/// Functions of one register. Static members for the same reason as BatchOps.
///
/// @note  NaN gives NaN, infinities give the limits, results underflow gradually; the error bounds hold where the
///        result is a normal number (exp: everywhere). docs/accuracy.md has the bounds of all functions, and what was
///        measured
template <class T, class Arch>
struct BatchMath {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  using Constants = detail::MathConstants<T>;

  /// Below, nothing of the normal distribution is left: x Phi(x) rounds to -0.
  static constexpr T kNormalLargest = Constants::kNormalLargest;
  /// Below, nothing of the exponential is left.
  static constexpr T kExpLowest = Constants::kExpLowest;

  /// @return  e^x, to 2 ulp
  [[nodiscard]] static B exp(B x) {
    const B bounded = Ops::at_most(Ops::at_least(x, B(Constants::kExpLowest)), B(Constants::kExpHighest));
    const B n = Ops::round_product(bounded, B(kOneOverLog2));
    return exp_near(n, without_powers_of_two(bounded, n));
  }

  /// @return  e^(high + low), to 2 ulp of the exact sum
  /// @pre     |low| < 1
  [[nodiscard]] static B exp_of_sum(B high, B low) {
    const B bounded = Ops::at_most(Ops::at_least(high, B(Constants::kExpLowest)), B(Constants::kExpHighest));
    const B n = Ops::round_product(bounded + low, B(kOneOverLog2));
    return exp_near(n, without_powers_of_two(bounded, n) + low);
  }

  /// s(x) and s(-x) = 1 - s(x) of s(x) = 1 / (1 + e^-x), each to 3 ulp.
  struct Logistic {
    B value;
    B complement;
  };
  [[nodiscard]] static Logistic logistic(B x) {
    const B e = exp(-Ops::abs(x));
    const B larger = B(T{1}) / (B(T{1}) + e);
    const B smaller = e * larger;
    const auto negative = x < B(T{0});
    return {Ops::select(negative, smaller, larger), Ops::select(negative, larger, smaller)};
  }

  /// Phi(x), the distribution function of the standard normal distribution, to 6 ulp in both tails; its density to 3.
  ///
  ///   Phi(x) = (1 + erf(x / sqrt 2)) / 2 = Q(-x),  Phi'(x) = e^(-x^2 / 2) / sqrt(2 pi)
  struct Normal {
    B cdf;
    B density;
  };
  [[nodiscard]] static Normal normal(B x) {
    const B a = Ops::at_most(Ops::abs(x), B(Constants::kNormalLargest));
    const B high = Ops::high_half(a);  // a^2 = high^2 + (a - high)(a + high), for the error of a^2 grows in e^(a^2/2)
    const B half(T{0.5});
    const B e = exp_of_sum(-half * (high * high), -half * ((a - high) * (a + high)));
    const B u = B(T{1}) / (a + B(T{4}));
    const B tail = (e * u) * polynomial(Constants::kTail, (a - B(T{4})) * u);
    return {Ops::select(x < B(T{0}), tail, B(T{1}) - tail), e * B(T{0.39894228040143267794})};
  }

 private:
  static constexpr auto kOneOverLog2 = static_cast<T>(1.4426950408889634074);

  /// @return  x - n log(2)
  [[nodiscard]] static B without_powers_of_two(B x, B n) {
    return Ops::negated_fma(n, B(Constants::kLog2Low), Ops::negated_fma(n, B(Constants::kLog2High), x));
  }
  /// @return  2^n e^r for an integer n and |r| <= log(2) / 2
  [[nodiscard]] static B exp_near(B n, B r) {
    const B tail = Ops::fma(r * r, polynomial(Constants::kExp, r), r);
    return Ops::scale_by_power_of_two(tail + B(T{1}), n);
  }

  /// @return  coefficients[0] + coefficients[1] x + ... in Horner's order
  template <std::size_t kSize>
  [[nodiscard]] static B polynomial(const std::array<T, kSize>& coefficients, B x) {
    B sum(coefficients[kSize - 1]);
    for (std::size_t i = kSize - 1; i-- > 0;) {
      sum = Ops::fma(sum, x, B(coefficients[i]));
    }
    return sum;
  }
};

}  // namespace reasonembed::simd
