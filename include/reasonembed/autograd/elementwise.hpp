#pragma once
/// @file Tape operations that act on each element by itself.
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

namespace detail {

/// dx(r, c) += f(r, c) if x is differentiated.
template <Scalar T, class F>
void accumulate(Var<T> x, const F& f) {
  Tape<T>& tape = x.tape();
  if (!tape.differentiated(x)) {
    return;
  }
  const MatrixView<T> dx = tape.adjoint(x);
  for (Index row = 0; row < dx.rows(); ++row) {
    for (Index col = 0; col < dx.cols(); ++col) {
      dx(row, col) += f(row, col);
    }
  }
}

/// y = f(x); df(x, y) is the derivative.
template <Scalar T, class F, class Df>
Var<T> unary(std::string_view where, Var<T> x, const F& f, const Df& df) {
  Tape<T>& tape = x.tape(where);
  const MatrixView<const T> in = x.value();
  return tape.record(
      where,
      x.rows(),
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = f(in(row, col));
          }
        }
      },
      [x, in, df](MatrixView<const T> y, MatrixView<const T> dy) {
        accumulate(x, [&](Index row, Index col) { return dy(row, col) * df(in(row, col), y(row, col)); });
      });
}

/// Which element of a (R, C), (1, C), (R, 1) or (1, 1) matrix stands at (row, col) of an (R, C) one.
struct Broadcast {
  bool rows = false;
  bool cols = false;

  template <Scalar T>
  static Broadcast check(std::string_view where, Var<T> a, Var<T> b) {
    if ((b.rows() != a.rows() && b.rows() != 1) || (b.cols() != a.cols() && b.cols() != 1)) {
      const std::string rows = std::to_string(a.rows());
      const std::string cols = std::to_string(a.cols());
      throw ShapeError::invalid(where,
                                "second argument",
                                Tape<T>::shape_text(b),
                                "(" + rows + ", " + cols + ") or 1 in place of either extent");
    }
    return {b.rows() == 1 && a.rows() != 1, b.cols() == 1 && a.cols() != 1};
  }
  template <class T>
  [[nodiscard]] T& at(MatrixView<T> b, Index row, Index col) const {
    return b(rows ? 0 : row, cols ? 0 : col);
  }
};

/// y = f(a, b) with b broadcast; fa(a, b) and fb(a, b) are the partial derivatives.
template <Scalar T, class F, class Fa, class Fb>
Var<T> binary(std::string_view where, Var<T> a, Var<T> b, const F& f, const Fa& fa, const Fb& fb) {
  Tape<T>& tape = a.tape(where);
  tape.require_own(where, b);
  const Broadcast spread = Broadcast::check(where, a, b);
  const MatrixView<const T> u = a.value();
  const MatrixView<const T> v = b.value();
  return tape.record(
      where,
      a.rows(),
      a.cols(),
      {a, b},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = f(u(row, col), spread.at(v, row, col));
          }
        }
      },
      [a, b, u, v, spread, fa, fb](MatrixView<const T>, MatrixView<const T> dy) {
        accumulate(a, [&](Index row, Index col) { return dy(row, col) * fa(u(row, col), spread.at(v, row, col)); });
        if (!b.differentiated()) {
          return;
        }
        const MatrixView<T> dv = b.tape().adjoint(b);
        for (Index row = 0; row < dy.rows(); ++row) {
          for (Index col = 0; col < dy.cols(); ++col) {
            spread.at(dv, row, col) += dy(row, col) * fb(u(row, col), spread.at(v, row, col));
          }
        }
      });
}

}  // namespace detail

/// Element-wise sum.
///
///   y_rc = a_rc + b_rc
///
/// @param a  (R, C)
/// @param b  (R, C), or (1, C), (R, 1), (1, 1): then repeated over rows, columns or both
/// @return   (R, C)
/// @throws   ShapeError if b has another shape; ConfigError if it is of another tape
/// @note     the same holds for subtract, multiply and divide; the gradient of a repeated b is summed by ascending row,
///           then column
template <Scalar T>
[[nodiscard]] Var<T> add(Var<T> a, Var<T> b) {
  const auto one = [](T, T) { return T{1}; };
  return detail::binary("autograd::add", a, b, [](T u, T v) { return u + v; }, one, one);
}

/// Element-wise difference y_rc = a_rc - b_rc; shapes as in add.
template <Scalar T>
[[nodiscard]] Var<T> subtract(Var<T> a, Var<T> b) {
  return detail::binary(
      "autograd::subtract",
      a,
      b,
      [](T u, T v) { return u - v; },
      [](T, T) { return T{1}; },
      [](T, T) { return T{-1}; });
}

