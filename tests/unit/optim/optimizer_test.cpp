#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/optim/optimizer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace optim = reasonembed::optim;
using optim::Optimizer;
using re::Index;
using re::MatrixView;
using re::nn::ParameterKind;

namespace {

template <class T>
using Slices = std::vector<re::nn::ParameterSlice<T>>;

struct DescentOptions {
  double lr = 0.1;
};
/// The smallest conforming type: plain gradient descent.
struct Descent {
  using Options = DescentOptions;
  template <class T>
  struct State {
    std::int64_t steps = 0;
    template <class F>
    void visit(F&&) const {}
  };
  static constexpr const char* name = "descent";
  double rate;

  explicit Descent(Options options = {}) : rate(options.lr) {}
  [[nodiscard]] double lr() const { return rate; }
  template <class T>
  [[nodiscard]] State<T> init(const Slices<T>&) const {
    return {};
  }
  template <class T>
  void step(State<T>& state, const Slices<T>& parameters, const Slices<T>& gradients, double lr) const {
    optim::require_gradients("Descent::step", parameters, gradients);
    ++state.steps;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      for (Index row = 0; row < parameters[i].values.rows(); ++row) {
        for (Index col = 0; col < parameters[i].values.cols(); ++col) {
          parameters[i].values(row, col) -= static_cast<T>(lr) * gradients[i].values(row, col);
        }
      }
    }
  }
};
struct WithoutRate : Descent {
  using Descent::Descent;
  void lr() const {}
};
struct SingleOnly : Descent {
  using Descent::Descent;
  void step(State<float>&, const Slices<float>&, const Slices<float>&, double) const {}
};
struct HiddenState : Descent {
  template <class T>
  struct State {
    std::int64_t steps = 0;
  };
  using Descent::Descent;
  template <class T>
  [[nodiscard]] State<T> init(const Slices<T>&) const {
    return {};
  }
  template <class T>
  void step(State<T>&, const Slices<T>&, const Slices<T>&, double) const {}
};

static_assert(Optimizer<Descent>);
static_assert(!Optimizer<WithoutRate> && !Optimizer<SingleOnly> && !Optimizer<HiddenState> && !Optimizer<int>);

/// Trains with any optimiser: what a trainer does with one.
template <Optimizer O>
double minimize(const O& optimizer, int steps) {
  re::Matrix<double> x(1, 3);
  re::Matrix<double> g(1, 3);
  x(0, 0) = 1.0;
  x(0, 2) = -2.0;
  const Slices<double> parameters{{"x", x.view(), ParameterKind::kWeight}};
  const Slices<double> gradients{{"x", g.view(), ParameterKind::kWeight}};
  auto state = optimizer.init(parameters);
  for (int i = 0; i < steps; ++i) {
    for (Index col = 0; col < 3; ++col) {
      g(0, col) = 2.0 * x(0, col);
    }
    optimizer.step(state, parameters, gradients, optimizer.lr());
  }
  CHECK(state.steps == steps);
  return x(0, 0) * x(0, 0) + x(0, 1) * x(0, 1) + x(0, 2) * x(0, 2);
}

}  // namespace

TEST_SUITE("optim/optimizer") {
  TEST_CASE("Optimizer: the archetype drives the loop of a trainer") {
    CHECK(minimize(Descent(), 0) == 5.0);
    CHECK(minimize(Descent(), 50) < 1e-8);
  }

  TEST_CASE("count_elements: adds the sizes of all slices up") {
    re::Matrix<float> a(3, 4);
    re::Matrix<float> b(1, 5);
    const Slices<float> slices{
        {"a", a.view(), ParameterKind::kWeight}, {"b", b.view(), ParameterKind::kBias}, {"none", {}, {}}};
    CHECK(optim::count_elements(slices) == 17);
    CHECK(optim::count_elements(Slices<float>{}) == 0);
  }

  TEST_CASE("require_gradients: accepts other strides and kinds, and names what does not fit") {
    re::Matrix<float> a(2, 3);
    re::Matrix<float> wide(2, 8);
    re::Matrix<float> turned(3, 2);
    const auto slices = [](const char* name, MatrixView<float> values) {
      return Slices<float>{{name, values, ParameterKind::kWeight}};
    };
    const Slices<float> want = slices("a", a.view());
    CHECK_NOTHROW(optim::require_gradients("here", want, slices("a", wide.view().col_block(1, 3))));
    CHECK_THROWS_WITH_AS(optim::require_gradients("here", want, Slices<float>{}),
                         "here: gradients.size() is 0, expected 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(optim::require_gradients("here", want, slices("b", a.view())),
                         "here: gradients[0].name is b, expected a",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(optim::require_gradients("here", want, slices("a", turned.view())),
                         "here: gradient of a is (3, 2), expected (2, 3)",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(optim::require_gradients("here", want, slices("a", wide.view())),
                         "here: gradient of a is (2, 8), expected (2, 3)",
                         re::ShapeError);
  }
}
