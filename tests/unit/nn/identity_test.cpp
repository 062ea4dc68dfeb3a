#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/identity.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>

#include <string>
#include <type_traits>

namespace re = reasonembed;
using re::nn::Identity;

TEST_SUITE("nn/identity") {
  TEST_CASE("concept: has parameters, none, and is no layer") {
    static_assert(re::nn::Parameterized<Identity>);
    static_assert(!re::nn::Layer<Identity>);
    static_assert(std::is_empty_v<Identity::Parameters<re::nn::WeightLeaf<test::Cpu32>>>);
    CHECK(Identity::architecture() == "identity");
  }
  TEST_CASE("visit: there is nothing to visit") {
    re::nn::WeightAllocator<test::Cpu32> allocator;
    auto parameters = Identity().allocate(allocator);
    int visits = 0;
    Identity::visit(parameters, std::string("final_norm"), [&](const auto&) { ++visits; });
    CHECK(visits == 0);
  }
}
