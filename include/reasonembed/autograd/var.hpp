#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

/// What a tape computes in: float for training, double for checks.
template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double>;

template <Scalar T>
class Tape;

/// A matrix-valued variable of a program that a Tape records: a handle of a few words, valid until the tape is cleared
/// or destroyed. Its members are defined in tape.hpp, which every use includes.
template <Scalar T>
class Var {
 public:
  /// Belongs to no tape; every use but assignment throws.
  Var() = default;

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  [[nodiscard]] Index size() const { return rows_ * cols_; }

  /// @param where  the caller, for the message
  /// @throws       ConfigError if the variable belongs to no tape or its tape was cleared
  [[nodiscard]] Tape<T>& tape(std::string_view where = "autograd::Var::tape") const;
  /// @return  (rows, cols)
  [[nodiscard]] MatrixView<const T> value() const { return tape("autograd::Var::value").value(*this); }
  /// @return  the only element of a (1, 1) variable
  /// @throws  ShapeError otherwise
  [[nodiscard]] T item() const;
  /// @return  (rows, cols) what Tape::gradient returns
  [[nodiscard]] MatrixView<const T> gradient() const { return tape("autograd::Var::gradient").gradient(*this); }
  /// @return  whether the value depends on a leaf, a parameter or a custom node
  [[nodiscard]] bool differentiated() const { return tape("autograd::Var::differentiated").differentiated(*this); }

 private:
  friend class Tape<T>;
  Var(Tape<T>* tape, std::uint64_t generation, Index node, Index rows, Index cols)
      : tape_(tape), generation_(generation), node_(node), rows_(rows), cols_(cols) {}

  Tape<T>* tape_ = nullptr;
  std::uint64_t generation_ = 0;
  Index node_ = 0;
  Index rows_ = 0;
  Index cols_ = 0;
};

}  // namespace reasonembed::autograd
