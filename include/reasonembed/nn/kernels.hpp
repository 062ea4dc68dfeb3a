#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The operations layers are made of, for one backend. Each backend specialises it: nn/cpu_kernels.hpp for the CPU.
///
/// Layers hold no loops of their own: they allocate from the context's arena and call these, so that a layer is
/// written once for every backend. Shapes and equations stand at the CPU kernels in simd/.
template <backend::Backend B>
struct Kernels;

/// `Kernels<B>` exists and owns the storage types a parameter is made of.
///
/// | expression              | meaning                                                              |
/// |-------------------------|----------------------------------------------------------------------|
/// | `Kernels<B>::Weight`    | an (N, K) projection, packed for `linear`                            |
/// | `Kernels<B>::Table`     | a (V, D) table whose rows are looked up                              |
/// | `Kernels<B>::Vector`    | an (N) gain or bias                                                  |
template <class B>
concept NeuralKernels = backend::Backend<B> && requires {
  typename Kernels<B>::Weight;
  typename Kernels<B>::Table;
  typename Kernels<B>::Vector;
};

}  // namespace reasonembed::nn
