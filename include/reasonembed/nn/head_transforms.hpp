#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Queries and keys, side by side.
template <class T>
struct QueryKey {
  MatrixView<T> q;  ///< (T, heads * head_dim)
  MatrixView<T> k;  ///< (T, kv_heads * head_dim)
};

/// Head transforms applied one after the other, first to last.
template <HeadTransform... Transforms>
class HeadTransforms;

template <>
class HeadTransforms<> {
 public:
  template <class Leaf>
  struct Parameters {};
  template <class B>
  struct Saved {};
  static constexpr bool kEmpty = true;

  HeadTransforms(const EncoderConfig&, const EncoderOptions&) {}
  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator&) const {
    return {};
  }
  template <class P, class F>
  static void visit(P&, const std::string&, F&&) {}
  template <class B>
  void prepare(Context<B>&) const {}
  template <class B, class Save, class S = typename B::Scalar>
  [[nodiscard]] QueryKey<S> forward(Context<B>&, const Parameters<WeightLeaf<B>>&, QueryKey<S> in, Save&) const {
    return in;
  }
};

template <HeadTransform First, HeadTransform... Rest>
class HeadTransforms<First, Rest...> {
  using Others = HeadTransforms<Rest...>;

 public:
  template <class Leaf>
  struct Parameters {
    typename First::template Parameters<Leaf> first;
    typename Others::template Parameters<Leaf> others;
  };
  template <class B>
  struct Saved {
    typename First::template Saved<B> first;
    typename Others::template Saved<B> others;
  };
  static constexpr bool kEmpty = false;

  HeadTransforms(const EncoderConfig& config, const EncoderOptions& options)
      : first_(config, options), others_(config, options) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto first = first_.allocate(allocator);
    return {std::move(first), others_.allocate(allocator)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    First::visit(parameters.first, prefix, f);
    Others::visit(parameters.others, prefix, f);
  }
  template <class B>
  void prepare(Context<B>& context) const {
    first_.prepare(context);
    others_.prepare(context);
  }

  /// @return  the transformed queries and keys: in place where nothing is saved, else in fresh arena memory
  template <class B, class Save, class S = typename B::Scalar>
  [[nodiscard]] QueryKey<S> forward(Context<B>& context,
                                    const Parameters<WeightLeaf<B>>& parameters,
                                    QueryKey<S> in,
                                    Save& saved) const {
    QueryKey<S> out = in;
    if constexpr (kSaves<Save>) {
      out = allocate_like(context, in);
    }
    if constexpr (kSaves<Save>) {
      first_.forward(context, parameters.first, in.q, in.k, out.q, out.k, saved.first);
      return others_.forward(context, parameters.others, out, saved.others);
    } else {
      first_.forward(context, parameters.first, in.q, in.k, out.q, out.k, saved);
      return others_.forward(context, parameters.others, out, saved);
    }
  }

  /// @param d     gradients of the transformed queries and keys
  /// @param d_in  gradients of the given queries and keys, overwritten; not the memory of `d`
  template <class B, class S = typename B::Scalar>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           QueryKey<const S> d,
           QueryKey<S> d_in,
           Parameters<GradientLeaf<S>>& gradients) const {
    if constexpr (Others::kEmpty) {
      first_.vjp(context, parameters.first, saved.first, d.q, d.k, d_in.q, d_in.k, gradients.first);
    } else {
      const QueryKey<S> middle = allocate_like(context, d_in);
      others_.vjp(context, parameters.others, saved.others, d, middle, gradients.others);
      first_.vjp(context, parameters.first, saved.first, middle.q, middle.k, d_in.q, d_in.k, gradients.first);
    }
  }

 private:
  template <class B, class S>
  static QueryKey<S> allocate_like(Context<B>& context, const QueryKey<S>& like) {
    const auto both = context.activations(like.q.cols() + like.k.cols());  // (T, (heads + kv_heads) head_dim)
    return {both.col_block(0, like.q.cols()), both.col_block(like.q.cols(), like.k.cols())};
  }

  First first_;
  [[no_unique_address]] Others others_;
};

}  // namespace reasonembed::nn
