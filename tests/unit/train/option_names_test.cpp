#include <reasonembed/optim/adamw.hpp>
#include <reasonembed/optim/schedule.hpp>
#include <reasonembed/train/option_names.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace re = reasonembed;
using re::io::Json;
using re::train::option_json;
using re::train::require_same_options;

namespace {

enum class Size : std::uint8_t { kSmall, kLarge };
enum class Answer : bool { kNo, kYes };

struct Inner {
  double share = 0.1;
  std::optional<std::int64_t> steps = std::nullopt;

  template <class F>
  void visit(F&& f) const {
    f("share", share);
    f("steps", steps);
  }
};
struct Outer {
  std::uint64_t seed = std::numeric_limits<std::uint64_t>::max();
  Inner inner = {};
  std::optional<Inner> other = std::nullopt;

  template <class F>
  void visit(F&& f) const {
    f("seed", seed);
    f("inner", inner);
    f("other", other);
  }
};
struct Nameless {
  int value = 1;
};
struct Empty {
  template <class F>
  void visit(F&& /*f*/) const {}
};

/// The message of the refusal, "accepted" if there is none.
std::string refusal(const Json& got, const Json& want) {
  try {
    require_same_options("run", got, want);
  } catch (const re::ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_SUITE("train/option_names") {
  TEST_CASE("option_json: numbers, truth values and texts stay what they are") {
    CHECK(option_json(3) == Json(3));
    CHECK(option_json(std::int64_t{-1}) == Json(-1));
    CHECK(option_json(true) == Json(true));
    CHECK(option_json(true).is_boolean());
    CHECK(option_json(0.1) == Json(0.1));
    CHECK(option_json(0.1F).get<float>() == 0.1F);
    CHECK(option_json(std::string("text")) == Json("text"));
    CHECK(option_json("text") == Json("text"));
    CHECK(option_json(std::numeric_limits<std::uint64_t>::max()).dump() == "18446744073709551615");
  }
  TEST_CASE("option_json: a number that JSON has no word for is named") {
    CHECK(option_json(std::numeric_limits<double>::infinity()) == Json("inf"));
    CHECK(option_json(-std::numeric_limits<double>::infinity()) == Json("-inf"));
    CHECK(option_json(std::numeric_limits<double>::quiet_NaN()).is_string());
  }
  TEST_CASE("option_json: an enumerator is its number, an option that is not set is null") {
    CHECK(option_json(Size::kSmall) == Json(0));
    CHECK(option_json(Size::kLarge) == Json(1));
    CHECK(option_json(Answer::kYes) == Json(true));  // its number is a bool
    CHECK(option_json(std::optional<int>()) == Json(nullptr));
    CHECK(option_json(std::optional<int>(0)) == Json(0));
    CHECK(option_json(std::optional<Size>(Size::kLarge)) == Json(1));
  }
  TEST_CASE("option_json: an aggregate that visits its options is an object, within others too") {
    CHECK(option_json(Outer{}) ==
          Json{{"seed", 18446744073709551615U}, {"inner", {{"share", 0.1}, {"steps", nullptr}}}, {"other", nullptr}});
    CHECK(option_json(Outer{.inner = {.steps = 4}, .other = Inner{.share = 1.0}})["other"]["share"] == Json(1.0));
    CHECK(option_json(Empty{}) == Json::object());
  }
  TEST_CASE("option_json: options without names are null") {
    CHECK(option_json(Nameless{}) == Json(nullptr));
    CHECK_FALSE(re::train::detail::NamesItsOptions<Nameless>);
    CHECK(re::train::detail::NamesItsOptions<Empty>);
  }
  TEST_CASE("option_json: what the library's policies name survives a file to the bit") {
    const Json json = option_json(re::optim::AdamWOptions{.lr = 0.1 + 0.2, .eps = 5e-324});
    CHECK(re::io::parse_json(re::io::dump_json(json), "memory") == json);
    CHECK(option_json(re::optim::WarmupOptions{}) == Json{{"warmup_ratio", 0.1}, {"warmup_steps", nullptr}});
    CHECK(option_json(re::optim::ConstantOptions{}) == Json::object());
  }
  TEST_CASE("require_same_options: equal options pass, whatever the type of a whole number") {
    const Json outer = option_json(Outer{});
    CHECK(refusal(outer, outer) == "accepted");
    CHECK(refusal(Json::object(), Json::object()) == "accepted");
    CHECK(refusal(Json(nullptr), Json(nullptr)) == "accepted");
    CHECK(refusal({{"a", 1}}, {{"a", 1.0}}) == "accepted");
  }
  TEST_CASE("require_same_options: the option that differs is named with both values, by its whole name") {
    Json other = option_json(Outer{});
    other["inner"]["share"] = 0.2;
    CHECK(refusal(option_json(Outer{}), other) == "run: inner.share is 0.1, expected 0.2, as the run began");
    CHECK(refusal({{"a", {{"b", {{"c", "x"}}}}}}, {{"a", {{"b", {{"c", "y"}}}}}}) ==
          "run: a.b.c is \"x\", expected \"y\", as the run began");
    CHECK(refusal({{"a", true}}, {{"a", false}}) == "run: a is true, expected false, as the run began");
    CHECK(refusal({{"a", {1, 2}}}, {{"a", {1, 3}}}) == "run: a is [1,2], expected [1,3], as the run began");
  }
  TEST_CASE("require_same_options: of several that differ, the first by name is told") {
    CHECK(refusal({{"b", 1}, {"a", 1}, {"c", 1}}, {{"c", 2}, {"b", 2}, {"a", 1}}) ==
          "run: b is 1, expected 2, as the run began");
  }
  TEST_CASE("require_same_options: an option that one side lacks is null there") {
    CHECK(refusal({{"a", 1}}, Json::object()) == "run: a is 1, expected null, as the run began");
    CHECK(refusal(Json::object(), {{"a", 1}}) == "run: a is null, expected 1, as the run began");
    CHECK(refusal({{"a", nullptr}}, Json::object()) == "accepted");
    CHECK(refusal({{"a", {{"b", 1}}}}, {{"a", nullptr}}) == "run: a is {\"b\":1}, expected null, as the run began");
  }
  TEST_CASE("require_same_options: seeds beyond 53 bits are told apart") {
    const std::uint64_t seed = (std::uint64_t{1} << 60) + 1;
    CHECK(refusal({{"seed", seed}}, {{"seed", seed}}) == "accepted");
    CHECK(refusal({{"seed", seed}}, {{"seed", seed - 1}}) ==
          "run: seed is 1152921504606846977, expected 1152921504606846976, as the run began");
  }
}
