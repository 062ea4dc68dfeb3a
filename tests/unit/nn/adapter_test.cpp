#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/post_norm_block.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::nn::Adapter;
using re::nn::AdapterOptions;
using re::nn::AdapterShape;
using re::nn::AdapterTarget;
using re::nn::EncoderConfig;
using test::Cpu32;
using test::Cpu64;

namespace {

using Bert =
    re::nn::Encoder<re::nn::kDynamic,
                    re::nn::PostNormBlock<re::nn::LayerNorm, re::nn::BidirectionalAttention<>, re::nn::GeluMlp>,
                    re::nn::Mean,
                    re::nn::TokenPositionTypeEmbedding>;
using Qwen3 = re::nn::Encoder<
    re::nn::kDynamic,
    re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::QkNorm, re::nn::Rope>, re::nn::SwiGlu>,
    re::nn::LastToken>;

constexpr EncoderConfig kSizes{.vocab = 7,
                               .dim = 6,
                               .layers = 2,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 2,
                               .mlp_dim = 5,
                               .max_length = 6,
                               .type_vocab = 2,
                               .qkv_bias = true,
                               .linear_bias = true};

/// An encoder with random weights, a batch of three texts, and an adapter of the targets that `chosen` picks.
template <class Encoder, class B>
struct Scene {
  using S = typename B::Scalar;
  using Weights = typename Encoder::template Parameters<re::nn::WeightLeaf<B>>;

  template <class Chosen>
  Scene(AdapterOptions options, Chosen&& chosen, double norm_eps = 0.5)
      : encoder(kSizes, {.norm_eps = norm_eps}),
        weights(random_weights(encoder)),
        targets(re::nn::adapter_targets(encoder, weights)),
        adapter(shapes_of(targets, chosen), options) {
    randomize(3);
  }
  explicit Scene(AdapterOptions options = {}) : Scene(options, [](const AdapterTarget&) { return true; }) {}

  static Weights random_weights(const Encoder& encoder) {
    re::nn::WeightAllocator<B> allocator;
    Weights weights = encoder.allocate(allocator);
    std::uint64_t ordinal = 0;
    encoder.visit(weights, [&](const auto& slice) { re::nn::initialize_slice(slice, 0.4, 1, ordinal++); });
    encoder.visit_weights(weights, [](auto& weight) { weight.pack(); });
    return weights;
  }
  /// Ranks 1, 2, 3, 1, ...
  template <class Chosen>
  static std::vector<AdapterShape> shapes_of(const std::vector<AdapterTarget>& targets, Chosen&& chosen) {
    std::vector<AdapterShape> shapes;
    for (const AdapterTarget& target : targets) {
      if (chosen(target)) {
        shapes.push_back({target, 1 + static_cast<Index>(shapes.size() % 3), 1.5});
      }
    }
    return shapes;
  }
  void randomize(std::uint64_t seed) {
    re::RandomStream random(seed);
    adapter.visit([&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        for (S& value : slice.values.row(row)) {
          value = static_cast<S>(0.5 * random.normal());
        }
      }
    });
    adapter.pack();
  }
  [[nodiscard]] re::nn::Context<B> context(re::Arena& arena, const Adapter<B>* with) const {
    return {.arena = arena, .batch = {tokens, offsets}, .dropout = dropout, .adapter = with};
  }
  [[nodiscard]] re::Matrix<S> serve(const Adapter<B>* with) const {
    re::Arena arena;
    auto pass = context(arena, with);
    re::nn::Nothing nothing;
    re::Matrix<S> out(3, encoder.dim());
    encoder.forward(pass, weights, out.view(), nothing);
    return out;
  }
  /// Forward and vjp: @return dloss/d(adapter) of loss = sum(cotangent * embeddings)
  std::vector<S> gradient(std::span<const double> cotangent, re::Matrix<S>& out, std::size_t* kept = nullptr) const {
    re::Arena arena;
    auto pass = context(arena, &adapter);
    typename Encoder::template Saved<B> saved{};
    encoder.forward(pass, weights, out.view(), saved);
    if (kept != nullptr) {
      *kept = arena.used();
    }
    re::AlignedBuffer<S> flat(adapter.parameter_count());
    auto gradients = adapter.gradients(flat.span());
    pass.adapter_gradients = &gradients;
    re::nn::FrozenAllocator<S> frozen;
    auto none = encoder.allocate(frozen);
    re::Matrix<S> d_out(3, encoder.dim());
    for (std::size_t i = 0; i < cotangent.size(); ++i) {
      d_out.flat()[i] = static_cast<S>(cotangent[i]);
    }
    encoder.vjp(pass, weights, saved, re::MatrixView<const S>(d_out.view()), none);
    return {flat.span().begin(), flat.span().end()};
  }

