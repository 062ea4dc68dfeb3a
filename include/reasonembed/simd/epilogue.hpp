#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// What happens to the elements of a product while they are still in the cache.
///
/// | expression                  | shapes                   | meaning                                              |
/// |-----------------------------|--------------------------|------------------------------------------------------|
/// | `e(row, col, piece)`        | `piece` (n), 1 <= n      | transforms c(row, col .. col + n) in place           |
/// | `e.check(rows, cols)`       | those of c               | optional; throws before any work if they don't fit   |
///
/// `e` is const and is called exactly once for every element, after its last addition, with Store::kAccumulate too.
/// Where pieces begin and how long they are is not specified: the result for an element must depend on its value, row
/// and column alone. It must not throw.
template <class E, class T>
concept Epilogue = requires(const E& e, Index row, Index col, std::span<T> piece) {
  { e(row, col, piece) } -> std::same_as<void>;
};

/// Leaves the product as it is.
///
/// Models: Epilogue.
struct NoEpilogue {
  template <class T>
  void operator()(Index /*row*/, Index /*col*/, std::span<T> /*piece*/) const {}
};

/// y_td = c_td + bias_d
///
/// Models: Epilogue.
template <class T>
struct AddBias {
  std::span<const T> bias;  ///< (D), the columns of c

  /// @throws ShapeError if bias does not have `cols` elements
  void check(Index /*rows*/, Index cols) const {
    require_extent("simd::AddBias", "bias.size()", static_cast<Index>(bias.size()), cols);
  }
  void operator()(Index /*row*/, Index col, std::span<T> piece) const {
    const T* add = bias.data() + col;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      piece[i] += add[i];
    }
  }
};

/// y_td = (c_td + bias_d) + residual_td
///
/// Models: Epilogue.
///
/// @pre  residual does not overlap c; for c += a b + bias use AddBias with Store::kAccumulate
template <class T>
struct AddBiasResidual {
  std::span<const T> bias;       ///< (D), the columns of c
  MatrixView<const T> residual;  ///< (T, D), the shape of c

  /// @throws ShapeError if bias or residual do not have the shape of c
  void check(Index rows, Index cols) const {
    require_extent("simd::AddBiasResidual", "bias.size()", static_cast<Index>(bias.size()), cols);
    require_extent("simd::AddBiasResidual", "residual.rows()", residual.rows(), rows);
    require_extent("simd::AddBiasResidual", "residual.cols()", residual.cols(), cols);
  }
  void operator()(Index row, Index col, std::span<T> piece) const {
    const T* add = bias.data() + col;
    const T* and_add = residual.data() + row * residual.stride() + col;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      piece[i] = (piece[i] + add[i]) + and_add[i];
    }
  }
};

static_assert(Epilogue<NoEpilogue, float> && Epilogue<NoEpilogue, double>);
static_assert(Epilogue<AddBias<float>, float> && Epilogue<AddBias<double>, double>);
static_assert(Epilogue<AddBiasResidual<float>, float> && Epilogue<AddBiasResidual<double>, double>);
static_assert(!Epilogue<AddBias<float>, double>);

}  // namespace reasonembed::simd
