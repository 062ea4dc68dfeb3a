#include <reasonembed/nn/planned_kernels.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::backend::Cpu;
using re::backend::Planned;
using re::nn::Kernels;
using re::nn::PlanningAllocator;

static_assert(re::nn::NeuralKernels<Planned<Cpu<re::bf16>>> && re::nn::NeuralKernels<Planned<Cpu<double>>>);

TEST_SUITE("nn/planned_kernels") {
  TEST_CASE_TEMPLATE(
      "linear: takes the scratch of the real product, and writes nothing", W, float, double, re::bf16, re::int8) {
    using B = Cpu<W>;
    using S = typename B::Scalar;
    for (const auto& [rows, inputs] : {std::pair<Index, Index>{1, 1}, {7, 33}, {512, 1024}, {3, 5000}, {0, 8}}) {
      CAPTURE(rows);
      CAPTURE(inputs);
      const Matrix<S> x(rows, inputs);
      Matrix<S> y(rows, 9);
      re::Arena planned;
      re::Arena real;
      Kernels<Planned<B>>::linear(x.view(), re::nn::PlannedParameter<S>(9, inputs), {}, y.view(), planned);
      Kernels<B>::linear(x.view(), Kernels<B>::Weight::packed_only(9, inputs), std::span<const S>(), y.view(), real);
      CHECK(planned.peak() == real.peak());
      CHECK(planned.used() == 0);
    }
  }
  TEST_CASE_TEMPLATE("attention: takes the scratch of the real one, whatever heads and lengths",
                     B,
                     Cpu<float>,
                     Cpu<double>,
                     Cpu<re::int8>) {
    using S = typename B::Scalar;
    for (const auto& ends : {std::vector<std::int32_t>{0, 1}, {0, 3, 40}, {0, 300}, {0, 0, 5}}) {
      for (const bool causal : {false, true}) {
        const re::simd::AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 6, .causal = causal};
        const Matrix<S> q(ends.back(), 24);
        const Matrix<S> kv(ends.back(), 12);
        Matrix<S> out(ends.back(), 24);
        re::Arena planned;
        re::Arena real;
        Kernels<Planned<B>>::attention(shape, q.view(), kv.view(), kv.view(), ends, S{1}, out.view(), {}, planned);
        Kernels<B>::attention(shape, q.view(), kv.view(), kv.view(), ends, S{1}, out.view(), {}, real);
        CHECK(planned.peak() == real.peak());
      }
    }
  }
  TEST_CASE("PlanningAllocator: counts what parameters take that only serve") {
    PlanningAllocator<re::backend::Cpu<float>> wide;
    PlanningAllocator<re::backend::Cpu<re::bf16>> narrow;
    const auto check = [](auto& allocator, const auto& packed, std::size_t element) {
      const std::size_t before = allocator.bytes();
      const auto matrix = allocator.matrix(100, 64);
      CHECK(matrix.rows() == 100);
      CHECK(matrix.cols() == 64);
      CHECK(matrix.span().empty());
      CHECK(allocator.bytes() - before == packed.bytes());
      (void)allocator.table(30, 16);
      CHECK(allocator.bytes() - before == packed.bytes() + 30 * 16 * element);
      (void)allocator.vector(17);  // float in both, in whole cache lines
      CHECK(allocator.bytes() - before == packed.bytes() + 30 * 16 * element + 128);
      (void)allocator.vector(0);
      CHECK(allocator.bytes() - before == packed.bytes() + 30 * 16 * element + 128);
    };
    check(wide, re::simd::PackedMatrix<float>(100, 64), sizeof(float));
    check(narrow, re::simd::PackedMatrix<re::bf16>(100, 64), sizeof(re::bf16));
    PlanningAllocator<re::backend::Cpu<re::int8>> quantized;
    (void)quantized.matrix(96, 64);
    CHECK(quantized.bytes() == 96 * 64 + 2 * 96 * 4);
    (void)quantized.table(32, 16);
    CHECK(quantized.bytes() == 96 * 64 + 2 * 96 * 4 + 32 * 16 * sizeof(re::bf16));
    CHECK_THROWS_AS((void)wide.table(std::numeric_limits<Index>::max(), 2), re::ShapeError);
  }
}
