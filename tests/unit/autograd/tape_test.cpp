#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/autograd/tape.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/tape.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <new>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::Tape;
using ag::Var;
using re::Index;
using re::Matrix;
using re::MatrixView;

static_assert(!std::is_copy_constructible_v<Tape<float>> && !std::is_move_constructible_v<Tape<float>>,
              "variables point to their tape");
static_assert(ag::Scalar<float> && ag::Scalar<double> && !ag::Scalar<int> && !ag::Scalar<long double>);

namespace {

/// A linear map y = x W whose weight and gradient belong to somebody else, as those of an encoder do.
struct LinearMap {
  Matrix<double> weight;
  Matrix<double> d_weight;

  LinearMap(Index in, Index out) : weight(test::random_matrix(in, out, 5)), d_weight(in, out) {}

  /// One node of a tape: inputs (rows, in) in, outputs (rows, out) out, the weight's gradient on the way back.
  Var<double> operator()(Tape<double>& tape, MatrixView<const double> x) {
    return tape.custom(
        x.rows(),
        weight.cols(),
        {},
        [&](MatrixView<double> y) {
          for (Index row = 0; row < y.rows(); ++row) {
            for (Index col = 0; col < y.cols(); ++col) {
              y(row, col) = 0.0;
              for (Index k = 0; k < x.cols(); ++k) {
                y(row, col) += x(row, k) * weight(k, col);
              }
            }
          }
        },
        [x, dw = d_weight.view()](MatrixView<const double>, MatrixView<const double> dy) {
          for (Index row = 0; row < dy.rows(); ++row) {
            for (Index col = 0; col < dy.cols(); ++col) {
              for (Index k = 0; k < x.cols(); ++k) {
                dw(k, col) += x(row, k) * dy(row, col);
              }
            }
          }
        });
  }
};

}  // namespace

