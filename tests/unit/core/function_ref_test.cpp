#include <reasonembed/core/function_ref.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace re = reasonembed;
using re::FunctionRef;

namespace {

int twice(int x) {
  return 2 * x;
}

int apply(FunctionRef<int(int)> f, int x) {
  return f(x);
}

struct Counter {
  int calls = 0;
  int operator()(int x) {
    ++calls;
    return x + calls;
  }
};

struct Adder {
  int offset;
  int operator()(int x) const { return x + offset; }
};

}  // namespace

static_assert(std::is_trivially_copyable_v<FunctionRef<void()>> && sizeof(FunctionRef<void()>) == 2 * sizeof(void*));
static_assert(std::is_convertible_v<int (*)(int), FunctionRef<int(int)>>);
static_assert(!std::is_constructible_v<FunctionRef<int(int)>, int (*)(std::string)>, "wrong parameter");
static_assert(!std::is_constructible_v<FunctionRef<std::string(int)>, int (*)(int)>, "wrong result");

TEST_SUITE("core/function_ref") {
  TEST_CASE("call: reaches lambdas, functions, function pointers and const objects") {
    const int offset = 3;
    CHECK(apply([&](int x) { return x + offset; }, 4) == 7);
    CHECK(apply(twice, 4) == 8);
    CHECK(apply(&twice, 4) == 8);
    int (*pointer)(int) = twice;
    CHECK(apply(pointer, 5) == 10);
    const Adder adder{10};
    CHECK(apply(adder, 1) == 11);
  }

  TEST_CASE("call: acts on the original object, not on a copy") {
    Counter counter;
    const FunctionRef<int(int)> f = counter;
    CHECK(f(10) == 11);
    CHECK(f(10) == 12);
    CHECK(counter.calls == 2);
  }

  TEST_CASE("copy: refers to the same callable") {
    Counter counter;
    const FunctionRef<int(int)> f = counter;
    FunctionRef<int(int)> g = f;
    (void)g(0);
    (void)f(0);
    CHECK(counter.calls == 2);
    Counter other;
    g = FunctionRef<int(int)>(other);
    (void)g(0);
    CHECK(other.calls == 1);
    CHECK(counter.calls == 2);
  }

  TEST_CASE("call: forwards references, move-only arguments and conversions of the result") {
    std::string text = "a";
    const auto append = [](std::string& target) { target += "b"; };
    FunctionRef<void(std::string&)>{append}(text);
    CHECK(text == "ab");
    const auto take = [](std::unique_ptr<int> box) { return *box; };
    CHECK(FunctionRef<int(std::unique_ptr<int>)>{take}(std::make_unique<int>(6)) == 6);
    const auto identity = [](std::string& target) -> std::string& { return target; };
    CHECK(&FunctionRef<std::string&(std::string&)>{identity}(text) == &text);
    CHECK(FunctionRef<double(int)>{twice}(2) == 4.0);
  }

  TEST_CASE("call: a result may be dropped into void") {
    Counter counter;
    FunctionRef<void(int)>{counter}(1);
    CHECK(counter.calls == 1);
  }

  TEST_CASE("call: lets exceptions through") {
    const auto thrower = [](int x) -> int { throw x; };
    CHECK_THROWS_AS((void)apply(thrower, 1), int);
  }
}
