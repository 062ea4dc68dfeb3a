#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/train/contrastive_gradient.hpp>

#include <doctest/doctest.h>

#include <support/allocation_counter.hpp>
#include <support/training.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::data::TrainingBatch;
using re::train::BatchEvaluation;
using re::train::ContrastiveGradientOptions;
using test::InfoNce;
using test::Redapter;

namespace {

using Cpu64 = re::backend::Cpu<double>;
using Bert = test::ByteBert<>;
template <class Loss, class Model = Bert>
using Gradient = re::train::ContrastiveGradient<Model, Loss>;

static_assert(!std::is_copy_constructible_v<Gradient<InfoNce>> && !std::is_move_constructible_v<Gradient<InfoNce>>);

constexpr re::model::TextEncoderOptions kTrain{.threads = 1, .residency = re::model::Residency::kTrain};

Bert bert(double dropout = 0.0, int threads = 1) {
  return test::byte_bert(dropout, {.threads = threads, .residency = re::model::Residency::kTrain});
}
Redapter redapter(std::int64_t warmup = 0) {
  return Redapter({.temperature = 0.3, .weighting = {.warmup_steps = warmup}});
}
InfoNce infonce() {
  return InfoNce({.temperature = 0.3});
}

/// Three queries with two documents each; the second has no reasoning query.
TrainingBatch small_batch() {
  TrainingBatch batch;
  batch.group_size = 2;
  batch.rows = {0, 1, 2};
  batch.queries = {"why salt?", "why light?", "iron"};
  batch.reasoning = {"salt draws water by osmosis", "", "iron rusts in air"};
  batch.reasoning_count = 2;
  batch.documents = {"osmosis", "a prime", "it bends", "salt", "rust", "no"};
  batch.numbers = {0, 1, 2, 3, 4, 5};
  return batch;
}

/// Copies of what an evaluation found, and of its gradient.
template <class S>
struct Found {
  BatchEvaluation numbers;
  std::vector<double> losses;
  std::vector<double> intensities;
  std::vector<double> weights;
  std::vector<S> gradient;
};
template <class Model, class Loss>
Found<typename Model::Scalar> found_by(re::train::ContrastiveGradient<Model, Loss>& gradient,
                                       const TrainingBatch& batch,
                                       std::int64_t step = 0) {
  Found<typename Model::Scalar> found;
  found.numbers = gradient.evaluate(batch, step);
  const auto copy = [](std::span<const double> values) { return std::vector<double>(values.begin(), values.end()); };
  found.losses = copy(found.numbers.loss.losses);
  found.intensities = copy(found.numbers.loss.intensities);
  found.weights = copy(found.numbers.loss.weights);
  found.gradient.assign(gradient.gradient().begin(), gradient.gradient().end());
  return found;
}
template <class S>
bool same(const Found<S>& a, const Found<S>& b) {
  return a.numbers.loss.loss == b.numbers.loss.loss && test::same_bits(a.losses, b.losses) &&
         test::same_bits(a.intensities, b.intensities) && test::same_bits(a.weights, b.weights) &&
         test::same_bits(a.gradient, b.gradient);
}

/// sum_i w_i l_i of a batch, as a function of the parameters that its texts touch, with the weights of the start.
template <class Model, class Loss>
class BatchLossOfWeights {
 public:
  /// @param constant_weights  false: differentiates the weights too, which the gradient does not
  BatchLossOfWeights(Model& model, Loss loss, const ContrastiveGradientOptions& options, bool constant_weights = true)
      : model_(&model), gradient_(model, std::move(loss), options), constant_weights_(constant_weights) {
    const Found<double> start = found_by(gradient_, batch_, kStep);
    weights_ = start.weights;
  }
  std::vector<double> point() {
    std::vector<double> x;
    for_each_touched(model_->weights(), [&](double value) { x.push_back(value); });
    return x;
  }
  double operator()(std::span<const double> x, std::span<double> gradient) {
    model_->update_weights([&](typename Model::Weights& weights) {
      const double* next = x.data();
      for_each_touched(weights, [&](double& value) { value = *next++; });
    });
    const BatchEvaluation found = gradient_.evaluate(batch_, kStep);
    if (!gradient.empty()) {
      double* next = gradient.data();
      for (const auto& slice : gradient_.slices()) {
        for_each_touched(slice, [&](double value) { *next++ = value; });
      }
    }
    if (!constant_weights_) {
      return found.loss.loss;
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      sum += weights_[i] * found.loss.losses[i];
    }
    return sum;
  }

 private:
  static constexpr std::int64_t kStep = 3;

