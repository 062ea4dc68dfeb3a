#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/optim/optimizer.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::optim {

/// Parameters that learn at another rate, or shrink by another share, than the rest.
struct ParameterGroup {
  std::string name_part = {};                         ///< belongs to the group if the parameter's name contains it
  double lr_scale = 1.0;                              ///< factor of the learning rate, >= 0; 0 freezes the group
  std::optional<double> weight_decay = std::nullopt;  ///< >= 0, for every kind of parameter; unset: as the options say

  friend bool operator==(const ParameterGroup&, const ParameterGroup&) = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("name_part", name_part);
    f("lr_scale", lr_scale);
    f("weight_decay", weight_decay);
  }
};

struct AdamWOptions {
  double lr = 1e-4;                         ///< what a schedule's factor multiplies; >= 0
  double beta1 = 0.9;                       ///< decay of the first moment, in [0, 1)
  double beta2 = 0.999;                     ///< decay of the second moment, in [0, 1)
  double eps = 1e-8;                        ///< added to the root of the second moment, >= 0
  double weight_decay = 0.0;                ///< share of lr by which a parameter shrinks in a step, >= 0
  bool decay_gains_and_biases = false;      ///< false as in transformers' Trainer; true as in a plain torch.optim.AdamW
  std::vector<ParameterGroup> groups = {};  ///< a parameter belongs to the first that its name fits, or to none
  bool operator==(const AdamWOptions&) const = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("lr", lr);
    f("beta1", beta1);
    f("beta2", beta2);
    f("eps", eps);
    f("weight_decay", weight_decay);
    f("decay_gains_and_biases", decay_gains_and_biases);
    f("groups", groups);
  }
};

/// The moments of all parameters, one after another in the order of the slices, each row-major.
template <class T>
struct AdamWState {
  AlignedBuffer<T> first_moment;   ///< (sum of the slices' sizes) m
  AlignedBuffer<T> second_moment;  ///< the same for v
  std::int64_t steps = 0;          ///< t

  template <class F>
  void visit(F&& f) {
    f("first_moment", first_moment.span());
    f("second_moment", second_moment.span());
  }
  template <class F>
  void visit(F&& f) const {
    f("first_moment", first_moment.span());
    f("second_moment", second_moment.span());
  }
};

/// Adam with decoupled weight decay, step for step as torch.optim.AdamW.
///
///   x <- x - lr lambda x
///   m <- m + (1 - beta1) (g - m),   v <- beta2 v + (1 - beta2) g^2
///   x <- x - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)         [Loshchilov & Hutter 2019, alg. 2]
///
/// lambda is `weight_decay` for weights and tables; for gains and biases it is 0 unless an option says otherwise.
/// Groups of parameters may have a lambda of their own, and a factor of lr.
///
/// Models: Optimizer.
class AdamW {
 public:
  using Options = AdamWOptions;
  template <class T>
  using State = AdamWState<T>;
  static constexpr const char* name = "adamw";

