#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>

#include <concepts>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// The CPU with SIMD. `Cpu<float>` trains and serves; `Cpu<double>` is the same code for gradient checks.
///
/// Models: Backend.
///
/// @tparam StoreType  how weights are stored: float or double
template <class StoreType>
struct Cpu {
  static_assert(std::same_as<StoreType, float> || std::same_as<StoreType, double>,
                "reasonembed::backend::Cpu: Store must be float or double");
  using Store = StoreType;
  using Scalar = StoreType;
  static constexpr const char* name = std::same_as<StoreType, double> ? "cpu/f64" : "cpu/f32";
};

static_assert(Backend<Cpu<float>>);
static_assert(Backend<Cpu<double>>);

}  // namespace reasonembed::backend