/// Element-wise product y_rc = a_rc b_rc; shapes as in add.
template <Scalar T>
[[nodiscard]] Var<T> multiply(Var<T> a, Var<T> b) {
  return detail::binary(
      "autograd::multiply", a, b, [](T u, T v) { return u * v; }, [](T, T v) { return v; }, [](T u, T) { return u; });
}

/// Element-wise quotient y_rc = a_rc / b_rc; shapes as in add. Division by zero follows IEEE 754.
template <Scalar T>
[[nodiscard]] Var<T> divide(Var<T> a, Var<T> b) {
  return detail::binary(
      "autograd::divide",
      a,
      b,
      [](T u, T v) { return u / v; },
      [](T, T v) { return T{1} / v; },
      [](T u, T v) { return -u / (v * v); });
}

/// y = factor x, element by element; the factor is a constant.
template <Scalar T>
[[nodiscard]] Var<T> scale(Var<T> x, std::type_identity_t<T> factor) {
  return detail::unary("autograd::scale", x, [factor](T v) { return factor * v; }, [factor](T, T) { return factor; });
}

/// y = x + offset, element by element; the offset is a constant.
template <Scalar T>
[[nodiscard]] Var<T> add_scalar(Var<T> x, std::type_identity_t<T> offset) {
  return detail::unary("autograd::add_scalar", x, [offset](T v) { return v + offset; }, [](T, T) { return T{1}; });
}

/// y = e^x, element by element.
template <Scalar T>
[[nodiscard]] Var<T> exp(Var<T> x) {
  return detail::unary("autograd::exp", x, [](T v) { return std::exp(v); }, [](T, T y) { return y; });
}

/// y = ln x, element by element; -infinity at 0 and NaN below, as std::log.
template <Scalar T>
[[nodiscard]] Var<T> log(Var<T> x) {
  return detail::unary("autograd::log", x, [](T v) { return std::log(v); }, [](T v, T) { return T{1} / v; });
}

/// y = max(x, 0), element by element; the derivative at 0 is 0, and a NaN stays one.
template <Scalar T>
[[nodiscard]] Var<T> relu(Var<T> x) {
  return detail::unary(
      "autograd::relu", x, [](T v) { return v < T{0} ? T{0} : v; }, [](T v, T) { return v > T{0} ? T{1} : T{0}; });
}

/// y = min(max(x, low), high), element by element; the derivative is 1 on [low, high], its ends included, else 0.
/// @throws  ConfigError if low > high
template <Scalar T>
[[nodiscard]] Var<T> clamp(Var<T> x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  if (!(low <= high)) {
    throw ConfigError::invalid("autograd::clamp", "low", std::to_string(low), "at most " + std::to_string(high));
  }
  return detail::unary(
      "autograd::clamp",
      x,
      [low, high](T v) { return v < low ? low : (v > high ? high : v); },
      [low, high](T v, T) { return v >= low && v <= high ? T{1} : T{0}; });
}

/// @return  x as a constant: the value flows on, the gradient does not (stop-gradient); nothing is copied
template <Scalar T>
[[nodiscard]] Var<T> detach(Var<T> x) {
  return x.tape("autograd::detach").detach(x);
}

template <Scalar T>
[[nodiscard]] Var<T> operator+(Var<T> a, Var<T> b) {
  return add(a, b);
}
template <Scalar T>
[[nodiscard]] Var<T> operator-(Var<T> a, Var<T> b) {
  return subtract(a, b);
}
/// Element-wise; the matrix product is matmul.
template <Scalar T>
[[nodiscard]] Var<T> operator*(Var<T> a, Var<T> b) {
  return multiply(a, b);
}
template <Scalar T>
[[nodiscard]] Var<T> operator/(Var<T> a, Var<T> b) {
  return divide(a, b);
}
template <Scalar T>
[[nodiscard]] Var<T> operator+(Var<T> x, std::type_identity_t<T> offset) {
  return add_scalar(x, offset);
}
template <Scalar T>
[[nodiscard]] Var<T> operator-(Var<T> x, std::type_identity_t<T> offset) {
  return add_scalar(x, -offset);
}
template <Scalar T>
[[nodiscard]] Var<T> operator*(Var<T> x, std::type_identity_t<T> factor) {
  return scale(x, factor);
}
template <Scalar T>
[[nodiscard]] Var<T> operator*(std::type_identity_t<T> factor, Var<T> x) {
  return scale(x, factor);
}
template <Scalar T>
[[nodiscard]] Var<T> operator/(Var<T> x, std::type_identity_t<T> divisor) {
  return scale(x, T{1} / divisor);
}
template <Scalar T>
[[nodiscard]] Var<T> operator-(Var<T> x) {
  return scale(x, T{-1});
}

}  // namespace reasonembed::autograd
