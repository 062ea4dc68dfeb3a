#pragma once
/// @file What a trainer needs of an optimiser.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::optim {

namespace detail {
struct IgnoreState {
  template <class T>
  void operator()(const char* /*name*/, std::span<T> /*values*/) const {}
};
}  // namespace detail

/// The operations of an Optimizer on parameters of type T; see Optimizer.
template <class O, class T>
concept OptimizerFor = requires(const O o,
                                const std::vector<nn::ParameterSlice<T>>& slices,
                                typename O::template State<T>& state,
                                const typename O::template State<T>& saved,
                                double lr,
                                detail::IgnoreState f) {
  { o.init(slices) } -> std::same_as<typename O::template State<T>>;
  { o.step(state, slices, slices, lr) } -> std::same_as<void>;
  { state.steps } -> std::same_as<std::int64_t&>;
  state.visit(f);
  saved.visit(f);
};

/// Changes parameters against their gradients: a policy that owns no memory, with a state that does.
///
/// Valid expressions, for `const O o`, T in {float, double}, `const std::vector<nn::ParameterSlice<T>>& slices` (all
/// parameters, as a model's `visit` gives them), `State<T>& state`, `double lr` >= 0:
///
/// | expression                              | result         | meaning |
/// |-----------------------------------------|----------------|---------|
/// | `typename O::Options`                   |                | run-time aggregate with defaults; `O` is made from it |
/// | `O::name`                               | const char*    | what logs and checkpoints call it |
/// | `o.lr()`                                | double         | the learning rate that a schedule's factor multiplies |
/// | `o.init(slices)`                        | O::State<T>    | the state before the first step; movable |
/// | `o.step(state, parameters, grads, lr)`  | void           | one step; parameters are updated in place |
/// | `o.step(.., lr, const ThreadPool&)`     | void           | optional: the same step, shared among threads |
/// | `state.steps`                           | std::int64_t&  | steps taken so far |
/// | `state.visit(f)`                        |                | `f(const char* name, std::span<T>)` of each array |
/// |                                         |                | in one order; a checkpoint is these and `steps` |
///
/// Semantics: `grads` has the names, order and shapes of `parameters`; a mismatch throws before anything changes. A
/// state whose arrays and `steps` are copied goes on bit for bit.
template <class O>
concept Optimizer = std::default_initializable<typename O::Options> &&
                    std::constructible_from<O, typename O::Options> && requires(const O o) {
                      { O::name } -> std::convertible_to<const char*>;
                      { o.lr() } -> std::same_as<double>;
                    } && OptimizerFor<O, float> && OptimizerFor<O, double>;

/// @return  elements of all slices together
template <class T>
[[nodiscard]] Index count_elements(const std::vector<nn::ParameterSlice<T>>& slices) {
  Index count = 0;
  for (const nn::ParameterSlice<T>& slice : slices) {
    count += slice.values.size();
  }
  return count;
}

/// @throws ShapeError or ConfigError naming the first slice of `gradients` that is not that of `parameters`
template <class T>
void require_gradients(std::string_view where,
                       const std::vector<nn::ParameterSlice<T>>& parameters,
                       const std::vector<nn::ParameterSlice<T>>& gradients) {
  require_extent(
      where, "gradients.size()", static_cast<Index>(gradients.size()), static_cast<Index>(parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const nn::ParameterSlice<T>& want = parameters[i];
    const nn::ParameterSlice<T>& got = gradients[i];
    if (got.name != want.name) {
      throw ConfigError::invalid(where, "gradients[" + std::to_string(i) + "].name", got.name, want.name);
    }
    if (got.values.rows() != want.values.rows() || got.values.cols() != want.values.cols()) {
      const auto shape = [](const nn::ParameterSlice<T>& slice) {
        return "(" + std::to_string(slice.values.rows()) + ", " + std::to_string(slice.values.cols()) + ")";
      };
      throw ShapeError::invalid(where, "gradient of " + want.name, shape(got), shape(want));
    }
  }
}

}  // namespace reasonembed::optim
