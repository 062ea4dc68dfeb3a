#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/train/gradient_cache.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/layer_check.hpp>

#include <cstring>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::text::TokenizedTexts;
using test::Cpu32;
using test::Cpu64;

namespace {

using Bert = re::model::BertEncoder<>;
using Qwen3 = re::model::Qwen3Encoder<>;

TokenizedTexts texts_of(std::initializer_list<int> lengths, int vocab) {
  TokenizedTexts texts;
  texts.offsets = test::offsets_of(lengths);
  texts.ids = test::random_tokens(static_cast<std::size_t>(texts.offsets.back()), vocab, 5);
  return texts;
}

/// An encoder with random weights, and a cotangent for its embeddings.
template <class Encoder, class B>
struct Problem {
  using S = typename B::Scalar;
  explicit Problem(double dropout = 0.0)
      : encoder(test::tiny_config(), {.dropout = dropout}),
        weights(re::model::random_weights<B>(encoder, 3, 0.3)),
        texts(texts_of({3, 1, 9, 2, 5, 7, 1}, test::tiny_config().vocab)),
        cotangent(7, encoder.dim()) {
    const std::vector<double> values = test::random_values(static_cast<std::size_t>(7 * encoder.dim()), 11);
    std::copy(values.begin(), values.end(), cotangent.flat().begin());
  }
  /// Both passes. @return  the flat gradient
  std::vector<S> gradient(const re::ThreadPool& pool,
                          re::train::GradientCacheOptions options,
                          const re::nn::DropoutState& state = {}) {
    re::train::GradientCache<Encoder, B> cache(encoder, weights, pool, options);
    std::vector<S> flat(static_cast<std::size_t>(cache.parameter_count()));
    embeddings = Matrix<S>(7, encoder.dim());
    cache.forward(texts, state, embeddings.view());
    cache.backward(texts, state, cotangent.view(), flat);
    return flat;
  }

  Encoder encoder;
  typename Encoder::template Parameters<re::nn::WeightLeaf<B>> weights;
  TokenizedTexts texts;
  Matrix<S> cotangent;
  Matrix<S> embeddings;
};

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// sum(cotangent * E) as a function of all parameters, through the cache.
template <class Encoder>
class CachedLoss {
 public:
  CachedLoss(Problem<Encoder, Cpu64>& problem, const re::nn::DropoutState& state)
      : problem_(&problem), state_(state), pool_(1) {}

  std::vector<double> point() {
    std::vector<double> x;
    problem_->encoder.visit(problem_->weights, [&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        x.insert(x.end(), slice.values.row(row).begin(), slice.values.row(row).end());
      }
    });
    return x;
  }
  double operator()(std::span<const double> x, std::span<double> gradient) {
    const double* next = x.data();
    problem_->encoder.visit(problem_->weights, [&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        std::copy(next, next + slice.values.cols(), slice.values.row(row).begin());
        next += slice.values.cols();
      }
    });
    re::model::pack_weights<Cpu64>(problem_->encoder, problem_->weights, re::model::Residency::kTrain);
    const std::vector<double> flat = problem_->gradient(pool_, {.chunk_tokens = 8, .shards = 2}, state_);
    if (!gradient.empty()) {
      write_in_visiting_order(flat, gradient);
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < problem_->cotangent.flat().size(); ++i) {
      sum += problem_->cotangent.flat()[i] * problem_->embeddings.flat()[i];
    }
    return sum;
  }

 private:
  /// The flat gradient lies in the order of allocation.
  void write_in_visiting_order(const std::vector<double>& flat, std::span<double> gradient) {
    std::vector<double> copy = flat;
    re::nn::GradientAllocator<double> allocator{std::span<double>(copy)};
    auto views = problem_->encoder.allocate(allocator);
    double* next = gradient.data();
    problem_->encoder.visit(views, [&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        next = std::copy(slice.values.row(row).begin(), slice.values.row(row).end(), next);
      }
    });
  }

  Problem<Encoder, Cpu64>* problem_;
  re::nn::DropoutState state_;
  re::ThreadPool pool_;
};

}  // namespace

