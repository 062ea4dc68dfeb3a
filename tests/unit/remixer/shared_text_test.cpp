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
    const char* bytes = second.str().data();
    CHECK(bytes == first->str().data());
    first.reset();
    CHECK(second.str() == std::string(1000, 'x'));
    SharedText moved = second;
    const SharedText third = std::move(moved);
    CHECK(third.str().data() == bytes);
  }

  TEST_CASE("operator==: compares texts, not places") {
    CHECK(SharedText("a") == SharedText(std::string("a")));
    CHECK(!(SharedText("a") == SharedText("b")));
    CHECK(!(SharedText("a") == SharedText()));
    CHECK(SharedText(std::string("a\0b", 3)) == SharedText(std::string("a\0b", 3)));
    CHECK(!(SharedText(std::string("a\0b", 3)) == SharedText("a")));
  }

  TEST_CASE("SharedText: a text of a list keeps the list") {
    auto list = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"one", "two"});
    const std::weak_ptr<const std::vector<std::string>> watch = list;
    {
      const SharedText two(list, 1);
      list.reset();
      CHECK(!watch.expired());
      CHECK(two.str() == "two");
      CHECK(two.str().data() == watch.lock()->at(1).data());  // no copy
    }
    CHECK(watch.expired());
  }
}
