#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/distributed/communicator.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::distributed {

/// The group of one: what is gathered is what was given, a sum has one term, nothing is sent.
///
/// It checks its arguments like every other model, so code that is right here is right on many processes.
///
/// Models: Communicator.
/// @note  stateless, thread-safe, no allocation
class SingleProcess {
 public:
  [[nodiscard]] int rank() const { return 0; }
  [[nodiscard]] int size() const { return 1; }
  void barrier() const {}

  /// @param in   (n)
  /// @param out  (n)
  /// @throws     ShapeError if the extents differ
  template <class T>
  void all_gather(std::span<const T> in, std::span<T> out) const {
    require_extent("distributed::SingleProcess::all_gather",
                   "out.size()",
                   static_cast<Index>(out.size()),
                   static_cast<Index>(in.size()));
    std::copy(in.begin(), in.end(), out.begin());
  }

  /// Leaves the values as they are.
  template <class T>
  void all_reduce_sum(std::span<T> /*values*/) const {}

  /// @throws  ConfigError if root is not 0
  template <class T>
  void broadcast(std::span<T> /*values*/, int root) const {
    if (root != 0) {
      throw ConfigError::invalid("distributed::SingleProcess::broadcast", "root", std::to_string(root), "0");
    }
  }
};
static_assert(Communicator<SingleProcess>);

}  // namespace reasonembed::distributed
