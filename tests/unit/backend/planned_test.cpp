#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/backend/planned.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <string_view>

namespace re = reasonembed;
using re::backend::Cpu;
using re::backend::Planned;

TEST_SUITE("backend/planned") {
  TEST_CASE("Planned: is a backend that stores and computes in what it plans for") {
    static_assert(re::backend::Backend<Planned<Cpu<float>>> && re::backend::Backend<Planned<Cpu<re::bf16>>>);
    static_assert(std::same_as<Planned<Cpu<re::bf16>>::Store, re::bf16>);
    static_assert(std::same_as<Planned<Cpu<re::bf16>>::Scalar, float>);
    static_assert(!std::same_as<Planned<Cpu<re::bf16>>, Planned<Cpu<float>>>);
    CHECK(std::string_view(Planned<Cpu<float>>::name) == "planned");
  }
}
