#include <reasonembed/simd/gemm_packing.hpp>
// behind the header under test, which must compile on its own
#include <reasonembed/simd/cpu_features.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>

#include <limits>
#include <vector>

namespace re = reasonembed;
namespace detail = re::simd::detail;
using re::Index;
using re::MatrixView;
using test::GuardedMatrix;

namespace {

template <class T>
using Pack = void (*)(const T*, Index, Index, Index, T*);

/// Packs lines of every interesting number and length, and looks for each element at its documented place.
template <class T, Index kWidth>
void check_pack(Pack<T> pack, bool across) {
  for (const Index lines : {Index{1}, Index{3}, kWidth - 1, kWidth, kWidth + 1, 2 * kWidth, 3 * kWidth + 5}) {
    for (const Index depth : {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 65}) {
      const Index rows = across ? depth : lines;
      const Index cols = across ? lines : depth;
      const GuardedMatrix<T> source = GuardedMatrix<T>(rows, cols, depth % 3, lines % 4).fill_random(1);
      const Index panels = (lines + kWidth - 1) / kWidth;
      GuardedMatrix<T> packed = GuardedMatrix<T>(1, panels * depth * kWidth).fill(T(9));
      pack(source.view().data(), source.view().stride(), lines, depth, packed.view().data());
      bool expected = true;
      for (Index line = 0; line < panels * kWidth; ++line) {
        for (Index k = 0; k < depth; ++k) {
          const T want = line >= lines ? T{} : across ? source(k, line) : source(line, k);
          expected = expected && packed(0, (line / kWidth * depth + k) * kWidth + line % kWidth) == want;
        }
      }
      CAPTURE(kWidth);
      CAPTURE(lines);
      CAPTURE(depth);
      CHECK(expected);
      CHECK(packed.surroundings_untouched());
    }
  }
}

}  // namespace

TEST_SUITE("simd/gemm_packing") {
  TEST_CASE_TEMPLATE(
      "pack_transposed: puts every element in its panel and zeros behind the last line", T, float, double, re::bf16) {
    check_pack<T, 4>(&detail::pack_transposed<T, 4>, false);
    check_pack<T, 8>(&detail::pack_transposed<T, 8>, false);
    check_pack<T, 24>(&detail::pack_transposed<T, 24>, false);
  }

  TEST_CASE_TEMPLATE(
      "pack_copied: puts every element in its panel and zeros behind the last line", T, float, double, re::bf16) {
    check_pack<T, 4>(&detail::pack_copied<T, 4>, true);
    check_pack<T, 8>(&detail::pack_copied<T, 8>, true);
    check_pack<T, 48>(&detail::pack_copied<T, 48>, true);
  }

  TEST_CASE_TEMPLATE(
      "pack_transposed_avx2: equals pack_transposed at every width that a kernel uses", T, float, double, re::bf16) {
    if (!re::simd::supports(re::simd::Level::kAvx2)) {
      MESSAGE("skipped: this processor has no AVX2");
      return;
    }
#if defined(__x86_64__)
    if constexpr (sizeof(T) > sizeof(re::bf16)) {  // no kernel has rows of bf16
      check_pack<T, 4>(&detail::pack_transposed_avx2<T, 4>, false);
      check_pack<T, 12>(&detail::pack_transposed_avx2<T, 12>, false);
    }
    check_pack<T, 8>(&detail::pack_transposed_avx2<T, 8>, false);
    check_pack<T, 24>(&detail::pack_transposed_avx2<T, 24>, false);
    check_pack<T, 48>(&detail::pack_transposed_avx2<T, 48>, false);
#endif
  }

#if defined(__x86_64__)
  TEST_CASE("BlockTranspose: transposes one block and touches nothing else") {
    if (!re::simd::supports(re::simd::Level::kAvx2)) {
      MESSAGE("skipped: this processor has no AVX2");
      return;
    }
    const auto check = []<class T, Index kCount>(detail::BlockTranspose<T, kCount>) {
      const GuardedMatrix<T> source = GuardedMatrix<T>(kCount, kCount, 3, 1).fill_random(2);
      GuardedMatrix<T> out(kCount, kCount, 5, 2);
      detail::BlockTranspose<T, kCount>::run(
          source.view().data(), source.view().stride(), out.view().data(), out.view().stride());
      bool expected = true;
      for (Index i = 0; i < kCount; ++i) {
        for (Index k = 0; k < kCount; ++k) {
          expected = expected && out(k, i) == source(i, k);
        }
      }
      CHECK(expected);
      CHECK(out.surroundings_untouched());
    };
    check(detail::BlockTranspose<float, 4>{});
    check(detail::BlockTranspose<float, 8>{});
    check(detail::BlockTranspose<double, 4>{});
    check(detail::BlockTranspose<re::bf16, 8>{});
  }
#endif
}
