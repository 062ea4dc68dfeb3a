#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/autograd/ops.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::check_gradient;
using ag::CheckGradientOptions;
using ag::GradientReport;
using re::Index;

namespace {

using In = std::span<const double>;
using Out = std::span<double>;

/// sum_i sin(x_i) x_{i+1}, cyclic: every coordinate occurs in two terms. `wrong` breaks its gradient.
template <class Wrong>
auto chain(const Wrong& wrong) {
  return [wrong](In x, Out gradient) {
    const std::size_t n = x.size();
    double total = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      total += std::sin(x[i]) * x[(i + 1) % n];
    }
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] = std::cos(x[i]) * x[(i + 1) % n] + std::sin(x[(i + n - 1) % n]);
    }
    if (!gradient.empty()) {
      wrong(x, gradient);
    }
    return total;
  };
}

const auto kRight = [](In, Out) {};
const std::vector<double> kPoint{0.3, -0.7, 1.1, 2.5, -1.9};

/// y = x^3 as one node; `factor` multiplies its derivative and `shift` displaces it.
ag::Var<double> cube(ag::Var<double> x, double factor, Index shift) {
  const auto in = x.value();
  return x.tape().record(
      "test::cube",
      x.rows(),
      x.cols(),
      {x},
      [&](re::MatrixView<double> y) {
        for (Index i = 0; i < y.size(); ++i) {
          y.flat()[static_cast<std::size_t>(i)] = std::pow(in.flat()[static_cast<std::size_t>(i)], 3);
        }
      },
      [x, in, factor, shift](re::MatrixView<const double>, re::MatrixView<const double> dy) {
        const auto dx = x.tape().adjoint(x).flat();
        for (std::size_t i = 0; i < dx.size(); ++i) {
          const std::size_t to = (i + static_cast<std::size_t>(shift)) % dx.size();
          dx[to] += factor * 3.0 * in.flat()[i] * in.flat()[i] * dy.flat()[i];
        }
      });
}

GradientReport check_cube(double factor, Index shift) {
  return check_gradient([=](test::DoubleTape&, const test::Inputs& x) { return cube(x[0], factor, shift); },
                        test::random_inputs({{2, 3}}, 0.5, 2.0));
}

}  // namespace

static_assert(ag::DifferentiableFunction<decltype(chain(kRight))>);
static_assert(!ag::DifferentiableFunction<double (*)(In)>);
static_assert(ag::TapeFunction<ag::Var<double> (*)(test::DoubleTape&, const test::Inputs&)>);
static_assert(!ag::TapeFunction<double (*)(test::DoubleTape&, const test::Inputs&)>);

