#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The adapters of one encoder, by name. An adapter stays in its place until it is removed.
template <nn::NeuralKernels B>
class AdapterSet {
 public:
  using Adapter = nn::Adapter<B>;

  /// @throws ConfigError for an empty name, or one that is taken
  void add(std::string name, Adapter adapter) {
    if (name.empty() || find(name) != nullptr) {
      throw ConfigError::invalid("model::AdapterSet::add",
                                 "name",
                                 name.empty() ? "empty" : io::in_quotes(name) + ", which is taken",
                                 "a name of its own");
    }
    adapters_.push_back({std::move(name), std::make_unique<Adapter>(std::move(adapter))});
  }
  /// @throws ConfigError listing the adapters there are
  [[nodiscard]] Adapter& get(std::string_view name) const {
    Adapter* const found = find(name);
    if (found == nullptr) {
      std::string there;
      for (const Entry& entry : adapters_) {
        there += (there.empty() ? "" : ", ") + io::in_quotes(entry.name);
      }
      throw ConfigError::invalid(
          "model::AdapterSet", "adapter", io::in_quotes(name), there.empty() ? "none, for none was added" : there);
    }
    return *found;
  }
  void remove(std::string_view name) {
    (void)get(name);
    std::erase_if(adapters_, [&](const Entry& entry) { return entry.name == name; });
  }
  /// @return  in the order in which they were added
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Entry& entry : adapters_) {
      all.push_back(entry.name);
    }
    return all;
  }

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<Adapter> adapter;
  };

  [[nodiscard]] Adapter* find(std::string_view name) const {
    for (const Entry& entry : adapters_) {
      if (entry.name == name) {
        return entry.adapter.get();
      }
    }
    return nullptr;
  }

  std::vector<Entry> adapters_;
};

namespace detail {

/// W += s B A for each branch of an adapter, in a weight's packed form and in its values where it has them.
template <nn::NeuralKernels B>
struct MergeBranches {
  static constexpr bool kProjectionsOnly = true;
  const nn::Adapter<B>& adapter;
  Arena arena = {};

  template <class P, class Blocks>
  void projection(P& parameters, const std::string&, const Blocks&) {
    using S = typename B::Scalar;
    using Store = typename nn::Kernels<B>::Weight::Store;
    for (const nn::AdapterBranch<B>& branch : adapter.branches(parameters.site)) {
      const ArenaScope scope(arena);
      const nn::AdapterTarget& target = branch.target;
      const MatrixView<S> update = arena.matrix<S>(target.rows, target.inputs);          // (N, K)
      const MatrixView<Store> merged = arena.matrix<Store>(target.rows, target.inputs);  // (N, K)
      nn::Kernels<B>::linear_vjp_input(branch.b.view(), branch.a, update, arena);
      nn::Kernels<B>::scale(update, branch.scale, update);
      parameters.weight.unpack_rows(target.first, merged);
      for (Index row = 0; row < merged.rows(); ++row) {
        for (Index col = 0; col < merged.cols(); ++col) {
          merged(row, col) = static_cast<Store>(static_cast<S>(merged(row, col)) + update(row, col));
        }
      }
      parameters.weight.assign_packed_rows(target.first, MatrixView<const Store>(merged));
      if (!parameters.weight.view().empty()) {
        const auto values = parameters.weight.view().row_block(target.first, target.rows);
        for (Index row = 0; row < merged.rows(); ++row) {
          std::copy_n(merged.row(row).begin(), merged.cols(), values.row(row).begin());
        }
      }
    }
  }
};

}  // namespace detail

/// Adds an adapter to an encoder's packed weights: W += s B A, in any residency.
///
/// @note  the vectors are those of the unmerged adapter up to rounding; a weight stored in bf16 is rounded once more,
/// one in
///        int8 quantised
template <nn::NeuralKernels B, class Encoder>
void merge_adapter(const Encoder& encoder,
                   typename Encoder::template Parameters<nn::WeightLeaf<B>>& weights,
                   const nn::Adapter<B>& adapter) {
  encoder.visit(weights, detail::MergeBranches<B>{.adapter = adapter});
}

}  // namespace reasonembed::model
