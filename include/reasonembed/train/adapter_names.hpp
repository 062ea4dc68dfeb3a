#pragma once
/// @file What a run that trains an adapter says of it, and of the weights it stands on.
#include <reasonembed/config.hpp>
#include <reasonembed/core/checksum.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>

#include <span>
#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// @return  dropout, scale rule, and rank and alpha of every module
template <nn::NeuralKernels B>
[[nodiscard]] io::Json adapter_names(const nn::Adapter<B>& adapter) {
  io::Json modules = io::Json::object();
  for (const nn::AdapterBranch<B>& branch : adapter.branches()) {
    modules[branch.target.module] = {{"rank", branch.rank()}, {"alpha", branch.alpha}};
  }
  return {{"dropout", adapter.options().dropout},
          {"rank_stabilized", adapter.options().rank_stabilized},
          {"modules", std::move(modules)}};
}

/// A checksum of all weights, by which a run that goes on knows that they are those it began with.
///
/// @note  one pass over the values
template <class Encoder, class Weights>
[[nodiscard]] std::string fingerprint(const Encoder& encoder, const Weights& weights) {
  std::string sums;
  encoder.visit(weights, [&](const auto& slice) {
    for (Index row = 0; row < slice.values.rows(); ++row) {
      sums += checksum(std::as_bytes(slice.values.row(row)));
    }
  });
  return checksum(std::as_bytes(std::span(sums)));
}

}  // namespace reasonembed::train
