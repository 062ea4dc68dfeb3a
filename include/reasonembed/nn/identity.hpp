#pragma once
#include <reasonembed/config.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Nothing happens here: what a block names where a model has no layer (the final norm of a post-norm encoder).
struct Identity {
  template <class Leaf>
  struct Parameters {};
  template <class B>
  struct Saved {};

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "identity"; }

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator&) const {
    return {};
  }
  template <class P, class F>
  static void visit(P&, const std::string&, F&&) {}
};

}  // namespace reasonembed::nn
