#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// A backend that computes nothing, and takes from its arenas what B would take: for what an encoder needs of memory
/// to serve or to be trained, found by the encoder's own code.
///
/// Models: Backend.
///
/// @tparam B  the backend that is planned for
template <Backend B>
struct Planned {
  using Store = typename B::Store;
  using Scalar = typename B::Scalar;
  static constexpr const char* name = "planned";
};

}  // namespace reasonembed::backend
