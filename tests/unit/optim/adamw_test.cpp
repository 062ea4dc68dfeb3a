#include <reasonembed/optim/adamw.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/guarded_matrix.hpp>
#include <support/named_options.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::nn::ParameterKind;
using re::optim::AdamW;
using re::optim::AdamWState;

namespace {

template <class T>
using Slices = std::vector<re::nn::ParameterSlice<T>>;

static_assert(re::optim::Optimizer<AdamW>);
static_assert(std::is_copy_constructible_v<AdamW> && std::is_nothrow_move_constructible_v<AdamW>);
static_assert(std::is_nothrow_move_constructible_v<AdamWState<float>>);
static_assert(!std::is_copy_constructible_v<AdamWState<float>>);

/// One element, by the formula, in long double.
struct Reference {
  long double x;
  long double m = 0.0L;
  long double v = 0.0L;
  int t = 0;

  void step(const AdamW::Options& options, long double g, double lr, double decay) {
    const long double beta1 = options.beta1;
    const long double beta2 = options.beta2;
    const long double rate = lr;
    ++t;
    x -= rate * static_cast<long double>(decay) * x;
    m = beta1 * m + (1.0L - beta1) * g;
    v = beta2 * v + (1.0L - beta2) * g * g;
    const long double first = m / (1.0L - std::pow(beta1, static_cast<long double>(t)));
    const long double second = v / (1.0L - std::pow(beta2, static_cast<long double>(t)));
    x -= rate * first / (std::sqrt(second) + static_cast<long double>(options.eps));
  }
};

/// Tensors of several shapes and kinds in fields of NaN, with gaps between the rows.
template <class T>
struct Model {
  std::vector<test::GuardedMatrix<T>> values;
  std::vector<test::GuardedMatrix<T>> gradients;
  Slices<T> parameters;
  Slices<T> slopes;

  explicit Model(std::uint64_t seed = 1) {
    const std::vector<std::pair<Index, Index>> shapes{{3, 17}, {1, 33}, {1, 1}, {5, 8}, {2, 64}};
    const ParameterKind kinds[] = {ParameterKind::kWeight,
                                   ParameterKind::kGain,
                                   ParameterKind::kBias,
                                   ParameterKind::kTable,
                                   ParameterKind::kBias};
    for (const auto& [rows, cols] : shapes) {
      values.push_back(test::normal_matrix<T>(rows, cols, seed + values.size()));
      gradients.push_back(test::GuardedMatrix<T>(rows, cols, 1, 2));
    }
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      parameters.push_back({"p" + std::to_string(i), values[i].view(), kinds[i]});
      slopes.push_back({"p" + std::to_string(i), gradients[i].view(), kinds[i]});
    }
    set_gradients(0);
  }
  void set_gradients(std::uint64_t step) {
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      re::RandomStream random(step + 100, i);
      for (Index row = 0; row < slopes[i].values.rows(); ++row) {
        for (T& value : slopes[i].values.row(row)) {
          value = static_cast<T>(random.normal());
        }
      }
    }
  }
  [[nodiscard]] bool same_bits(const Model& other) const {
    bool same = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      same = same && test::same_bits<T>(values[i].view(), other.values[i].view());
    }
    return same;
  }
};

/// One tensor of one row.
template <class T>
Slices<T> one(const char* name, Matrix<T>& values, ParameterKind kind = ParameterKind::kWeight) {
  return {{name, values.view(), kind}};
}

}  // namespace

