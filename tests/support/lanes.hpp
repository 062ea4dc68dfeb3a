#pragma once
/// @file The register types of this compilation, so that one program tests several instruction sets side by side.
#include <reasonembed/simd/batch.hpp>

#include <doctest/doctest.h>

#include <string>
#include <tuple>

namespace test {

template <class Element, class Architecture>
struct Lane {
  using T = Element;
  using Arch = Architecture;
  using B = reasonembed::simd::Batch<T, Arch>;
  using Ops = reasonembed::simd::BatchOps<T, Arch>;
};

#if defined(__AVX512F__) && defined(__FMA__)
using Architectures = std::tuple<xsimd::sse2, xsimd::avx2, xsimd::fma3<xsimd::avx2>, reasonembed::simd::CompiledArch>;
#elif defined(__AVX2__) && defined(__FMA__)
using Architectures = std::tuple<xsimd::sse2, xsimd::avx2, xsimd::fma3<xsimd::avx2>>;
#else
using Architectures = std::tuple<reasonembed::simd::CompiledArch>;
#endif

template <class L, class F>
void on_lane(const F& f) {
  const std::string arch = L::Arch::name();
  CAPTURE(arch);
  CAPTURE(sizeof(typename L::T));
  f(L());
}
template <class F, class... Arch>
void on_lanes_of(const F& f, std::tuple<Arch...> /*architectures*/) {
  (on_lane<Lane<float, Arch>>(f), ...);
  (on_lane<Lane<double, Arch>>(f), ...);
}

/// Calls f(Lane<T, Arch>()) for float and double on each architecture.
template <class F>
void for_each_lane(const F& f) {
  on_lanes_of(f, Architectures());
}

}  // namespace test
