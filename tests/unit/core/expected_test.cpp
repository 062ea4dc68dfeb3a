#include <reasonembed/core/expected.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Expected;
using re::fail;
using re::Failure;
using re::Unexpected;

namespace {

Expected<int> parse_digit(char c) {
  if (c < '0' || c > '9') {
    return fail(std::string("'") + c + "' is not a digit");
  }
  return c - '0';
}

enum class Reason { kEmpty, kLong };

}  // namespace

static_assert(std::is_copy_constructible_v<Expected<int>> && std::is_nothrow_move_constructible_v<Expected<int>>);
static_assert(!std::is_copy_constructible_v<Expected<std::unique_ptr<int>>>);
static_assert(std::is_convertible_v<int, Expected<int>>, "`return value;`");
static_assert(!std::is_convertible_v<Expected<int>, bool>, "an Expected<bool> must not be tested by accident");

TEST_SUITE("core/expected") {
  TEST_CASE("constructor: a value is a value") {
    const Expected<int> digit = parse_digit('7');
    CHECK(digit.has_value());
    CHECK(static_cast<bool>(digit));
    CHECK(digit.value() == 7);
    CHECK(*digit == 7);
    CHECK(digit.value_or(-1) == 7);
  }

  TEST_CASE("constructor: a failure is a failure") {
    const Expected<int> digit = parse_digit('x');
    CHECK_FALSE(digit.has_value());
    CHECK_FALSE(static_cast<bool>(digit));
    CHECK(digit.error() == Failure{"'x' is not a digit"});
    CHECK(digit.value_or(-1) == -1);
  }

  TEST_CASE("value: throws the message of the failure") {
    CHECK_THROWS_WITH_AS((void)parse_digit('x').value(), "'x' is not a digit", re::Error);
    const Expected<int> digit = parse_digit('y');
    CHECK_THROWS_WITH_AS((void)digit.value(), "'y' is not a digit", re::Error);
  }

  TEST_CASE("value: throws the error itself if it is an exception") {
    const Expected<int, re::IoError> failed = Unexpected(re::IoError::failed("a.txt", "file", "missing", "a file"));
    CHECK_THROWS_WITH_AS((void)failed.value(), "a.txt: file is missing, expected a file", re::IoError);
  }

  TEST_CASE("value: throws a fixed message for any other error type") {
    const Expected<int, Reason> failed = Unexpected(Reason::kLong);
    CHECK(failed.error() == Reason::kLong);
    CHECK_THROWS_WITH_AS((void)failed.value(), "Expected::value: state is an error, expected a value", re::Error);
  }

  TEST_CASE("error: throws if there is a value") {
    CHECK_THROWS_WITH_AS(
        (void)Expected<int>(1).error(), "Expected::error: state is a value, expected an error", re::Error);
  }

  TEST_CASE("state: value and error of the same type are told apart") {
    const Expected<std::string, std::string> good = std::string("text");
    const Expected<std::string, std::string> bad = Unexpected(std::string("text"));
    CHECK(good.has_value());
    CHECK_FALSE(bad.has_value());
    CHECK_FALSE(good == bad);
  }

  TEST_CASE("map: changes the value and keeps the error") {
    const auto twice = [](int digit) { return std::to_string(2 * digit); };
    const Expected<std::string> mapped = parse_digit('4').map(twice);
    CHECK(mapped.value() == "8");
    CHECK(parse_digit('z').map(twice).error().message == "'z' is not a digit");
  }

  TEST_CASE("map: does not call the function without a value") {
    bool called = false;
    (void)parse_digit('z').map([&](int) {
      called = true;
      return 0;
    });
    CHECK_FALSE(called);
  }

  TEST_CASE("and_then: chains steps that may fail and stops at the first that does") {
    const auto halve = [](int digit) -> Expected<int> {
      if (digit % 2 != 0) {
        return fail(std::to_string(digit) + " is odd");
      }
      return digit / 2;
    };
    CHECK(parse_digit('8').and_then(halve).and_then(halve).value() == 2);
    CHECK(parse_digit('6').and_then(halve).and_then(halve).error().message == "3 is odd");
    CHECK(parse_digit('?').and_then(halve).error().message == "'?' is not a digit");
  }

  TEST_CASE("access: reaches members and allows change in place") {
    Expected<std::vector<int>> items = std::vector<int>{1, 2};
    items->push_back(3);
    (*items)[0] = 9;
    items.value()[1] = 8;
    CHECK(*items == std::vector<int>{9, 8, 3});
    const auto& constant = items;
    CHECK(constant->size() == 3);
  }

  TEST_CASE("move: carries move-only values out") {
    Expected<std::unique_ptr<int>> box = std::make_unique<int>(5);
    Expected<std::unique_ptr<int>> moved = std::move(box);
    const std::unique_ptr<int> taken = std::move(moved).value();
    CHECK(*taken == 5);
    CHECK(*Expected<std::unique_ptr<int>>(fail("none")).value_or(std::make_unique<int>(6)) == 6);
  }

  TEST_CASE("copy and assignment: give equal, independent objects") {
    Expected<std::string> a = std::string("a");
    Expected<std::string> b = a;
    CHECK(a == b);
    *b = "b";
    CHECK_FALSE(a == b);
    b = fail("gone");
    CHECK_FALSE(b.has_value());
    a = b;
    CHECK(a == b);
    a = std::string("back");
    CHECK(a.value() == "back");
  }

  TEST_CASE("bool: an Expected<bool> holding false has a value") {
    const Expected<bool> no = false;
    CHECK(no.has_value());
    CHECK_FALSE(no.value());
  }
}
