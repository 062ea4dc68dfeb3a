#include <reasonembed/nn/linear.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::Linear;
using re::nn::NamedRows;
using test::Cpu32;
using test::Cpu64;

namespace {

/// Linear with one name for all its rows, as layers are visited.
class Projection : public Linear {
 public:
  using Linear::Linear;
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    const NamedRows all[] = {{".p", outputs()}};
    Linear::visit(parameters, prefix, all, f);
  }
};

test::LayerCase batch_of(std::initializer_list<int> lengths, re::Index inputs, re::Index outputs) {
  return {.offsets = test::offsets_of(lengths), .inputs = inputs, .outputs = outputs};
}

}  // namespace

TEST_SUITE("nn/linear") {
  TEST_CASE_TEMPLATE("forward: equals the equation at all sizes around a register", B, Cpu32, Cpu64) {
    for (const int inputs : {1, 7, 16, 33}) {
      for (const int outputs : {1, 8, 15, 17, 49}) {
        for (const bool bias : {true, false}) {
          CAPTURE(inputs);
          CAPTURE(outputs);
          CAPTURE(bias);
          const Projection layer(outputs, inputs, bias);
          test::LayerRun<Projection, B> run(layer, batch_of({1, 6}, inputs, outputs));
          // one rounding a term, and each term is at most twice the largest result in size
          test::check_close(
              run.serve(), test::reference::linear(run.x(), run.tensors(), "layer.p"), 2.0 * (inputs + 1));
        }
      }
    }
  }
  TEST_CASE("vjp: is the gradient of forward, with and without bias") {
    for (const bool bias : {true, false}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{3, 1, 2}}) {
        CAPTURE(bias);
        const auto report = test::check_layer(Projection(7, 5, bias),
                                              {.offsets = test::offsets_of(lengths), .inputs = 5, .outputs = 7});
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::check_layer_contract_everywhere(Projection(37, 19, true), batch_of({4, 1, 9}, 19, 37));
    test::check_layer_contract_everywhere(Projection(5, 8, false), batch_of({1}, 8, 5));
  }
  TEST_CASE("visit: shows row blocks under their own names, a weight before its bias") {
    const Linear layer(6, 4, true);
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = layer.allocate(allocator);
    const NamedRows blocks[] = {{".q", 3}, {".k", 2}, {".v", 1}};
    std::vector<std::string> names;
    re::Index row = 0;
    Linear::visit(parameters, "a", blocks, [&](const auto& slice) {
      names.push_back(slice.name);
      if (slice.one_dimensional()) {
        CHECK(slice.kind == re::nn::ParameterKind::kBias);
        CHECK(slice.values.data() == parameters.bias.data() + row);
        row += slice.values.cols();
      } else {
        CHECK(slice.kind == re::nn::ParameterKind::kWeight);
        CHECK(slice.values.data() == parameters.weight.view().row(row).data());
        CHECK(slice.values.cols() == 4);
      }
    });
    CHECK(row == 6);
    CHECK(names ==
          std::vector<std::string>{"a.q.weight", "a.q.bias", "a.k.weight", "a.k.bias", "a.v.weight", "a.v.bias"});
  }
  TEST_CASE("visit: shows no weight once its values are dropped, and the bias still") {
    const Linear layer(6, 4, true);
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = layer.allocate(allocator);
    parameters.weight.pack();
    parameters.weight.drop_values();
    std::vector<std::string> names;
    const NamedRows all[] = {{"", 6}};
    Linear::visit(parameters, "p", all, [&](const auto& slice) { names.push_back(slice.name); });
    CHECK(names == std::vector<std::string>{"p.bias"});
  }
  TEST_CASE("visit: rows of a weight without values are shown packed, under the names its values would have") {
    using Cpu16 = re::backend::Cpu<re::bf16>;
    using Weight = re::nn::Kernels<Cpu16>::Weight;
    Linear::Parameters<re::nn::WeightLeaf<Cpu16>> parameters{Weight::packed_only(6, 4), re::AlignedBuffer<float>(6)};
    const NamedRows blocks[] = {{".q", 3}, {".k", 2}, {".v", 1}};
    std::vector<std::string> seen;
    Linear::visit(parameters,
                  "a",
                  blocks,
                  re::nn::ParameterVisitor{[&](const auto& slice) { seen.push_back(slice.name); },
                                           [&](const re::nn::PackedSlice<Weight>& slice) {
                                             seen.push_back(slice.name + " " + std::to_string(slice.first) + " " +
                                                            std::to_string(slice.rows));
                                           }});
    CHECK(seen == std::vector<std::string>{
                      "a.q.weight 0 3", "a.q.bias", "a.k.weight 3 2", "a.k.bias", "a.v.weight 5 1", "a.v.bias"});
    parameters.weight.restore_values();
    seen.clear();
    Linear::visit(parameters, "a", blocks, [&](const auto& slice) { seen.push_back(slice.name); });
    CHECK(seen.size() == 6);
  }
  TEST_CASE("visit: weights that are constant are shown constant") {
    const Linear layer(2, 3, true);
    re::nn::WeightAllocator<Cpu32> allocator;
    const auto parameters = layer.allocate(allocator);
    const NamedRows all[] = {{"", 2}};
    Linear::visit(parameters, "p", all, [&](const auto& slice) {
      static_assert(std::is_same_v<decltype(slice.values), re::MatrixView<const float>>);
    });
  }
  TEST_CASE("allocate: without bias, the bias is empty and its gradient too") {
    const Linear layer(2, 3, false);
    CHECK(layer.outputs() == 2);
    CHECK(layer.inputs() == 3);
    re::nn::WeightAllocator<Cpu64> weights;
    CHECK(layer.allocate(weights).bias.size() == 0);
    std::vector<double> flat(6);
    re::nn::GradientAllocator<double> gradients(flat);
    const auto leaf = layer.allocate(gradients);
    CHECK(leaf.bias.empty());
    CHECK(leaf.weight.data() == flat.data());
  }
}
