#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/simd/reduce.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// Whether projections have unpacked values beside what they are packed to.
enum class Residency {
  kServe,  ///< packed weights alone: half the memory, no gradients
  kTrain,  ///< both forms: can be trained
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

namespace detail {
/// Makes zeroed weights; those that will only serve never have unpacked values.
template <nn::NeuralKernels B>
struct ResidentAllocator : nn::WeightAllocator<B> {
  using Weight = typename nn::Kernels<B>::Weight;
  Residency residency = Residency::kServe;

  explicit ResidentAllocator(Residency wanted) : residency(wanted) {}
  [[nodiscard]] Weight matrix(Index rows, Index cols) const {
    return residency == Residency::kServe ? Weight::packed_only(rows, cols) : Weight(rows, cols);
  }
};
}  // namespace detail

/// @return  fresh weights: N(0, deviation^2), gains 1, biases 0; a function of the seed alone
template <nn::NeuralKernels B, class Encoder>
[[nodiscard]] typename Encoder::template Parameters<nn::WeightLeaf<B>> random_weights(
    const Encoder& encoder, std::uint64_t seed, double deviation = 0.02, Residency residency = Residency::kTrain) {
  using Weight = typename nn::Kernels<B>::Weight;
  using Store = typename Weight::Store;
  detail::ResidentAllocator<B> allocator(residency);
  auto parameters = encoder.allocate(allocator);
  std::uint64_t ordinal = 0;
  encoder.visit(
      parameters,
      nn::ParameterVisitor{[&](const auto& slice) { nn::initialize_slice(slice, deviation, seed, ordinal++); },
                           [&](const nn::PackedSlice<Weight>& slice) {
                             Matrix<Store> values(slice.rows, slice.weight.cols());
                             nn::initialize_slice(
                                 nn::ParameterSlice<Store>{slice.name, values.view()}, deviation, seed, ordinal++);
                             slice.weight.assign_packed_rows(slice.first, values.view());
                           }});
  if (residency == Residency::kTrain || Weight::kKeepsValues) {
    pack_weights<B>(encoder, parameters, residency);
  }
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

/// @throws NonFiniteError naming tensor and element
/// @param first  element of the tensor with which `values` begins
template <class T>
void require_finite(const std::string& where, const std::string& name, MatrixView<const T> values, Index first = 0) {
  for (Index row = 0; row < values.rows(); ++row) {
    const std::span<const T> elements = values.row(row);
    if (const Index bad = simd::first_non_finite(elements); bad >= 0) {
      throw NonFiniteError::found(
          where,
          "tensor \"" + name + "\"",
          static_cast<std::size_t>(first + row * values.cols() + bad),
          static_cast<std::conditional_t<std::same_as<T, bf16>, float, T>>(elements[static_cast<std::size_t>(bad)]));
    }
  }
}

/// Reads a checkpoint into parameters, some rows at a time: beside the model itself these rows are all that loading
/// holds, for the file's pages are given back as they are read.
template <nn::NeuralKernels B>
class CheckpointReader {
 public:
  using Weight = typename nn::Kernels<B>::Weight;

  CheckpointReader(const Family& family, const io::ShardedSafeTensors& file) : family_(&family), file_(&file) {}

  template <class T>
  void read(const nn::ParameterSlice<T>& slice) {
    const MatrixView<T>& values = slice.values;
    read_tensor(slice.name, values.rows(), values.cols(), slice.one_dimensional(), [&](const std::string& name) {
      for_each_block(values.rows(), [&](Index first, Index count) {
        read_block(name, first, values.rows(), values.row_block(first, count));
      });
    });
  }
  void read(const nn::PackedSlice<Weight>& slice) {
    const Index cols = slice.weight.cols();
    read_tensor(slice.name, slice.rows, cols, false, [&](const std::string& name) {
      if (rows_.cols() != cols) {
        rows_ = Matrix<typename Weight::Store>(kBlockRows, cols);
      }
      for_each_block(slice.rows, [&](Index first, Index count) {
        const auto rows = rows_.view().row_block(0, count);
        read_block(name, first, slice.rows, rows);
        slice.weight.assign_packed_rows(slice.first + first, rows);
      });
    });
  }

  /// @throws DataError for a tensor that was not read, unless the family ignores it
  void require_all_read(int layers) const {
    for (const std::string& name : file_->names()) {
      std::string_view bare = name;
      if (bare.starts_with(family_->optional_prefix)) {
        bare.remove_prefix(family_->optional_prefix.size());
      }
      if (!used_.contains(name) && !family_->ignores(bare)) {
        throw DataError::invalid(
            file_->where(),
            "tensor \"" + name + "\" with shape " + io::shape_text(file_->tensor(name).shape),
            "present",
            "only tensors of a " + std::string(family_->model_type) + " of " + std::to_string(layers) + " layers");
      }
    }
  }

 private:
  static constexpr Index kBlockRows = 192;  // whole panels of every kernel; 2 MB of float at 2,560 columns

  template <class F>
  static void for_each_block(Index rows, F&& f) {
    for (Index first = 0; first < rows; first += kBlockRows) {
      f(first, std::min(kBlockRows, rows - first));
    }
  }

  /// @throws DataError naming the tensor, its shape and the closest names there are
  template <class F>
  void read_tensor(const std::string& parameter, Index rows, Index cols, bool one_dimensional, F&& read) {
    const std::string name = stored_name(*file_, *family_, parameter);
    if (!file_->contains(name)) {
      const std::vector<Index> shape = one_dimensional ? std::vector<Index>{cols} : std::vector<Index>{rows, cols};
      throw DataError::invalid(file_->where(),
                               "tensor \"" + name + "\" with shape " + io::shape_text(shape),
                               "missing",
                               io::detail::tensor_suggestion(name, file_->names()));
    }
    read(name);
    used_.insert(name);
  }
  template <class T>
  void read_block(const std::string& name, Index first, Index rows, MatrixView<T> out) const {
    file_->read_rows(name, first, rows, out);
    require_finite<T>(file_->where(), name, out, first * out.cols());
    file_->release(name);
  }

  const Family* family_;
  const io::ShardedSafeTensors* file_;
  std::set<std::string> used_;
  Matrix<typename Weight::Store> rows_;  // before packing
};
}  // namespace detail

/// Reads an encoder's weights from a checkpoint of `family`: F64, F32, F16 or BF16, rounded where the backend stores
/// less.
///
/// @param  in_bf16  projections that a backend with int8 stores in bf16 instead, by name; of a fused one, any part
/// @throws DataError for a missing tensor, or one that neither the encoder nor the family knows; ShapeError with both
///         shapes; NonFiniteError naming tensor and element
/// @note   with Residency::kServe the memory at any time is at most that of the model and 192 rows of a tensor
template <nn::NeuralKernels B, class Encoder>
[[nodiscard]] typename Encoder::template Parameters<nn::WeightLeaf<B>> load_weights(
    const Encoder& encoder,
    const Family& family,
    const io::ShardedSafeTensors& file,
    Residency residency,
    const std::set<std::string>& in_bf16 = {}) {
  detail::ResidentAllocator<B> allocator(residency);
  auto parameters = encoder.allocate(allocator);
  if constexpr (requires(typename nn::Kernels<B>::Weight& weight) { weight.store_in_bf16(); }) {
    encoder.visit(parameters,
                  nn::ParameterVisitor{[](const auto&) {},
                                       [&](const nn::PackedSlice<typename nn::Kernels<B>::Weight>& slice) {
                                         if (in_bf16.contains(slice.name)) {
                                           slice.weight.store_in_bf16();
                                         }
                                       }});
  }
  detail::CheckpointReader<B> reader(family, file);
  encoder.visit(
      parameters,
      nn::ParameterVisitor{[&](const auto& slice) { reader.read(slice); },
                           [&](const nn::PackedSlice<typename nn::Kernels<B>::Weight>& slice) { reader.read(slice); }});
  reader.require_all_read(encoder.config().layers);
  if (residency == Residency::kTrain || nn::Kernels<B>::Weight::kKeepsValues) {
    pack_weights<B>(encoder, parameters, residency);
  }
  return parameters;
}

}  // namespace reasonembed::model
