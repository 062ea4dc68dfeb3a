#pragma once
/// @file The loops of all element-wise kernels and of all sums over a row.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// One whole register of elements, from `index` on.
template <class T, class Arch>
struct WholeLanes {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  Index index;

  [[nodiscard]] B load(const T* row) const { return Ops::load(row + index); }
  void store(T* row, B value) const { Ops::store(row + index, value); }
  /// @return  `value` where this piece has elements, `other` elsewhere
  [[nodiscard]] B blend(B value, B /*other*/) const { return value; }
};

/// The last `count` elements of a row: the same registers and the same instructions, only the memory accesses are
/// shorter. Lanes without an element hold zeros when loaded and are never stored.
template <class T, class Arch>
struct FirstLanes {
  using Ops = BatchOps<T, Arch>;
  using B = Batch<T, Arch>;
  Index index;
  Index count;

  [[nodiscard]] B load(const T* row) const { return Ops::load_first(row + index, count); }
  void store(T* row, B value) const { Ops::store_first(row + index, value, count); }
  [[nodiscard]] B blend(B value, B other) const { return Ops::blend_first(value, other, count); }
};

/// Calls f(lanes) for pieces that cover the elements 0 .. size once, in order. What f computes for an element must
/// depend on its operands alone; then its bits depend neither on its position nor on `size`.
///
/// @param f  callable with WholeLanes and FirstLanes
/// @note   flattened: g++ leaves an `f` that is called twice out of line, and its captured registers in memory, which
///         doubles the time of a layer norm
template <class T, class Arch, class F>
[[gnu::flatten]] void for_each_lanes(Index size, F&& f) {
  constexpr Index kWidth = BatchOps<T, Arch>::kWidth;
  Index index = 0;
  for (; index + kWidth <= size; index += kWidth) {
    f(WholeLanes<T, Arch>{index});
  }
  if (index < size) {
    f(FirstLanes<T, Arch>{index, size - index});
  }
}

/// Folds the elements 0 .. size into kFolds registers.
///
/// Four sets of registers take the pieces in turn (one would wait for the latency of each operation), the last piece
/// goes to the second set, then they are combined pairwise: (0 + 1) + (2 + 3). The order depends on `size` and Arch
/// alone, not on alignment, stride or thread.
///
/// @param start    of each register: neutral for `combine`
/// @param f        f(lanes, std::array<Batch, kFolds>& folded) folds its elements in; lanes without an element are
///                 discarded
/// @param combine  combine(Batch, Batch) -> Batch
template <class T, class Arch, std::size_t kFolds, class F, class Combine>
[[nodiscard, gnu::flatten]] std::array<Batch<T, Arch>, kFolds> fold_lanes(Index size,
                                                                          T start,
                                                                          F&& f,
                                                                          Combine&& combine) {
  constexpr Index kWidth = BatchOps<T, Arch>::kWidth;
  std::array<Batch<T, Arch>, kFolds> folded0;
  folded0.fill(Batch<T, Arch>(start));
  auto folded1 = folded0;
  auto folded2 = folded0;
  auto folded3 = folded0;
  Index index = 0;
  for (; index + 4 * kWidth <= size; index += 4 * kWidth) {
    f(WholeLanes<T, Arch>{index}, folded0);
    f(WholeLanes<T, Arch>{index + kWidth}, folded1);
    f(WholeLanes<T, Arch>{index + 2 * kWidth}, folded2);
    f(WholeLanes<T, Arch>{index + 3 * kWidth}, folded3);
  }
  for (; index + kWidth <= size; index += kWidth) {
    f(WholeLanes<T, Arch>{index}, folded0);
  }
  if (index < size) {
    const FirstLanes<T, Arch> last{index, size - index};
    auto with_last = folded1;
    f(last, with_last);
    for (std::size_t i = 0; i < kFolds; ++i) {
      folded1[i] = last.blend(with_last[i], folded1[i]);
    }
  }
  for (std::size_t i = 0; i < kFolds; ++i) {
    folded0[i] = combine(combine(folded0[i], folded1[i]), combine(folded2[i], folded3[i]));
  }
  return folded0;
}

/// The sums of kSums series over the elements 0 .. size, in the order of fold_lanes, then of BatchOps::sum.
///
/// @param f  f(lanes, std::array<Batch, kSums>& sums) adds its terms to `sums`
/// @return   (kSums)
template <class T, class Arch, std::size_t kSums, class F>
[[nodiscard]] std::array<T, kSums> sum_lanes(Index size, F&& f) {
  using B = Batch<T, Arch>;
  const auto folded = fold_lanes<T, Arch, kSums>(size, T{0}, f, [](B a, B b) { return a + b; });
  std::array<T, kSums> sums;
  for (std::size_t i = 0; i < kSums; ++i) {
    sums[i] = BatchOps<T, Arch>::sum(folded[i]);
  }
  return sums;
}

/// y = f(x...) element by element.
///
/// @param rows   rows of all operands
/// @param cols   columns of all operands; contiguous operands are walked as one row
/// @param f      f(Batch...) -> Batch
/// @param y      written; may be one of x (exactly the same view)
template <class Arch, class T, class F, class... X>
void map(MatrixView<T> y, F&& f, X... x) {
  if (y.empty()) {
    return;
  }
  const bool flat = y.contiguous() && (x.contiguous() && ...);
  const Index rows = flat ? 1 : y.rows();
  const Index cols = flat ? y.size() : y.cols();
  for (Index row = 0; row < rows; ++row) {
    T* out = y.data() + row * y.stride();
    for_each_lanes<T, Arch>(cols, [&](auto lanes) { lanes.store(out, f(lanes.load(x.data() + row * x.stride())...)); });
  }
}

/// @throws ShapeError if the shape of `x` is not that of `like`
template <class T, class U>
void require_same_shape(
    std::string_view where, std::string_view x_rows, std::string_view x_cols, MatrixView<T> x, MatrixView<U> like) {
  require_extent(where, x_rows, x.rows(), like.rows());
  require_extent(where, x_cols, x.cols(), like.cols());
}

}  // namespace reasonembed::simd
