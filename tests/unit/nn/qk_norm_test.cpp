#include <reasonembed/nn/qk_norm.hpp>

#include <doctest/doctest.h>

#include <support/head_layer.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
namespace reference = test::reference;
using re::nn::QkNorm;
using test::Cpu32;
using test::Cpu64;
using Layer = test::HeadLayer<QkNorm>;

namespace {

Layer layer_with(int heads, int kv_heads, int head_dim, double eps = 1e-6) {
  re::nn::EncoderConfig config = test::tiny_config();
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  return Layer(config, {.norm_eps = eps});
}

}  // namespace

TEST_SUITE("nn/qk_norm") {
  TEST_CASE_TEMPLATE(
      "forward: every head is normalised by itself, queries and keys with their own gain", B, Cpu32, Cpu64) {
    for (const int head_dim : {2, 8, 16, 18, 32}) {
      for (const int kv_heads : {1, 2, 4}) {
        CAPTURE(head_dim);
        CAPTURE(kv_heads);
        const Layer layer = layer_with(4, kv_heads, head_dim);
        test::LayerRun<Layer, B> run(layer, layer.batch_of({1, 4}));
        const auto got = run.serve();
        const re::Index queries = re::Index{4} * head_dim;
        const reference::Mat x = run.x();
        const double factor = head_dim + 4;  // a sum of squares, a root and two products
        re::Matrix<typename B::Scalar> part(got.rows(), got.cols());
        const reference::Mat q =
            reference::head_norm(reference::columns(x, 0, queries), run.tensor("layer.q_norm.gain"), 1e-6);
        const reference::Mat k = reference::head_norm(
            reference::columns(x, queries, x.cols() - queries), run.tensor("layer.k_norm.gain"), 1e-6);
        reference::Mat want(x.rows(), x.cols());
        for (re::Index t = 0; t < x.rows(); ++t) {
          std::copy(q.row(t).begin(), q.row(t).end(), want.row(t).begin());
          std::copy(k.row(t).begin(), k.row(t).end(), want.row(t).begin() + queries);
        }
        test::check_close(got, want, factor);
      }
    }
  }
  TEST_CASE("vjp: is the gradient of forward, for grouped heads too") {
    for (const int kv_heads : {1, 2, 4}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{2, 1, 3}}) {
        CAPTURE(kv_heads);
        const Layer layer = layer_with(4, kv_heads, 4, 0.5);  // a large eps keeps third derivatives small
        const auto report = test::check_layer(layer, layer.batch_of(lengths));
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    const Layer layer = layer_with(4, 2, 18);
    test::check_layer_contract_everywhere(layer, layer.batch_of({4, 1, 9}));
  }
  TEST_CASE_TEMPLATE("forward: may work in place where nothing is saved", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const QkNorm transform(test::tiny_config(), {});
    re::nn::WeightAllocator<B> allocator;
    auto weights = transform.allocate(allocator);
    std::fill(weights.q_gain.span().begin(), weights.q_gain.span().end(), S{3});
    std::fill(weights.k_gain.span().begin(), weights.k_gain.span().end(), S{5});
    re::Matrix<S> q(2, 16);
    re::Matrix<S> k(2, 8);
    re::RandomStream random(3);
    for (auto* matrix : {&q, &k}) {
      for (S& value : matrix->flat()) {
        value = static_cast<S>(random.normal());
      }
    }
    re::Matrix<S> q_out(2, 16);
    re::Matrix<S> k_out(2, 8);
    re::Arena arena;
    re::nn::Context<B> context{.arena = arena, .batch = {}};
    re::nn::Nothing nothing;
    transform.forward(context, weights, q.view(), k.view(), q_out.view(), k_out.view(), nothing);
    transform.forward(context, weights, q.view(), k.view(), q.view(), k.view(), nothing);
    CHECK(test::same_bits_of(q, q_out));
    CHECK(test::same_bits_of(k, k_out));
  }
  TEST_CASE("visit: names the two gains of one head's width") {
    CHECK(test::visited_slices(layer_with(4, 2, 8)) ==
          std::vector<std::string>{"layer.q_norm.gain (1, 8) gain", "layer.k_norm.gain (1, 8) gain"});
  }
  TEST_CASE("architecture: names the component") {
    CHECK(QkNorm::architecture() == "qk_norm");
    static_assert(re::nn::HeadTransform<QkNorm>);
  }
}
