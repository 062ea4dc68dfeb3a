#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// Whether the unpacked weights stay after loading.
enum class Residency {
  kServe,  ///< packed weights alone: half the memory, no gradients
  kTrain,  ///< both forms: can be trained and saved
};

/// Packs every projection of an encoder, and drops the unpacked values where they are not needed.
template <nn::NeuralKernels B, class Encoder>
void pack_weights(const Encoder& encoder,
                  typename Encoder::template Parameters<nn::WeightLeaf<B>>& parameters,
                  Residency residency) {
  encoder.visit_weights(parameters, [&](auto& weight) {
    weight.pack();
    if (residency == Residency::kServe) {
      weight.drop_values();
    }
  });
}

/// @return  fresh weights: N(0, deviation^2), gains 1, biases 0; a function of the seed alone
template <nn::NeuralKernels B, class Encoder>
[[nodiscard]] typename Encoder::template Parameters<nn::WeightLeaf<B>> random_weights(
    const Encoder& encoder, std::uint64_t seed, double deviation = 0.02, Residency residency = Residency::kTrain) {
  nn::WeightAllocator<B> allocator;
  auto parameters = encoder.allocate(allocator);
  std::uint64_t ordinal = 0;
  encoder.visit(parameters, [&](const auto& slice) { nn::initialize_slice(slice, deviation, seed, ordinal++); });
  pack_weights<B>(encoder, parameters, residency);
  return parameters;
}

namespace detail {
/// The name a tensor has in this file: with the family's optional prefix or without; of one that is missing, what it
/// would be called there.
inline std::string stored_name(const io::ShardedSafeTensors& file, const Family& family, const std::string& parameter) {
  const std::string name = family.tensor_name(parameter);
  const std::string prefixed = std::string(family.optional_prefix) + name;
  if (file.contains(name) || file.contains(prefixed)) {
    return file.contains(name) ? name : prefixed;
  }
  const std::vector<std::string> names = file.names();
  const bool prefixes = std::any_of(
      names.begin(), names.end(), [&](const std::string& other) { return other.starts_with(family.optional_prefix); });
  return prefixes ? prefixed : name;
}

/// @throws DataError naming the tensor, its shape and the closest names there are
template <class S>
void require_tensor(const io::ShardedSafeTensors& file, const std::string& name, const nn::ParameterSlice<S>& slice) {
  if (!file.contains(name)) {
    const std::vector<Index> shape = slice.one_dimensional()
                                         ? std::vector<Index>{slice.values.cols()}
                                         : std::vector<Index>{slice.values.rows(), slice.values.cols()};
    throw DataError::invalid(file.where(),
                             "tensor \"" + name + "\" with shape " + io::shape_text(shape),
                             "missing",
                             io::detail::tensor_suggestion(name, file.names()));
  }
}

template <class T>
void require_finite(const std::string& where, const std::string& name, MatrixView<const T> values) {
  for (Index row = 0; row < values.rows(); ++row) {
    for (Index col = 0; col < values.cols(); ++col) {
      if (!std::isfinite(values(row, col))) {
        throw NonFiniteError::found(where,
                                    "tensor \"" + name + "\"",
                                    static_cast<std::size_t>(row * values.cols() + col),
                                    double(values(row, col)));
      }
    }
  }
}
}  // namespace detail

/// Reads an encoder's weights from a checkpoint of `family`.
///
/// @throws DataError for a missing tensor, or one that neither the encoder nor the family knows; ShapeError with both
///         shapes; NonFiniteError naming tensor and element
template <nn::NeuralKernels B, class Encoder>
[[nodiscard]] typename Encoder::template Parameters<nn::WeightLeaf<B>> load_weights(const Encoder& encoder,
                                                                                    const Family& family,
                                                                                    const io::ShardedSafeTensors& file,
                                                                                    Residency residency) {
  using S = typename B::Scalar;
  nn::WeightAllocator<B> allocator;
  auto parameters = encoder.allocate(allocator);
  std::set<std::string> used;
  encoder.visit(parameters, [&](const nn::ParameterSlice<S>& slice) {
    const std::string name = detail::stored_name(file, family, slice.name);
    detail::require_tensor(file, name, slice);
    file.read(name, slice.values);
    detail::require_finite<S>(file.where(), name, slice.values);
    used.insert(name);
  });
  for (const std::string& name : file.names()) {
    std::string_view bare = name;
    if (bare.starts_with(family.optional_prefix)) {
      bare.remove_prefix(family.optional_prefix.size());
    }
    if (!used.contains(name) && !family.ignores(bare)) {
      throw DataError::invalid(file.where(),
                               "tensor \"" + name + "\" with shape " + io::shape_text(file.tensor(name).shape),
                               "present",
                               "only tensors of a " + std::string(family.model_type) + " of " +
                                   std::to_string(encoder.config().layers) + " layers");
    }
  }
  pack_weights<B>(encoder, parameters, residency);
  return parameters;
}

}  // namespace reasonembed::model
