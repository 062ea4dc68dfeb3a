#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/loss/contrastive.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/guarded_matrix.hpp>
#include <support/named_options.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
namespace loss = reasonembed::loss;
using loss::Contrastive;
using loss::ContrastiveResult;
using loss::ReasoningIntensity;
using loss::ReasoningQueries;
using loss::Uniform;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;

namespace {

static_assert(std::is_copy_constructible_v<Contrastive<ReasoningIntensity>>);

/// Weights that a test chooses.
struct FixedOptions {
  std::vector<double> weights = {};
  bool operator==(const FixedOptions&) const = default;
};
class Fixed {
 public:
  using Options = FixedOptions;
  static constexpr const char* name = "fixed";
  explicit Fixed(Options options = {}) : weights_(std::move(options.weights)) {}
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  void weigh(const loss::WeightingBatch&, std::span<double> intensities, std::span<double> weights) const {
    std::fill(intensities.begin(), intensities.end(), 1.0);
    std::copy(weights_.begin(), weights_.end(), weights.begin());
  }

 private:
  std::vector<double> weights_;
};
static_assert(loss::Weighting<Fixed>);

/// (rows, cols) random rows of unit length in a field of NaN, misaligned and with gaps.
template <class T>
test::GuardedMatrix<T> unit_rows(Index rows, Index cols, std::uint64_t seed) {
  test::GuardedMatrix<T> x = test::normal_matrix<T>(rows, cols, seed);
  for (Index row = 0; row < rows; ++row) {
    double square = 0.0;
    for (const T value : x.view().row(row)) {
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    for (T& value : x.view().row(row)) {
      value = static_cast<T>(static_cast<double>(value) / std::sqrt(square));
    }
  }
  return x;
}

/// A batch with its gradients.
template <class T>
struct Batch {
  test::GuardedMatrix<T> q;
  test::GuardedMatrix<T> d;
  test::GuardedMatrix<T> r;
  test::GuardedMatrix<T> dq;
  test::GuardedMatrix<T> dd;
  Arena arena;

  Batch(Index queries, Index group, Index dim, std::uint64_t seed = 1)
      : q(unit_rows<T>(queries, dim, seed)),
        d(unit_rows<T>(queries * group, dim, seed + 1)),
        r(unit_rows<T>(queries, dim, seed + 2)),
        dq(queries, dim, 5, 2),
        dd(queries * group, dim, 5, 2) {
    dq.fill(T(7));  // must not be added to
    dd.fill(T(7));
  }
  template <class W>
  ContrastiveResult run(const Contrastive<W>& contrastive,
                        std::int64_t step = 100,
                        std::span<const std::uint8_t> has = {}) {
    const ReasoningQueries<T> reasoning{MatrixView<const T>(r.view()), has};
    return contrastive.evaluate(q.view(), d.view(), reasoning, step, dq.view(), dd.view(), arena);
  }
};

/// l_i by the formula, in long double.
template <class T>
long double reference_loss(MatrixView<const T> q, MatrixView<const T> d, Index query, double temperature) {
  const Index positive = query * (d.rows() / q.rows());
  const auto similarity = [&](Index document) {
    long double sum = 0.0L;
    for (Index k = 0; k < q.cols(); ++k) {
      sum += static_cast<long double>(q(query, k)) * static_cast<long double>(d(document, k));
    }
    return sum / static_cast<long double>(temperature);
  };
  long double others = 0.0L;
  for (Index document = 0; document < d.rows(); ++document) {
    others += document == positive ? 0.0L : std::exp(similarity(document) - similarity(positive));
  }
  return std::log1p(others);
}

/// Error of a similarity of unit vectors divided by tau: D roundings of 1 / tau in T, doubled for the exponent.
template <class T>
double similarity_error(Index dim, double temperature) {
  return 2.0 * static_cast<double>(dim + 4) * static_cast<double>(std::numeric_limits<T>::epsilon()) / temperature;
}

std::vector<double> copy(std::span<const double> x) {
  return {x.begin(), x.end()};
}

}  // namespace

TEST_SUITE("loss/contrastive") {
  TEST_CASE_TEMPLATE("evaluate: losses equal the formula in long double", T, float, double) {
    for (const Index queries : {1, 2, 3, 5}) {
      for (const Index group : {1, 2, 4, 17}) {
        for (const Index dim : {1, 7, 16, 33}) {
          for (const double temperature : {0.02, 0.3, 1.0}) {
            CAPTURE(queries);
            CAPTURE(group);
            CAPTURE(dim);
            CAPTURE(temperature);
            Batch<T> batch(queries, group, dim);
            const auto got = batch.run(Contrastive<Uniform>({.temperature = temperature}));
            const double bound = similarity_error<T>(dim, temperature);
            double mean = 0.0;
            for (Index i = 0; i < queries; ++i) {
              const auto want = static_cast<double>(reference_loss<T>(batch.q.view(), batch.d.view(), i, temperature));
              CHECK(std::abs(got.losses[static_cast<std::size_t>(i)] - want) <= bound);
              mean += want / static_cast<double>(queries);
            }
            CHECK(std::abs(got.loss - mean) <= bound);
            CHECK(batch.dq.surroundings_untouched());
            CHECK(batch.dd.surroundings_untouched());
          }
        }
      }
    }
  }

  TEST_CASE("evaluate: the gradient is that of the loss, with any weights") {
    for (const Index queries : {1, 2, 4}) {
      for (const Index group : {1, 3}) {
        for (const Index dim : {1, 5, 9}) {
          for (const double temperature : {0.05, 1.0}) {
            std::vector<double> weights;
            for (Index i = 0; i < queries; ++i) {
              weights.push_back(0.2 + 0.3 * static_cast<double>(i));
            }
            const Contrastive<Fixed> contrastive({.temperature = temperature, .weighting = {weights}});
            Arena arena;
            const auto function = [&](std::span<const double> x, std::span<double> gradient) {
              const MatrixView<const double> q(x.data(), queries, dim);
              const MatrixView<const double> d(x.data() + queries * dim, queries * group, dim);
              MatrixView<double> dq;
              MatrixView<double> dd;
              if (!gradient.empty()) {
                dq = {gradient.data(), queries, dim};
                dd = {gradient.data() + queries * dim, queries * group, dim};
              }
              return contrastive.evaluate(q, d, {}, 0, dq, dd, arena).loss;
            };
            Matrix<double> point(queries * (group + 1), dim);
            re::RandomStream random(3);
            for (double& value : point.flat()) {
              value = 0.3 * random.normal();
            }
            if (queries * group == 1) {
              continue;  // one document: the loss is 0 everywhere, tested below
            }
            const auto report =
                ag::check_gradient(function, point.flat(), {.step = 1e-3 * temperature, .relative_tolerance = 1e-6});
            CHECK_MESSAGE(report.passed, report.message());
            CHECK(report.checked == point.view().size());
          }
        }
      }
    }
  }

  TEST_CASE("evaluate: Redapter's gradient treats its weights as constants, to the bit") {
    Batch<double> redapter(5, 3, 12);
    const auto got = redapter.run(Contrastive<ReasoningIntensity>({.temperature = 0.1}));
    CHECK(got.weights[0] != got.weights[1]);
    Batch<double> fixed(5, 3, 12);
    const auto want = fixed.run(Contrastive<Fixed>({.temperature = 0.1, .weighting = {copy(got.weights)}}));
    CHECK(got.loss == want.loss);
    CHECK(test::same_bits<double>(redapter.dq.view(), fixed.dq.view()));
    CHECK(test::same_bits<double>(redapter.dd.view(), fixed.dd.view()));
  }

  TEST_CASE("evaluate: loss and gradients equal the same program on a tape") {
    for (const double temperature : {0.02, 0.5}) {
      Batch<double> batch(6, 4, 10);
      const auto got = batch.run(Contrastive<ReasoningIntensity>({.temperature = temperature}));
      ag::Tape<double> tape;
      const auto q = tape.leaf(batch.q.view());
      const auto d = tape.leaf(batch.d.view());
      const std::vector<Index> positives{0, 4, 8, 12, 16, 20};
      const auto losses_of = [&](const ag::Var<double>& queries) {
        return -ag::pick(ag::log_softmax_rows(ag::matmul_nt(queries, d) / temperature), positives);  // (B, 1)
      };
      const auto losses = losses_of(q);
      const auto reasoning = losses_of(tape.constant(batch.r.view()));
      Matrix<double> weights(6, 1);
      double total = 0.0;
      for (Index i = 0; i < 6; ++i) {
        const double intensity = losses.value()(i, 0) / (reasoning.value()(i, 0) + 1e-6);
        weights(i, 0) = std::min(intensity, 5.0);
        total += weights(i, 0);
      }
      for (double& weight : weights.flat()) {
        weight /= total;
      }
      const auto value = ag::sum(tape.constant(weights.view()) * losses);
      tape.backward(value);
      // losses of up to 1 / tau with a few roundings, through a ratio by a reasoning loss of the same size
      const double bound = 1e3 * std::numeric_limits<double>::epsilon() / temperature;
      CHECK(std::abs(got.loss - value.item()) <= bound);
      for (Index row = 0; row < 24; ++row) {
        for (Index col = 0; col < 10; ++col) {
          CHECK(std::abs(batch.dd(row, col) - d.gradient()(row, col)) <= bound / temperature);
          if (row < 6) {
            CHECK(std::abs(batch.dq(row, col) - q.gradient()(row, col)) <= bound / temperature);
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE(
      "evaluate: a loss far below one rounding of a similarity keeps its relative accuracy", T, float, double) {
    // documents at right angles: l = log1p(exp(-1 / tau)), with 1 / tau = 50: 2e-22
    Matrix<T> axes(2, 2);
    axes(0, 0) = axes(1, 1) = T(1);
    Matrix<T> dq(2, 2);
    Matrix<T> dd(2, 2);
    Arena arena;
    const auto got = Contrastive<Uniform>().evaluate(axes.view(), axes.view(), {}, 0, dq.view(), dd.view(), arena);
    const double want = std::log1p(std::exp(-50.0));
    // 1 / tau and e^x in T: an argument of 50 with one rounding, and a few ulp of the exponential
    const double bound = 60.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
    CHECK(std::abs(got.losses[0] - want) <= bound * want);
    CHECK(std::abs(got.losses[1] - want) <= bound * want);
    // dl / dq_0 = (p_01 d_1 - (1 - p_00) d_0) / tau: the small difference survives
    const double slope = want * 50.0 / 2.0;
    CHECK(std::abs(static_cast<double>(dq(0, 1)) - slope) <= bound * slope);
    CHECK(std::abs(static_cast<double>(dq(0, 0)) + slope) <= bound * slope);
  }

  TEST_CASE("evaluate: Redapter divides by a reasoning loss near 0 and stays finite") {
    Batch<float> batch(4, 3, 16);
    for (Index i = 0; i < 4; ++i) {  // the reasoning query is the positive document
      std::copy(batch.d.view().row(3 * i).begin(), batch.d.view().row(3 * i).end(), batch.r.view().row(i).begin());
    }
    const auto got = batch.run(Contrastive<ReasoningIntensity>());
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(got.intensities[i] > 5.0);
      CHECK(std::isfinite(got.intensities[i]));
      CHECK(got.weights[i] == 0.25);  // all at the ceiling
    }
    CHECK(std::isfinite(got.loss));
  }

  TEST_CASE_TEMPLATE("evaluate: Redapter with equal weights is InfoNCE to the bit", T, float, double) {
    for (const Index queries : {1, 3, 6, 7}) {
      CAPTURE(queries);
      const auto n = static_cast<std::size_t>(queries);
      Batch<T> want(queries, 3, 11);
      const auto infonce = want.run(Contrastive<Uniform>());
      const auto check = [&](Batch<T>& batch, const ContrastiveResult& got) {
        CHECK(got.loss == infonce.loss);
        CHECK(copy(got.weights) == copy(infonce.weights));
        CHECK(test::same_bits<T>(batch.dq.view(), want.dq.view()));
        CHECK(test::same_bits<T>(batch.dd.view(), want.dd.view()));
      };
      Batch<T> warm(queries, 3, 11);
      check(warm, warm.run(Contrastive<ReasoningIntensity>(), 99));
      Batch<T> unknown(queries, 3, 11);
      check(unknown, unknown.run(Contrastive<ReasoningIntensity>(), 100, std::vector<std::uint8_t>(n, 0)));
      // intensities that differ, all beyond a tiny ceiling
      Batch<T> cut(queries, 3, 11);
      check(cut, cut.run(Contrastive<ReasoningIntensity>({.weighting = {.ceiling = 1e-9}})));
    }
  }

  TEST_CASE("evaluate: in the warm-up reasoning queries are not looked at") {
    Batch<float> batch(3, 2, 8);
    batch.r.fill(std::numeric_limits<float>::quiet_NaN());
    const Contrastive<ReasoningIntensity> contrastive;
    CHECK_FALSE(contrastive.needs_reasoning(99));
    CHECK(contrastive.needs_reasoning(100));
    const auto got = batch.run(contrastive, 99);
    CHECK(copy(got.intensities) == std::vector<double>{1.0, 1.0, 1.0});
    CHECK(got.missing_reasoning == 0);
    CHECK_THROWS_AS(batch.run(contrastive, 100), re::NonFiniteError);
    CHECK_FALSE(Contrastive<Uniform>().needs_reasoning(100));
  }

  TEST_CASE("evaluate: queries without a reasoning query are counted, have intensity 1, and their rows are not read") {
    const std::vector<std::uint8_t> has{1, 0, 1, 0};
    Batch<double> batch(4, 2, 8);
    const Contrastive<ReasoningIntensity> contrastive;
    const std::vector<double> all = copy(batch.run(contrastive).intensities);
    for (const Index row : {1, 3}) {
      for (double& value : batch.r.view().row(row)) {
        value = std::numeric_limits<double>::quiet_NaN();
      }
    }
    const auto got = batch.run(contrastive, 100, has);
    CHECK(got.missing_reasoning == 2);
    CHECK(copy(got.intensities) == std::vector<double>{all[0], 1.0, all[2], 1.0});
  }

  TEST_CASE("evaluate: without any reasoning query no embeddings are needed") {
    Batch<double> batch(2, 2, 8);
    const std::vector<std::uint8_t> none{0, 0};
    const auto got = Contrastive<ReasoningIntensity>().evaluate(
        batch.q.view(), batch.d.view(), {{}, none}, 500, batch.dq.view(), batch.dd.view(), batch.arena);
    CHECK(got.missing_reasoning == 2);
    CHECK(copy(got.weights) == std::vector<double>{0.5, 0.5});
  }

  TEST_CASE("evaluate: one query with its one document has nothing to learn") {
    Batch<float> batch(1, 1, 5);
    const auto got = batch.run(Contrastive<ReasoningIntensity>());
    CHECK(got.loss == 0.0);
    CHECK(got.intensities[0] == 0.0);
    CHECK(got.weights[0] == 1.0);
    for (Index col = 0; col < 5; ++col) {
      CHECK(batch.dq(0, col) == 0.0F);
      CHECK(batch.dd(0, col) == 0.0F);
    }
  }

  TEST_CASE("evaluate: the loss does not depend on the order of the negatives, and gradients move with them") {
    Batch<double> straight(3, 4, 9);
    const auto want = straight.run(Contrastive<ReasoningIntensity>());
    Batch<double> moved(3, 4, 9);
    const std::array<Index, 12> order{0, 7, 2, 11, 4, 9, 10, 1, 8, 5, 6, 3};  // 0, 4, 8 are the positives
    for (Index row = 0; row < 12; ++row) {
      const auto from = straight.d.view().row(order[static_cast<std::size_t>(row)]);
      std::copy(from.begin(), from.end(), moved.d.view().row(row).begin());
    }
    const auto got = moved.run(Contrastive<ReasoningIntensity>());
    // sums of exponentials in another order, through weights up to 5 and 1 / tau
    constexpr double kBound = 1e4 * std::numeric_limits<double>::epsilon();
    CHECK(std::abs(got.loss - want.loss) <= kBound);
    for (Index row = 0; row < 12; ++row) {
      for (Index col = 0; col < 9; ++col) {
        CHECK(std::abs(moved.dd(row, col) - straight.dd(order[static_cast<std::size_t>(row)], col)) <= kBound);
      }
    }
  }

  TEST_CASE("evaluate: gradient steps reduce the loss of every weighting") {
    const auto descend = [](const auto& contrastive) {
      Batch<float> batch(6, 3, 16);
      const double first = batch.run(contrastive).loss;
      double last = first;
      for (int i = 0; i < 50; ++i) {
        for (Index row = 0; row < 6; ++row) {
          for (Index col = 0; col < 16; ++col) {
            batch.q.view()(row, col) -= 0.01F * batch.dq(row, col);
          }
        }
        last = batch.run(contrastive).loss;
      }
      return last / first;
    };
    CHECK(descend(Contrastive<Uniform>()) < 0.5);
    CHECK(descend(Contrastive<ReasoningIntensity>()) < 0.5);
  }

  TEST_CASE("evaluate: a repeat, another layout in memory and other threads give the same bits") {
    Batch<float> first(7, 3, 19);
    const auto want = first.run(Contrastive<ReasoningIntensity>());
    const std::vector<double> intensities = copy(want.intensities);
    std::array<bool, 4> same{};
    std::vector<std::thread> threads;
    for (bool& result : same) {
      threads.emplace_back([&] {
        Batch<float> batch(7, 3, 19);
        Matrix<float> dq(7, 19);  // contiguous and aligned
        Matrix<float> dd(21, 19);
        const ReasoningQueries<float> reasoning{MatrixView<const float>(batch.r.view()), {}};
        const Contrastive<ReasoningIntensity> contrastive;
        for (int repeat = 0; repeat < 3; ++repeat) {
          const auto got =
              contrastive.evaluate(batch.q.view(), batch.d.view(), reasoning, 100, dq.view(), dd.view(), batch.arena);
          result = got.loss == want.loss && copy(got.intensities) == intensities &&
                   test::same_bits<float>(dq.view(), first.dq.view()) &&
                   test::same_bits<float>(dd.view(), first.dd.view());
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(std::all_of(same.begin(), same.end(), [](bool ok) { return ok; }));
  }

  TEST_CASE("evaluate: without gradients the loss has the same bits and nothing is written") {
    Batch<float> batch(4, 2, 8);
    const Contrastive<ReasoningIntensity> contrastive;
    const double want = batch.run(contrastive).loss;
    const ReasoningQueries<float> reasoning{MatrixView<const float>(batch.r.view()), {}};
    const MatrixView<float> none;
    CHECK(contrastive.evaluate(batch.q.view(), batch.d.view(), reasoning, 100, none, none, batch.arena).loss == want);
  }

  TEST_CASE("evaluate: the arena keeps the result alone, and a warm one allocates nothing") {
    Batch<float> batch(16, 4, 32);
    const Contrastive<ReasoningIntensity> contrastive;
    const auto mark = batch.arena.mark();
    (void)batch.run(contrastive);
    CHECK(batch.arena.used() == 3 * 128);  // three arrays of 16 doubles
    batch.arena.rewind(mark);
    CHECK(test::count_allocations([&] { (void)batch.run(contrastive); }) == 0);
    batch.arena.rewind(mark);
    batch.q.view()(1, 1) = std::numeric_limits<float>::infinity();
    CHECK_THROWS_AS(batch.run(contrastive), re::NonFiniteError);
    CHECK(batch.arena.used() == 0);
  }

  TEST_CASE("evaluate: names the query of an embedding that is not finite, and writes nothing") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    const Contrastive<ReasoningIntensity> contrastive;
    const auto check = [&](auto&& spoil, const char* message) {
      Batch<float> batch(3, 4, 8);
      spoil(batch);
      CHECK_THROWS_WITH_AS(batch.run(contrastive), message, re::NonFiniteError);
      CHECK(batch.dq(0, 0) == 7.0F);
      CHECK(batch.dd(0, 0) == 7.0F);
    };
    check([&](auto& batch) { batch.q.view()(2, 5) = nan; },
          "loss::Contrastive::evaluate: embedding of query[2] is nan, expected a finite number");
    check([&](auto& batch) { batch.d.view()(6, 7) = infinity; },
          "loss::Contrastive::evaluate: embedding of query 1's document[2] is inf, expected a finite number");
    check([&](auto& batch) { batch.r.view()(1, 0) = -infinity; },
          "loss::Contrastive::evaluate: embedding of reasoning query[1] is -inf, expected a finite number");
    // finite numbers whose product is not
    check(
        [&](auto& batch) {
          for (const Index row : {0, 4, 8}) {
            std::fill(batch.d.view().row(row).begin(), batch.d.view().row(row).end(), 1e30F);
          }
          std::fill(batch.q.view().row(1).begin(), batch.q.view().row(1).end(), 1e30F);
        },
        "loss::Contrastive::evaluate: loss of query[1] is nan, expected a finite number");
    Batch<float> batch(2, 2, 4);
    CHECK_THROWS_WITH_AS(batch.run(Contrastive<Fixed>({.weighting = {{1.0, std::nan("")}}})),
                         "loss::Contrastive::evaluate: weight of query[1] is nan, expected a finite number",
                         re::NonFiniteError);
  }

  TEST_CASE("evaluate: rejects shapes that do not fit") {
    const Contrastive<ReasoningIntensity> contrastive;
    Matrix<float> two(2, 4);
    Matrix<float> three(3, 4);
    Matrix<float> four(4, 4);
    Matrix<float> narrow(2, 3);
    Matrix<float> none(0, 4);
    Arena arena;
    const MatrixView<float> skip;
    const auto run = [&](Matrix<float>& q, Matrix<float>& d, MatrixView<float> r, std::int64_t step) {
      return contrastive.evaluate(q.view(), d.view(), {MatrixView<const float>(r), {}}, step, skip, skip, arena);
    };
    CHECK_THROWS_WITH_AS(run(none, two, skip, 0),
                         "loss::Contrastive::evaluate: queries.rows() is 0, expected at least 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run(two, three, skip, 0),
        "loss::Contrastive::evaluate: documents.rows() is 3, expected a positive multiple of queries.rows() 2",
        re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run(two, none, skip, 0),
        "loss::Contrastive::evaluate: documents.rows() is 0, expected a positive multiple of queries.rows() 2",
        re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run(two, narrow, skip, 0), "loss::Contrastive::evaluate: documents.cols() is 3, expected 4", re::ShapeError);
    CHECK_THROWS_WITH_AS(run(two, four, skip, 100),
                         "loss::Contrastive::evaluate: reasoning.embeddings.rows() is 0, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(run(two, four, narrow.view(), 100),
                         "loss::Contrastive::evaluate: reasoning.embeddings.cols() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(run(two, four, two.view(), -1),
                         "loss::Contrastive::evaluate: step is -1, expected at least 0",
                         re::ConfigError);
    const std::vector<std::uint8_t> mask(3, 1);
    CHECK_THROWS_WITH_AS(
        contrastive.evaluate(
            two.view(), four.view(), {MatrixView<const float>(two.view()), mask}, 100, skip, skip, arena),
        "loss::Contrastive::evaluate: reasoning.has_reasoning.size() is 3, expected 2",
        re::ShapeError);
    CHECK_THROWS_WITH_AS(contrastive.evaluate(two.view(), four.view(), {}, 0, three.view(), four.view(), arena),
                         "loss::Contrastive::evaluate: dq.rows() is 3, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(contrastive.evaluate(two.view(), four.view(), {}, 0, two.view(), skip, arena),
                         "loss::Contrastive::evaluate: dd.rows() is 0, expected 4",
                         re::ShapeError);
  }

  TEST_CASE("Contrastive: keeps its options and rejects a temperature that is none") {
    const Contrastive<ReasoningIntensity> contrastive({.temperature = 0.05F, .weighting = {.ceiling = 3.0}});
    CHECK(contrastive.options().weighting.ceiling == 3.0);
    CHECK(contrastive.weighting().options().ceiling == 3.0);
    CHECK(Contrastive<>().options() == Contrastive<Uniform>::Options{.temperature = 0.02});
    const Contrastive<ReasoningIntensity> copied = contrastive;
    CHECK(copied.options() == contrastive.options());
    for (const double temperature : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
      CHECK_THROWS_AS(Contrastive<>({.temperature = temperature}), re::ConfigError);
    }
    CHECK_THROWS_WITH_AS(Contrastive<>({.temperature = 0.0}),
                         "loss::Contrastive: temperature is 0.000000, expected a number > 0",
                         re::ConfigError);
    CHECK_THROWS_AS(Contrastive<ReasoningIntensity>({.weighting = {.ceiling = -1.0}}), re::ConfigError);
  }
  TEST_CASE("visit: names the temperature, and the options of the weighting within theirs") {
    CHECK(test::named_options(Contrastive<>::Options{}) ==
          std::vector<std::string>{"temperature 0.02", "weighting {}"});
    CHECK(
        test::named_options(Contrastive<ReasoningIntensity>::Options{.temperature = 0.1, .weighting = {.eps = 0.5}}) ==
        std::vector<std::string>{"temperature 0.1",
                                 "weighting {ceiling 5, eps 0.5, warmup_steps 100, mapping 0, normalization 0}"});
  }
}
