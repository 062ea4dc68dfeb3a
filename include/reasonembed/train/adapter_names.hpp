#pragma once
/// @file What a run that trains an adapter says of it, and of the weights it stands on.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/checksum.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

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
  const auto add = [&](const auto& values) {
    for (Index row = 0; row < values.rows(); ++row) {
      sums += checksum(std::as_bytes(values.row(row)));
    }
  };
  encoder.visit(weights,
                nn::ParameterVisitor{[&](const auto& slice) { add(slice.values); },
                                     [&]<class Weight>(const nn::PackedSlice<Weight>& slice) {
                                       Matrix<typename Weight::Store> rows(1, slice.weight.cols());
                                       for (Index row = 0; row < slice.rows; ++row) {
                                         slice.weight.unpack_rows(slice.first + row, rows.view());
                                         add(rows.view());
                                       }
                                     }});
  return checksum(std::as_bytes(std::span(sums)));
}

}  // namespace reasonembed::train
