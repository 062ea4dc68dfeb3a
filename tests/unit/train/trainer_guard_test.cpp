// NaN and infinity on the way: nothing of them reaches the weights, the moments or a checkpoint.
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::NonFiniteSteps;
using re::train::StepReport;

namespace {

struct PoisonedOptions {
  std::vector<std::int64_t> steps = {};  ///< from 0
  bool loss = false;                     ///< the loss itself, not its gradient
};

/// InfoNCE whose gradient is poisoned at some steps.
class Poisoned {
 public:
  using Options = PoisonedOptions;
  explicit Poisoned(Options options = {}) : options_(std::move(options)) {}
  [[nodiscard]] static std::string name() { return "poisoned"; }
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  template <class T>
  re::loss::ContrastiveResult evaluate(std::type_identity_t<re::MatrixView<const T>> q,
                                       std::type_identity_t<re::MatrixView<const T>> d,
                                       const std::type_identity_t<re::loss::ReasoningQueries<T>>& reasoning,
                                       std::int64_t step,
                                       re::MatrixView<T> dq,
                                       re::MatrixView<T> dd,
                                       re::Arena& arena) const {
    auto result = inner_.evaluate(q, d, reasoning, step, dq, dd, arena);
    if (std::find(options_.steps.begin(), options_.steps.end(), step) != options_.steps.end()) {
      if (options_.loss) {
        throw re::NonFiniteError::found("a loss", "loss of query", 1, std::numeric_limits<double>::infinity());
      }
      dq(0, 0) = std::numeric_limits<T>::quiet_NaN();
    }
    return result;
  }

 private:
  Options options_;
  test::InfoNce inner_{{.temperature = 0.1}};
};
static_assert(re::loss::BatchLoss<Poisoned>);

using Trainer = re::train::Trainer<test::ByteBert<>, Poisoned>;

Trainer::Options options_of(Poisoned::Options loss, NonFiniteSteps policy) {
  return {.loss = std::move(loss),
          .optimizer = {.lr = 1e-2},
          .schedule = {.warmup_ratio = 0.0},
          .sampler = {.group_size = 3, .batch_size = 4},
          .epochs = 4,
          .non_finite = policy};
}

std::string message_of(Trainer& trainer) {
  try {
    (void)trainer.fit(test::tiny_rows());
  } catch (const re::NonFiniteError& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_SUITE("train/trainer_guard") {
  TEST_CASE("fit: a gradient that is no number stops the run, names the tensor, and leaves the step before") {
    Trainer trainer(test::byte_bert(0.0), options_of({{2}}, NonFiniteSteps::kStop));
    const std::string message = message_of(trainer);
    CHECK(message.starts_with("step 3: train::Trainer::step: gradient of embedding.token.weight["));
    CHECK(message.ends_with("is nan, expected a finite number; weights and checkpoint are those of the step before"));
    Trainer::Options two = options_of({}, NonFiniteSteps::kStop);
    Trainer healthy(test::byte_bert(0.0), two);
    (void)healthy.fit(test::tiny_rows(), [](const StepReport& report) {
      return report.step == 2 ? re::train::Flow::kStop : re::train::Flow::kContinue;
    });
    CHECK(test::same_bits(test::weights_of(trainer.model()), test::weights_of(healthy.model())));
  }
  TEST_CASE("fit: a loss that is no number stops the run too") {
    Trainer trainer(test::byte_bert(0.0), options_of({{0}, true}, NonFiniteSteps::kStop));
    CHECK(message_of(trainer) ==
          "step 1: a loss: loss of query[1] is inf, expected a finite number; weights and checkpoint are those of the "
          "step before");
  }
  TEST_CASE("fit: skipped steps are counted and reported, and the others are taken") {
    for (const bool loss : {false, true}) {
      CAPTURE(loss);
      Trainer trainer(test::byte_bert(0.0), options_of({{1, 4, 5}, loss}, NonFiniteSteps::kSkip));
      std::vector<std::int64_t> skipped;
      const auto end = trainer.fit(test::tiny_rows(), [&](const StepReport& report) {
        if (report.skipped) {
          skipped.push_back(report.step);
        }
      });
      CHECK(skipped == std::vector<std::int64_t>{2, 5, 6});
      CHECK(end.skipped_steps == 3);
      CHECK(end.steps == 24);
      for (const float weight : test::weights_of(trainer.model())) {
        REQUIRE(std::isfinite(weight));
      }
    }
  }
  TEST_CASE("fit: ten skipped steps in a row are an error whatever the policy") {
    std::vector<std::int64_t> all(24);
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<std::int64_t>(i);
    }
    Trainer trainer(test::byte_bert(0.0), options_of({all}, NonFiniteSteps::kSkip));
    const std::string message = message_of(trainer);
    CHECK(message.starts_with("step 10: "));
    CHECK(message.ends_with("expected a finite number, after 9 skipped steps in a row"));
  }
  TEST_CASE("fit: a weight that is no number is found in the first step") {
    test::ByteBert<> model = test::byte_bert(0.0);
    model.update_weights([&](auto& weights) {
      model.encoder().visit(weights, [](const auto& slice) {
        if (slice.name == "blocks.1.mlp.down.weight") {
          slice.values(0, 0) = std::numeric_limits<float>::quiet_NaN();
        }
      });
    });
    Trainer trainer(std::move(model), options_of({}, NonFiniteSteps::kStop));
    CHECK(message_of(trainer).starts_with("step 1: loss::Contrastive::evaluate: embedding of query["));
  }
}
