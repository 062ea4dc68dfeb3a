#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/packed_matrix.hpp>
#include <reasonembed/simd/row_product_kernel.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// The product of many rows, each read once, with a weight of some hundred rows: a search by inner product.
///
///   c_mn = sum_k a_mk * weight_nk
///
/// As in the plain product a row of a is read where it lies; what is saved is the padding of the last panel, whose
/// columns are cut to quarters of a register. From AVX-512 on that pays where N leaves a few over, such as 100; at the
/// lower levels this is the plain product.
///
/// Every sum takes the steps of `gemm` at the same level: the bits are the same, and depend neither on M nor on N, nor
/// on where a row stands.
class RowProduct {
 public:
  RowProduct() = default;
  /// @param weight  (N, K)
  /// @param level   whose kernels to use
  /// @throws        ConfigError if the processor lacks `level`
  explicit RowProduct(MatrixView<const float> weight, Level level = best_level())
      : n_(weight.rows()), k_(weight.cols()), level_(level) {
    require_level("simd::RowProduct", level);
#if defined(__x86_64__)
    if (level >= Level::kAvx512) {
      pack(weight);
      return;
    }
#endif
    packed_ = PackedMatrix<float>(weight, level);
  }

  /// @return  N
  [[nodiscard]] Index n() const { return n_; }
  /// @return  K
  [[nodiscard]] Index k() const { return k_; }

  /// @param a        (M, K)
  /// @param c        (M, N), overwritten
  /// @param scratch  for the levels that pack a; one arena a thread
  /// @throws         ShapeError if the shapes do not fit
  /// @pre            c overlaps neither a nor the weight
  /// @note           2 M N K operations in the calling thread; a is prefetched beyond its end, which reads nothing.
  ///                 Reading from many threads is safe.
  void multiply(MatrixView<const float> a, MatrixView<float> c, [[maybe_unused]] Arena& scratch) const {
    require_extent("simd::RowProduct::multiply", "a.cols()", a.cols(), k_);
    require_extent("simd::RowProduct::multiply", "c.rows()", c.rows(), a.rows());
    require_extent("simd::RowProduct::multiply", "c.cols()", c.cols(), n_);
#if defined(__x86_64__)
    if (level_ >= Level::kAvx512) {
      multiply_avx512(a, c);
      return;
    }
#endif
    gemm(a, packed_.view(), c, Store::kOverwrite, scratch);
  }

 private:
#if defined(__x86_64__)
  /// Some columns of the product: 48, 32 or 16 in whole registers, or up to 4 in quarters of one.
  struct Panel {
    Index first = 0;
    Index cols = 0;
    Index width = 0;   // columns with padding
    Index offset = 0;  // in buffer_
  };
  using Kernel = void (*)(const detail::RowTile&);

  /// Cuts the columns into panels and packs each as (K, width).
  void pack(MatrixView<const float> weight) {
    Index size = 0;
    for (Index first = 0; first < n_;) {
      const Index left = n_ - first;
      // 49 to 52 columns are 48 and a quad, 17 to 20 are 16 and a quad: never a register with less than five
      const Index whole = left >= 48 ? 48 : (left % 16 == 0 || left % 16 > 4 ? left : left / 16 * 16);
      const Index cols = whole == 0 ? left : whole;
      const Index width = whole == 0 ? 4 : (cols + 15) / 16 * 16;
      panels_.push_back({first, cols, width, size});
      size += (width * k_ + 15) / 16 * 16;
      first += cols;
    }
    buffer_ = AlignedBuffer<float>(size);
    std::fill_n(buffer_.data(), size, 0.0F);
    for (const Panel& panel : panels_) {
      for (Index j = 0; j < panel.cols; ++j) {
        for (Index k = 0; k < k_; ++k) {
          buffer_.data()[panel.offset + k * panel.width + j] = weight(panel.first + j, k);
        }
      }
    }
  }

