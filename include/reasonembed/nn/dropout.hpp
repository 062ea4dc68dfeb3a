#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/simd/dropout.hpp>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Zeroes each element with probability `rate` while training, and scales the rest by 1 / (1 - rate)
/// [Srivastava et al. 2014].
///
/// A mask is a function of (seed, site, sequence, element): the same whatever chunk a sequence is computed in, and the
/// same again when the chunk is replayed. It is drawn anew in vjp, never stored.
class Dropout {
 public:
  struct Saved {
    simd::DropoutMask mask;
    bool active = false;
  };

  explicit Dropout(double rate) : rate_(rate) {}

  /// @param x  (T, D), changed in place
  template <class B>
  [[nodiscard]] Saved forward(Context<B>& context, MatrixView<typename B::Scalar> x) const {
    if (!context.dropout.training || rate_ == 0.0) {
      return {};
    }
    const Saved saved{{.rate = rate_,
                       .seed = context.dropout.seed,
                       .site = context.dropout.next_site++,
                       .first_sequence = context.batch.first_sequence},
                      true};
    Kernels<B>::dropout(x, x, saved.mask, context.batch.offsets);
    return saved;
  }

  /// @return  the gradient of the input: `dy` itself where nothing was dropped, else fresh arena memory
  template <class B>
  [[nodiscard]] MatrixView<const typename B::Scalar> vjp(Context<B>& context,
                                                         const Saved& saved,
                                                         MatrixView<const typename B::Scalar> dy) const {
    if (!saved.active) {
      return dy;
    }
    const auto dx = context.activations(dy.cols());  // (T, D)
    Kernels<B>::dropout(dy, dx, saved.mask, context.batch.offsets);
    return dx;
  }

 private:
  double rate_;
};

}  // namespace reasonembed::nn
