#pragma once
/// @file A matrix inside a field of NaN, for tests of code that must read and write a view and nothing else.
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace test {

/// (rows, cols) elements whose rows lie cols + gap apart, `offset` elements after an aligned address; everything around
/// them is NaN.
template <class T>
class GuardedMatrix {
 public:
  using Index = reasonembed::Index;

  GuardedMatrix(Index rows, Index cols, Index gap = 0, Index offset = 0)
      : memory_(static_cast<std::size_t>(offset + rows * (cols + gap) + kBehind),
                T(std::numeric_limits<Drawn>::quiet_NaN())),
        rows_(rows),
        cols_(cols),
        gap_(gap),
        offset_(offset) {
    fill(T{});
  }

  [[nodiscard]] reasonembed::MatrixView<T> view() { return {memory_.data() + offset_, rows_, cols_, cols_ + gap_}; }
  [[nodiscard]] reasonembed::MatrixView<const T> view() const {
    return {memory_.data() + offset_, rows_, cols_, cols_ + gap_};
  }
  [[nodiscard]] T operator()(Index row, Index col) const { return view()(row, col); }

  GuardedMatrix& fill(T value) {
    for (Index row = 0; row < rows_; ++row) {
      for (T& x : view().row(row)) {
        x = value;
      }
    }
    return *this;
  }
  /// Uniform in [-1, 1), by seed.
  GuardedMatrix& fill_random(unsigned seed) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<Drawn> uniform(Drawn(-1), Drawn(1));
    for (Index row = 0; row < rows_; ++row) {
      for (T& x : view().row(row)) {
        x = T(uniform(generator));
      }
    }
    return *this;
  }

  /// @return  whether everything around the matrix is NaN still
  [[nodiscard]] bool surroundings_untouched() const {
    for (Index i = 0; i < static_cast<Index>(memory_.size()); ++i) {
      const Index inside = i - offset_;
      const bool is_element = inside >= 0 && inside < rows_ * (cols_ + gap_) && inside % (cols_ + gap_) < cols_;
      if (!is_element && !std::isnan(static_cast<Drawn>(memory_[static_cast<std::size_t>(i)]))) {
        return false;
      }
    }
    return true;
  }

 private:
  using Drawn = std::conditional_t<std::same_as<T, reasonembed::bf16>, float, T>;
  static constexpr Index kBehind = 64;
  std::vector<T> memory_;
  Index rows_;
  Index cols_;
  Index gap_;
  Index offset_;
};

}  // namespace test