TEST_SUITE("optim/adamw") {
  TEST_CASE_TEMPLATE("step: every element follows the formula, in all shapes and kinds", T, float, double) {
    for (const bool decay_all : {false, true}) {
      const AdamW adamw({.beta1 = 0.85, .beta2 = 0.98, .weight_decay = 0.2, .decay_gains_and_biases = decay_all});
      Model<T> model;
      auto state = adamw.init(model.parameters);
      std::vector<std::vector<Reference>> references;
      for (const auto& slice : model.parameters) {
        auto& all = references.emplace_back();
        for (Index row = 0; row < slice.values.rows(); ++row) {
          for (const T value : slice.values.row(row)) {
            all.push_back({static_cast<long double>(value)});
          }
        }
      }
      const int steps = 12;
      for (int t = 0; t < steps; ++t) {
        model.set_gradients(static_cast<std::uint64_t>(t));
        const double lr = 0.01 * (t + 1);
        for (std::size_t i = 0; i < references.size(); ++i) {
          const auto& slope = model.slopes[i].values;
          for (std::size_t k = 0; k < references[i].size(); ++k) {
            const auto index = static_cast<Index>(k);
            const double decay = decay_all || i == 0 || i == 3 ? 0.2 : 0.0;
            references[i][k].step(adamw.options(),
                                  static_cast<long double>(slope(index / slope.cols(), index % slope.cols())),
                                  lr,
                                  decay);
          }
        }
        adamw.step(state, model.parameters, model.slopes, lr);
      }
      CHECK(state.steps == steps);
      for (std::size_t i = 0; i < references.size(); ++i) {
        CAPTURE(i);
        const auto& got = model.parameters[i].values;
        CHECK(model.values[i].surroundings_untouched());
        for (std::size_t k = 0; k < references[i].size(); ++k) {
          const auto index = static_cast<Index>(k);
          const auto want = static_cast<double>(references[i][k].x);
          // twelve steps of a dozen roundings on numbers below 4 and steps below 0.12 / sqrt(1 - 0.98)
          const double bound = 12.0 * 12.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
          CHECK(std::abs(static_cast<double>(got(index / got.cols(), index % got.cols())) - want) <= bound);
        }
      }
    }
  }

  TEST_CASE("step: the first one has the length of the learning rate, whatever the gradient's") {
    for (const double scale : {1e-3, 1.0, 1e6}) {
      Matrix<double> x(1, 2);
      Matrix<double> g(1, 2);
      g(0, 0) = scale;
      g(0, 1) = -3.0 * scale;
      const AdamW adamw({.eps = 0.0});
      auto state = adamw.init(one("x", x));
      adamw.step(state, one("x", x), one("x", g), 0.25);
      CHECK(std::abs(x(0, 0) + 0.25) <= 4e-16);
      CHECK(std::abs(x(0, 1) - 0.25) <= 4e-16);
    }
  }

  TEST_CASE("step: decay shrinks weights and tables alone, unless the option says all") {
    const ParameterKind kinds[] = {
        ParameterKind::kWeight, ParameterKind::kTable, ParameterKind::kGain, ParameterKind::kBias};
    const AdamW some({.weight_decay = 0.5});
    const AdamW all({.weight_decay = 0.5, .decay_gains_and_biases = true});
    for (const ParameterKind kind : kinds) {
      const bool decays = kind == ParameterKind::kWeight || kind == ParameterKind::kTable;
      CHECK(some.weight_decay(kind) == (decays ? 0.5 : 0.0));
      CHECK(all.weight_decay(kind) == 0.5);
      Matrix<float> x(1, 1);
      Matrix<float> zero(1, 1);
      x(0, 0) = 8.0F;
      auto state = some.init(one("x", x, kind));
      some.step(state, one("x", x, kind), one("x", zero, kind), 0.5);
      CHECK(x(0, 0) == (decays ? 6.0F : 8.0F));
    }
  }

  TEST_CASE("step: a learning rate of 0 moves the moments and not the parameters") {
    Model<float> model;
    const Model<float> before;
    const AdamW adamw({.weight_decay = 0.1});
    auto state = adamw.init(model.parameters);
    adamw.step(state, model.parameters, model.slopes, 0.0);
    CHECK(model.same_bits(before));
    CHECK(state.steps == 1);
    CHECK(state.first_moment.span()[0] != 0.0F);
  }

  TEST_CASE("step: a state that is copied array by array goes on bit for bit") {
    const AdamW adamw({.weight_decay = 0.01});
    Model<float> straight;
    Model<float> resumed;
    auto state = adamw.init(straight.parameters);
    auto before = adamw.init(resumed.parameters);
    const auto run = [&](Model<float>& model, AdamWState<float>& of, std::uint64_t first, std::uint64_t last) {
      for (std::uint64_t t = first; t < last; ++t) {
        model.set_gradients(t);
        adamw.step(of, model.parameters, model.slopes, 0.01);
      }
    };
    run(straight, state, 0, 9);
    run(resumed, before, 0, 4);
    std::vector<std::pair<std::string, std::vector<float>>> saved;
    std::as_const(before).visit([&](const char* name, std::span<const float> values) {
      saved.emplace_back(name, std::vector<float>(values.begin(), values.end()));
    });
    REQUIRE(saved.size() == 2);
    CHECK(saved[0].first == "first_moment");
    CHECK(saved[1].first == "second_moment");
    CHECK(saved[0].second.size() == 3 * 17 + 33 + 1 + 40 + 128);
    auto restored = adamw.init(resumed.parameters);
    restored.steps = before.steps;
    std::size_t next = 0;
    restored.visit([&](const char* name, std::span<float> values) {
      CHECK(saved[next].first == name);
      std::copy(saved[next].second.begin(), saved[next].second.end(), values.begin());
      ++next;
    });
    run(resumed, restored, 4, 9);
    CHECK(straight.same_bits(resumed));
    CHECK(restored.steps == 9);
  }

  TEST_CASE("step: an element's bits depend neither on its place nor on its neighbours") {
    Matrix<float> many(1, 37);
    Matrix<float> slopes(1, 37);
    for (Index i = 0; i < 37; ++i) {
      many(0, i) = 0.37F;
      slopes(0, i) = -1.3F;
    }
    const AdamW adamw({.weight_decay = 0.03});
    auto state = adamw.init(one("x", many));
    for (int t = 0; t < 5; ++t) {
      adamw.step(state, one("x", many), one("x", slopes), 0.003);
    }
    for (Index i = 1; i < 37; ++i) {
      CHECK(many(0, i) == many(0, 0));
    }
  }

  TEST_CASE("step: finds the minimum of a badly scaled bowl") {
    Matrix<double> x(1, 3);
    Matrix<double> g(1, 3);
    x(0, 0) = 1.0;
    x(0, 1) = -2.0;
    x(0, 2) = 3.0;
    const double curvature[] = {1e-3, 1.0, 1e3};
    const AdamW adamw;
    auto state = adamw.init(one("x", x));
    for (int t = 0; t < 3000; ++t) {
      for (Index i = 0; i < 3; ++i) {
        g(0, i) = curvature[i] * x(0, i);
      }
      adamw.step(state, one("x", x), one("x", g), 0.01 * (1.0 - t / 3000.0));
    }
    for (Index i = 0; i < 3; ++i) {
      CHECK(std::abs(x(0, i)) < 1e-3);
    }
  }

  TEST_CASE("step: allocates nothing, and works on no parameters") {
    Model<float> model;
    const AdamW adamw;
    auto state = adamw.init(model.parameters);
    CHECK(test::count_allocations([&] { adamw.step(state, model.parameters, model.slopes, 0.1); }) == 0);
    const Slices<float> none;
    auto empty = adamw.init(none);
    adamw.step(empty, none, none, 0.1);
    CHECK(empty.steps == 1);
  }

  TEST_CASE("step: rejects what does not fit before anything changes") {
    Matrix<float> x(2, 3);
    Matrix<float> g(2, 3);
    Matrix<float> small(1, 3);
    g(0, 0) = 1.0F;
    const AdamW adamw;
    auto state = adamw.init(one("x", x));
    auto other = adamw.init(one("x", small));
    CHECK_THROWS_WITH_AS(adamw.step(other, one("x", x), one("x", g), 0.1),
                         "optim::AdamW::step: state.first_moment.size() is 3, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(adamw.step(state, one("x", x), one("y", g), 0.1),
                         "optim::AdamW::step: gradients[0].name is y, expected x",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(adamw.step(state, one("x", x), one("x", small), 0.1),
                         "optim::AdamW::step: gradient of x is (1, 3), expected (2, 3)",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(adamw.step(state, one("x", x), one("x", g), -0.1),
                         "optim::AdamW: lr of this step is -0.100000, expected a number >= 0",
                         re::ConfigError);
    CHECK_THROWS_AS(adamw.step(state, one("x", x), one("x", g), std::nan("")), re::ConfigError);
    CHECK(state.steps == 0);
    CHECK(other.steps == 0);
    CHECK(x(0, 0) == 0.0F);
  }

  TEST_CASE("step: a group learns as if its rate and decay were everybody's, and the rest as if there were no group") {
    const AdamW::Options rest{.lr = 0.01, .weight_decay = 0.1};
    AdamW::Options grouped = rest;
    grouped.groups = {{"p3", 0.5, 0.4}, {"p", 3.0, 0.0}, {"p0", 9.0, 9.0}};  // the first that fits
    grouped.groups.insert(grouped.groups.begin(), {"1", 0.0, std::nullopt});
    const auto run = [](const AdamW& adamw, double lr) {
      Model<float> model;
      auto state = adamw.init(model.parameters);
      for (std::uint64_t step = 0; step < 3; ++step) {
        model.set_gradients(step);
        adamw.step(state, model.parameters, model.slopes, lr);
      }
      return model;
    };
    const Model<float> got = run(AdamW(grouped), 0.01);
    const auto check = [&](std::size_t i, const Model<float>& want) {
      CAPTURE(i);
      CHECK(test::same_bits<float>(got.values[i].view(), want.values[i].view()));
    };
    const Model<float> faster = run(AdamW({.weight_decay = 0.0}), 0.01 * 3.0);
    check(0, faster);
    check(1, Model<float>());  // frozen
    check(2, faster);
    check(3, run(AdamW({.weight_decay = 0.4}), 0.01 * 0.5));
    check(4, faster);
    const Model<float> plain = run(AdamW(rest), 0.01);
    grouped.groups = {{"nowhere", 5.0, 5.0}};
    CHECK(run(AdamW(grouped), 0.01).same_bits(plain));
  }
  TEST_CASE("step: a group's decay is for gains and biases too") {
    Model<float> got;
    const AdamW adamw({.lr = 0.01, .groups = {{"p1", 1.0, 0.4}}});
    auto state = adamw.init(got.parameters);
    adamw.step(state, got.parameters, got.slopes, 0.01);
    Model<float> want;
    const AdamW all({.lr = 0.01, .weight_decay = 0.4, .decay_gains_and_biases = true});
    auto other = all.init(want.parameters);
    all.step(other, want.parameters, want.slopes, 0.01);
    CHECK(test::same_bits<float>(got.values[1].view(), want.values[1].view()));
    CHECK(!test::same_bits<float>(got.values[0].view(), want.values[0].view()));
  }
  TEST_CASE("AdamW: the defaults are those of the paper, and options compare") {
    const AdamW::Options options = AdamW().options();
    CHECK(options.lr == 1e-4);
    CHECK(AdamW().lr() == 1e-4);
    CHECK(options.beta1 == 0.9);
    CHECK(options.beta2 == 0.999);
    CHECK(options.eps == 1e-8);
    CHECK(options.weight_decay == 0.0);
    CHECK_FALSE(options.decay_gains_and_biases);
    CHECK(options == AdamW::Options{});
    CHECK_FALSE(options == AdamW::Options{.lr = 1e-3});
    CHECK(std::string_view(AdamW::name) == "adamw");
  }

  TEST_CASE("AdamW: rejects options out of their range") {
    CHECK_THROWS_WITH_AS(AdamW({.lr = -1.0}), "optim::AdamW: lr is -1.000000, expected a number >= 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        AdamW({.beta1 = 1.0}), "optim::AdamW: beta1 is 1.000000, expected 0 <= beta1 < 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        AdamW({.beta2 = -0.5}), "optim::AdamW: beta2 is -0.500000, expected 0 <= beta2 < 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        AdamW({.eps = -1.0}), "optim::AdamW: eps is -1.000000, expected a number >= 0", re::ConfigError);
    CHECK_THROWS_WITH_AS(AdamW({.weight_decay = -1.0}),
                         "optim::AdamW: weight_decay is -1.000000, expected a number >= 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(AdamW({.groups = {{}}}),
                         "optim::AdamW: name_part of a group is empty, expected a part of a parameter's name",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(AdamW({.groups = {{"q", -1.0}}}),
                         "optim::AdamW: lr_scale is -1.000000, expected a number >= 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(AdamW({.groups = {{"q", 1.0, -1.0}}}),
                         "optim::AdamW: weight_decay of a group is -1.000000, expected a number >= 0",
                         re::ConfigError);
    CHECK_THROWS_AS(AdamW({.lr = std::nan("")}), re::ConfigError);
    CHECK_THROWS_AS(AdamW({.beta1 = std::nan("")}), re::ConfigError);
  }
  TEST_CASE("visit: names every option, in their order") {
    CHECK(test::named_options(AdamW::Options{}) == std::vector<std::string>{"lr 0.0001",
                                                                            "beta1 0.9",
                                                                            "beta2 0.999",
                                                                            "eps 1e-08",
                                                                            "weight_decay 0",
                                                                            "decay_gains_and_biases false",
                                                                            "groups []"});
    CHECK(test::named_options(AdamW::Options{.lr = 1.0,
                                             .beta1 = 0.5,
                                             .beta2 = 0.25,
                                             .eps = 0.125,
                                             .weight_decay = 0.01,
                                             .decay_gains_and_biases = true,
                                             .groups = {{"embedding", 0.5, 0.25}, {"norm"}}}) ==
          std::vector<std::string>{"lr 1",
                                   "beta1 0.5",
                                   "beta2 0.25",
                                   "eps 0.125",
                                   "weight_decay 0.01",
                                   "decay_gains_and_biases true",
                                   "groups [{name_part embedding, lr_scale 0.5, weight_decay 0.25}, {name_part norm, "
                                   "lr_scale 1, weight_decay none}]"});
  }
}
