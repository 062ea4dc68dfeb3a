#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/train/gradient_cache.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/layer_check.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
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

constexpr std::size_t kChunks = 4;  // of the texts above, with at most 9 tokens: 3 1 | 9 | 2 5 | 7 1

/// How often an encoder has run, and how much memory the runs that can be gone back have taken.
struct Counts {
  std::size_t with_way_back = 0;
  std::size_t without = 0;
  std::size_t bytes = 0;
};

/// A Bert that counts.
class Counting : public Bert {
 public:
  using Bert::Bert;
  template <class B, class W, class S, class Saved>
  void forward(re::nn::Context<B>& context, const W& weights, re::MatrixView<S> embeddings, Saved& saved) const {
    const std::size_t before = context.arena.used();
    Bert::forward(context, weights, embeddings, saved);
    if constexpr (std::is_same_v<Saved, re::nn::Nothing>) {
      ++counts_->without;
    } else {
      ++counts_->with_way_back;
      counts_->bytes += context.arena.used() - before;
    }
  }
  [[nodiscard]] Counts& counts() const { return *counts_; }

 private:
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
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
    CHECK(test::count_allocations([&] { step(second); }) <= 2 * 2);
    CHECK(same_bits<float>(first, second));
  }
  TEST_CASE("backward: how much is kept never changes a bit, with dropout and any number of threads") {
    const re::nn::DropoutState state{.training = true, .seed = 4};
    Problem<Bert, Cpu32> problem(0.2);
    const re::ThreadPool one(1);
    const std::vector<float> want = problem.gradient(one, {.chunk_tokens = 6, .shards = 3, .keep_bytes = 0}, state);
    for (const int threads : {1, 3}) {
      const re::ThreadPool pool(threads);
      for (const std::size_t keep : {std::size_t{0}, std::size_t{1}, std::size_t{6000}, std::size_t{1} << 30}) {
        CAPTURE(keep);
        re::train::GradientCache<Bert, Cpu32> cache(
            problem.encoder, problem.weights, pool, {.chunk_tokens = 6, .shards = 3, .keep_bytes = keep});
        Matrix<float> embeddings(7, problem.encoder.dim());
        for (int step = 0; step < 3; ++step) {  // nothing is kept before the first has shown how much it takes
          std::vector<float> flat(static_cast<std::size_t>(cache.parameter_count()), 1e30F);
          cache.forward(problem.texts, state, embeddings.view());
          cache.backward(problem.texts, state, problem.cotangent.view(), flat);
          CHECK(same_bits<float>(flat, want));
          CHECK(same_bits<float>(embeddings.flat(), problem.embeddings.flat()));
        }
      }
    }
  }
  TEST_CASE("forward: keeps the first chunks that fit into keep_bytes, and computes the others again") {
    Problem<Counting, Cpu32> problem;
    const re::ThreadPool pool(1);
    Counts& counts = problem.encoder.counts();
    const auto kept_of = [&](std::size_t keep) {
      re::train::GradientCache<Counting, Cpu32> cache(
          problem.encoder, problem.weights, pool, {.chunk_tokens = 9, .shards = 2, .keep_bytes = keep});
      std::vector<float> flat(static_cast<std::size_t>(cache.parameter_count()));
      Matrix<float> embeddings(7, problem.encoder.dim());
      Counts total;
      for (int step = 0; step < 3; ++step) {
        counts = {};
        cache.forward(problem.texts, {}, embeddings.view());
        total = counts;
        cache.backward(problem.texts, {}, problem.cotangent.view(), flat);
      }
      CHECK(counts.with_way_back == kChunks);  // each chunk once, in pass 1 or in pass 2
      CHECK(total.with_way_back + total.without == kChunks);
      return total;
    };
    CHECK(kept_of(0).with_way_back == 0);
    const Counts all = kept_of(std::size_t{1} << 30);
    CHECK(all.with_way_back == kChunks);
    CHECK(all.bytes > 0);
    std::size_t before = 0;
    for (const std::size_t keep : {all.bytes / 8, all.bytes / 4, all.bytes / 2, all.bytes, 2 * all.bytes}) {
      CAPTURE(keep);
      const Counts some = kept_of(keep);
      CHECK(some.bytes <= keep);
      CHECK(some.with_way_back >= before);
      before = some.with_way_back;
    }
    CHECK(kept_of(all.bytes / 2).with_way_back > 0);
    CHECK(kept_of(all.bytes / 2).with_way_back < kChunks);
    CHECK(kept_of(2 * all.bytes).with_way_back == kChunks);  // no more than twice as much is set aside as is taken
  }
  TEST_CASE("embed: between the passes it disturbs neither, whatever it embeds") {
    const re::nn::DropoutState state{.training = true, .seed = 8};
    Problem<Qwen3, Cpu32> problem(0.2);
    const re::ThreadPool pool(2);
    const std::vector<float> want = problem.gradient(pool, {.chunk_tokens = 6}, state);
    for (const std::size_t keep : {std::size_t{0}, std::size_t{6000}, std::size_t{1} << 30}) {
      re::train::GradientCache<Qwen3, Cpu32> cache(
          problem.encoder, problem.weights, pool, {.chunk_tokens = 6, .keep_bytes = keep});
      std::vector<float> flat(want.size());
      Matrix<float> embeddings(7, problem.encoder.dim());
      for (const std::initializer_list<int> lengths :
           {std::initializer_list<int>{4}, {}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {16, 16, 16}}) {
        const TokenizedTexts others = texts_of(lengths, test::tiny_config().vocab);
        Matrix<float> aside(static_cast<Index>(lengths.size()), problem.encoder.dim());
        cache.forward(problem.texts, state, embeddings.view());
        cache.embed(others, state, aside.view());
        cache.backward(problem.texts, state, problem.cotangent.view(), flat);
        CHECK(same_bits<float>(flat, want));
      }
      cache.forward(problem.texts, state, embeddings.view());
      Matrix<float> again(7, problem.encoder.dim());
      cache.embed(problem.texts, state, again.view());
      CHECK(same_bits<float>(again.flat(), embeddings.flat()));
    }
  }
  TEST_CASE("backward: a second time gives the same bits, and weights that have changed are seen by the next pass") {
    Problem<Bert, Cpu32> problem;
    const re::ThreadPool pool(1);
    re::train::GradientCache<Bert, Cpu32> cache(problem.encoder, problem.weights, pool, {.chunk_tokens = 8});
    std::vector<float> flat(static_cast<std::size_t>(cache.parameter_count()));
    Matrix<float> embeddings(7, problem.encoder.dim());
    const auto step = [&] {
      cache.forward(problem.texts, {}, embeddings.view());
      cache.backward(problem.texts, {}, problem.cotangent.view(), flat);
    };
    step();
    step();
    const std::vector<float> first = flat;
    cache.backward(problem.texts, {}, problem.cotangent.view(), flat);
    CHECK(same_bits<float>(flat, first));
    problem.encoder.visit(problem.weights, [](const auto& slice) { slice.values(0, 0) += 0.5F; });
    re::model::pack_weights<Cpu32>(problem.encoder, problem.weights, re::model::Residency::kTrain);
    step();
    CHECK_FALSE(same_bits<float>(flat, first));
    CHECK(same_bits<float>(flat, problem.gradient(pool, {.chunk_tokens = 8})));
  }
  TEST_CASE("forward, backward: no texts have no embeddings, and a gradient of 0") {
    Problem<Bert, Cpu32> problem;
    const re::ThreadPool pool(2);
    re::train::GradientCache<Bert, Cpu32> cache(problem.encoder, problem.weights, pool);
    const TokenizedTexts none = texts_of({}, test::tiny_config().vocab);
    std::vector<float> flat(static_cast<std::size_t>(cache.parameter_count()), 1e30F);
    Matrix<float> empty(0, problem.encoder.dim());
    cache.forward(none, {}, empty.view());
    cache.backward(none, {}, std::as_const(empty).view(), flat);
    CHECK(flat == std::vector<float>(flat.size(), 0.0F));
  }
  TEST_CASE("backward: without forward of as many texts it is refused") {
    Problem<Bert, Cpu32> problem;
    const re::ThreadPool pool(1);
    re::train::GradientCache<Bert, Cpu32> cache(problem.encoder, problem.weights, pool);
    std::vector<float> flat(static_cast<std::size_t>(cache.parameter_count()));
    CHECK_THROWS_WITH_AS(cache.backward(problem.texts, {}, problem.cotangent.view(), flat),
                         "train::GradientCache::backward: number of texts is 7, expected 0",
                         re::ShapeError);
    Matrix<float> embeddings(7, problem.encoder.dim());
    cache.embed(problem.texts, {}, embeddings.view());  // no forward
    CHECK_THROWS_AS(cache.backward(problem.texts, {}, problem.cotangent.view(), flat), re::ShapeError);
    cache.forward(problem.texts, {}, embeddings.view());
    const TokenizedTexts few = texts_of({3, 1}, test::tiny_config().vocab);
    CHECK_THROWS_WITH_AS(cache.backward(few, {}, problem.cotangent.view().row_block(0, 2), flat),
                         "train::GradientCache::backward: number of texts is 2, expected 7",
                         re::ShapeError);
  }
  TEST_CASE("constructor: refuses weights that only serve, and impossible options") {
    const Bert encoder(test::tiny_config());
    const auto served = re::model::random_weights<Cpu32>(encoder, 1, 0.1, re::model::Residency::kServe);
    const auto trained = re::model::random_weights<Cpu32>(encoder, 1, 0.1);
    const re::ThreadPool pool(1);
    using Cache = re::train::GradientCache<Bert, Cpu32>;
    CHECK_THROWS_WITH_AS(Cache(encoder, served, pool),
                         "train::GradientCache: weights is not differentiable, expected weights of a model that was "
                         "loaded with Residency::kTrain or made trainable",
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
