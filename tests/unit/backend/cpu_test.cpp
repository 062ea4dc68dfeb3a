#include <reasonembed/backend/cpu.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <string_view>

namespace re = reasonembed;
using re::backend::Cpu;

TEST_SUITE("backend/cpu") {
  TEST_CASE("Cpu: computes in what it stores, bf16 in float, and says so") {
    static_assert(std::same_as<Cpu<float>::Scalar, float> && std::same_as<Cpu<float>::Store, float>);
    static_assert(std::same_as<Cpu<double>::Scalar, double> && std::same_as<Cpu<double>::Store, double>);
    static_assert(std::same_as<Cpu<re::bf16>::Scalar, float> && std::same_as<Cpu<re::bf16>::Store, re::bf16>);
    CHECK(std::string_view(Cpu<float>::name) == "cpu/f32");
    CHECK(std::string_view(Cpu<re::bf16>::name) == "cpu/bf16");
    CHECK(std::string_view(Cpu<double>::name) == "cpu/f64");
  }
  TEST_CASE("Cpu: two stores are two backends, which live in one program") {
    static_assert(!std::same_as<Cpu<float>, Cpu<double>>);
    static_assert(!std::same_as<Cpu<float>, Cpu<re::bf16>>);
    static_assert(re::backend::Backend<Cpu<float>> && re::backend::Backend<Cpu<double>>);
    static_assert(re::backend::Backend<Cpu<re::bf16>>);
    CHECK(std::string_view(Cpu<float>::name) != Cpu<double>::name);
  }
}