  Encoder encoder;
  Weights weights;
  std::vector<AdapterTarget> targets;
  Adapter<B> adapter;
  std::vector<std::int32_t> tokens{1, 4, 2, 2, 0, 6};
  std::vector<std::int32_t> offsets{0, 1, 4, 6};
  re::nn::DropoutState dropout{};
};

/// The adapter's matrices as the point of a function: sum(cotangent * embeddings).
template <class Encoder>
struct AdapterFunction {
  Scene<Encoder, Cpu64>* scene;
  std::vector<double> cotangent;

  [[nodiscard]] std::vector<double> point() const {
    std::vector<double> x;
    scene->adapter.visit([&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        x.insert(x.end(), slice.values.row(row).begin(), slice.values.row(row).end());
      }
    });
    return x;
  }
  double operator()(std::span<const double> x, std::span<double> gradient) {
    const double* next = x.data();
    scene->adapter.visit([&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        std::copy(next, next + slice.values.cols(), slice.values.row(row).begin());
        next += slice.values.cols();
      }
    });
    scene->adapter.pack();
    re::Matrix<double> out(3, scene->encoder.dim());
    if (gradient.empty()) {
      out = scene->serve(&scene->adapter);
    } else {
      const std::vector<double> found = scene->gradient(cotangent, out);
      std::copy(found.begin(), found.end(), gradient.begin());
    }
    return std::inner_product(cotangent.begin(), cotangent.end(), out.flat().begin(), 0.0);
  }
};

template <class Encoder, class... Arguments>
re::autograd::GradientReport check_adapter(bool training, const Arguments&... arguments) {
  Scene<Encoder, Cpu64> scene(arguments...);
  scene.dropout = {.training = training, .seed = 11};
  AdapterFunction<Encoder> function{&scene, test::random_values(static_cast<std::size_t>(3 * scene.encoder.dim()), 5)};
  const std::vector<double> point = function.point();
  return re::autograd::check_gradient(function, std::span<const double>(point));
}

template <class S>
bool same(const re::Matrix<S>& a, const re::Matrix<S>& b) {
  return test::same_bits_of(a, b);
}

bool is_query(const AdapterTarget& target) {
  return target.module.ends_with(".attention.q");
}

}  // namespace