  /// @throws ConfigError naming the option that is out of its range
  explicit AdamW(Options options = {}) : options_(std::move(options)) {
    require(options_.lr >= 0.0 && std::isfinite(options_.lr), "lr", options_.lr, "a number >= 0");
    require(options_.beta1 >= 0.0 && options_.beta1 < 1.0, "beta1", options_.beta1, "0 <= beta1 < 1");
    require(options_.beta2 >= 0.0 && options_.beta2 < 1.0, "beta2", options_.beta2, "0 <= beta2 < 1");
    require(options_.eps >= 0.0 && std::isfinite(options_.eps), "eps", options_.eps, "a number >= 0");
    require(options_.weight_decay >= 0.0 && std::isfinite(options_.weight_decay),
            "weight_decay",
            options_.weight_decay,
            "a number >= 0");
    for (const ParameterGroup& group : options_.groups) {
      if (group.name_part.empty()) {
        throw ConfigError::invalid("optim::AdamW", "name_part of a group", "empty", "a part of a parameter's name");
      }
      const double decay = group.weight_decay.value_or(0.0);
      require(group.lr_scale >= 0.0 && std::isfinite(group.lr_scale), "lr_scale", group.lr_scale, "a number >= 0");
      require(decay >= 0.0 && std::isfinite(decay), "weight_decay of a group", decay, "a number >= 0");
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] double lr() const { return options_.lr; }
  /// @return  the group of a parameter; nullptr if it belongs to none
  [[nodiscard]] const ParameterGroup* find_group(std::string_view parameter) const {
    for (const ParameterGroup& group : options_.groups) {
      if (parameter.find(group.name_part) != std::string_view::npos) {
        return &group;
      }
    }
    return nullptr;
  }
  /// @return  lambda for parameters of this kind that belong to no group
  [[nodiscard]] double weight_decay(nn::ParameterKind kind) const {
    const bool decays = kind == nn::ParameterKind::kWeight || kind == nn::ParameterKind::kTable;
    return decays || options_.decay_gains_and_biases ? options_.weight_decay : 0.0;
  }

  /// @return  moments of zero for all elements of `parameters`
  template <class T>
  [[nodiscard]] AdamWState<T> init(const std::vector<nn::ParameterSlice<T>>& parameters) const {
    const Index count = count_elements(parameters);
    return {AlignedBuffer<T>(count), AlignedBuffer<T>(count), 0};
  }

  /// One step.
  ///
  /// @param state       of `init` for the same parameters
  /// @param parameters  updated in place
  /// @param gradients   names, order and shapes of the parameters; a NaN or infinity reaches the parameters and the
  ///                    state: look at the norm of clip_gradient_norm first
  /// @param lr          learning rate of this step, >= 0: lr() times the schedule's factor
  /// @throws ShapeError or ConfigError before anything changes if state, parameters and gradients do not fit, or lr is
  ///         negative or not finite
  /// @note   reads four and writes three numbers an element; no allocation. An element's bits depend on its own numbers
  ///         alone, not on the threads. m to 3 ulp of the larger of its terms, v to 2.5, x to 5 of the larger of its
  ///         terms given m and v
  template <class T>
  void step(AdamWState<T>& state,
            const std::vector<nn::ParameterSlice<T>>& parameters,
            const std::vector<nn::ParameterSlice<T>>& gradients,
            double lr,
            const ThreadPool& pool) const {
    begin_step(state, parameters, gradients, lr);
    pool.for_each_block(state.first_moment.size(), kBlocks, [&](Index begin, Index end, Index) {
      update(state, parameters, gradients, lr, begin, end);
    });
  }
  /// As above, in the calling thread.
  template <class T>
  void step(AdamWState<T>& state,
            const std::vector<nn::ParameterSlice<T>>& parameters,
            const std::vector<nn::ParameterSlice<T>>& gradients,
            double lr) const {
    begin_step(state, parameters, gradients, lr);
    update(state, parameters, gradients, lr, 0, state.first_moment.size());
  }

 private:
  static constexpr Index kBlocks = 64;

  /// Counts the step, once everything fits.
  template <class T>
  static void begin_step(AdamWState<T>& state,
                         const std::vector<nn::ParameterSlice<T>>& parameters,
                         const std::vector<nn::ParameterSlice<T>>& gradients,
                         double lr) {
    require(lr >= 0.0 && std::isfinite(lr), "lr of this step", lr, "a number >= 0");
    require_gradients("optim::AdamW::step", parameters, gradients);
    const Index count = count_elements(parameters);
    require_extent("optim::AdamW::step", "state.first_moment.size()", state.first_moment.size(), count);
    require_extent("optim::AdamW::step", "state.second_moment.size()", state.second_moment.size(), count);
    ++state.steps;
  }

  /// The elements [begin, end) of all parameters end to end.
  template <class T>
  void update(AdamWState<T>& state,
              const std::vector<nn::ParameterSlice<T>>& parameters,
              const std::vector<nn::ParameterSlice<T>>& gradients,
              double lr,
              Index begin,
              Index end) const {
    Index first = 0;  // of the slice
    for (std::size_t i = 0; i < parameters.size() && first < end; first += parameters[i].values.size(), ++i) {
      const MatrixView<T> values = parameters[i].values;
      if (first + values.size() <= begin) {
        continue;
      }
      const ParameterGroup* group = find_group(parameters[i].name);
      const double decay = weight_decay(parameters[i].kind);
      const Step<T> step = step_of<T>(state.steps,
                                      group == nullptr ? lr : lr * group->lr_scale,
                                      group == nullptr ? decay : group->weight_decay.value_or(decay));
      const Index last = std::min(end - first, values.size());
      for (Index element = std::max(begin - first, Index{0}); element < last;) {  // a piece within one row
        const Index row = element / values.cols();
        const Index col = element % values.cols();
        const Index count = std::min(values.cols() - col, last - element);
        update_row(step,
                   values.col_block(col, count).row(row),
                   std::span<const T>(gradients[i].values.col_block(col, count).row(row)),
                   state.first_moment.data() + first + element,
                   state.second_moment.data() + first + element);
        element += count;
      }
    }
  }

  /// The numbers of one step, computed in double and rounded once.
  template <class T>
  struct Step {
    T keep;      // 1 - lr lambda
    T to_first;  // 1 - beta1
    T beta2;
    T to_second;   // 1 - beta2
    T size;        // lr / (1 - beta1^t)
    T correction;  // sqrt(1 - beta2^t)
    T eps;
  };

  static void require(bool possible, const char* option, double got, const char* want) {
    if (!possible) {
      throw ConfigError::invalid("optim::AdamW", option, std::to_string(got), want);
    }
  }

  template <class T>
  [[nodiscard]] Step<T> step_of(std::int64_t t, double lr, double decay) const {
    const auto exponent = static_cast<double>(t);
    return {static_cast<T>(1.0 - lr * decay),
            static_cast<T>(1.0 - options_.beta1),
            static_cast<T>(options_.beta2),
            static_cast<T>(1.0 - options_.beta2),
            static_cast<T>(lr / (1.0 - std::pow(options_.beta1, exponent))),
            static_cast<T>(std::sqrt(1.0 - std::pow(options_.beta2, exponent))),
            static_cast<T>(options_.eps)};
  }

  template <class T>
  static void update_row(const Step<T>& step, std::span<T> x, std::span<const T> gradient, T* first, T* second) {
    using Arch = simd::CompiledArch;
    using B = simd::Batch<T, Arch>;
    using Ops = simd::BatchOps<T, Arch>;
    const B keep(step.keep);
    const B to_first(step.to_first);
    const B beta2(step.beta2);
    const B to_second(step.to_second);
    const B size(step.size);
    const B correction(step.correction);
    const B eps(step.eps);
    simd::for_each_lanes<T, Arch>(static_cast<Index>(x.size()), [&](auto lanes) {
      const B g = lanes.load(gradient.data());
      const B old = lanes.load(first);
      const B m = old + to_first * (g - old);
      const B v = beta2 * lanes.load(second) + to_second * g * g;
      lanes.store(first, m);
      lanes.store(second, v);
      lanes.store(x.data(), keep * lanes.load(x.data()) - size * m / (Ops::sqrt(v) / correction + eps));
    });
  }

  Options options_;
};

static_assert(Optimizer<AdamW>);

}  // namespace reasonembed::optim
