#pragma once
/// @file Reverse-mode differentiation of matrix-valued programs.
#include <reasonembed/autograd/var.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

/// The record of a program, from which its gradient is computed in one sweep backwards (reverse accumulation).
///
///   dL/dx = sum over the uses u of x of (du/dx)^T dL/du                        [Griewank & Walther 2008, sec. 3.2]
///
/// Every operation appends a node: its value and a closure that takes the node's gradient to those of its inputs. The
/// operations are in ops.hpp; `record` and `custom` add new ones, so that a whole encoder can be one node. Values,
/// gradients and closures lie in one arena: after `clear` the next program of the same size allocates nothing.
///
/// @note  Sums have one fixed order: a run and its repeat give the same bits. Not thread-safe: one tape a thread.
/// Neither
///        copied nor moved, because variables point to it. First derivatives only.
template <Scalar T>
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  Tape(Tape&&) = delete;
  Tape& operator=(Tape&&) = delete;
  ~Tape() = default;

  /// @param value  (rows, cols), copied
  /// @return       a variable through which no gradient flows
  [[nodiscard]] Var<T> constant(MatrixView<const T> value) { return append(copy(value), false); }
  [[nodiscard]] Var<T> constant(T value) { return constant(MatrixView<const T>(&value, 1, 1)); }

  /// @param value  (rows, cols), copied
  /// @return       an independent variable; its gradient lies in the tape
  [[nodiscard]] Var<T> leaf(MatrixView<const T> value) { return append(copy(value), true); }
  [[nodiscard]] Var<T> leaf(T value) { return leaf(MatrixView<const T>(&value, 1, 1)); }

  /// @param value     (rows, cols) somebody else's, not copied; must stay alive and unchanged
  /// @param gradient  (rows, cols) somebody else's; every `backward` ADDS to it
  /// @return          an independent variable
  /// @throws          ShapeError if the shapes differ
  [[nodiscard]] Var<T> parameter(MatrixView<const T> value, MatrixView<T> gradient) {
    require_extent("autograd::Tape::parameter", "gradient.rows()", gradient.rows(), value.rows());
    require_extent("autograd::Tape::parameter", "gradient.cols()", gradient.cols(), value.cols());
    const Var<T> variable = append(value, true);
    nodes_.back().gradient = gradient;
    nodes_.back().outside = true;
    return variable;
  }

  /// @return  a constant with the value of `variable`, not copied
  [[nodiscard]] Var<T> detach(Var<T> variable) {
    require_own("autograd::detach", variable);
    return append(value(variable), false);
  }

  /// Appends an operation on variables.
  ///
  /// @param where     name of the operation, for messages
  /// @param inputs    everything differentiable that the value depends on
  /// @param forward   f(MatrixView<T> value (rows, cols)): fills every element; called at once
  /// @param backward  f(MatrixView<const T> value, MatrixView<const T> d_value), both (rows, cols): adds to
  ///                  `adjoint(input)` of each input that is `differentiated`; called in `backward`, stored in the
  ///                  arena
  /// @throws          ConfigError if an input is of another tape; ShapeError if an extent is negative
  template <class Forward, class Backward>
  Var<T> record(std::string_view where,
                Index rows,
                Index cols,
                std::span<const Var<T>> inputs,
                Forward&& forward,
                const Backward& backward) {
    bool depends = false;
    for (const Var<T>& input : inputs) {
      require_own(where, input);
      depends = depends || differentiated(input);
    }
    return record_node(where, rows, cols, depends, std::forward<Forward>(forward), backward);
  }
  template <class Forward, class Backward>
  Var<T> record(std::string_view where,
                Index rows,
                Index cols,
                std::initializer_list<Var<T>> inputs,
                Forward&& forward,
                const Backward& backward) {
    return record(where,
                  rows,
                  cols,
                  std::span<const Var<T>>(inputs.begin(), inputs.size()),
                  std::forward<Forward>(forward),
                  backward);
  }

  /// As `record`, but gradient always flows: for a node whose parameters live outside of the tape, such as an encoder
  /// (token ids in, embeddings out, parameter gradients on the way back), which may have no inputs at all.
  template <class Forward, class Backward>
  Var<T> custom(Index rows, Index cols, std::span<const Var<T>> inputs, Forward&& forward, const Backward& backward) {
    for (const Var<T>& input : inputs) {
      require_own("autograd::Tape::custom", input);
    }
    return record_node("autograd::Tape::custom", rows, cols, true, std::forward<Forward>(forward), backward);
  }
  template <class Forward, class Backward>
  Var<T> custom(
      Index rows, Index cols, std::initializer_list<Var<T>> inputs, Forward&& forward, const Backward& backward) {
    return custom(
        rows, cols, std::span<const Var<T>>(inputs.begin(), inputs.size()), std::forward<Forward>(forward), backward);
  }

  /// Computes the gradient of one number with respect to everything it was computed from. Gradients inside of the tape
  /// are overwritten, those of parameters are added to.
  ///
  /// @param scalar  (1, 1)
  /// @throws        ShapeError if it is no scalar; ConfigError if it is of another tape or a constant
  void backward(Var<T> scalar) {
    require_own("autograd::Tape::backward", scalar);
    if (scalar.rows() != 1 || scalar.cols() != 1) {
      throw ShapeError::invalid("autograd::Tape::backward", "variable", shape_text(scalar), "(1, 1)");
    }
    const T one{1};
    backward(scalar, MatrixView<const T>(&one, 1, 1));
  }

  /// Computes the gradient of sum_ij seed_ij variable_ij.
  ///
  /// @param seed  (rows, cols) of the variable: the gradient that a later computation gave it
  /// @throws      ShapeError if the shapes differ; ConfigError as above
  void backward(Var<T> variable, MatrixView<const T> seed) {
    require_own("autograd::Tape::backward", variable);
    require_extent("autograd::Tape::backward", "seed.rows()", seed.rows(), variable.rows());
    require_extent("autograd::Tape::backward", "seed.cols()", seed.cols(), variable.cols());
    if (!differentiated(variable)) {
      throw ConfigError::invalid(
          "autograd::Tape::backward", "variable", "a constant", "one that depends on a leaf or a parameter");
    }
    for (Node& node : nodes_) {
      node.reached = false;
    }
    const MatrixView<T> start = adjoint(variable);
    for (Index row = 0; row < seed.rows(); ++row) {
      for (Index col = 0; col < seed.cols(); ++col) {
        start(row, col) += seed(row, col);
      }
    }
    sweep(variable.node_);
    for (Node& node : nodes_) {
      if (node.differentiated) {
        reach(node);  // what the result does not depend on has gradient zero
      }
    }
    swept_ = nodes_.size();
  }

  /// @return  (rows, cols) gradient of the last `backward` with respect to `variable`
  /// @throws  ConfigError if the variable is a constant or no `backward` has run since it was recorded
  [[nodiscard]] MatrixView<const T> gradient(Var<T> variable) const {
    require_own("autograd::Tape::gradient", variable);
    const Node& node = nodes_[static_cast<std::size_t>(variable.node_)];
    if (!node.differentiated) {
      throw ConfigError::invalid(
          "autograd::Tape::gradient", "variable", "a constant", "one that depends on a leaf or a parameter");
    }
    if (static_cast<std::size_t>(variable.node_) >= swept_) {
      throw ConfigError::invalid("autograd::Tape::gradient", "call", "before backward", "after it");
    }
    return node.gradient;
  }

  [[nodiscard]] MatrixView<const T> value(Var<T> variable) const {
    require_own("autograd::Tape::value", variable);
    return nodes_[static_cast<std::size_t>(variable.node_)].value;
  }
  [[nodiscard]] bool differentiated(Var<T> variable) const {
    require_own("autograd::Tape::differentiated", variable);
    return nodes_[static_cast<std::size_t>(variable.node_)].differentiated;
  }

  /// For backward closures: where the gradient of an input is added up. Asking for it makes the sweep go on to that
  /// input.
  /// @return  (rows, cols)
  /// @pre     differentiated(variable)
  [[nodiscard]] MatrixView<T> adjoint(Var<T> variable) {
    require_own("autograd::Tape::adjoint", variable);
    Node& node = nodes_[static_cast<std::size_t>(variable.node_)];
    REASONEMBED_ASSERT(node.differentiated);
    reach(node);
    return node.gradient;
  }

  /// @return  (n) a copy that lives as long as the variables, for closures that need indices or weights
  template <class U>
  [[nodiscard]] std::span<const U> keep(std::span<const U> values) {
    const std::span<U> kept = arena_.template allocate<U>(static_cast<Index>(values.size()));
    std::copy(values.begin(), values.end(), kept.begin());
    return kept;
  }

  /// Memory for the inside of a forward or backward; what is taken from it is given back with an ArenaScope.
  [[nodiscard]] Arena& scratch() { return scratch_; }

  /// Forgets all variables and keeps the memory. Variables from before are recognised and refused.
  void clear() {
    nodes_.clear();
    arena_.rewind({});
    swept_ = 0;
    ++generation_;
  }

  /// @return  variables recorded since the last `clear`
  [[nodiscard]] Index size() const { return static_cast<Index>(nodes_.size()); }
  /// @return  the memory of values, gradients and closures, to read its use
  [[nodiscard]] const Arena& memory() const { return arena_; }

  /// @throws  ConfigError if the variable is not one of this tape as it is now
  void require_own(std::string_view where, Var<T> variable) const {
    if (variable.tape_ != this) {
      throw ConfigError::invalid(
          where, "variable", variable.tape_ == nullptr ? "of no tape" : "of another tape", "one of the same tape");
    }
    if (variable.generation_ != generation_) {
      throw ConfigError::invalid(where, "variable", "from before Tape::clear", "one recorded since");
    }
  }

  /// @return  `(rows, cols)` as text, for messages
  [[nodiscard]] static std::string shape_text(Var<T> variable) {
    return "(" + std::to_string(variable.rows()) + ", " + std::to_string(variable.cols()) + ")";
  }

 private:
  using Run = void (*)(const void* closure, MatrixView<const T> value, MatrixView<const T> d_value);

  struct Node {
    MatrixView<const T> value;
    MatrixView<T> gradient;
    Run run = nullptr;
    const void* closure = nullptr;
    bool differentiated = false;
    bool outside = false;  // the gradient belongs to somebody else
    bool reached = false;  // by the present sweep
  };

  MatrixView<const T> copy(MatrixView<const T> value) {
    const MatrixView<T> own = arena_.template matrix<T>(value.rows(), value.cols());
    for (Index row = 0; row < value.rows(); ++row) {
      std::copy(value.row(row).begin(), value.row(row).end(), own.row(row).begin());
    }
    return own;
  }

  Var<T> append(MatrixView<const T> value, bool differentiated) {
    if (sweeping_) {
      throw ConfigError::invalid("autograd::Tape", "call", "inside of backward", "outside of it");
    }
    nodes_.push_back({value, {}, nullptr, nullptr, differentiated, false, false});
    return Var<T>(this, generation_, static_cast<Index>(nodes_.size()) - 1, value.rows(), value.cols());
  }

  template <class Forward, class Backward>
  Var<T> record_node(std::string_view where,
                     Index rows,
                     Index cols,
                     bool differentiated,
                     Forward&& forward,
                     const Backward& backward) {
    static_assert(std::is_trivially_destructible_v<Backward> && std::is_trivially_copyable_v<Backward>,
                  "reasonembed::Tape: a backward closure must capture only variables, views and numbers (nothing that "
                  "needs a destructor); copy arrays with Tape::keep");
    static_assert(std::is_invocable_v<Forward&, MatrixView<T>>,
                  "reasonembed::Tape: a forward must be callable with (MatrixView<T> value)");
    static_assert(std::is_invocable_v<const Backward&, MatrixView<const T>, MatrixView<const T>>,
                  "reasonembed::Tape: a backward closure must be callable with (MatrixView<const T> value, "
                  "MatrixView<const T> d_value)");
    static_assert(alignof(Backward) <= kAlignment, "reasonembed::Tape: a backward closure must not be over-aligned");
    (void)checked_size(where, rows, cols);
    const MatrixView<T> value = arena_.template matrix<T>(rows, cols);
    forward(value);
    const Var<T> variable = append(value, differentiated);
    if (differentiated) {
      void* memory = arena_.template allocate<std::byte>(static_cast<Index>(sizeof(Backward))).data();
      nodes_.back().closure = ::new (memory) Backward(backward);
      nodes_.back().run = [](const void* closure, MatrixView<const T> output, MatrixView<const T> d_output) {
        (*static_cast<const Backward*>(closure))(output, d_output);
      };
    }
    return variable;
  }

  /// The first touch of a sweep clears the gradient, so sums start at zero without a pass over all memory.
  void reach(Node& node) {
    if (node.reached) {
      return;
    }
    node.reached = true;
    if (node.outside) {
      return;
    }
    if (node.gradient.data() == nullptr) {
      node.gradient = arena_.template matrix<T>(node.value.rows(), node.value.cols());
    }
    std::fill_n(node.gradient.data(), node.gradient.size(), T{0});
  }

  void sweep(Index last) {
    sweeping_ = true;
    try {
      for (Index index = last; index >= 0; --index) {
        const Node& node = nodes_[static_cast<std::size_t>(index)];
        if (node.reached && node.run != nullptr) {
          node.run(node.closure, node.value, node.gradient);
        }
      }
    } catch (...) {  // a closure failed: the next sweep must be possible
      sweeping_ = false;
      throw;
    }
    sweeping_ = false;
  }

  Arena arena_;
  Arena scratch_;
  std::vector<Node> nodes_;
  std::size_t swept_ = 0;
  std::uint64_t generation_ = 0;
  bool sweeping_ = false;
};

template <Scalar T>
Tape<T>& Var<T>::tape(std::string_view where) const {
  if (tape_ == nullptr) {
    throw ConfigError::invalid(where, "variable", "of no tape", "one of a tape");
  }
  tape_->require_own(where, *this);
  return *tape_;
}

template <Scalar T>
T Var<T>::item() const {
  const MatrixView<const T> own = value();
  if (rows_ != 1 || cols_ != 1) {
    throw ShapeError::invalid("autograd::Var::item", "variable", Tape<T>::shape_text(*this), "(1, 1)");
  }
  return own(0, 0);
}

}  // namespace reasonembed::autograd
