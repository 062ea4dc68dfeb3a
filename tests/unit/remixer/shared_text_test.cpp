#include <reasonembed/remixer/shared_text.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::remixer::SharedText;

TEST_SUITE("remixer/shared_text") {
  TEST_CASE("SharedText: is empty unless it is given a text") {
    const SharedText none;
    CHECK(none.empty());
    CHECK(std::string_view(none).empty());
    CHECK(none == SharedText(""));
    CHECK(SharedText("").empty());
  }

  TEST_CASE("SharedText: copies look at the same bytes, whatever becomes of the first") {
    auto first = std::make_unique<SharedText>(std::string(1000, 'x'));
    const SharedText second = *first;
    const char* bytes = second.view().data();
    CHECK(bytes == first->view().data());
    first.reset();
    CHECK(second.str() == std::string(1000, 'x'));
    SharedText moved = second;
    const SharedText third = std::move(moved);
    CHECK(third.view().data() == bytes);
  }

  TEST_CASE("operator==: compares texts, not places") {
    CHECK(SharedText("a") == SharedText(std::string("a")));
    CHECK(!(SharedText("a") == SharedText("b")));
    CHECK(!(SharedText("a") == SharedText()));
    CHECK(SharedText(std::string("a\0b", 3)) == SharedText(std::string("a\0b", 3)));
    CHECK(!(SharedText(std::string("a\0b", 3)) == SharedText("a")));
  }

  TEST_CASE("SharedText: a text that somebody else keeps lives as long as he does, and he as it") {
    struct Keeper {
      std::string text = "two";
      re::remixer::KeptText kept = {text};
    };
    auto keeper = std::make_shared<const Keeper>();
    const std::weak_ptr<const Keeper> watch = keeper;
    {
      const SharedText two(std::shared_ptr<const re::remixer::KeptText>(keeper, &keeper->kept));
      keeper.reset();
      CHECK(!watch.expired());
      CHECK(two.str() == "two");
      CHECK(two.view().data() == watch.lock()->text.data());  // no copy
    }
    CHECK(watch.expired());
  }

  TEST_CASE("str: is a copy, view is none") {
    const SharedText text(std::string(100, 'x'));
    const std::string copy = text.str();
    CHECK(copy == text.view());
    CHECK(copy.data() != text.view().data());
    CHECK(SharedText().str().empty());
    static_assert(sizeof(SharedText) == 2 * sizeof(void*));
  }
}
