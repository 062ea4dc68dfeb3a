#pragma once
/// @file What a component must offer to be assembled into an encoder.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

namespace detail {
using Archetype = backend::Cpu<float>;
using ArchetypeContext = Context<Archetype>;
using ConstView = MatrixView<const float>;
using View = MatrixView<float>;
template <class L>
using WeightsOf = typename L::template Parameters<WeightLeaf<Archetype>>;
template <class L>
using GradientsOf = typename L::template Parameters<GradientLeaf<float>>;
template <class L>
using SavedOf = typename L::template Saved<Archetype>;
struct IgnoreSlice {
  template <class Slice>
  void operator()(Slice&&) const {}
};
}  // namespace detail

/// Owns parameters that can be allocated, walked by name, and viewed as weights or as gradients.
///
/// | expression                                | meaning                                                              |
/// |-------------------------------------------|----------------------------------------------------------------------|
/// | `L::Parameters<Leaf>`                     | aggregate of `Leaf::Matrix`, `Leaf::Table`, `Leaf::Vector`           |
/// | `L::Saved<B>`                             | what vjp needs of forward: views into the arena, trivially copyable  |
/// | `l.allocate(allocator)`                   | `Parameters<Allocator::Leaf>`                                        |
/// | `l.visit(parameters, prefix, f)`          | `f(ParameterSlice)` for every tensor, always in the same order       |
/// | `L::architecture()`                       | `std::string`: compared when weights are loaded                      |
template <class L>
concept Parameterized =
    requires(const L l, WeightAllocator<detail::Archetype> a, detail::WeightsOf<L>& weights, const std::string prefix) {
      { l.allocate(a) } -> std::same_as<detail::WeightsOf<L>>;
      l.visit(weights, prefix, detail::IgnoreSlice{});
      typename detail::SavedOf<L>;
      { L::architecture() } -> std::same_as<std::string>;
    };

/// Maps hidden states to hidden states: normalisation, attention, feed-forward, or a block of them.
///
/// | expression                                | meaning                                                              |
/// |-------------------------------------------|----------------------------------------------------------------------|
/// | `l.forward(context, weights, x, y, save)` | y (T, D) = f(x (T, D)); fills `save` unless it is `Nothing`          |
template <class L>
concept Layer = Parameterized<L> && requires(const L l,
                                             detail::ArchetypeContext& context,
                                             const detail::WeightsOf<L>& weights,
                                             detail::ConstView x,
                                             detail::View y,
                                             Nothing& nothing,
                                             detail::SavedOf<L>& saved) {
  l.forward(context, weights, x, y, nothing);
  l.forward(context, weights, x, y, saved);
};

/// A layer that can be trained.
///
/// | expression                                             | meaning                                                 |
/// |--------------------------------------------------------|---------------------------------------------------------|
/// | `l.vjp(context, weights, saved, dy, dx, gradients)`    | dx (T, D) = dy J, overwritten; gradients accumulate     |
template <class L>
concept DifferentiableLayer =
    Layer<L> && requires(const L l,
                         detail::ArchetypeContext& context,
                         const detail::WeightsOf<L>& weights,
                         const detail::SavedOf<L>& saved,
                         detail::ConstView dy,
                         detail::View dx,
                         detail::GradientsOf<L>& gradients) { l.vjp(context, weights, saved, dy, dx, gradients); };

/// A layer made from a width and the encoder's options.
template <class N>
concept Normalization = Layer<N> && std::constructible_from<N, Index, EncoderOptions>;

/// A layer made from the encoder's sizes and options, such as attention or a feed-forward layer.
///
/// | expression                      | meaning                                                                        |
/// |---------------------------------|--------------------------------------------------------------------------------|
/// | `M::visit_weights(weights, f)`  | `f(weight)` for every `Leaf::Matrix`, to pack it                               |
template <class M>
concept SubLayer = Layer<M> && std::constructible_from<M, EncoderConfig, EncoderOptions> &&
                   requires(detail::WeightsOf<M>& weights) { M::visit_weights(weights, detail::IgnoreSlice{}); };

