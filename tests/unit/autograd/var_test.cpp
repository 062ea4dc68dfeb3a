#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/autograd/var.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <type_traits>

namespace re = reasonembed;
using re::autograd::Tape;
using re::autograd::Var;

static_assert(std::is_trivially_copyable_v<Var<float>> && std::is_trivially_destructible_v<Var<double>>,
              "backward closures capture variables");
static_assert(std::is_default_constructible_v<Var<float>>);
static_assert(!std::is_convertible_v<Var<float>, Var<double>>, "a program has one precision");

TEST_SUITE("autograd/var") {
  TEST_CASE("Var: is a handle, copies stand for the same variable") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(2.0);
    Var<double> y;
    y = x;
    CHECK(&y.tape() == &tape);
    CHECK(y.value().data() == x.value().data());
    tape.backward(x);
    CHECK(y.gradient()(0, 0) == 1.0);
  }

  TEST_CASE("Var: knows its shape without its tape") {
    Tape<float> tape;
    const auto matrix = test::random_matrix<float>(3, 4, 1);
    const Var<float> x = tape.constant(matrix.view());
    tape.clear();
    CHECK(x.rows() == 3);
    CHECK(x.cols() == 4);
    CHECK(x.size() == 12);
  }

  TEST_CASE("item: is the only element, and refuses to choose one of several") {
    Tape<double> tape;
    CHECK(tape.constant(4.5).item() == 4.5);
    const auto matrix = test::random_matrix(2, 1, 1);
    CHECK_THROWS_WITH_AS((void)tape.constant(matrix.view()).item(),
                         "autograd::Var::item: variable is (2, 1), expected (1, 1)",
                         re::ShapeError);
  }

  TEST_CASE("Var: one of no tape refuses everything but assignment") {
    const Var<double> none;
    CHECK(none.size() == 0);
    CHECK_THROWS_WITH_AS(
        (void)none.tape("here"), "here: variable is of no tape, expected one of a tape", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        (void)none.value(), "autograd::Var::value: variable is of no tape, expected one of a tape", re::ConfigError);
    CHECK_THROWS_AS((void)none.gradient(), re::ConfigError);
    CHECK_THROWS_AS((void)none.item(), re::ConfigError);
    CHECK_THROWS_AS((void)none.differentiated(), re::ConfigError);
  }

  TEST_CASE("differentiated: follows from what a value was computed from") {
    Tape<double> tape;
    CHECK(tape.leaf(1.0).differentiated());
    CHECK_FALSE(tape.constant(1.0).differentiated());
    CHECK_FALSE(tape.detach(tape.leaf(1.0)).differentiated());
  }
}