  /// All rows of small tensors, and of the table of bytes those of "s", of "z", which no text has, and of [END].
  template <class Slice, class F>
  static void for_each_touched(const Slice& slice, F f)
    requires requires { slice.values; }
  {
    for (Index row = 0; row < slice.values.rows(); ++row) {
      if (slice.values.rows() < 200 || row == 's' || row == 'z' || row == 257) {
        for (auto& value : slice.values.row(row)) {
          f(value);
        }
      }
    }
  }
  template <class Weights, class F>
  void for_each_touched(Weights& weights, F f) {
    model_->encoder().visit(weights, [&](const auto& slice) { for_each_touched(slice, f); });
  }

  Model* model_;
  TrainingBatch batch_ = small_batch();
  Gradient<Loss, Model> gradient_;
  std::vector<double> weights_;
  bool constant_weights_;
};

template <class Model, class Loss>
re::autograd::GradientReport check(
    Model model, Loss loss, bool dropout = false, bool constant_weights = true, std::size_t keep_bytes = 0) {
  const ContrastiveGradientOptions options{.dropout = dropout, .cache = {.chunk_tokens = 20, .keep_bytes = keep_bytes}};
  BatchLossOfWeights<Model, Loss> function(model, std::move(loss), options, constant_weights);
  const std::vector<double> x = function.point();
  return re::autograd::check_gradient(function, std::span<const double>(x), {.max_coordinates = 80});
}
test::ByteBert<Cpu64> bert64(double dropout = 0.0) {
  return test::random_model<test::ByteBert<Cpu64>>(test::kByteBert, {.norm_eps = 1e-12, .dropout = dropout}, kTrain);
}
test::ByteQwen3<Cpu64> qwen3_64() {
  return test::random_model<test::ByteQwen3<Cpu64>>(test::kByteQwen3, {}, kTrain);
}

}  // namespace