/// A sub-layer in which tokens may see each other.
///
/// | expression                      | meaning                                                                        |
/// |---------------------------------|--------------------------------------------------------------------------------|
/// | `m.prepare(context)`            | once a pass: what all blocks share, such as rotary angles                      |
template <class M>
concept TokenMixer = SubLayer<M> && requires(const M m, detail::ArchetypeContext& context) { m.prepare(context); };

/// Changes queries and keys between their projection and the attention product, head by head.
///
/// | expression                                            | meaning                                                  |
/// |-------------------------------------------------------|----------------------------------------------------------|
/// | `t.prepare(context)`                                  | once a pass: what all blocks share                       |
/// | `t.forward(context, weights, q, k, q_out, k_out, s)`  | q (T, heads * head_dim), k (T, kv_heads * head_dim);     |
/// |                                                       | in place where nothing is saved                          |
/// | `t.vjp(context, weights, s, dq, dk, dq_in, dk_in, g)` | dq_in, dk_in overwritten, never the memory of dq, dk     |
template <class T>
concept HeadTransform = Parameterized<T> && std::constructible_from<T, EncoderConfig, EncoderOptions> &&
                        requires(const T t,
                                 detail::ArchetypeContext& context,
                                 const detail::WeightsOf<T>& weights,
                                 detail::ConstView in,
                                 detail::View out,
                                 Nothing& nothing,
                                 detail::SavedOf<T>& saved,
                                 detail::GradientsOf<T>& gradients) {
                          t.prepare(context);
                          t.forward(context, weights, in, in, out, out, nothing);
                          t.forward(context, weights, in, in, out, out, saved);
                          t.vjp(context, weights, saved, in, in, out, out, gradients);
                        };

/// Turns token ids into hidden states.
///
/// | expression                             | meaning                                                                 |
/// |----------------------------------------|-------------------------------------------------------------------------|
/// | `e.forward(context, weights, y, save)` | y (T, D) from context.batch                                             |
/// | `e.vjp(context, weights, s, dy, g)`    | gradients accumulate; dy (T, D) may be overwritten                      |
template <class E>
concept TokenEmbedder = Parameterized<E> && std::constructible_from<E, EncoderConfig, EncoderOptions> &&
                        requires(const E e,
                                 detail::ArchetypeContext& context,
                                 const detail::WeightsOf<E>& weights,
                                 detail::View y,
                                 Nothing& nothing,
                                 detail::SavedOf<E>& saved,
                                 detail::GradientsOf<E>& gradients) {
                          e.forward(context, weights, y, nothing);
                          e.forward(context, weights, y, saved);
                          e.vjp(context, weights, saved, y, gradients);
                        };

/// Maps the hidden states of each sequence to one vector.
///
/// | expression                  | meaning                                               |
/// |-----------------------------|-------------------------------------------------------|
/// | `p.pool(context, x, y)`     | y (B, D) from x (T, D) and context.batch.offsets      |
/// | `p.pool_vjp(context, d, x)` | x (T, D), overwritten, from d (B, D)                  |
/// | `P::name`                   | `const char*`, as configuration files spell it        |
template <class P>
concept Pooling = requires(const P p, detail::ArchetypeContext& context, detail::ConstView in, detail::View out) {
  p.pool(context, in, out);
  p.pool_vjp(context, in, out);
  { P::name } -> std::convertible_to<const char*>;
};

/// A pooling that reads one token of each sequence: the last block computes no more than these where nothing is saved.
///
/// | expression                  | meaning                                                                            |
/// |-----------------------------|------------------------------------------------------------------------------------|
/// | `p.rows(context)`           | `std::span<const std::int32_t>`: (B) a row of x in each sequence; pool copies them |
template <class P>
concept RowPooling = Pooling<P> && requires(const P p, detail::ArchetypeContext& context) {
  { p.rows(context) } -> std::same_as<std::span<const std::int32_t>>;
};

/// A whole transformer block, and the norm its stack ends with.
///
/// | expression         | meaning                                                       |
/// |--------------------|---------------------------------------------------------------|
/// | `B::FinalNorm`     | the norm after the last block, or `Identity`                  |
template <class T>
concept TransformerBlock = TokenMixer<T> && Parameterized<typename T::FinalNorm>;

}  // namespace reasonembed::nn
