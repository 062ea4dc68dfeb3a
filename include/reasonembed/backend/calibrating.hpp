#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// Computes as Cpu<float>, and beside every projection what Cpu<int8> would make of the same input: for what int8 costs
/// each projection of a model, found by the model's own code. See model::calibrate_int8.
///
/// Models: Backend.
struct Calibrating {
  using Store = float;
  using Scalar = float;
  static constexpr const char* name = "calibrating";
};

static_assert(Backend<Calibrating>);

}  // namespace reasonembed::backend