TEST_SUITE("autograd/tape") {
  TEST_CASE_TEMPLATE("backward: computes the derivative of a small expression", T, float, double) {
    Tape<T> tape;
    const Var<T> x = tape.leaf(T{3});
    const Var<T> y = tape.leaf(T{-2});
    const Var<T> z = x * x * y + y;  // dz/dx = 2 x y, dz/dy = x^2 + 1
    CHECK(z.item() == T{-20});
    tape.backward(z);
    CHECK(x.gradient()(0, 0) == T{-12});
    CHECK(y.gradient()(0, 0) == T{10});
    CHECK(z.gradient()(0, 0) == T{1});
  }

  TEST_CASE("leaf, constant: copy their values, from strided views too") {
    Tape<double> tape;
    Matrix<double> source = test::random_matrix(4, 6, 1);
    const MatrixView<const double> cut = source.view().col_block(1, 3);
    const Var<double> leaf = tape.leaf(cut);
    const Var<double> constant = tape.constant(cut);
    const double before = source(2, 2);
    source(2, 2) = 99.0;
    CHECK(leaf.rows() == 4);
    CHECK(leaf.cols() == 3);
    CHECK(leaf.size() == 12);
    CHECK(leaf.value()(2, 1) == before);
    CHECK(constant.value()(2, 1) == before);
    CHECK(leaf.differentiated());
    CHECK_FALSE(constant.differentiated());
  }

  TEST_CASE("parameter: reads the outside value and adds to the outside gradient") {
    Tape<double> tape;
    const Matrix<double> weight = test::random_matrix(2, 3, 1);
    Matrix<double> gradient(2, 5);  // strided: three of five columns
    for (double& g : gradient.flat()) {
      g = 10.0;
    }
    const Var<double> w = tape.parameter(weight.view(), gradient.view().col_block(1, 3));
    CHECK(w.value().data() == weight.view().data());
    const Var<double> loss = ag::sum(w * w);
    tape.backward(loss);
    tape.backward(loss);  // adds once more
    for (Index row = 0; row < 2; ++row) {
      for (Index col = 0; col < 3; ++col) {
        CHECK(gradient(row, col + 1) == doctest::Approx(10.0 + 4.0 * weight(row, col)).epsilon(1e-15));
      }
      CHECK(gradient(row, 0) == 10.0);
      CHECK(gradient(row, 4) == 10.0);
    }
    CHECK(w.gradient().data() == &gradient(0, 1));
  }

  TEST_CASE("parameter: rejects a gradient of another shape") {
    Tape<double> tape;
    const Matrix<double> weight(2, 3);
    Matrix<double> rows(3, 3);
    Matrix<double> cols(2, 2);
    CHECK_THROWS_WITH_AS((void)tape.parameter(weight.view(), rows.view()),
                         "autograd::Tape::parameter: gradient.rows() is 3, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)tape.parameter(weight.view(), cols.view()),
                         "autograd::Tape::parameter: gradient.cols() is 2, expected 3",
                         re::ShapeError);
  }

  TEST_CASE("backward: overwrites the gradients of leaves, so a repeat gives the same") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    const Var<double> y = ag::exp(x) * x;
    tape.backward(y);
    const double first = x.gradient()(0, 0);
    tape.backward(y);
    CHECK(x.gradient()(0, 0) == first);
  }

  TEST_CASE("backward: from two results of one program in turn") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    const Var<double> square = x * x;
    const Var<double> cube = square * x;
    tape.backward(square);
    CHECK(x.gradient()(0, 0) == 4.0);
    tape.backward(cube);
    CHECK(x.gradient()(0, 0) == 12.0);
    CHECK(square.gradient()(0, 0) == 2.0);
  }

  TEST_CASE("backward: what the result does not depend on has gradient zero and is not visited") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    const Var<double> zero = tape.leaf(0.0);
    const Var<double> poison = ag::log(zero);  // its derivative is infinite: 0 * infinity would be NaN
    int visits = 0;
    (void)tape.custom(
        1,
        1,
        {},
        [](MatrixView<double> y) { y(0, 0) = 1.0; },
        [&visits](MatrixView<const double>, MatrixView<const double>) { ++visits; });
    const Var<double> y = x * x;
    const Var<double> later = ag::exp(x);
    tape.backward(y);
    CHECK(x.gradient()(0, 0) == 4.0);
    CHECK(zero.gradient()(0, 0) == 0.0);
    CHECK(poison.gradient()(0, 0) == 0.0);
    CHECK(later.gradient()(0, 0) == 0.0);
    CHECK(visits == 0);
  }

  TEST_CASE("backward: with a seed is the gradient of the weighted sum") {
    Tape<double> tape;
    const Matrix<double> at = test::random_matrix(3, 4, 1);
    const Matrix<double> seed = test::random_matrix(3, 4, 2);
    const Var<double> x = tape.leaf(at.view());
    const Var<double> y = ag::exp(x);
    tape.backward(y, seed.view());
    for (Index row = 0; row < 3; ++row) {
      for (Index col = 0; col < 4; ++col) {
        CHECK(x.gradient()(row, col) == seed(row, col) * std::exp(at(row, col)));
      }
    }
    const Matrix<double> wrong(4, 3);
    CHECK_THROWS_WITH_AS(
        tape.backward(y, wrong.view()), "autograd::Tape::backward: seed.rows() is 4, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(tape.backward(y, seed.view().col_block(0, 3)),
                         "autograd::Tape::backward: seed.cols() is 3, expected 4",
                         re::ShapeError);
  }

  TEST_CASE("backward: a leaf may be the result itself") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    tape.backward(x);
    CHECK(x.gradient()(0, 0) == 1.0);
  }

  TEST_CASE("backward: refuses what is no scalar, no variable of this tape or constant") {
    Tape<double> tape;
    Tape<double> other;
    const Matrix<double> matrix(2, 3);
    CHECK_THROWS_WITH_AS(tape.backward(tape.leaf(matrix.view())),
                         "autograd::Tape::backward: variable is (2, 3), expected (1, 1)",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(tape.backward(other.leaf(1.0)),
                         "autograd::Tape::backward: variable is of another tape, expected one of the same tape",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(tape.backward(Var<double>()),
                         "autograd::Tape::backward: variable is of no tape, expected one of the same tape",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(
        tape.backward(tape.constant(1.0)),
        "autograd::Tape::backward: variable is a constant, expected one that depends on a leaf or a parameter",
        re::ConfigError);
  }

  TEST_CASE("gradient: refuses constants and variables that no backward has seen") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(1.0);
    const Var<double> c = tape.constant(1.0);
    CHECK_THROWS_WITH_AS(
        (void)x.gradient(), "autograd::Tape::gradient: call is before backward, expected after it", re::ConfigError);
    tape.backward(x * c);
    CHECK(x.gradient()(0, 0) == 1.0);
    CHECK_THROWS_WITH_AS(
        (void)c.gradient(),
        "autograd::Tape::gradient: variable is a constant, expected one that depends on a leaf or a parameter",
        re::ConfigError);
    const Var<double> late = tape.leaf(1.0);
    CHECK_THROWS_AS((void)late.gradient(), re::ConfigError);
  }

  TEST_CASE("record: names the operation when an input is of another tape") {
    Tape<double> tape;
    Tape<double> other;
    const Var<double> x = tape.leaf(1.0);
    const Var<double> y = other.leaf(1.0);
    CHECK_THROWS_WITH_AS((void)ag::add(x, y),
                         "autograd::add: variable is of another tape, expected one of the same tape",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)ag::matmul(x, y),
                         "autograd::matmul: variable is of another tape, expected one of the same tape",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)ag::concat_rows({x, y}),
                         "autograd::concat_rows: variable is of another tape, expected one of the same tape",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)ag::exp(Var<double>()), "autograd::exp: variable is of no tape, expected one of a tape", re::ConfigError);
    CHECK(tape.size() == 1);  // nothing was recorded
  }

  TEST_CASE("record: refuses negative extents") {
    Tape<double> tape;
    const auto nothing = [](MatrixView<double>) {};
    const auto backward = [](MatrixView<const double>, MatrixView<const double>) {};
    CHECK_THROWS_WITH_AS(
        (void)tape.custom(-1, 2, {}, nothing, backward),
        "autograd::Tape::custom: shape is (-1, 2), expected extents of at least 0 with a representable product",
        re::ShapeError);
  }

  TEST_CASE("record: on constants alone stores no closure and gives a constant") {
    Tape<double> tape;
    const Var<double> y = ag::exp(tape.constant(1.0)) * tape.constant(2.0);
    CHECK_FALSE(y.differentiated());
    CHECK(y.item() == doctest::Approx(2.0 * std::exp(1.0)).epsilon(1e-15));
  }

  TEST_CASE("record: a forward that throws leaves the tape as it was") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(1.0);
    CHECK_THROWS_AS((void)tape.record(
                        "test::thrower",
                        1,
                        1,
                        {x},
                        [](MatrixView<double>) { throw std::runtime_error("no"); },
                        [](MatrixView<const double>, MatrixView<const double>) {}),
                    std::runtime_error);
    CHECK(tape.size() == 1);
    tape.backward(x * x);
    CHECK(x.gradient()(0, 0) == 2.0);
  }

  TEST_CASE("custom: a node with parameters outside of the tape writes their gradient there") {
    // example-begin tape_custom_node
    const Matrix<double> x = test::random_matrix(4, 3, 1);
    LinearMap encoder(3, 2);  // owns its weight and its gradient
    Tape<double> tape;
    const Var<double> y = encoder(tape, x.view());  // one node: (4, 3) in, (4, 2) out
    tape.backward(ag::sum(y * y));                  // any loss on top; encoder.d_weight is filled
    // example-end tape_custom_node
    const auto value = [&](std::span<const double> point, std::span<double> gradient) {
      LinearMap at(3, 2);
      std::copy(point.begin(), point.end(), at.weight.flat().begin());
      Tape<double> inner;
      const Var<double> out = at(inner, x.view());
      const Var<double> loss = ag::sum(out * out);
      if (!gradient.empty()) {
        inner.backward(loss);
        std::copy(at.d_weight.flat().begin(), at.d_weight.flat().end(), gradient.begin());
      }
      return loss.item();
    };
    const auto report = ag::check_gradient(value, encoder.weight.flat());
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 6);
    std::vector<double> gradient(6);
    (void)value(encoder.weight.flat(), gradient);
    CHECK(std::equal(gradient.begin(), gradient.end(), encoder.d_weight.flat().begin()));
  }

  TEST_CASE("custom: inputs of the tape and parameters outside both get their gradient") {
    double outside = 3.0;
    double d_outside = 0.0;
    Tape<double> tape;
    const Var<double> x = tape.leaf(5.0);
    const Var<double> y = tape.custom(
        1,
        1,
        {x},
        [&](MatrixView<double> out) { out(0, 0) = outside * x.item(); },
        [x, outside, d = &d_outside](MatrixView<const double>, MatrixView<const double> dy) {
          x.tape().adjoint(x)(0, 0) += outside * dy(0, 0);
          *d += x.item() * dy(0, 0);
        });
    tape.backward(y * y);  // d/dx (3 x)^2 = 18 x
    CHECK(x.gradient()(0, 0) == 90.0);
    CHECK(d_outside == 150.0);
  }

  TEST_CASE("custom: gradient flows even if all its inputs are constants") {
    double seen = 0.0;
    Tape<double> tape;
    const Var<double> y = tape.custom(
        1,
        1,
        {tape.constant(1.0)},
        [](MatrixView<double> out) { out(0, 0) = 2.0; },
        [s = &seen](MatrixView<const double> value, MatrixView<const double> dy) { *s = value(0, 0) * dy(0, 0); });
    CHECK(y.differentiated());
    tape.backward(ag::scale(y, 7.0));
    CHECK(seen == 14.0);
  }

  TEST_CASE("backward: an exception of a closure passes through and the tape can be used again") {
    Tape<double> tape;
    bool fail = true;
    const Var<double> x = tape.leaf(3.0);
    const Var<double> y = tape.record(
        "test::sometimes",
        1,
        1,
        {x},
        [](MatrixView<double> out) { out(0, 0) = 1.0; },
        [x, f = &fail](MatrixView<const double>, MatrixView<const double> dy) {
          if (*f) {
            throw std::runtime_error("broken");
          }
          x.tape().adjoint(x)(0, 0) += dy(0, 0);
        });
    CHECK_THROWS_WITH_AS(tape.backward(y), "broken", std::runtime_error);
    fail = false;
    tape.backward(y * x);
    CHECK(x.gradient()(0, 0) == 4.0);
  }

  TEST_CASE("backward: refuses operations inside of a closure") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(3.0);
    const Var<double> y = tape.record(
        "test::recursive",
        1,
        1,
        {x},
        [](MatrixView<double> out) { out(0, 0) = 1.0; },
        [x](MatrixView<const double>, MatrixView<const double>) { (void)ag::exp(x); });
    CHECK_THROWS_WITH_AS(
        tape.backward(y), "autograd::Tape: call is inside of backward, expected outside of it", re::ConfigError);
  }

  TEST_CASE("clear: refuses variables from before it, by every way in") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(1.0);
    tape.clear();
    CHECK(tape.size() == 0);
    (void)tape.leaf(2.0);  // stands in the place of x now
    const char* message = "autograd::exp: variable is from before Tape::clear, expected one recorded since";
    CHECK_THROWS_WITH_AS((void)ag::exp(x), message, re::ConfigError);
    CHECK_THROWS_AS((void)x.value(), re::ConfigError);
    CHECK_THROWS_AS((void)x.gradient(), re::ConfigError);
    CHECK_THROWS_AS(tape.backward(x), re::ConfigError);
  }

  TEST_CASE("clear: keeps the memory, so that the same program again allocates nothing") {
    Tape<float> tape;
    const Matrix<float> at = test::random_matrix<float>(300, 400, 1);
    const auto program = [&] {
      const Var<float> x = tape.leaf(at.view());
      const Var<float> y = ag::sum(ag::exp(x) * x);
      tape.backward(y);
      return x.gradient()(299, 399);
    };
    const float first = program();
    tape.clear();
    const float second = program();
    const std::size_t capacity = tape.memory().capacity();
    const std::size_t used = tape.memory().used();
    for (int repeat = 0; repeat < 3; ++repeat) {
      tape.clear();
      CHECK(tape.memory().used() == 0);
      CHECK(program() == first);
      CHECK(tape.memory().capacity() == capacity);
      CHECK(tape.memory().used() == used);
    }
    CHECK(first == second);
  }

  TEST_CASE("memory: a program without backward holds values alone, no gradients") {
    Tape<float> tape;
    const Matrix<float> at = test::random_matrix<float>(100, 100, 1);
    const Var<float> y = ag::exp(tape.leaf(at.view()));
    const std::size_t values = tape.memory().used();
    CHECK(values < 2 * 40000 + 1000);  // two matrices of 100 x 100 floats and a closure
    tape.backward(ag::sum(y));
    CHECK(tape.memory().used() > 2 * values - 1000);
  }

  TEST_CASE("keep: copies arrays for closures") {
    Tape<double> tape;
    std::vector<Index> indices{3, 1, 2};
    const auto kept = tape.keep(std::span<const Index>(indices));
    indices.assign(3, 0);
    CHECK(std::vector<Index>(kept.begin(), kept.end()) == std::vector<Index>{3, 1, 2});
    CHECK(tape.keep(std::span<const Index>()).empty());
  }

  TEST_CASE_TEMPLATE("backward: a run and its repeat give the same bits", T, float, double) {
    const auto run = [] {
      Tape<T> tape;
      const Matrix<T> a = test::random_matrix<T>(13, 21, 1);
      const Matrix<T> b = test::random_matrix<T>(17, 21, 2);
      const Var<T> x = tape.leaf(a.view());
      const Var<T> scores = ag::matmul_nt(ag::normalize_rows(x), ag::normalize_rows(tape.leaf(b.view())));
      tape.backward(ag::mean(ag::log_softmax_rows(ag::scale(scores, 20))));
      return std::vector<T>(x.gradient().flat().begin(), x.gradient().flat().end());
    };
    CHECK(run() == run());
  }

  TEST_CASE("values: empty programs and empty matrices are legal") {
    Tape<double> tape;
    CHECK(tape.size() == 0);
    const Matrix<double> none(0, 4);
    const Var<double> x = tape.leaf(none.view());
    const Var<double> total = ag::sum(ag::exp(x));
    CHECK(total.item() == 0.0);
    tape.backward(total);
    CHECK(x.gradient().rows() == 0);
    CHECK(x.gradient().cols() == 4);
  }

  TEST_CASE("clear: after a second pass a whole training step allocates nothing at all") {
    Tape<float> tape;
    const Matrix<float> a = test::random_matrix<float>(24, 16, 1);
    const Matrix<float> w = test::random_matrix<float>(16, 8, 2);
    Matrix<float> dw(16, 8);
    const std::vector<Index> labels(24, 3);
    const auto step = [&] {
      tape.clear();
      const Var<float> hidden = ag::matmul(tape.constant(a.view()), tape.parameter(w.view(), dw.view()));
      const Var<float> scores = ag::log_softmax_rows(ag::normalize_rows(hidden) * 20.0F);
      tape.backward(-ag::mean(ag::pick(scores, labels)));
    };
    step();
    step();
    CHECK(test::count_allocations(step) == 0);
    CHECK(test::count_allocations([] { ::operator delete(::operator new(8)); }) == 1);  // the counter counts
  }

  TEST_CASE("backward: a long chain is swept without recursion") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(1.0);
    Var<double> y = x;
    for (int i = 0; i < 20000; ++i) {
      y = y + x;
    }
    CHECK(y.item() == 20001.0);
    tape.backward(y);
    CHECK(x.gradient()(0, 0) == 20001.0);
  }

  TEST_CASE("scratch: what closures take from it is apart from values and gradients") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    const Var<double> y = tape.record(
        "test::scratch",
        1,
        1,
        {x},
        [&](MatrixView<double> out) {
          const re::ArenaScope scope(tape.scratch());
          const auto piece = tape.scratch().allocate<double>(100);
          std::fill(piece.begin(), piece.end(), 3.0);
          out(0, 0) = piece[99] * x.item();
        },
        [x](MatrixView<const double>, MatrixView<const double> dy) {
          const re::ArenaScope scope(x.tape().scratch());
          const auto piece = x.tape().scratch().allocate<double>(100);
          std::fill(piece.begin(), piece.end(), 3.0);
          x.tape().adjoint(x)(0, 0) += piece[0] * dy(0, 0);  // asked for inside of the scope: must survive it
        });
    tape.backward(y * y);
    CHECK(x.gradient()(0, 0) == 36.0);
    CHECK(tape.scratch().used() == 0);
  }
}