TEST_SUITE("autograd/check_gradient") {
  TEST_CASE("check_gradient: passes a right gradient with a margin") {
    const GradientReport report = check_gradient(chain(kRight), kPoint);
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 5);
    CHECK(report.excused == 0);
    CHECK(report.relative_error < 1e-10);
    CHECK(report.reason.empty());
    CHECK(report.message().rfind("passed; checked 5 coordinates, excused 0 as noise; worst is coordinate ", 0) == 0);
  }

  TEST_CASE("check_gradient: fails a wrong sign, in all or in one coordinate") {
    const auto all = chain([](In, Out g) {
      for (double& value : g) {
        value = -value;
      }
    });
    CHECK_FALSE(check_gradient(all, kPoint).passed);
    const auto one = chain([](In, Out g) { g[3] = -g[3]; });
    const GradientReport report = check_gradient(one, kPoint);
    CHECK_FALSE(report.passed);
    CHECK(report.worst == 3);
    CHECK(report.analytic == doctest::Approx(-report.numeric));
    CHECK(report.relative_error == doctest::Approx(2.0));
    CHECK(report.message().find("failed: the gradient is not that of the function; checked 5") == 0);
  }

  TEST_CASE("check_gradient: fails a missing factor, large, small or nearly one") {
    for (const double factor : {2.0, 0.5, 1.01, 1.0 + 1e-6, 0.0}) {
      CAPTURE(factor);
      const auto wrong = chain([factor](In, Out g) {
        for (double& value : g) {
          value *= factor;
        }
      });
      CHECK_FALSE(check_gradient(wrong, kPoint).passed);
    }
  }

  TEST_CASE("check_gradient: fails a gradient that is off by one element") {
    const auto rotated = chain([](In, Out g) {
      const double first = g[0];
      for (std::size_t i = 0; i + 1 < g.size(); ++i) {
        g[i] = g[i + 1];
      }
      g.back() = first;
    });
    CHECK_FALSE(check_gradient(rotated, kPoint).passed);
  }

  TEST_CASE("check_gradient: fails a forgotten term") {
    const auto forgotten = chain([](In x, Out g) {
      for (std::size_t i = 0; i < g.size(); ++i) {
        g[i] = std::cos(x[i]) * x[(i + 1) % x.size()];
      }
    });
    CHECK_FALSE(check_gradient(forgotten, kPoint).passed);
  }

  TEST_CASE("check_gradient: fails an element that is not written, infinite or NaN") {
    const auto unwritten = [](In x, Out g) {
      if (!g.empty()) {
        g[0] = 1.0;
      }
      return x[0] + x[1];
    };
    const std::vector<double> point{1.0, 2.0};
    CHECK(check_gradient(unwritten, point).reason == "gradient[1] was not written or is not finite");
    const auto infinite = chain([](In, Out g) { g[2] = std::numeric_limits<double>::infinity(); });
    CHECK(check_gradient(infinite, kPoint).reason == "gradient[2] was not written or is not finite");
    CHECK_FALSE(check_gradient(infinite, kPoint).passed);
  }

  TEST_CASE("check_gradient: needs no function that adds to its gradient") {
    int calls = 0;
    const auto overwrites = [&](In x, Out g) {
      ++calls;
      if (!g.empty()) {
        g[0] = 2.0 * x[0];
      }
      return x[0] * x[0];
    };
    CHECK(check_gradient(overwrites, std::vector<double>{3.0}).passed);
    CHECK(calls == 8);  // two for the values, six for the differences
  }

  TEST_CASE("check_gradient: does not pass a point without coordinates") {
    const GradientReport none = check_gradient(chain(kRight), std::vector<double>{});
    CHECK_FALSE(none.passed);
    CHECK(none.checked == 0);
    CHECK(none.message() ==
          "failed: no coordinate was checked, which certifies nothing; checked 0 coordinates, excused 0 as noise");
    CHECK_FALSE(check_gradient(chain(kRight), kPoint, {.max_coordinates = 0}).passed);
  }

  TEST_CASE("check_gradient: a value that is not finite does not pass") {
    const auto broken = [](In, Out g) {
      for (double& value : g) {
        value = 0.0;
      }
      return std::numeric_limits<double>::quiet_NaN();
    };
    CHECK(check_gradient(broken, std::vector<double>{1.0}).reason == "the value is not finite");
  }

  TEST_CASE("check_gradient: a function that is not finite beside the point does not pass") {
    const auto edge = [](In x, Out g) {
      if (!g.empty()) {
        g[0] = 1.0;
      }
      return x[0] > 1.0 ? std::numeric_limits<double>::quiet_NaN() : x[0];
    };
    CHECK_FALSE(check_gradient(edge, std::vector<double>{1.0}).passed);
  }

  TEST_CASE("check_gradient: the value must not depend on whether the gradient is asked for") {
    const auto moody = [](In x, Out g) {
      if (g.empty()) {
        return x[0];
      }
      g[0] = 1.0;
      return x[0] + 1.0;
    };
    CHECK(check_gradient(moody, std::vector<double>{1.0}).reason == "the value changes when the gradient is asked for");
  }

  TEST_CASE("noise: a derivative of zero is excused, for small functions and large") {
    for (const double size : {1e-20, 1.0, 1e20}) {
      CAPTURE(size);
      const auto flat = [size](In x, Out g) {
        if (!g.empty()) {
          g[0] = size * std::cos(x[0]);
          g[1] = 0.0;
        }
        return size * (std::sin(x[0]) + (x[1] + 0.1) - x[1]);  // x[1] cancels up to rounding
      };
      const GradientReport report = check_gradient(flat, std::vector<double>{0.4, 0.7});
      CHECK_MESSAGE(report.passed, report.message());
      CHECK(report.excused <= 1);
    }
  }

  TEST_CASE("noise: excuses nothing that could be seen") {
    for (const double size : {1e-20, 1.0, 1e20}) {
      CAPTURE(size);
      const auto wrong = [size](In x, Out g) {
        if (!g.empty()) {
          g[0] = size * std::cos(x[0]);
          g[1] = 0.0;  // in truth 1e-8 of the other one
        }
        return size * (std::sin(x[0]) + 1e-8 * x[1]);
      };
      CHECK_FALSE(check_gradient(wrong, std::vector<double>{0.4, 0.7}).passed);
    }
  }

  TEST_CASE("noise: a gradient of zeros does not pass, however small the function") {
    const auto lazy = [](In x, Out g) {
      for (double& value : g) {
        value = 0.0;
      }
      return 1e-12 * std::sin(x[0]);
    };
    CHECK_FALSE(check_gradient(lazy, std::vector<double>{0.4}).passed);
  }

  TEST_CASE("step: is relative to large coordinates") {
    const auto quartic = [](In x, Out g) {
      if (!g.empty()) {
        g[0] = 4.0 * x[0] * x[0] * x[0];
      }
      return x[0] * x[0] * x[0] * x[0];
    };
    for (const double x : {1e-6, 1.0, 1e3, 1e8}) {
      CAPTURE(x);
      const GradientReport report = check_gradient(quartic, std::vector<double>{x});
      CHECK_MESSAGE(report.passed, report.message());
    }
  }

  TEST_CASE("step: the extrapolation is exact for polynomials of degree six") {
    const auto sextic = [](In x, Out) { return std::pow(x[0], 6) - 2.0 * std::pow(x[0], 5); };
    std::vector<double> x{1.3};
    const double numeric = ag::detail::extrapolated_derivative(sextic, x, 0, 0.5);
    const double analytic = 6.0 * std::pow(1.3, 5) - 10.0 * std::pow(1.3, 4);
    CHECK(numeric == doctest::Approx(analytic).epsilon(1e-13));
    CHECK(x[0] == 1.3);
  }

  TEST_CASE("max_coordinates: checks a random subset without repetition, the same for the same seed") {
    std::vector<double> point(500);
    for (std::size_t i = 0; i < point.size(); ++i) {
      point[i] = std::sin(static_cast<double>(i));
    }
    const GradientReport report = check_gradient(chain(kRight), point, {.max_coordinates = 20});
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 20);
    const auto sample = ag::detail::sample_coordinates(500, {.max_coordinates = 20, .seed = 1});
    CHECK(std::set<std::size_t>(sample.begin(), sample.end()).size() == 20);
    CHECK(sample == ag::detail::sample_coordinates(500, {.max_coordinates = 20, .seed = 1}));
    CHECK(sample != ag::detail::sample_coordinates(500, {.max_coordinates = 20, .seed = 2}));
    CHECK(sample.back() < 500);
    CHECK(ag::detail::sample_coordinates(3, {}) == std::vector<std::size_t>{0, 1, 2});
  }

  TEST_CASE("max_coordinates: a wrong gradient everywhere is found by any subset") {
    const auto wrong = chain([](In, Out g) {
      for (double& value : g) {
        value *= 1.001;
      }
    });
    CHECK_FALSE(check_gradient(wrong, std::vector<double>(300, 0.5), {.max_coordinates = 3}).passed);
  }

  TEST_CASE("exceptions: those of a plain function pass through") {
    const auto thrower = [](In, Out) -> double { throw std::runtime_error("no"); };
    CHECK_THROWS_WITH_AS((void)check_gradient(thrower, kPoint), "no", std::runtime_error);
  }

  TEST_CASE("tape: passes a right node and names the worst element by input, row and column") {
    const GradientReport report = check_cube(1.0, 0);
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 6);
    CHECK(report.location.rfind("input 0 (", 0) == 0);
  }

  TEST_CASE("tape: fails a node with the wrong sign, a missing factor or an offset") {  // the negative control
    CHECK_FALSE(check_cube(-1.0, 0).passed);
    CHECK_FALSE(check_cube(1.0 / 3.0, 0).passed);
    CHECK_FALSE(check_cube(1.0 + 1e-6, 0).passed);
    CHECK_FALSE(check_cube(1.0, 1).passed);
    CHECK_FALSE(check_cube(0.0, 0).passed);
  }

  TEST_CASE("tape: fails a node that forgets one of its inputs, and says which") {
    const auto report = check_gradient(
        [](test::DoubleTape& tape, const test::Inputs& x) {
          const auto a = x[0].value();
          const auto b = x[1].value();
          return tape.record(
              "test::forgetful",
              1,
              1,
              {x[0], x[1]},
              [&](re::MatrixView<double> y) { y(0, 0) = a(0, 0) * b(0, 0); },
              [u = x[0], b](re::MatrixView<const double>, re::MatrixView<const double> dy) {
                u.tape().adjoint(u)(0, 0) += dy(0, 0) * b(0, 0);
              });
        },
        test::random_inputs({{1, 1}, {1, 1}}, 1.0, 2.0));
    CHECK_FALSE(report.passed);
    CHECK(report.worst == 1);
    CHECK(report.location == "input 1 (0, 0)");
    CHECK(report.analytic == 0.0);
  }

  TEST_CASE("tape: fails a node that overwrites instead of adding") {
    const auto report = check_gradient(
        [](test::DoubleTape& tape, const test::Inputs& x) {
          const auto in = x[0].value();
          const auto copy = tape.record(
              "test::overwrites",
              1,
              1,
              {x[0]},
              [&](re::MatrixView<double> y) { y(0, 0) = in(0, 0); },
              [u = x[0]](re::MatrixView<const double>, re::MatrixView<const double> dy) {
                u.tape().adjoint(u)(0, 0) = dy(0, 0);
              });
          return copy * ag::exp(x[0]);
        },
        test::random_inputs({{1, 1}}));
    CHECK_FALSE(report.passed);
  }

  TEST_CASE("tape: elements of a matrix result can't hide each other's errors") {
    const auto swapped = check_gradient(
        [](test::DoubleTape& tape, const test::Inputs& x) {  // y = (x, -x) with the gradients of the two exchanged
          const auto in = x[0].value();
          return tape.record(
              "test::swapped",
              1,
              2,
              {x[0]},
              [&](re::MatrixView<double> y) {
                y(0, 0) = in(0, 0);
                y(0, 1) = -in(0, 0);
              },
              [u = x[0]](re::MatrixView<const double>, re::MatrixView<const double> dy) {
                u.tape().adjoint(u)(0, 0) += dy(0, 1) - dy(0, 0);
              });
        },
        test::random_inputs({{1, 1}}));
    CHECK_FALSE(swapped.passed);
  }

  TEST_CASE("tape: a result that does not depend on its inputs has gradient zero") {
    const auto report = check_gradient([](test::DoubleTape& tape, const test::Inputs&) { return tape.constant(3.0); },
                                       test::random_inputs({{2, 2}}));
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 4);
  }

  TEST_CASE("tape: no inputs and empty inputs run, but certify nothing") {
    int runs = 0;
    const auto f = [&](test::DoubleTape& tape, const test::Inputs& x) {
      ++runs;
      return x.empty() ? tape.constant(1.0) : ag::exp(x[0]);
    };
    const GradientReport none = check_gradient(f, std::vector<re::Matrix<double>>{});
    CHECK_FALSE(none.passed);
    CHECK(none.checked == 0);
    CHECK_FALSE(none.threw);
    CHECK(runs > 0);
    const GradientReport empty = check_gradient(f, test::random_inputs({{0, 3}}));
    CHECK_FALSE(empty.passed);
    CHECK(empty.reason == "no coordinate was checked, which certifies nothing");
  }

  TEST_CASE("tape: an error with and without gradients is reported as such") {
    const auto f = [](test::DoubleTape&, const test::Inputs& x) { return ag::add(x[0], x[1]); };
    const GradientReport report = check_gradient(f, test::random_inputs({{2, 2}, {3, 3}}));
    CHECK(report.threw);
    CHECK_FALSE(report.passed);
    CHECK(report.reason ==
          "throws `autograd::add: second argument is (3, 3), expected (2, 2) or 1 in place of either extent`, which "
          "certifies nothing");
  }

  TEST_CASE("tape: an error with gradients only does not pass, nor one without only") {
    const auto sometimes = [](bool with) {
      return [with](test::DoubleTape&, const test::Inputs& x) {
        if (x[0].differentiated() == with) {
          throw std::runtime_error("no");
        }
        return ag::exp(x[0]);
      };
    };
    const GradientReport with = check_gradient(sometimes(true), test::random_inputs({{1, 1}}));
    CHECK_FALSE(with.passed);
    CHECK_FALSE(with.threw);
    CHECK(with.reason == "throws nothing without gradients, `no` with them");
    CHECK(check_gradient(sometimes(false), test::random_inputs({{1, 1}})).reason ==
          "throws `no` without gradients, nothing with them");
  }

  TEST_CASE("tape: an error in a backward closure does not pass") {
    const auto f = [](test::DoubleTape& tape, const test::Inputs& x) {
      return tape.record(
          "test::late",
          1,
          1,
          {x[0]},
          [](re::MatrixView<double> y) { y(0, 0) = 1.0; },
          [](re::MatrixView<const double>, re::MatrixView<const double>) { throw std::runtime_error("late"); });
    };
    CHECK(check_gradient(f, test::random_inputs({{1, 1}})).reason ==
          "throws nothing without gradients, `late` with them");
  }

  TEST_CASE("tape: values must have the same bits with and without gradients, and when repeated") {
    int calls = 0;
    const auto drifting = [&](test::DoubleTape&, const test::Inputs& x) {
      return ag::add_scalar(x[0], static_cast<double>(++calls) * 1e-15);
    };
    CHECK(check_gradient(drifting, test::random_inputs({{1, 1}})).reason ==
          "the bits differ between constants, leaves and a repeat");
  }
}