TEST_SUITE("train/contrastive_gradient") {
  TEST_CASE("evaluate: the gradient is that of the loss by every kind of parameter, with and without dropout") {
    for (const bool dropout : {false, true}) {
      CAPTURE(dropout);
      const auto report = check(bert64(0.3), infonce(), dropout);
      CHECK_MESSAGE(report.passed, report.message());
    }
    const auto report = check(qwen3_64(), infonce());
    CHECK_MESSAGE(report.passed, report.message());
    const auto kept = check(bert64(0.3), infonce(), true, true, std::size_t{1} << 30);
    CHECK_MESSAGE(kept.passed, kept.message());
  }
  TEST_CASE("evaluate: weights are constants of the gradient, which would be another one if they were not") {
    const auto report = check(bert64(), redapter());
    CHECK_MESSAGE(report.passed, report.message());
    CHECK_FALSE(check(bert64(), redapter(), false, false).passed);  // the check tells the two apart
  }
  TEST_CASE("evaluate: numbers are those of the loss on the vectors that the model encodes") {
    const Bert model = bert();
    const TrainingBatch batch = small_batch();
    Gradient<Redapter> gradient(model, redapter(), {.dropout = false, .cache = {.chunk_tokens = 16}});
    const Found<float> found = found_by(gradient, batch);
    const Matrix<float> queries = model.encode_query(batch.queries);
    const Matrix<float> documents = model.encode_document(batch.documents);
    const Matrix<float> reasoning = model.encode_query(
        std::vector<std::string>{std::string(batch.reasoning[0]), "never looked at", std::string(batch.reasoning[2])});
    const std::vector<std::uint8_t> has = {1, 0, 1};
    Matrix<float> dq(3, model.dim());
    Matrix<float> dd(6, model.dim());
    re::Arena arena;
    const auto want = redapter().evaluate(queries.view(),
                                          documents.view(),
                                          re::loss::ReasoningQueries<float>{reasoning.view(), has},
                                          0,
                                          dq.view(),
                                          dd.view(),
                                          arena);
    CHECK(found.numbers.loss.loss == want.loss);
    CHECK(test::same_bits<double>(found.losses, want.losses));
    CHECK(test::same_bits<double>(found.intensities, want.intensities));
    CHECK(test::same_bits<double>(found.weights, want.weights));
    CHECK(found.numbers.loss.missing_reasoning == 1);
    CHECK(found.intensities[1] == 1.0);
    CHECK(found.intensities[0] != found.intensities[2]);
  }
  TEST_CASE("evaluate: prompts and limits are those of the model's roles") {
    const re::model::BertEncoder<> encoder(test::kByteBert);
    auto weights = re::model::random_weights<re::backend::Cpu<float>>(encoder, 5, 0.2);
    const Bert model(encoder,
                     std::move(weights),
                     re::text::ByteTokenizer(),
                     {.prompt = "q: ", .max_tokens = 9},
                     {.prompt = "d: ", .max_tokens = 6},
                     kTrain);
    const TrainingBatch batch = small_batch();
    Gradient<InfoNce> gradient(model, infonce(), {.dropout = false});
    const Found<float> found = found_by(gradient, batch);
    CHECK(found.numbers.tokens == 3 * 9 - 1 + 6 * 6);  // "q: iron" and its end are 8, "d: no" 6
    CHECK(found.numbers.truncated == 2 + 5);
    Matrix<float> dq(3, model.dim());
    Matrix<float> dd(6, model.dim());
    re::Arena arena;
    const auto want = infonce().evaluate(model.encode_query(batch.queries).view(),
                                         model.encode_document(batch.documents).view(),
                                         re::loss::ReasoningQueries<float>{},
                                         0,
                                         dq.view(),
                                         dd.view(),
                                         arena);
    CHECK(found.numbers.loss.loss == want.loss);
  }
  TEST_CASE("evaluate: each reasoning query belongs to its own query, wherever the others have none") {
    const Bert model = bert();
    Gradient<Redapter> gradient(model, redapter(), {.dropout = false});
    TrainingBatch batch = small_batch();
    const Found<float> first = found_by(gradient, batch);
    std::swap(batch.reasoning[1], batch.reasoning[2]);  // now the third has none
    const Found<float> moved = found_by(gradient, batch);
    CHECK(moved.intensities[0] == first.intensities[0]);
    CHECK(moved.intensities[1] != 1.0);
    CHECK(moved.intensities[2] == 1.0);
    batch = small_batch();
    batch.reasoning = {"", "", batch.reasoning[2]};
    batch.reasoning_count = 1;
    const Found<float> last = found_by(gradient, batch);
    CHECK(last.intensities[0] == 1.0);
    CHECK(last.intensities[1] == 1.0);
    CHECK(last.intensities[2] == first.intensities[2]);
    CHECK(last.numbers.loss.missing_reasoning == 2);
  }
  TEST_CASE("evaluate: without any reasoning query nothing is measured, and all are missing") {
    const Bert model = bert();
    Gradient<Redapter> gradient(model, redapter());
    TrainingBatch batch = small_batch();
    batch.reasoning = {"", "", ""};
    batch.reasoning_count = 0;
    const Found<float> found = found_by(gradient, batch);
    CHECK_FALSE(found.numbers.measured);
    CHECK(found.numbers.texts == 9);
    CHECK(found.numbers.loss.missing_reasoning == 3);
    CHECK(found.intensities == std::vector<double>(3, 1.0));
    Gradient<InfoNce> uniform(model, infonce());
    CHECK(test::same_bits(found.gradient, found_by(uniform, batch).gradient));
  }
  TEST_CASE("evaluate: reasoning queries are encoded only at steps whose loss asks for them") {
    const Bert model = bert();
    Gradient<Redapter> gradient(model, redapter(5));
    const TrainingBatch batch = small_batch();
    const Found<float> before = found_by(gradient, batch, 4);
    CHECK_FALSE(before.numbers.measured);
    CHECK(before.numbers.texts == 9);
    CHECK(before.numbers.loss.missing_reasoning == 0);
    const Found<float> after = found_by(gradient, batch, 5);
    CHECK(after.numbers.measured);
    CHECK(after.numbers.texts == 11);
    CHECK(after.numbers.tokens ==
          before.numbers.tokens + static_cast<Index>(batch.reasoning[0].size() + batch.reasoning[2].size()) + 2);
  }
  TEST_CASE("evaluate: texts that are cut are counted, by query and document") {
    const Bert model = bert();
    TrainingBatch batch = small_batch();
    const auto truncated = [&](Index query_tokens, Index document_tokens) {
      Gradient<Redapter> gradient(
          model, redapter(), {.query_tokens = query_tokens, .document_tokens = document_tokens});
      return found_by(gradient, batch).numbers.truncated;
    };
    CHECK(truncated(512, 512) == 0);
    CHECK(truncated(5, 512) == 2 + 2);  // "iron" and its end are 5
    CHECK(truncated(4, 512) == 3 + 2);
    CHECK(truncated(512, 5) == 3);
    CHECK(truncated(2, 2) == 3 + 2 + 6);
    const std::string longer(100, 'x');
    batch.documents[1] = longer;
    CHECK(truncated(512, 512) == 1);  // the model's own limit is 64
    Gradient<Redapter> gradient(model, redapter());
    CHECK(found_by(gradient, batch).numbers.tokens == 10 + 11 + 5 + 28 + 18 + 8 + 64 + 9 + 5 + 5 + 3);
  }
  TEST_CASE("evaluate: a text that is not UTF-8 is named, and the next batch is as if it had never been") {
    const Bert model = bert(0.2);
    Gradient<Redapter> fresh(model, redapter());
    const Found<float> want = found_by(fresh, small_batch());
    Gradient<Redapter> gradient(model, redapter());
    const auto refuse = [&](auto change, const char* message) {
      TrainingBatch batch = small_batch();
      change(batch);
      CHECK_THROWS_WITH_AS(gradient.evaluate(batch, 0), message, re::DataError);
      CHECK(same(found_by(gradient, small_batch()), want));
    };
    refuse([](TrainingBatch& batch) { batch.queries[0] = "\xFF"; },
           "train::ContrastiveGradient::evaluate: query 0 of the batch: text::ByteTokenizer::encode: text is not UTF-8 "
           "at byte 0, expected UTF-8 text");
    refuse([](TrainingBatch& batch) { batch.queries[2] = "iron\xC3"; },
           "train::ContrastiveGradient::evaluate: query 2 of the batch: text::ByteTokenizer::encode: text is not UTF-8 "
           "at byte 4, expected UTF-8 text");
    refuse([](TrainingBatch& batch) { batch.documents[5] = "n\x80"; },
           "train::ContrastiveGradient::evaluate: document 5 of the batch: text::ByteTokenizer::encode: text is not "
           "UTF-8 at byte 1, expected UTF-8 text");
    refuse([](TrainingBatch& batch) { batch.reasoning[2] = "\xED\xA0\x80"; },
           "train::ContrastiveGradient::evaluate: reasoning query 2 of the batch: text::ByteTokenizer::encode: text is "
           "not UTF-8 at byte 0, expected UTF-8 text");
  }
  TEST_CASE("evaluate: a batch without queries, and one with documents for half a query, are refused") {
    const Bert model = bert();
    Gradient<Redapter> gradient(model, redapter());
    const Found<float> want = found_by(gradient, small_batch());
    CHECK_THROWS_WITH_AS(gradient.evaluate(TrainingBatch{}, 0),
                         "loss::Contrastive::evaluate: queries.rows() is 0, expected at least 1",
                         re::ShapeError);
    TrainingBatch odd = small_batch();
    odd.documents.pop_back();
    CHECK_THROWS_WITH_AS(
        gradient.evaluate(odd, 0),
        "loss::Contrastive::evaluate: documents.rows() is 5, expected a positive multiple of queries.rows() 3",
        re::ShapeError);
    CHECK(same(found_by(gradient, small_batch()), want));
  }
  TEST_CASE("evaluate: a single query with its positive alone has loss and gradient 0") {
    const Bert model = bert();
    Gradient<InfoNce> gradient(model, infonce());
    TrainingBatch batch;
    batch.group_size = 1;
    batch.rows = {0};
    batch.queries = {""};  // a token that ends it
    batch.reasoning = {""};
    batch.documents = {"d"};
    const Found<float> found = found_by(gradient, batch);
    CHECK(found.numbers.loss.loss == 0.0);
    CHECK(found.numbers.tokens == 3);
    CHECK(found.gradient == std::vector<float>(found.gradient.size(), 0.0F));
  }
  TEST_CASE("evaluate: a vector that is no number is named") {
    Bert model = bert();
    model.update_weights(
        [](auto& weights) { weights.embedding.token.view()('w', 0) = std::numeric_limits<float>::infinity(); });
    Gradient<InfoNce> gradient(model, infonce());
    CHECK_THROWS_AS(gradient.evaluate(small_batch(), 0), re::NonFiniteError);
  }
  TEST_CASE("evaluate: 1, 2 and 3 threads give the same bits") {
    const Bert one = bert(0.2);
    const ContrastiveGradientOptions options{.cache = {.chunk_tokens = 16, .shards = 3}};
    Gradient<Redapter> gradient(one, redapter(), options);
    std::vector<Found<float>> want;
    for (int step = 0; step < 3; ++step) {
      want.push_back(found_by(gradient, small_batch(), step));
    }
    for (const int threads : {2, 3}) {
      CAPTURE(threads);
      const Bert many = bert(0.2, threads);
      Gradient<Redapter> other(many, redapter(), options);
      for (std::size_t step = 0; step < want.size(); ++step) {
        CHECK(same(found_by(other, small_batch(), static_cast<std::int64_t>(step)), want[step]));
      }
    }
  }
  TEST_CASE("evaluate: how much is kept between the passes never changes a bit") {
    const Bert model = bert(0.2);
    const auto run = [&](std::size_t keep_bytes) {
      Gradient<Redapter> gradient(model, redapter(1), {.cache = {.chunk_tokens = 16, .keep_bytes = keep_bytes}});
      std::vector<Found<float>> found;
      for (int step = 0; step < 3; ++step) {
        found.push_back(found_by(gradient, small_batch(), step));
      }
      return found;
    };
    const auto want = run(0);
    for (const std::size_t keep_bytes : {std::size_t{1}, std::size_t{40'000}, std::size_t{1} << 30}) {
      CAPTURE(keep_bytes);
      const auto got = run(keep_bytes);
      for (std::size_t step = 0; step < want.size(); ++step) {
        CHECK(same(got[step], want[step]));
      }
    }
  }
  TEST_CASE("evaluate: masks are drawn from seed and step, and none without dropout") {
    const Bert model = bert(0.5);
    const auto losses = [&](const ContrastiveGradientOptions& options, std::int64_t step) {
      Gradient<InfoNce> gradient(model, infonce(), options);
      return found_by(gradient, small_batch(), step).losses;
    };
    CHECK(losses({}, 7) == losses({}, 7));
    CHECK(losses({}, 7) != losses({}, 8));
    CHECK(losses({.seed = 1}, 7) != losses({.seed = 2}, 7));
    CHECK(losses({.dropout = false}, 7) == losses({.dropout = false, .seed = 9}, 8));
    CHECK(losses({.dropout = false}, 7) != losses({}, 7));
    // A query that is its own reasoning is measured under masks of its own.
    TrainingBatch batch = small_batch();
    batch.reasoning = batch.queries;
    batch.reasoning_count = 3;
    Gradient<Redapter> gradient(model, redapter());
    CHECK(found_by(gradient, batch).intensities[0] != doctest::Approx(1.0).epsilon(1e-3));
    Gradient<Redapter> without(model, redapter(), {.dropout = false});
    CHECK(found_by(without, batch).intensities[0] == doctest::Approx(1.0).epsilon(1e-3));  // eps is 1e-6 nats
  }
  TEST_CASE("evaluate: after the first steps a batch allocates next to nothing") {
    REQUIRE(test::allocations_are_counted());
    const Bert model = bert(0.2);
    Gradient<Redapter> gradient(model, redapter());
    const TrainingBatch batch = small_batch();
    for (int step = 0; step < 3; ++step) {
      (void)gradient.evaluate(batch, step);
    }
    // Views of the gradient's layers are made anew: a vector of blocks for each of two shards.
    CHECK(test::count_allocations([&] { (void)gradient.evaluate(batch, 3); }) <= 2 * 2);
  }
  TEST_CASE("slices: are the gradient by name, in the order in which the encoder visits") {
    const Bert model = bert();
    Gradient<InfoNce> gradient(model, infonce());
    (void)gradient.evaluate(small_batch(), 0);
    std::vector<std::string> names;
    model.encoder().visit(model.weights(), [&](const auto& slice) { names.push_back(slice.name); });
    REQUIRE(gradient.slices().size() == names.size());
    Index count = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      CHECK(gradient.slices()[i].name == names[i]);
      count += gradient.slices()[i].values.size();
      CHECK(gradient.slices()[i].values.data() >= gradient.gradient().data());
    }
    CHECK(count == static_cast<Index>(gradient.gradient().size()));
    CHECK(gradient.loss().options().temperature == 0.3);
  }
  TEST_CASE("constructor: options out of range and a model that only serves are refused") {
    const Bert model = bert();
    CHECK_THROWS_WITH_AS(Gradient<InfoNce>(model, infonce(), {.query_tokens = 0}),
                         "train::ContrastiveGradient: query_tokens is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Gradient<InfoNce>(model, infonce(), {.document_tokens = -1}),
                         "train::ContrastiveGradient: document_tokens is -1, expected at least 1",
                         re::ConfigError);
    const Bert served = test::byte_bert(0.0, {.threads = 1, .residency = re::model::Residency::kServe});
    CHECK_THROWS_WITH_AS(Gradient<InfoNce>(served, infonce()),
                         "train::GradientCache: weights is not differentiable, expected weights of a model that was "
                         "loaded with Residency::kTrain or made trainable",
                         re::ConfigError);
  }
}
