#include <reasonembed/nn/head_transforms.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rope.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace reference = test::reference;
using re::nn::HeadTransforms;
using re::nn::QkNorm;
using re::nn::QueryKey;
using re::nn::Rope;
using test::Cpu32;
using test::Cpu64;

namespace {

/// A chain of transforms in the shape of a layer: x = (queries | keys).
template <class... Transforms>
class ChainLayer {
  using Chain = HeadTransforms<Transforms...>;

 public:
  template <class Leaf>
  using Parameters = typename Chain::template Parameters<Leaf>;
  template <class B>
  using Saved = typename Chain::template Saved<B>;

  explicit ChainLayer(const re::nn::EncoderOptions& options = {.norm_eps = 0.5})
      : chain_(test::tiny_config(), options) {}

  template <class Allocator>
  [[nodiscard]] auto allocate(Allocator& allocator) const {
    return chain_.allocate(allocator);
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    Chain::visit(parameters, prefix, f);
  }
  template <class B>
  void prepare(re::nn::Context<B>& context) const {
    chain_.prepare(context);
  }
  template <class B, class Save>
  void forward(re::nn::Context<B>& context,
               const Parameters<re::nn::WeightLeaf<B>>& parameters,
               re::MatrixView<const typename B::Scalar> x,
               re::MatrixView<typename B::Scalar> y,
               Save& saved) const {
    using S = typename B::Scalar;
    const re::nn::ForwardScope<Save> scope(context.arena);
    const auto both = context.activations(x.cols());
    for (re::Index t = 0; t < x.rows(); ++t) {
      std::copy(x.row(t).begin(), x.row(t).end(), both.row(t).begin());
    }
    const QueryKey<S> out = chain_.forward(context, parameters, split(both), saved);
    if constexpr (re::nn::kSaves<Save>) {
      CHECK(out.q.data() != both.data());  // what forward was given is needed again
    } else {
      CHECK(out.q.data() == both.data());
    }
    for (re::Index t = 0; t < x.rows(); ++t) {
      std::copy(out.q.row(t).begin(), out.q.row(t).end(), y.row(t).begin());
      std::copy(out.k.row(t).begin(), out.k.row(t).end(), y.row(t).begin() + out.q.cols());
    }
  }
  template <class B>
  void vjp(re::nn::Context<B>& context,
           const Parameters<re::nn::WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           re::MatrixView<const typename B::Scalar> dy,
           re::MatrixView<typename B::Scalar> dx,
           Parameters<re::nn::GradientLeaf<typename B::Scalar>>& gradients) const {
    const re::ArenaScope scope(context.arena);
    chain_.vjp(context, parameters, saved, split(dy), split(dx), gradients);
  }

 private:
  template <class S>
  static QueryKey<S> split(re::MatrixView<S> both) {
    const auto config = test::tiny_config();
    return {both.col_block(0, config.query_dim()), both.col_block(config.query_dim(), config.kv_dim())};
  }
  Chain chain_;
};

constexpr re::Index kWidth = 24;  // 4 query heads and 2 key heads of 4
test::LayerCase batch_of(std::initializer_list<int> lengths) {
  return {.offsets = test::offsets_of(lengths), .inputs = kWidth, .outputs = kWidth};
}

}  // namespace

TEST_SUITE("nn/head_transforms") {
  TEST_CASE_TEMPLATE("forward: applies the first transform first", B, Cpu32, Cpu64) {
    const auto batch = batch_of({3, 1});
    const ChainLayer<QkNorm, Rope> norm_first;
    test::LayerRun<ChainLayer<QkNorm, Rope>, B> run(norm_first, batch);
    const reference::Mat x = run.x();
    const reference::Mat q =
        reference::rope(reference::head_norm(reference::columns(x, 0, 16), run.tensor("layer.q_norm.gain"), 0.5),
                        batch.offsets,
                        4,
                        1e4);
    const reference::Mat k =
        reference::rope(reference::head_norm(reference::columns(x, 16, 8), run.tensor("layer.k_norm.gain"), 0.5),
                        batch.offsets,
                        4,
                        1e4);
    reference::Mat want(4, kWidth);
    for (re::Index t = 0; t < 4; ++t) {
      std::copy(q.row(t).begin(), q.row(t).end(), want.row(t).begin());
      std::copy(k.row(t).begin(), k.row(t).end(), want.row(t).begin() + 16);
    }
    test::check_close(run.serve(), want, 16.0);
    const ChainLayer<Rope, QkNorm> rope_first;  // the gain then meets turned elements
    test::LayerRun<ChainLayer<Rope, QkNorm>, B> other(rope_first, batch);
    CHECK_FALSE(test::same_bits_of(other.serve(), run.serve()));
  }
  TEST_CASE("vjp: is the gradient of forward in either order, and for one transform") {
    for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{3, 1, 2}}) {
      const test::LayerCase what{.offsets = test::offsets_of(lengths), .inputs = kWidth, .outputs = kWidth};
      for (const auto& report : {test::check_layer(ChainLayer<QkNorm, Rope>(), what),
                                 test::check_layer(ChainLayer<Rope, QkNorm>(), what),
                                 test::check_layer(ChainLayer<Rope>(), what),
                                 test::check_layer(ChainLayer<QkNorm, Rope, QkNorm>(), what)}) {
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::check_layer_contract_everywhere(ChainLayer<QkNorm, Rope>(), batch_of({4, 1, 9}));
  }
  TEST_CASE("forward: no transform at all hands back what it was given") {
    const HeadTransforms<> none(test::tiny_config(), {});
    static_assert(HeadTransforms<>::kEmpty && !HeadTransforms<Rope>::kEmpty);
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {}};
    re::Matrix<float> q(2, 3);
    re::Matrix<float> k(2, 1);
    re::nn::Nothing nothing;
    none.prepare(context);
    const QueryKey<float> out = none.forward(context, {}, QueryKey<float>{q.view(), k.view()}, nothing);
    CHECK(out.q.data() == q.view().data());
    CHECK(out.k.data() == k.view().data());
    CHECK(arena.used() == 0);
  }
  TEST_CASE("visit: names the parameters of every transform, in order") {
    CHECK(test::visited_slices(ChainLayer<Rope, QkNorm>()) ==
          std::vector<std::string>{"layer.q_norm.gain (1, 4) gain", "layer.k_norm.gain (1, 4) gain"});
  }
}
