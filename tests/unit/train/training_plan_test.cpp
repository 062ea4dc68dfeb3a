#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/train/parameter_gradients.hpp>
#include <reasonembed/train/training_plan.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::fit_training;
using re::train::plan_training;
using re::train::TrainingPlan;
using re::train::TrainingPlanOptions;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
using Mixed = re::backend::Cpu<float, re::bf16>;
using Frozen = re::backend::Cpu<re::bf16, re::bf16>;
using Bert = re::model::BertEncoder<>;
using Qwen3 = re::model::Qwen3Encoder<>;

namespace {

constexpr re::nn::EncoderConfig kSizes{
    .vocab = 300, .dim = 48, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 20, .mlp_dim = 130, .max_length = 400};

re::nn::EncoderConfig bert_sizes() {
  re::nn::EncoderConfig sizes = kSizes;
  sizes.kv_heads = 4;
  sizes.type_vocab = 2;
  sizes.qkv_bias = true;
  sizes.linear_bias = true;
  return sizes;
}

/// Rank 4 on every second projection of a block.
template <class Encoder, class B>
std::vector<re::nn::AdapterShape> some_projections(const Encoder& encoder) {
  const auto weights = re::model::random_weights<B>(encoder, 1);
  std::vector<re::nn::AdapterShape> shapes;
  Index number = 0;
  for (const re::nn::AdapterTarget& target : re::nn::adapter_targets(encoder, weights)) {
    if (number++ % 2 == 0) {
      shapes.push_back({target, 4, 8.0});
    }
  }
  return shapes;
}

/// What arenas take when the real backend does what a run does with one chunk of `texts` texts of `length` tokens.
template <class B, class Encoder>
class RealChunk {
 public:
  using S = typename B::Scalar;
  RealChunk(const Encoder& encoder, const TrainingPlanOptions& options, Index texts, Index length)
      : encoder_(encoder), weights_(re::model::random_weights<B>(encoder, 1)), tokens_(texts * length, 7) {
    if (!options.adapter.empty()) {
      adapter_.emplace(options.adapter, options.adapter_options);
      adapter_->initialize(3);
    }
    encoder.visit_weights(weights_, [](auto& weight) { weight.make_differentiable(); });
    for (Index i = 0; i <= texts; ++i) {
      offsets_.push_back(static_cast<std::int32_t>(i * length));
    }
    run();
  }
  std::size_t serving = 0;
  std::size_t kept = 0;
  std::size_t both = 0;

 private:
  re::nn::Context<B> context(re::Arena& arena) {
    return {.arena = arena,
            .batch = {.tokens = tokens_, .offsets = offsets_},
            .dropout = {.training = true},
            .adapter = adapter_ ? &*adapter_ : nullptr};
  }
  void run() {
    const auto texts = static_cast<Index>(offsets_.size()) - 1;
    re::Matrix<S> embeddings(texts, encoder_.dim());
    re::nn::Nothing nothing;
    re::Arena first;
    auto serve = context(first);
    encoder_.forward(serve, weights_, embeddings.view(), nothing);
    serving = first.peak();
    re::Arena second;
    auto keep = context(second);
    typename Encoder::template Saved<B> saved;
    encoder_.forward(keep, weights_, embeddings.view(), saved);
    kept = second.peak();
    re::Arena third;
    auto replay = context(third);
    const auto rows = third.matrix<S>(texts, encoder_.dim());
    encoder_.forward(replay, weights_, rows, saved);
    const re::nn::Adapter<B>* adapter = adapter_ ? &*adapter_ : nullptr;
    using Gradients = re::train::ParameterGradients<Encoder, B>;
    std::vector<S> flat(static_cast<std::size_t>(Gradients::parameter_count(encoder_, weights_, adapter)));
    Gradients gradients(encoder_, adapter, flat);
    replay.adapter_gradients = &gradients.adapter();
    encoder_.vjp(replay, weights_, saved, re::MatrixView<const S>(rows), gradients.weights());
    both = third.peak();
  }

  const Encoder& encoder_;
  typename Encoder::template Parameters<re::nn::WeightLeaf<B>> weights_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int32_t> offsets_;
  std::optional<re::nn::Adapter<B>> adapter_;
};

/// A batch of 4 queries and 12 documents of the given length.
TrainingPlanOptions batch_of(Index length, Index chunk_tokens) {
  return {.cache = {.chunk_tokens = chunk_tokens},
          .batch_size = 4,
          .group_size = 3,
          .query_tokens = length,
          .document_tokens = length};
}

}  // namespace

