#pragma once
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>

#include <concepts>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// The CPU with SIMD. `Cpu<float>` trains and serves; `Cpu<bf16>` serves with half the memory; `Cpu<double>` is the
/// same code for gradient checks.
///
/// With bf16, projections and tables of rows rest in bf16; gains and biases, activations and every sum are float.
/// `Cpu<bf16, bf16>` rounds what meets a projection to bf16 too, as PyTorch's bfloat16 does: twice the speed where the
/// processor has AVX512-BF16, and less exact vectors. Weights in bf16 are frozen: adapters can be trained on them.
/// `Cpu<float, bf16>` trains as PyTorch does under autocast to bfloat16: weights, their gradients and their optimiser
/// are float, the products' operands are rounded to bf16 on the way forth and back. Its projections compute to the bit
/// what `Cpu<bf16, bf16>` computes with the saved weights. `Cpu<int8>` quantises projections, an output a step, and
/// what meets them, a row a step (see simd::gemm); tables rest in bf16. Its products are four times as fast as float's
/// where the processor has AVX512-VNNI; projections that calibration finds spoilt stay in bf16 (model::calibrate_int8).
///
/// Models: Backend.
///
/// @tparam StoreType   how projections and tables are stored: float, bf16, int8 or double
/// @tparam FactorType  what enters the products: float, double, or bf16 for a store of bf16 or float
template <class StoreType, class FactorType = std::conditional_t<std::same_as<StoreType, double>, double, float>>
struct Cpu {
  static_assert(std::same_as<StoreType, float> || std::same_as<StoreType, bf16> || std::same_as<StoreType, int8> ||
                    std::same_as<StoreType, double>,
                "reasonembed::backend::Cpu: Store must be float, bf16, int8 or double");
  using Store = StoreType;
  using Factor = FactorType;
  using Scalar = std::conditional_t<std::same_as<StoreType, double>, double, float>;
  static_assert(std::same_as<Factor, Scalar> ||
                    (std::same_as<Factor, bf16> && (std::same_as<Store, bf16> || std::same_as<Store, float>)),
                "reasonembed::backend::Cpu: Factor must be what the store computes in, or bf16 for a store of bf16 or "
                "float");
  static constexpr const char* name = std::same_as<FactorType, bf16>
                                          ? (std::same_as<StoreType, bf16> ? "cpu/bf16xbf16" : "cpu/f32xbf16")
                                      : std::same_as<StoreType, double> ? "cpu/f64"
                                      : std::same_as<StoreType, bf16>   ? "cpu/bf16"
                                      : std::same_as<StoreType, int8>   ? "cpu/int8"
                                                                        : "cpu/f32";
};

static_assert(Backend<Cpu<float>>);
static_assert(Backend<Cpu<bf16>>);
static_assert(Backend<Cpu<bf16, bf16>>);
static_assert(Backend<Cpu<float, bf16>>);
static_assert(Backend<Cpu<int8>>);
static_assert(Backend<Cpu<double>>);

}  // namespace reasonembed::backend
