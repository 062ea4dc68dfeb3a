#include <reasonembed/nn/planned_kernels.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::backend::Cpu;
using re::backend::Planned;
using re::nn::Kernels;
using re::nn::PlanningAllocator;

static_assert(re::nn::NeuralKernels<Planned<Cpu<re::bf16>>> && re::nn::NeuralKernels<Planned<Cpu<double>>>);

namespace {
using Mixed = Cpu<float, re::bf16>;
using Frozen = Cpu<re::bf16, re::bf16>;
}  // namespace

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
  TEST_CASE_TEMPLATE("linear_vjp_input, linear_vjp_weight: take the scratch of the real products",
                     B,
                     Cpu<float>,
                     Cpu<double>,
                     Mixed,
                     Frozen) {
    using S = typename B::Scalar;
    for (const auto& [rows, inputs, outputs] : {std::array<Index, 3>{1, 1, 1},
                                                {7, 33, 5},
                                                {512, 1024, 48},
                                                {3, 5000, 70},
                                                {0, 8, 4},
                                                {130, 300, 2100},
                                                {16, 8, 0}}) {
      CAPTURE(rows);
      CAPTURE(inputs);
      CAPTURE(outputs);
      const Matrix<S> x(rows, inputs);
      const Matrix<S> dy(rows, outputs);
      Matrix<S> dx(rows, inputs);
      Matrix<S> dweight(outputs, inputs);
      typename Kernels<B>::Weight weight(outputs, inputs);
      weight.pack();
      weight.make_differentiable();
      re::Arena planned;
      re::Arena real;
      Kernels<Planned<B>>::linear_vjp_input(
          dy.view(), re::nn::PlannedParameter<S>(outputs, inputs), dx.view(), planned);
      Kernels<B>::linear_vjp_input(dy.view(), weight, dx.view(), real);
      CHECK(planned.peak() == real.peak());
      re::Arena planned_weight;
      re::Arena real_weight;
      Kernels<Planned<B>>::linear_vjp_weight(dy.view(), x.view(), dweight.view(), {}, planned_weight);
      Kernels<B>::linear_vjp_weight(dy.view(), x.view(), dweight.view(), {}, real_weight);
      CHECK(planned_weight.peak() == real_weight.peak());
      CHECK(planned_weight.used() == 0);
    }
  }
  TEST_CASE_TEMPLATE("attention_vjp: takes the scratch of the real one, whatever heads and lengths",
                     B,
                     Cpu<float>,
                     Cpu<double>,
                     Mixed) {
    using S = typename B::Scalar;
    for (const auto& ends : {std::vector<std::int32_t>{0, 1}, {0, 3, 40}, {0, 300}, {0, 0, 5}, {0, 40, 80, 90}}) {
      for (const bool causal : {false, true}) {
        const re::simd::AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 6, .causal = causal};
        const Matrix<S> q(ends.back(), 24);
        const Matrix<S> kv(ends.back(), 12);
        const std::vector<S> sums(static_cast<std::size_t>(ends.back()) * 4);
        Matrix<S> dq(ends.back(), 24);
        Matrix<S> dk(ends.back(), 12);
        Matrix<S> dv(ends.back(), 12);
        const auto run = [&]<class K>(K, re::Arena& arena) {
          K::attention_vjp(shape,
                           q.view(),
                           kv.view(),
                           kv.view(),
                           ends,
                           S{1},
                           q.view(),
                           sums,
                           q.view(),
                           dq.view(),
                           dk.view(),
                           dv.view(),
                           arena);
        };
        re::Arena planned;
        re::Arena real;
        run(Kernels<Planned<B>>{}, planned);
        run(Kernels<B>{}, real);
        CHECK(planned.peak() == real.peak());
        CHECK(planned.used() == 0);
      }
    }
  }
  TEST_CASE("linear: a factor of an adapter takes the scratch of what the backend computes in") {
    using B = Cpu<re::bf16, re::bf16>;
    const Matrix<float> x(64, 200);
    Matrix<float> y(64, 8);
    re::Arena planned;
    re::Arena real;
    typename Kernels<B>::Factor factor(8, 200);
    factor.pack();
    Kernels<Planned<B>>::linear(x.view(), re::nn::PlannedFactor<float>(8, 200), {}, y.view(), planned);
    Kernels<B>::linear(x.view(), factor, std::span<const float>(), y.view(), real);
    CHECK(planned.peak() == real.peak());
  }
  TEST_CASE("attention: forgets what other shapes have taken, and is asked for many") {
    using K = Kernels<Planned<Cpu<float>>>;
    std::vector<std::size_t> first;
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (Index length = 1; length < 12; ++length) {  // more lengths than are remembered
        const re::simd::AttentionShape shape{.heads = 2, .kv_heads = 1, .head_dim = 40 * length};
        re::Arena arena;
        K::attention(
            shape, {}, {}, {}, std::vector<std::int32_t>{0, static_cast<std::int32_t>(length)}, 1.0F, {}, {}, arena);
        if (repeat == 0) {
          first.push_back(arena.peak());
        } else {
          CHECK(arena.peak() == first[static_cast<std::size_t>(length - 1)]);
        }
      }
    }
    CHECK(first.front() < first.back());
  }
  TEST_CASE("PlanningGradients: have shapes and no memory") {
    re::nn::PlanningGradients<float> gradients;
    const auto matrix = gradients.matrix(Index{1} << 20, 4096);
    CHECK(matrix.rows() == Index{1} << 20);
    CHECK(matrix.cols() == 4096);
    CHECK_FALSE(matrix.empty());
    CHECK(gradients.matrix(0, 8).empty());
    CHECK(gradients.vector(77).size() == 77);
    CHECK(gradients.vector(0).empty());
    CHECK(gradients.table(3, 5).rows() == 3);
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
      CHECK(allocator.projection_bytes() == allocator.bytes());
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
    PlanningAllocator<re::backend::Cpu<float>> trained;
    (void)trained.matrix(100, 64);
    CHECK(trained.training_bytes() == 100 * 64 * sizeof(float));
    (void)trained.table(30, 16);
    CHECK(trained.training_bytes() == 100 * 64 * sizeof(float));  // a table has one form
    PlanningAllocator<Mixed> mixed;                               // masters, and pairs both ways
    (void)mixed.matrix(96, 48);
    CHECK(mixed.bytes() == 96 * 48 * (sizeof(float) + sizeof(re::bf16)));
    CHECK(mixed.training_bytes() == re::simd::PackedMatrix<re::simd::Bf16Pair>::footprint(48, 96));
    CHECK_THROWS_AS((void)wide.table(std::numeric_limits<Index>::max(), 2), re::ShapeError);
  }
}
