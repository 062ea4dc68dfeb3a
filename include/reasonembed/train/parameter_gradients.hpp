#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <span>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// The gradients of what a run trains, as views of one flat buffer: of every weight, or of an adapter alone. What is
/// frozen has empty views.
template <class Encoder, nn::NeuralKernels B>
class ParameterGradients {
 public:
  using S = typename B::Scalar;
  using Weights = typename Encoder::template Parameters<nn::GradientLeaf<S>>;

  /// @param adapter  what is trained; nullptr trains the encoder's weights
  /// @param flat     (parameter_count) numbers
  ParameterGradients(const Encoder& encoder, const nn::Adapter<B>* adapter, std::span<S> flat)
      : weights_(allocate(encoder, adapter, flat)) {
    if (adapter != nullptr) {
      adapter_ = adapter->gradients(flat);
    }
  }

  /// @return  P, the number of parameters that are trained
  [[nodiscard]] static Index parameter_count(const Encoder& encoder,
                                             const typename Encoder::template Parameters<nn::WeightLeaf<B>>& weights,
                                             const nn::Adapter<B>* adapter) {
    if (adapter != nullptr) {
      return adapter->parameter_count();
    }
    Index count = 0;
    encoder.visit(weights, [&](const auto& slice) { count += slice.values.size(); });
    return count;
  }

  [[nodiscard]] Weights& weights() { return weights_; }
  [[nodiscard]] nn::AdapterGradients<S>& adapter() { return adapter_; }

  /// Calls `f(ParameterSlice)` for every gradient, in the order of the buffer.
  template <class F>
  void visit(const Encoder& encoder, const nn::Adapter<B>* adapter, F&& f) {
    if (adapter != nullptr) {
      adapter->visit(adapter_, f);
    } else {
      encoder.visit(weights_, f);
    }
  }

 private:
  static Weights allocate(const Encoder& encoder, const nn::Adapter<B>* adapter, std::span<S> flat) {
    if (adapter != nullptr) {
      nn::FrozenAllocator<S> frozen;
      return encoder.allocate(frozen);
    }
    nn::GradientAllocator<S> allocator(flat);
    return encoder.allocate(allocator);
  }

  Weights weights_;
  nn::AdapterGradients<S> adapter_;
};

}  // namespace reasonembed::train