TEST_SUITE("train/gradient_cache") {
  TEST_CASE("backward: the gradient is that of pass 1, with and without dropout") {
    for (const bool dropout : {false, true}) {
      CAPTURE(dropout);
      const re::nn::DropoutState state{.training = dropout, .seed = 17};
      Problem<Bert, Cpu64> bert(0.3);
      CachedLoss<Bert> bert_loss(bert, state);
      const auto report =
          re::autograd::check_gradient(bert_loss, std::span<const double>(bert_loss.point()), {.max_coordinates = 60});
      CHECK_MESSAGE(report.passed, report.message());
      Problem<Qwen3, Cpu64> qwen3(0.3);
      CachedLoss<Qwen3> qwen3_loss(qwen3, state);
      const auto second = re::autograd::check_gradient(
          qwen3_loss, std::span<const double>(qwen3_loss.point()), {.max_coordinates = 60});
      CHECK_MESSAGE(second.passed, second.message());
    }
  }
  TEST_CASE("backward: 1, 2 and 3 threads give the same bits") {
    const re::nn::DropoutState state{.training = true, .seed = 4};
    Problem<Bert, Cpu32> problem(0.2);
    const re::ThreadPool one(1);
    const std::vector<float> want = problem.gradient(one, {.chunk_tokens = 6, .shards = 3}, state);
    const Matrix<float> embeddings = std::move(problem.embeddings);
    for (const int threads : {2, 3}) {
      CAPTURE(threads);
      const re::ThreadPool pool(threads);
      CHECK(same_bits<float>(problem.gradient(pool, {.chunk_tokens = 6, .shards = 3}, state), want));
      CHECK(same_bits<float>(problem.embeddings.flat(), embeddings.flat()));
    }
  }
  TEST_CASE("embed: chunks never change an embedding, nor its dropout") {
    const re::nn::DropoutState state{.training = true, .seed = 9};
    Problem<Qwen3, Cpu32> problem(0.2);
    const re::ThreadPool pool(2);
    (void)problem.gradient(pool, {.chunk_tokens = 1000}, state);
    const Matrix<float> whole = std::move(problem.embeddings);
    for (const Index chunk : {1, 4, 10}) {
      CAPTURE(chunk);
      (void)problem.gradient(pool, {.chunk_tokens = chunk}, state);
      CHECK(same_bits<float>(problem.embeddings.flat(), whole.flat()));
    }
  }
  TEST_CASE("backward: chunks change the gradient by rounding alone") {
    Problem<Bert, Cpu64> problem;
    const re::ThreadPool pool(1);
    const std::vector<double> whole = problem.gradient(pool, {.chunk_tokens = 1000, .shards = 1});
    const std::vector<double> parts = problem.gradient(pool, {.chunk_tokens = 3, .shards = 4});
    double largest = 0.0;
    double worst = 0.0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      largest = std::max(largest, std::abs(whole[i]));
      worst = std::max(worst, std::abs(whole[i] - parts[i]));
    }
    CHECK(largest > 0.0);
    CHECK(worst <= 28 * 64 * 2.3e-16 * largest);  // 28 tokens, sums of up to 64 terms each
  }
  TEST_CASE("backward: a second step allocates nothing and overwrites the gradient") {
    Problem<Bert, Cpu32> problem;
    const re::ThreadPool pool(1);
    re::train::GradientCache<Bert, Cpu32> cache(problem.encoder, problem.weights, pool, {.chunk_tokens = 8});
    std::vector<float> first(static_cast<std::size_t>(cache.parameter_count()));
    std::vector<float> second(first.size(), 1e30F);
    Matrix<float> embeddings(7, problem.encoder.dim());
    const auto step = [&](std::span<float> gradient) {
      cache.forward(problem.texts, {}, embeddings.view());
      cache.backward(problem.texts, {}, problem.cotangent.view(), gradient);
    };
    step(first);
    step(first);
    // Views of the gradient's layers are made anew: a vector of blocks for each shard.
    CHECK(test::count_allocations([&] { step(second); }) <= 2 * 4);
    CHECK(same_bits<float>(first, second));
  }
  TEST_CASE("constructor: refuses weights that only serve, and impossible options") {
    const Bert encoder(test::tiny_config());
    const auto served = re::model::random_weights<Cpu32>(encoder, 1, 0.1, re::model::Residency::kServe);
    const auto trained = re::model::random_weights<Cpu32>(encoder, 1, 0.1);
    const re::ThreadPool pool(1);
    using Cache = re::train::GradientCache<Bert, Cpu32>;
    CHECK_THROWS_WITH_AS(Cache(encoder, served, pool),
                         "train::GradientCache: weights is packed only, expected weights that were loaded with "
                         "Residency::kTrain",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Cache(encoder, trained, pool, {.chunk_tokens = 0}),
                         "train::GradientCache: chunk_tokens is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Cache(encoder, trained, pool, {.shards = -1}),
                         "train::GradientCache: shards is -1, expected at least 1",
                         re::ConfigError);
  }
  TEST_CASE("embed, backward: shapes are checked") {
    Problem<Bert, Cpu32> problem;
    const re::ThreadPool pool(1);
    re::train::GradientCache<Bert, Cpu32> cache(problem.encoder, problem.weights, pool);
    Matrix<float> few(6, problem.encoder.dim());
    CHECK_THROWS_WITH_AS(cache.embed(problem.texts, {}, few.view()),
                         "train::GradientCache::embed: embeddings.rows() is 6, expected 7",
                         re::ShapeError);
    std::vector<float> gradient(3);
    CHECK_THROWS_AS(cache.backward(problem.texts, {}, problem.cotangent.view(), gradient), re::ShapeError);
  }
}
