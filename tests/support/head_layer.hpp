#pragma once
/// @file A head transform in the shape of a layer, so that the checks of layers hold for it.
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/head_transforms.hpp>

#include <support/layer_check.hpp>

#include <string>

namespace test {

/// x = (queries | keys) in, transformed queries | keys out.
template <class Transform>
class HeadLayer {
 public:
  template <class Leaf>
  using Parameters = typename Transform::template Parameters<Leaf>;
  template <class B>
  using Saved = typename Transform::template Saved<B>;

  HeadLayer(const re::nn::EncoderConfig& config, const re::nn::EncoderOptions& options)
      : transform_(config, options), queries_(config.query_dim()), keys_(config.kv_dim()) {}

  [[nodiscard]] const Transform& transform() const { return transform_; }
  /// @return  the case of a batch with these lengths
  [[nodiscard]] LayerCase batch_of(std::span<const int> lengths) const {
    return {.offsets = offsets_of(lengths), .inputs = queries_ + keys_, .outputs = queries_ + keys_};
  }
  [[nodiscard]] LayerCase batch_of(std::initializer_list<int> lengths) const {
    return batch_of(std::span(lengths.begin(), lengths.size()));
  }

  template <class Allocator>
  [[nodiscard]] auto allocate(Allocator& allocator) const {
    return transform_.allocate(allocator);
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    transform_.visit(parameters, prefix, f);
  }
  template <class B>
  void prepare(re::nn::Context<B>& context) const {
    transform_.prepare(context);
  }
  template <class B, class Save>
  void forward(re::nn::Context<B>& context,
               const Parameters<re::nn::WeightLeaf<B>>& parameters,
               re::MatrixView<const typename B::Scalar> x,
               re::MatrixView<typename B::Scalar> y,
               Save& saved) const {
    transform_.forward(context, parameters, queries(x), keys(x), queries(y), keys(y), saved);
  }
  template <class B>
  void vjp(re::nn::Context<B>& context,
           const Parameters<re::nn::WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           re::MatrixView<const typename B::Scalar> dy,
           re::MatrixView<typename B::Scalar> dx,
           Parameters<re::nn::GradientLeaf<typename B::Scalar>>& gradients) const {
    transform_.vjp(context, parameters, saved, queries(dy), keys(dy), queries(dx), keys(dx), gradients);
  }

 private:
  template <class S>
  re::MatrixView<S> queries(re::MatrixView<S> both) const {
    return both.col_block(0, queries_);
  }
  template <class S>
  re::MatrixView<S> keys(re::MatrixView<S> both) const {
    return both.col_block(queries_, keys_);
  }

  Transform transform_;
  re::Index queries_;
  re::Index keys_;
};

}  // namespace test