TEST_SUITE("train/training_plan") {
  TEST_CASE_TEMPLATE(
      "plan_training: is what a chunk takes forth and back, to the byte", B, Cpu32, Cpu64, Mixed, Frozen) {
    const auto check = [](const auto& encoder, const TrainingPlanOptions& options, Index texts, Index length) {
      CAPTURE(texts);
      CAPTURE(length);
      const TrainingPlan plan = plan_training<B>(encoder, options);
      const RealChunk<B, std::remove_cvref_t<decltype(encoder)>> real(encoder, options, texts, length);
      CHECK(plan.activations == std::max(real.both, real.serving));
      CHECK(plan.kept_wanted == 16 / texts * real.kept);
      CHECK(plan.kept == plan.kept_wanted);
    };
    const auto check_all = [&](const auto& encoder) {
      TrainingPlanOptions adapted = batch_of(32, 128);
      adapted.adapter = some_projections<std::remove_cvref_t<decltype(encoder)>, B>(encoder);
      for (const double dropout : {0.0, 0.1}) {
        adapted.adapter_options.dropout = dropout;
        check(encoder, adapted, 4, 32);
      }
      if (!std::same_as<typename B::Store, typename B::Scalar>) {
        CHECK_THROWS_WITH_AS(
            (void)plan_training<B>(encoder, batch_of(32, 128)),
            "train::plan_training: adapter is empty, expected one, for weights in bf16 are frozen: plan "
            "for backend::Cpu<float, bf16>",
            re::ConfigError);
        return;
      }
      check(encoder, batch_of(32, 128), 4, 32);
      check(encoder, batch_of(400, 1), 1, 400);  // a longer text is a chunk of its own
      check(encoder, batch_of(1, 2), 2, 1);
      check(encoder, batch_of(5, 1000), 16, 5);  // the whole batch is smaller than a chunk
    };
    check_all(Qwen3(kSizes));
    check_all(Qwen3(kSizes, {.dropout = 0.1}));
    check_all(Bert(bert_sizes(), {.dropout = 0.1}));
  }
  TEST_CASE("plan_training: counts weights, gradients and moments as buffers hold them") {
    const Qwen3 encoder(kSizes);
    TrainingPlanOptions options = batch_of(32, 128);
    options.cache.shards = 3;
    const TrainingPlan plan = plan_training(encoder, options);
    const auto weights = re::model::random_weights<Cpu32>(encoder, 1);
    std::size_t numbers = 0;
    encoder.visit(weights, [&](const auto& slice) { numbers += static_cast<std::size_t>(slice.values.size()); });
    std::size_t packed = 0;
    encoder.visit_weights(weights, [&](const auto& weight) {
      packed += re::simd::PackedMatrix<float>::footprint(weight.rows(), weight.cols());
    });
    const std::size_t bytes = re::AlignedBuffer<float>::footprint(static_cast<Index>(numbers));
    CHECK(plan.parameters == static_cast<Index>(numbers));
    CHECK(plan.weights >= 4 * numbers);
    CHECK(plan.weights <= 4 * numbers + 64 * 60);  // every tensor ends on a cache line
    CHECK(plan.packed == packed);
    CHECK(plan.gradients == 4 * bytes);
    CHECK(plan.optimizer == 2 * bytes);
    CHECK(plan.batch_tokens == 16 * 32);
    CHECK(plan.total() ==
          plan.weights + plan.packed + plan.gradients + plan.optimizer + plan.activations + plan.kept + plan.batch);
  }
  TEST_CASE("plan_training: an adapter has gradients and moments of its own alone, and keeps fewer activations") {
    const Qwen3 encoder(kSizes);
    TrainingPlanOptions options = batch_of(32, 128);
    const TrainingPlan whole = plan_training(encoder, options);
    options.adapter = some_projections<Qwen3, Cpu32>(encoder);
    const TrainingPlan adapted = plan_training(encoder, options);
    const re::nn::Adapter<Cpu32> adapter(options.adapter);
    CHECK(adapted.parameters == adapter.parameter_count());
    CHECK(adapted.gradients == 3 * re::AlignedBuffer<float>::footprint(adapter.parameter_count()));
    CHECK(adapted.optimizer == 2 * re::AlignedBuffer<float>::footprint(adapter.parameter_count()));
    CHECK(adapted.weights > whole.weights);
    CHECK(adapted.packed > whole.packed);
    CHECK(adapted.batch == whole.batch);
    std::erase_if(options.adapter, [](const auto& shape) { return !shape.target.module.ends_with("attention.q"); });
    CHECK(plan_training(encoder, options).kept_wanted < whole.kept_wanted);  // inputs of frozen projections pass
  }
  TEST_CASE("plan_training: grows with batch, lengths, chunk, threads and shards") {
    const Bert encoder(bert_sizes());
    const TrainingPlanOptions start = batch_of(20, 40);
    const auto total = [&](const TrainingPlanOptions& options) { return plan_training(encoder, options).total(); };
    const auto grows = [&](auto&& change) {
      TrainingPlanOptions options = start;
      std::size_t before = total(options);
      for (int step = 0; step < 4; ++step) {
        change(options);
        const std::size_t now = total(options);
        CHECK(now >= before);
        before = now;
      }
      CHECK(before > total(start));
    };
    grows([](TrainingPlanOptions& options) { options.batch_size += 3; });
    grows([](TrainingPlanOptions& options) { options.group_size += 1; });
    grows([](TrainingPlanOptions& options) { options.query_tokens += 17; });
    grows([](TrainingPlanOptions& options) { options.document_tokens += 90; });
    grows([](TrainingPlanOptions& options) { options.cache.chunk_tokens += 33; });
    grows([](TrainingPlanOptions& options) { options.cache.shards += 1; });
    grows([](TrainingPlanOptions& options) { options.threads += 1; });
    TrainingPlanOptions tiny = start;
    tiny.cache.keep_bytes = 0;
    CHECK(plan_training(encoder, tiny).kept == 0);
    CHECK(plan_training(encoder, tiny).kept_wanted > 0);
    tiny.cache.keep_bytes = 1000;
    CHECK(plan_training(encoder, tiny).kept == 1000);
    tiny.document_tokens = 1 << 20;  // cut to what the model takes
    CHECK(plan_training(encoder, tiny).batch_tokens == 4 * 20 + 12 * 400);
  }
  TEST_CASE("plan_training: of published sizes needs neither weights nor activations") {
    const Qwen3 encoder(re::model::kQwen3_0_6B);
    const TrainingPlan plan = plan_training(encoder, {.threads = 2, .batch_size = 1, .group_size = 3});
    CHECK(plan.parameters == 596049920);
    CHECK(double(plan.optimizer) == doctest::Approx(2 * 4.0 * 596049920).epsilon(1e-6));
    CHECK(plan.activations > std::size_t{3} << 30);  // 28 layers of 1,024 tokens, in two threads
    CHECK(plan.activations < std::size_t{12} << 30);
  }
  TEST_CASE("plan_training: what is not at least 1, and more tokens than a batch counts, are refused") {
    const Qwen3 encoder(kSizes);
    const auto refuses = [&](auto&& change, const char* message) {
      TrainingPlanOptions options = batch_of(32, 128);
      change(options);
      CHECK_THROWS_WITH_AS((void)plan_training(encoder, options), message, re::ConfigError);
    };
    refuses([](auto& o) { o.threads = 0; }, "train::plan_training: threads is 0, expected at least 1");
    refuses([](auto& o) { o.cache.chunk_tokens = 0; }, "train::plan_training: chunk_tokens is 0, expected at least 1");
    refuses([](auto& o) { o.cache.shards = -1; }, "train::plan_training: shards is -1, expected at least 1");
    refuses([](auto& o) { o.batch_size = 0; }, "train::plan_training: batch_size is 0, expected at least 1");
    refuses([](auto& o) { o.group_size = 0; }, "train::plan_training: group_size is 0, expected at least 1");
    refuses([](auto& o) { o.query_tokens = 0; }, "train::plan_training: query_tokens is 0, expected at least 1");
    refuses([](auto& o) { o.document_tokens = 0; }, "train::plan_training: document_tokens is 0, expected at least 1");
    refuses([](auto& o) { o.batch_size = Index{1} << 26; },
            "train::plan_training: tokens of a batch is 2147483648, expected at most 2147483647");
    TrainingPlanOptions absurd = batch_of(32, 128);
    absurd.batch_size = std::numeric_limits<Index>::max();
    CHECK_THROWS_AS((void)plan_training(encoder, absurd), re::ShapeError);
    refuses([](auto& o) { o.adapter = {{{"a", 0, 0, 8, 8}, 0, 1.0}}; },
            "nn::Adapter: a: rank is 0, expected 1..1048576");
  }
  TEST_CASE("fit_training: halves the chunk until there is room, and keeps what the rest allows") {
    const Qwen3 encoder(kSizes);
    TrainingPlanOptions options = batch_of(32, 512);
    const auto total_with = [&](Index chunk) {
      TrainingPlanOptions other = options;
      other.cache = {.chunk_tokens = chunk, .keep_bytes = 0};
      return plan_training(encoder, other).total();
    };
    const TrainingPlan roomy = fit_training(encoder, options, std::size_t{1} << 40);
    CHECK(roomy.cache == options.cache);
    CHECK(roomy.kept == roomy.kept_wanted);
    const TrainingPlan exact = fit_training(encoder, options, total_with(512));
    CHECK(exact.cache.chunk_tokens == 512);
    CHECK(exact.kept == 0);
    const TrainingPlan half = fit_training(encoder, options, total_with(512) - 1);
    CHECK(half.cache.chunk_tokens == 256);
    CHECK(half.kept == std::min(half.kept_wanted, half.cache.keep_bytes));
    CHECK(half.cache.keep_bytes == total_with(512) - 1 - total_with(256));
    CHECK(half.total() <= total_with(512) - 1);
    CHECK(fit_training(encoder, options, total_with(32)).cache.chunk_tokens == 32);
    options.cache.keep_bytes = 5000;  // is a limit still
    CHECK(fit_training(encoder, options, std::size_t{1} << 40).kept == 5000);
  }
  TEST_CASE("fit_training: too little memory is refused, naming the least there must be") {
    const Qwen3 encoder(kSizes);
    TrainingPlanOptions options = batch_of(32, 500);
    TrainingPlanOptions smallest = batch_of(32, 32);
    smallest.cache.keep_bytes = 0;
    const std::size_t least = plan_training(encoder, smallest).total();
    const std::string expected =
        " bytes, expected at least " + std::to_string(least) + " bytes, which chunks of 32 tokens take";
    for (const std::size_t bytes : {std::size_t{0}, least - 1}) {
      CHECK_THROWS_WITH_AS((void)fit_training(encoder, options, bytes),
                           ("train::fit_training: memory is " + std::to_string(bytes) + expected).c_str(),
                           re::ConfigError);
    }
    CHECK(fit_training(encoder, options, least).cache.chunk_tokens == 32);
    options.threads = 0;
    CHECK_THROWS_WITH_AS((void)fit_training(encoder, options, least),
                         "train::plan_training: threads is 0, expected at least 1",
                         re::ConfigError);
  }
  TEST_CASE("plan_training: plans for whatever a directory describes, with an adapter or without") {
    for (const std::string_view json : {test::kBertConfigJson,
                                        test::kQwen3ConfigJson,
                                        test::kQwen2ConfigJson,
                                        test::kLlamaConfigJson,
                                        test::kXlmRobertaConfigJson}) {
      const test::Scratch scratch;
      scratch.write("config.json", json);
      const auto description = re::model::read_encoder_description(scratch.path());
      CAPTURE(description.family.model_type);
      const TrainingPlanOptions options = batch_of(8, 16);
      const auto whole = plan_training(description, options);
      const auto adapted = plan_training(description, options, re::model::LoraOptions{.rank = 1});
      REQUIRE(whole);
      REQUIRE(adapted);
      CHECK(adapted->parameters < whole->parameters);
      CHECK(plan_training(description, options, {}, whole->total())->total() <= whole->total());
      CHECK_THROWS_AS((void)plan_training(description, options, {}, std::size_t{1}), re::ConfigError);
      CHECK_THROWS_AS((void)plan_training(description, options, re::model::LoraOptions{.target_modules = {"none"}}),
                      re::ConfigError);
    }
    const test::Scratch scratch;
    scratch.write("config.json", test::kQwen3ConfigJson);
    auto description = re::model::read_encoder_description(scratch.path());
    description.family.architecture = "of one's own";
    CHECK_FALSE(plan_training(description, batch_of(8, 16)));
  }
  TEST_CASE("fit_training: is what a trainer's options are made of") {
    // example-begin plan
    const re::model::Qwen3Encoder<> encoder(re::model::kQwen3_0_6B);
    const re::train::TrainingPlan plan = re::train::fit_training(encoder,
                                                                 {.threads = 2,
                                                                  .cache = {.chunk_tokens = 2048},
                                                                  .batch_size = 8,
                                                                  .group_size = 16,
                                                                  .query_tokens = 64,
                                                                  .document_tokens = 256},
                                                                 std::size_t{20} << 30);
    std::fputs(re::eval::plain_text(re::train::memory_table(plan)).c_str(), stdout);
    const re::train::GradientCacheOptions cache = plan.cache;  // a smaller chunk, and as much kept as there is room for
    // example-end plan
    CHECK(cache.chunk_tokens < 2048);
    CHECK(cache.chunk_tokens >= 256);
    CHECK(plan.total() <= std::size_t{20} << 30);
  }
  TEST_CASE("memory_table: names every use, and their sum") {
    const TrainingPlan plan = plan_training(Qwen3(kSizes), batch_of(32, 128));
    const re::eval::Table table = re::train::memory_table(plan);
    const char* uses[] = {
        "weights", "packed weights", "gradients", "optimizer", "activations", "kept activations", "batch", "total"};
    REQUIRE(table.rows.size() == std::size(uses));
    double sum = 0.0;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      CHECK(table.rows[i][0] == uses[i]);
      sum += i + 1 < table.rows.size() ? std::stod(table.rows[i][2]) : 0.0;
    }
    CHECK(std::stod(table.rows.back()[2]) == doctest::Approx(sum).epsilon(0.02));
    CHECK(table.note.find("chunk_tokens 128, shards 2, keep_bytes 1073741824") != std::string::npos);
    CHECK_FALSE(re::eval::plain_text(table).empty());
  }
}
