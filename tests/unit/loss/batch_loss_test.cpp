#include <reasonembed/loss/batch_loss.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace re = reasonembed;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::loss::BatchLoss;
using re::loss::BatchLossFor;
using re::loss::ContrastiveResult;
using re::loss::ReasoningQueries;

namespace {

struct ArchetypeOptions {
  double factor = 1.0;
};

/// The smallest conforming type: each query is to be near its positive, -factor / B sum_i q_i . d_(i G).
class Archetype {
 public:
  using Options = ArchetypeOptions;
  explicit Archetype(Options options) : options_(options) {}
  static std::string name() { return "archetype"; }
  [[nodiscard]] bool needs_reasoning(std::int64_t /*step*/) const { return false; }

  template <class T>
  ContrastiveResult evaluate(MatrixView<const T> queries,
                             MatrixView<const T> documents,
                             const ReasoningQueries<T>& /*reasoning*/,
                             std::int64_t /*step*/,
                             MatrixView<T> dq,
                             MatrixView<T> dd,
                             Arena& arena) const {
    const Index batch = queries.rows();
    const Index group = documents.rows() / batch;
    const auto losses = arena.allocate<double>(batch);
    const auto ones = arena.allocate<double>(batch);
    ContrastiveResult result{0.0, losses, ones, ones, 0};
    for (Index row = 0; row < documents.rows(); ++row) {
      for (Index col = 0; col < documents.cols(); ++col) {
        dd(row, col) = T{0};
      }
    }
    for (Index i = 0; i < batch; ++i) {
      const auto query = static_cast<std::size_t>(i);
      losses[query] = 0.0;
      ones[query] = 1.0;
      for (Index col = 0; col < queries.cols(); ++col) {
        const auto share = static_cast<T>(-options_.factor / static_cast<double>(batch));
        losses[query] -= options_.factor * static_cast<double>(queries(i, col) * documents(i * group, col));
        dq(i, col) = share * documents(i * group, col);
        dd(i * group, col) = share * queries(i, col);
      }
      result.loss += losses[query] / static_cast<double>(batch);
    }
    return result;
  }

 private:
  Options options_;
};

struct WithoutName : Archetype {
  using Archetype::Archetype;
  static const char* name() { return "a pointer may dangle"; }
};
struct WithoutOptions : Archetype {
  using Options = int&;
};
struct NotFromItsOptions : Archetype {
  NotFromItsOptions() : Archetype({}) {}
};
struct AnswersWithAnInt : Archetype {
  using Archetype::Archetype;
  [[nodiscard]] int needs_reasoning(std::int64_t) const { return 1; }
};
struct OnlyFloat : Archetype {
  using Archetype::Archetype;
  ContrastiveResult evaluate(MatrixView<const float> queries,
                             MatrixView<const float> documents,
                             const ReasoningQueries<float>& reasoning,
                             std::int64_t step,
                             MatrixView<float> dq,
                             MatrixView<float> dd,
                             Arena& arena) const {
    return Archetype::evaluate<float>(queries, documents, reasoning, step, dq, dd, arena);
  }
};
struct Changes : Archetype {  // a loss that remembers can't be resumed
  using Archetype::Archetype;
  template <class T>
  ContrastiveResult evaluate(MatrixView<const T>,
                             MatrixView<const T>,
                             const ReasoningQueries<T>&,
                             std::int64_t,
                             MatrixView<T>,
                             MatrixView<T>,
                             Arena&) {
    return {};
  }
};
struct ReturnsANumber : Archetype {
  using Archetype::Archetype;
  template <class T>
  double evaluate(MatrixView<const T>,
                  MatrixView<const T>,
                  const ReasoningQueries<T>&,
                  std::int64_t,
                  MatrixView<T>,
                  MatrixView<T>,
                  Arena&) const {
    return 0.0;
  }
};

static_assert(BatchLoss<Archetype> && BatchLossFor<Archetype, float> && BatchLossFor<Archetype, double>);
static_assert(!BatchLoss<WithoutName> && !BatchLoss<WithoutOptions> && !BatchLoss<NotFromItsOptions>);
static_assert(!BatchLoss<AnswersWithAnInt> && !BatchLoss<Changes> && !BatchLoss<ReturnsANumber>);
static_assert(!BatchLoss<OnlyFloat> && BatchLossFor<OnlyFloat, float> && !BatchLossFor<OnlyFloat, double>);
static_assert(!BatchLoss<int> && !BatchLoss<re::loss::Uniform>, "a weighting is no loss");

/// Through the concept alone.
template <BatchLoss L, class T>
ContrastiveResult evaluate(MatrixView<const T> q, MatrixView<const T> d, MatrixView<T> dq, MatrixView<T> dd, Arena& a) {
  return L(typename L::Options{}).evaluate(q, d, ReasoningQueries<T>{}, 0, dq, dd, a);
}

}  // namespace

TEST_SUITE("loss/batch_loss") {
  TEST_CASE_TEMPLATE(
      "BatchLoss: the smallest type that models it, and the library's own, are used alike", T, float, double) {
    Matrix<T> queries(2, 2);
    Matrix<T> documents(4, 2);
    queries(0, 0) = 1;
    queries(1, 1) = 1;
    documents(0, 0) = 1;
    documents(1, 1) = 1;
    documents(2, 1) = 1;
    documents(3, 0) = 1;
    Matrix<T> dq(2, 2);
    Matrix<T> dd(4, 2);
    Arena arena;
    const auto of = [&]<class L>(L*) {
      return evaluate<L, T>(
          std::as_const(queries).view(), std::as_const(documents).view(), dq.view(), dd.view(), arena);
    };
    const ContrastiveResult near = of(static_cast<Archetype*>(nullptr));
    CHECK(near.loss == -1.0);
    CHECK(near.losses.size() == 2);
    CHECK(dq(0, 0) == T(-0.5));
    CHECK(dd(2, 1) == T(-0.5));
    CHECK(dd(1, 1) == T(0));
    const ContrastiveResult contrastive = of(static_cast<re::loss::Contrastive<>*>(nullptr));
    CHECK(contrastive.losses.size() == 2);
    CHECK(contrastive.loss > 0.0);
  }
  TEST_CASE("BatchLoss: names tell the library's losses apart") {
    CHECK(Archetype::name() == "archetype");
    CHECK(re::loss::Contrastive<re::loss::Uniform>::name() == "contrastive<uniform>");
    CHECK(re::loss::Contrastive<re::loss::ReasoningIntensity>::name() == "contrastive<reasoning_intensity>");
  }
}
