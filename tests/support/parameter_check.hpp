#pragma once
/// @file Certifies the gradients of all parameters of a component that is no layer: embeddings, whole encoders.
#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <support/layer_check.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace test {

/// Calls f for every slice, whether or not the component's names need a prefix.
template <class Owner, class P, class F>
void visit_all(const Owner& owner, P& parameters, F&& f) {
  if constexpr (requires { owner.visit(parameters, f); }) {
    owner.visit(parameters, f);
  } else {
    owner.visit(parameters, std::string("p"), f);
  }
}

/// Weights of backend B at a random point: gains near 1, everything else near 0.
template <class B, class Owner>
typename Owner::template Parameters<re::nn::WeightLeaf<B>> random_parameters(const Owner& owner,
                                                                             std::uint64_t seed,
                                                                             double deviation = 0.4) {
  re::nn::WeightAllocator<B> allocator;
  auto weights = owner.allocate(allocator);
  re::RandomStream random(seed);
  visit_all(owner, weights, [&](const auto& slice) {
    for (re::Index row = 0; row < slice.values.rows(); ++row) {
      for (auto& value : slice.values.row(row)) {
        const double mean = slice.kind == re::nn::ParameterKind::kGain ? 1.0 : 0.0;
        value = static_cast<typename B::Scalar>(mean + deviation * random.normal());
      }
    }
  });
  if constexpr (requires { owner.visit_weights(weights, [](auto&) {}); }) {
    owner.visit_weights(weights, [](auto& weight) { weight.pack(); });
  }
  return weights;
}

/// A scalar function of all parameters: `loss(weights, gradients)`, where `gradients` is a null pointer or accumulates.
template <class Owner, class Loss>
class ParameterFunction {
 public:
  using Gradients = typename Owner::template Parameters<re::nn::GradientLeaf<double>>;

  ParameterFunction(const Owner& owner, const Loss& loss, std::uint64_t seed)
      : owner_(&owner), loss_(&loss), weights_(random_parameters<Cpu64>(owner, seed)) {
    visit_all(owner, weights_, [&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        point_.insert(point_.end(), slice.values.row(row).begin(), slice.values.row(row).end());
      }
    });
  }

  [[nodiscard]] const std::vector<double>& point() const { return point_; }

  double operator()(std::span<const double> x, std::span<double> gradient) {
    const double* next = x.data();
    visit_all(*owner_, weights_, [&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        std::copy_n(next, slice.values.cols(), slice.values.row(row).begin());
        next += slice.values.cols();
      }
    });
    if constexpr (requires { owner_->visit_weights(weights_, [](auto&) {}); }) {
      owner_->visit_weights(weights_, [](auto& weight) { weight.pack(); });
    }
    Gradients* none = nullptr;
    if (gradient.empty()) {
      return (*loss_)(weights_, none);
    }
    re::AlignedBuffer<double> flat(static_cast<re::Index>(x.size()));
    re::nn::GradientAllocator<double> allocator(flat.span());
    Gradients gradients = owner_->allocate(allocator);
    const double value = (*loss_)(weights_, &gradients);
    double* to = gradient.data();
    visit_all(*owner_, gradients, [&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        to = std::copy(slice.values.row(row).begin(), slice.values.row(row).end(), to);
      }
    });
    return value;
  }

 private:
  const Owner* owner_;
  const Loss* loss_;
  typename Owner::template Parameters<re::nn::WeightLeaf<Cpu64>> weights_;
  std::vector<double> point_;
};

/// @return  the report of the check over all parameters
template <class Owner, class Loss>
re::autograd::GradientReport check_parameters(const Owner& owner,
                                              const Loss& loss,
                                              const re::autograd::CheckGradientOptions& options = {},
                                              std::uint64_t seed = 1) {
  ParameterFunction<Owner, Loss> function(owner, loss, seed);
  return re::autograd::check_gradient(function, std::span<const double>(function.point()), options);
}

}  // namespace test
