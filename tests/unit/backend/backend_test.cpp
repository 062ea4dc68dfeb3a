#include <reasonembed/backend/backend.hpp>

#include <doctest/doctest.h>

#include <string_view>

namespace re = reasonembed;

namespace {

/// The smallest backend.
struct Abacus {
  using Store = int;
  using Scalar = double;
  static constexpr const char* name = "abacus";
};
struct NoStore {
  using Scalar = float;
  static constexpr const char* name = "no store";
};
struct WholeNumbers {
  using Store = int;
  using Scalar = int;
  static constexpr const char* name = "integers";
};
struct Nameless {
  using Store = float;
  using Scalar = float;
};
struct NumberedName {
  using Store = float;
  using Scalar = float;
  static constexpr int name = 7;
};

}  // namespace

TEST_SUITE("backend/backend") {
  TEST_CASE("concept: the archetype is a backend") {
    static_assert(re::backend::Backend<Abacus>);
    CHECK(std::string_view(Abacus::name) == "abacus");
  }
  TEST_CASE("concept: every demanded member is demanded") {
    static_assert(!re::backend::Backend<NoStore>);
    static_assert(!re::backend::Backend<WholeNumbers>);
    static_assert(!re::backend::Backend<Nameless>);
    static_assert(!re::backend::Backend<NumberedName>);
    static_assert(!re::backend::Backend<float>);
    CHECK(NumberedName::name == 7);
    CHECK(std::string_view(NoStore::name) != WholeNumbers::name);
  }
}