TEST_SUITE("nn/adapter") {
  TEST_CASE("adapter_targets: names every projection, its place in the fused one, and both widths") {
    const Scene<Qwen3, Cpu64> scene;
    REQUIRE(scene.targets.size() == 14);
    CHECK(scene.targets[0] == AdapterTarget{"blocks.0.attention.q", 0, 0, 8, 6});
    CHECK(scene.targets[2] == AdapterTarget{"blocks.0.attention.v", 0, 12, 4, 6});
    CHECK(scene.targets[3] == AdapterTarget{"blocks.0.attention.output", 1, 0, 6, 8});
    CHECK(scene.targets[5] == AdapterTarget{"blocks.0.mlp.up", 2, 5, 5, 6});
    CHECK(scene.targets[13] == AdapterTarget{"blocks.1.mlp.down", 7, 0, 6, 5});
  }
  TEST_CASE_TEMPLATE("vjp: is the gradient of forward by A and B, with and without dropout", Encoder, Bert, Qwen3) {
    for (const bool training : {false, true}) {
      CAPTURE(training);
      const auto report = check_adapter<Encoder>(training, AdapterOptions{.dropout = 0.3, .rank_stabilized = training});
      CHECK_MESSAGE(report.passed, report.message());
    }
  }
  TEST_CASE_TEMPLATE("vjp: of an adapter on some projections alone, the others frozen", Encoder, Bert, Qwen3) {
    for (const std::string part : {".attention.q", ".attention.v", ".output", ".mlp.up", ".mlp.down"}) {
      CAPTURE(part);
      const auto report = check_adapter<Encoder>(
          true, AdapterOptions{.dropout = 0.2}, [&](const AdapterTarget& t) { return t.module.ends_with(part); });
      CHECK_MESSAGE(report.passed, report.message());
    }
  }
  TEST_CASE_TEMPLATE("forward: equals weights to which s B A was added", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    for (const bool stabilized : {false, true}) {
      Scene<Qwen3, B> scene(AdapterOptions{.dropout = 0.5, .rank_stabilized = stabilized});
      const re::Matrix<S> unmerged = scene.serve(&scene.adapter);
      const re::Matrix<S> without = scene.serve(nullptr);
      std::size_t next = 0;
      scene.encoder.visit(scene.weights, [&](const auto& slice) {
        if (slice.kind != re::nn::ParameterKind::kWeight) {
          return;
        }
        const auto& branch = scene.adapter.branches()[next++];
        const double rank = double(branch.rank());
        const double scale = 1.5 / (stabilized ? std::sqrt(rank) : rank);
        for (Index n = 0; n < slice.values.rows(); ++n) {
          for (Index k = 0; k < slice.values.cols(); ++k) {
            double sum = 0.0;
            for (Index r = 0; r < branch.rank(); ++r) {
              sum += double(branch.b.view()(n, r)) * double(branch.a.view()(r, k));
            }
            slice.values(n, k) = static_cast<S>(double(slice.values(n, k)) + scale * sum);
          }
        }
      });
      CHECK(next == scene.adapter.branches().size());
      scene.encoder.visit_weights(scene.weights, [](auto& weight) { weight.pack(); });
      // about 60 roundings on the way through two blocks
      test::check_close(unmerged, test::widen(scene.serve(nullptr).view()), 400.0);
      CHECK(!same(unmerged, without));
    }
  }
  TEST_CASE("initialize: changes nothing yet, and is a function of the seed") {
    Scene<Bert, Cpu32> scene;
    Adapter<Cpu32> first(Scene<Bert, Cpu32>::shapes_of(scene.targets, [](const auto&) { return true; }));
    Adapter<Cpu32> again(Scene<Bert, Cpu32>::shapes_of(scene.targets, [](const auto&) { return true; }));
    first.initialize(7);
    again.initialize(7);
    CHECK(same(scene.serve(&first), scene.serve(nullptr)));
    for (std::size_t i = 0; i < first.branches().size(); ++i) {
      const auto a = first.branches()[i].a.view();
      const auto b = again.branches()[i].a.view();
      const float bound = 1.0F / std::sqrt(static_cast<float>(a.cols()));
      float largest = 0.0F;
      for (Index row = 0; row < a.rows(); ++row) {
        CHECK(std::equal(a.row(row).begin(), a.row(row).end(), b.row(row).begin()));
        for (const float value : a.row(row)) {
          largest = std::max(largest, std::abs(value));
        }
      }
      CHECK(largest > 0.3F * bound);
      CHECK(largest <= bound);
    }
  }
  TEST_CASE("forward: the same bits alone and in any batch, saved or not, with every choice of adapter") {
    Scene<Qwen3, Cpu32> scene(AdapterOptions{}, is_query);
    for (const Adapter<Cpu32>* adapter : {static_cast<const Adapter<Cpu32>*>(nullptr), &std::as_const(scene.adapter)}) {
      const re::Matrix<float> together = scene.serve(adapter);
      const auto tokens = scene.tokens;
      const auto offsets = scene.offsets;
      for (Index text = 0; text < 3; ++text) {
        Scene<Qwen3, Cpu32> alone(AdapterOptions{}, is_query);
        const auto t = static_cast<std::size_t>(text);
        re::Arena arena;
        const std::vector<std::int32_t> own(tokens.begin() + offsets[t], tokens.begin() + offsets[t + 1]);
        const std::vector<std::int32_t> ends{0, static_cast<std::int32_t>(own.size())};
        re::nn::Context<Cpu32> pass{.arena = arena, .batch = {own, ends}, .adapter = adapter};
        re::Matrix<float> out(1, scene.encoder.dim());
        re::nn::Nothing nothing;
        scene.encoder.forward(pass, scene.weights, out.view(), nothing);
        CHECK(std::memcmp(out.flat().data(), together.row(text).data(), out.flat().size_bytes()) == 0);
      }
    }
    re::Matrix<float> saved(3, scene.encoder.dim());
    (void)scene.gradient(test::random_values(18, 1), saved);
    CHECK(same(saved, scene.serve(&scene.adapter)));
  }
  TEST_CASE("forward: dropout draws other masks for each module, and the same ones for a replay") {
    Scene<Qwen3, Cpu64> scene(AdapterOptions{.dropout = 0.4});
    scene.dropout = {.training = true, .seed = 3};
    const re::Matrix<double> first = scene.serve(&scene.adapter);
    CHECK(same(first, scene.serve(&scene.adapter)));
    scene.dropout.seed = 4;
    CHECK(!same(first, scene.serve(&scene.adapter)));
    scene.dropout.training = false;
    CHECK(!same(first, scene.serve(&scene.adapter)));
    re::Arena arena;
    auto pass = scene.context(arena, &scene.adapter);
    pass.dropout.training = true;
    re::nn::Nothing nothing;
    re::Matrix<double> out(3, scene.encoder.dim());
    scene.encoder.forward(pass, scene.weights, out.view(), nothing);
    CHECK(pass.dropout.next_site == 14);  // a mask for each of the modules
  }
  TEST_CASE("forward: a frozen projection keeps no activation for its gradient") {
    std::size_t all = 0;
    std::size_t queries = 0;
    std::size_t outputs = 0;
    re::Matrix<float> out(3, kSizes.dim);
    const std::vector<double> cotangent = test::random_values(18, 1);
    (void)Scene<Qwen3, Cpu32>().gradient(cotangent, out, &all);
    (void)Scene<Qwen3, Cpu32>({}, is_query).gradient(cotangent, out, &queries);
    (void)Scene<Qwen3, Cpu32>({}, [](const AdapterTarget& t) {
      return t.module.ends_with("attention.output");
    }).gradient(cotangent, out, &outputs);
    CHECK(queries < all);      // no input of gate and up, none of down
    CHECK(outputs < queries);  // no input of queries, keys and values either
  }
  TEST_CASE("gradients: one flat buffer, visited in the order of the matrices") {
    Scene<Bert, Cpu32> scene({}, is_query);
    CHECK(scene.adapter.parameter_count() == (6 + 8) * 1 + (6 + 8) * 2);
    std::vector<float> flat(static_cast<std::size_t>(scene.adapter.parameter_count()));
    const auto gradients = scene.adapter.gradients(flat);
    std::vector<std::string> names;
    const float* next = flat.data();
    scene.adapter.visit(gradients, [&](const auto& slice) {
      names.push_back(slice.name);
      CHECK(slice.values.data() == next);
      next += slice.values.size();
    });
    CHECK(next == flat.data() + flat.size());
    CHECK(names == std::vector<std::string>{"blocks.0.attention.q.lora_a",
                                            "blocks.0.attention.q.lora_b",
                                            "blocks.1.attention.q.lora_a",
                                            "blocks.1.attention.q.lora_b"});
    std::vector<std::string> own;
    std::as_const(scene.adapter).visit([&](const auto& slice) { own.push_back(slice.name); });
    CHECK(own == names);
    CHECK_THROWS_AS((void)scene.adapter.gradients(std::span(flat).first(3)), re::ShapeError);
  }
  TEST_CASE("Adapter: refuses impossible numbers and targets by name") {
    const AdapterTarget q{"blocks.0.attention.q", 0, 0, 8, 6};
    const AdapterTarget k{"blocks.0.attention.k", 0, 8, 4, 6};
    CHECK_THROWS_WITH_AS(Adapter<Cpu32>({{q, 0, 1.0}}),
                         "nn::Adapter: blocks.0.attention.q: rank is 0, expected 1..1048576",
                         re::ConfigError);
    CHECK_THROWS_AS(Adapter<Cpu32>({{q, 1, std::numeric_limits<double>::quiet_NaN()}}), re::ConfigError);
    CHECK_THROWS_WITH_AS(Adapter<Cpu32>({{q, 1, 1.0}}, {.dropout = 1.0}),
                         "nn::Adapter: dropout is 1.000000, expected 0 <= dropout < 1",
                         re::ConfigError);
    CHECK_THROWS_AS(Adapter<Cpu32>({{k, 1, 1.0}, {q, 1, 1.0}}), re::ConfigError);
    CHECK_THROWS_AS(Adapter<Cpu32>({{q, 1, 1.0}, {q, 1, 1.0}}), re::ConfigError);
    const Adapter<Cpu32> both({{q, 1, 1.0}, {k, 2, 1.0}});
    CHECK(both.branches(0).size() == 2);
    CHECK(both.branches(1).empty());
    CHECK(both.branches(1000).empty());
    CHECK(Adapter<Cpu32>({}).branches(0).empty());
  }
}