  /// Rows that one call of a panel's kernel takes, the kernel, and the one for single rows or groups of four.
  struct Kernels {
    Index rows = 0;
    Kernel tile = nullptr;
    Index rest_rows = 0;
    Kernel rest = nullptr;
  };
  static Kernels kernels(Index width) {
    using namespace detail;
    switch (width) {
      case 48:
        return {8, &multiply_row_tile<8, 3>, 1, &multiply_row_tile<1, 3>};
      case 32:
        return {12, &multiply_row_tile<12, 2>, 1, &multiply_row_tile<1, 2>};
      case 16:
        return {16, &multiply_row_tile<16, 1>, 1, &multiply_row_tile<1, 1>};
      default:
        return {24, &multiply_quad_tile<6>, 4, &multiply_quad_tile<1>};
    }
  }

  void multiply_avx512(MatrixView<const float> a, MatrixView<float> c) const {
    if (k_ == 0) {
      detail::finish_empty_sums(c, Store::kOverwrite, NoEpilogue());
      return;
    }
    // rows whose elements stay in the second-level cache while the panels pass by; a multiple of every tile
    constexpr Index kBytes = Index{96} << 10;
    const Index chunk = std::max(kBytes / (static_cast<Index>(sizeof(float)) * k_) / 48, Index{1}) * 48;
    for (Index row = 0; row < a.rows(); row += chunk) {
      const Index rows = std::min(chunk, a.rows() - row);
      for (const Panel& panel : panels_) {
        const bool first = &panel == panels_.data();
        multiply_panel(panel,
                       a.row_block(row, rows),
                       c.row_block(row, rows).col_block(panel.first, panel.cols),
                       first ? chunk * a.stride() : 0);
      }
    }
  }
  void multiply_panel(const Panel& panel, MatrixView<const float> a, MatrixView<float> c, Index ahead) const {
    const Kernels with = kernels(panel.width);
    const Index depth_block = detail::depth_block<float>(k_);
    detail::RowTile tile;
    tile.stride = a.stride();
    tile.c_stride = c.stride();
    tile.cols = panel.cols;
    tile.ahead = ahead;
    for (Index row = 0; row < a.rows();) {
      const Index left = a.rows() - row;
      if (panel.width == 4 && left < 4) {
        multiply_last_rows(panel, a.row_block(row, left), c.row_block(row, left));
        return;
      }
      const bool whole = left >= with.rows;
      tile.c = c.data() + row * c.stride();
      tile.accumulate = false;
      for (Index k = 0; k < k_; k += depth_block, tile.accumulate = true) {
        tile.a = a.data() + row * a.stride() + k;
        tile.depth = std::min(depth_block, k_ - k);
        tile.b = buffer_.data() + panel.offset + k * panel.width;
        (whole ? with.tile : with.rest)(tile);
      }
      row += whole ? with.rows : with.rest_rows;
    }
  }
  /// Fewer rows than the quarters of a register: through a copy of four.
  void multiply_last_rows(const Panel& panel, MatrixView<const float> a, MatrixView<float> c) const {
    Matrix<float> rows(4, k_);
    Matrix<float> sums(4, panel.cols);
    for (Index i = 0; i < 4; ++i) {
      const auto from = i < a.rows() ? a.row(i) : a.row(0);
      std::copy(from.begin(), from.end(), rows.row(i).begin());
    }
    multiply_panel(panel, rows.view(), sums.view(), 0);
    for (Index i = 0; i < a.rows(); ++i) {
      std::copy(sums.row(i).begin(), sums.row(i).end(), c.row(i).begin());
    }
  }

  std::vector<Panel> panels_;
  AlignedBuffer<float> buffer_;
#endif
  PackedMatrix<float> packed_;
  Index n_ = 0;
  Index k_ = 0;
  Level level_ = Level::kPortable;
};

}  // namespace reasonembed::simd
