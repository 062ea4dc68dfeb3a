#pragma once
/// @file What a trainer asks of a model.
#include <reasonembed/config.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/model/encode_workspace.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/text/tokenizer.hpp>

#include <concepts>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// A model of texts whose weights can be changed. model::TextEncoder is one for every encoder and CPU backend.
///
/// Valid expressions, for `M m`, `const M k`, `const model::Role& role`, `std::string_view text`,
/// `model::TokenBlock& block`:
///
/// | expression                            | result             | meaning |
/// |---------------------------------------|--------------------|---------|
/// | `typename M::Description`             |                    | the nn::Encoder it binds to weights |
/// | `typename M::Backend`                 |                    | where weights and activations lie |
/// | `k.encoder()`, `k.weights()`          | const &            | the two, for passes with and without gradient |
/// | `k.query_role()`, `k.document_role()` | const model::Role& | prompt and length limit of either side |
/// | `k.tokenize(role, text, block)`       | text::Encoding     | appends the ids that `encode` makes the vector of |
/// | `k.pool()`                            | const ThreadPool&  | the threads to work with |
/// | `m.make_trainable()`                  | void               | from now on weights can be read and changed |
/// | `m.update_weights(change)`            | void               | calls `change(weights)`, and makes encoding use it |
template <class M>
concept Trainable =
    std::move_constructible<M> && nn::NeuralKernels<typename M::Backend> &&
    requires(M& m, const M& k, const model::Role& role, std::string_view text, model::TokenBlock& block) {
      { k.encoder() } -> std::same_as<const typename M::Description&>;
      { k.weights() } -> std::same_as<const typename M::Weights&>;
      { k.query_role() } -> std::same_as<const model::Role&>;
      { k.document_role() } -> std::same_as<const model::Role&>;
      { k.tokenize(role, text, block) } -> std::same_as<text::Encoding>;
      { k.pool() } -> std::same_as<const ThreadPool&>;
      m.make_trainable();
      m.update_weights([](typename M::Weights&) {});
    };

/// A Trainable that can train an adapter in the place of its weights. model::TextEncoder is one.
///
/// | expression                       | result             | meaning                                                  |
/// |----------------------------------|--------------------|----------------------------------------------------------|
/// | `k.adapter(name)`                | const nn::Adapter& | stays in its place; throws ConfigError if there is none  |
/// | `m.use_adapter(name)`            | void               | both roles encode with it; empty: with none              |
/// | `m.update_adapter(name, change)` | void               | calls `change(adapter)`, and makes encoding use it       |
template <class M>
concept HasAdapters = Trainable<M> && requires(M& m, const M& k, std::string_view name) {
  { k.adapter(name) } -> std::same_as<const nn::Adapter<typename M::Backend>&>;
  m.use_adapter(name);
  m.update_adapter(name, [](nn::Adapter<typename M::Backend>&) {});
};

}  // namespace reasonembed::train
