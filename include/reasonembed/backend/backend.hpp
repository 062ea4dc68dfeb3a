#pragma once
#include <reasonembed/config.hpp>

#include <concepts>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// Where tensors live and what they are made of. A backend is a type, never a macro: two backends can live in one
/// program, and no macro changes what a template means in one translation unit.
///
/// | expression   | type             | meaning                                                                     |
/// |--------------|------------------|-----------------------------------------------------------------------------|
/// | `B::name`    | `const char*`    | for messages and reports                                                    |
/// | `B::Store`   | a type           | what a weight is stored as                                                  |
/// | `B::Scalar`  | floating point   | what activations, gradients and accumulators are computed in                |
///
/// A backend becomes usable by layers when `nn::Kernels<B>` is specialised for it; what is missing there fails the
/// concept `nn::NeuralKernels` at compile time.
template <class B>
concept Backend = std::floating_point<typename B::Scalar> && requires {
  typename B::Store;
  { B::name } -> std::convertible_to<const char*>;
};

}  // namespace reasonembed::backend
