#include <reasonembed/io/json.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using re::io::parse_json;

static_assert(!std::is_constructible_v<JsonFields, Json, std::string>, "a view of a temporary");
static_assert(std::is_constructible_v<JsonFields, const Json&, std::string>);

namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

const Json& config() {
  static const Json value = parse_json(
      R"({"text": "abc", "empty": "", "int": 384, "negative": -7, "zero": 0, "one": 1.0, "half": 0.5, "yes": true,
          "no": false, "nothing": null, "words": ["a", "b"], "mixed": ["a", 1], "numbers": [3, -1, 2],
          "list": [], "nested": {"theta": 10000.0, "deep": {"type": "x"}},
          "huge": 18446744073709551615, "least": -9223372036854775808, "most": 9223372036854775807})",
      "config.json");
  return value;
}

JsonFields fields() {
  return {config(), "config.json"};
}

}  // namespace

TEST_SUITE("io/json") {
  TEST_CASE("get: each getter gives the value of its type") {
    const JsonFields f = fields();
    CHECK(f.where() == "config.json");
    CHECK(&f.json() == &config());
    CHECK(f.get_string("text") == "abc");
    CHECK(f.get_string("empty").empty());
    CHECK(f.get_int("int") == 384);
    CHECK(f.get_int("negative") == -7);
    CHECK(f.get_int("least") == kLowest);
    CHECK(f.get_int("most") == kHighest);
    CHECK(f.get_double("half") == 0.5);
    CHECK(f.get_double("int") == 384.0);  // a number without a point is a number
    CHECK(f.get_double("huge") == 0x1p64);
    CHECK(f.get_bool("yes"));
    CHECK_FALSE(f.get_bool("no"));
    CHECK(f.get_strings("words") == std::vector<std::string>{"a", "b"});
    CHECK(f.get_strings("list").empty());
    CHECK(f.get_ints("numbers") == std::vector<std::int64_t>{3, -1, 2});
    CHECK(f.get_ints("list").empty());
    CHECK(f.get_array("mixed").size() == 2);
    CHECK(f.get_object("nested").get_double("theta") == 10000.0);
  }
  TEST_CASE("get_string: returns the very string of the document") {
    CHECK(&fields().get_string("text") == &config()["text"].get_ref<const std::string&>());
  }
  TEST_CASE("get: a missing field is an error that says what was expected") {
    const JsonFields f = fields();
    CHECK_THROWS_WITH_AS((void)f.get_string("x"), "config.json: x is missing, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_int("x"), "config.json: x is missing, expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_int("x", 1), "config.json: x is missing, expected an integer >= 1", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_double("x", 0, 1), "config.json: x is missing, expected a number in [0.0, 1.0]", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_bool("x"), "config.json: x is missing, expected true or false", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_strings("x"), "config.json: x is missing, expected an array of strings", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_ints("x"), "config.json: x is missing, expected an array of integers", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_array("x"), "config.json: x is missing, expected an array", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_object("x"), "config.json: x is missing, expected an object", re::DataError);
  }
  TEST_CASE("get: a field of another type is an error that shows it") {
    const JsonFields f = fields();
    CHECK_THROWS_WITH_AS((void)f.get_int("text"), "config.json: text is \"abc\", expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_int("one"), "config.json: one is 1.0, expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_int("yes"), "config.json: yes is true, expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_int("nothing"), "config.json: nothing is null, expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_string("int"), "config.json: int is 384, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_string("words"), "config.json: words is an array, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_double("text"), "config.json: text is \"abc\", expected a number", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_bool("zero"), "config.json: zero is 0, expected true or false", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_strings("text"), "config.json: text is \"abc\", expected an array of strings", re::DataError);
    CHECK_THROWS_WITH_AS((void)f.get_strings("mixed"), "config.json: mixed[1] is 1, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_ints("mixed"), "config.json: mixed[0] is \"a\", expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_ints("int"), "config.json: int is 384, expected an array of integers", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_array("nested"), "config.json: nested is an object, expected an array", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_object("list"), "config.json: list is an array, expected an object", re::DataError);
  }
  TEST_CASE("get_int: the bounds belong to the range") {
    const JsonFields f = fields();
    CHECK(f.get_int("int", 384, 384) == 384);
    CHECK_THROWS_WITH_AS(
        (void)f.get_int("int", 385), "config.json: int is 384, expected an integer >= 385", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_int("int", kLowest, 383), "config.json: int is 384, expected an integer <= 383", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_int("int", 1, 2), "config.json: int is 384, expected an integer in [1, 2]", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)f.get_ints("numbers", 0), "config.json: numbers[1] is -1, expected an integer >= 0", re::DataError);
  }
  TEST_CASE("get_int: a number that no signed 64-bit integer holds is refused, not wrapped") {
    CHECK_THROWS_WITH_AS((void)fields().get_int("huge"),
                         "config.json: huge is 18446744073709551615, expected an integer",
                         re::DataError);
    CHECK_THROWS_AS((void)fields().get_int("huge", -1, -1), re::DataError);  // what it would wrap to
  }
  TEST_CASE("get_double: the bounds belong to the range, and no NaN or infinity passes") {
    CHECK(fields().get_double("half", 0.5, 0.5) == 0.5);
    CHECK_THROWS_WITH_AS(
        (void)fields().get_double("half", 1.0), "config.json: half is 0.5, expected a number >= 1.0", re::DataError);
    CHECK_THROWS_WITH_AS((void)fields().get_double("half", -1.0, 0.25),
                         "config.json: half is 0.5, expected a number in [-1.0, 0.25]",
                         re::DataError);
    for (const double value : {std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity()}) {
      const Json object = {{"x", value}};  // only a program can make one: no text parses to it
      CHECK_THROWS_AS((void)JsonFields(object, "made").get_double("x"), re::DataError);
      CHECK_THROWS_AS((void)JsonFields(object, "made").get_int("x"), re::DataError);
    }
  }
  TEST_CASE("find: nothing for a field that is absent or null") {
    const JsonFields f = fields();
    for (const char* name : {"absent", "nothing"}) {
      CAPTURE(name);
      CHECK_FALSE(f.has(name));
      CHECK(f.find_string(name) == std::nullopt);
      CHECK(f.find_int(name) == std::nullopt);
      CHECK(f.find_double(name) == std::nullopt);
      CHECK(f.find_bool(name) == std::nullopt);
      CHECK(f.find_strings(name) == std::nullopt);
      CHECK_FALSE(f.find_object(name).has_value());
    }
  }
  TEST_CASE("find: the value if it is there, and still an error for another type or range") {
    const JsonFields f = fields();
    CHECK(f.has("zero"));
    CHECK(f.find_string("text") == "abc");
    CHECK(f.find_int("zero") == 0);
    CHECK(f.find_double("half") == 0.5);
    CHECK(f.find_bool("no") == false);
    CHECK(f.find_strings("words")->size() == 2);
    CHECK(f.find_object("nested")->has("theta"));
    CHECK_THROWS_AS((void)f.find_string("int"), re::DataError);
    CHECK_THROWS_AS((void)f.find_int("int", 0, 10), re::DataError);
    CHECK_THROWS_AS((void)f.find_double("int", 0, 10), re::DataError);
    CHECK_THROWS_AS((void)f.find_bool("int"), re::DataError);
    CHECK_THROWS_AS((void)f.find_strings("mixed"), re::DataError);
    CHECK_THROWS_AS((void)f.find_object("int"), re::DataError);
  }
  TEST_CASE("get_object: errors of nested fields name the way to them") {
    const JsonFields deep = fields().get_object("nested").get_object("deep");
    CHECK(deep.where() == "config.json");
    CHECK_THROWS_WITH_AS(
        (void)deep.get_int("type"), "config.json: nested.deep.type is \"x\", expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)deep.get_int("y"), "config.json: nested.deep.y is missing, expected an integer", re::DataError);
    CHECK_THROWS_WITH_AS((void)fields().get_object("nested").get_object("theta"),
                         "config.json: nested.theta is 10000.0, expected an object",
                         re::DataError);
  }
  TEST_CASE("JsonFields: anything but an object is refused") {
    for (const char* text : {"[]", "1", "\"x\"", "null", "true"}) {
      const Json value = parse_json(text, "f");
      CHECK_THROWS_AS(JsonFields(value, "a.jsonl:3"), re::DataError);
    }
    const Json list = Json::array();
    CHECK_THROWS_WITH_AS(
        JsonFields(list, "a.jsonl:3"), "a.jsonl:3: JSON value is an array, expected an object", re::DataError);
  }
  TEST_CASE("JsonFields: a hostile value makes a short error of one line") {
    const Json object = {{"x", "\n\x1B[2J" + std::string(100000, 'y')}};
    try {
      (void)JsonFields(object, "f").get_int("x");
      FAIL("accepted");
    } catch (const re::DataError& error) {
      const std::string_view text = error.what();
      CHECK(text.size() < 150);
      CHECK(text.find_first_of("\n\x1B") == std::string_view::npos);
    }
  }
  TEST_CASE("dump_json: keys are sorted and characters beyond ASCII kept") {
    const Json value = parse_json("{\"b\": 1, \"a\": \"\xE2\x82\xAC\\u00e9\\n\", \"c\": [1.0, -0.0, 1e300, []]}", "f");
    CHECK(re::io::dump_json(value, -1) == "{\"a\":\"\xE2\x82\xAC\xC3\xA9\\n\",\"b\":1,\"c\":[1.0,-0.0,1e+300,[]]}");
    CHECK(re::io::dump_json(parse_json("{\"b\":[1],\"a\":{}}", "f")) == "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}");
  }
  TEST_CASE("dump_json: doubles read back to the same bits") {
    std::mt19937_64 bits(7);
    std::size_t wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      const auto value = std::bit_cast<double>(bits());
      if (std::isfinite(value)) {
        const auto back = parse_json(re::io::dump_json(value), "f").get<double>();
        wrong += std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value) ? 0 : 1;
      }
    }
    CHECK(wrong == 0);
  }
  TEST_CASE("dump_json: NaN and infinity are errors that say where, not null") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS((void)re::io::dump_json(Json{{"rows", {{{"mean", 1.0}}, {{"mean", nan}}}}}),
                         "io::dump_json: /rows/1/mean is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS((void)re::io::dump_json(Json(-std::numeric_limits<double>::infinity())),
                         "io::dump_json: value is -inf, expected a finite number",
                         re::NonFiniteError);
  }
  TEST_CASE("dump_json: a string that is not UTF-8 is an error") {
    CHECK_THROWS_WITH_AS((void)re::io::dump_json(Json{{"a", "\xFF"}}),
                         "io::dump_json: a string is not UTF-8, expected UTF-8 text",
                         re::DataError);
    CHECK_THROWS_AS((void)re::io::dump_json(Json{{"\xC3", 1}}), re::DataError);
  }
  TEST_CASE("read_json: what write_json wrote, with a newline at the end") {
    const test::Scratch scratch;
    re::io::write_json(scratch / "a.json", config());
    CHECK(re::io::read_json(scratch / "a.json") == config());
    CHECK(test::content_of(scratch / "a.json").ends_with("\n}\n"));
  }
  TEST_CASE("read_json: errors name the file") {
    const test::Scratch scratch;
    const std::string broken = scratch.write("config.json", "{\"hidden_size\": 384,\n").string();
    CHECK_THROWS_WITH_AS((void)re::io::read_json(broken),
                         (broken + ": JSON is malformed at line 2, byte 1 (syntax error while parsing object key - "
                                   "unexpected end of input; expected string literal), expected valid JSON")
                             .c_str(),
                         re::DataError);
    const std::string absent = (scratch / "absent.json").string();
    CHECK_THROWS_WITH_AS(
        (void)re::io::read_json(absent), (absent + ": file is missing, expected a readable file").c_str(), re::IoError);
  }
  TEST_CASE("write_json: a value that can't be written leaves the old file whole") {
    const test::Scratch scratch;
    scratch.write("a.json", "old");
    CHECK_THROWS_AS(re::io::write_json(scratch / "a.json", Json(std::nan(""))), re::NonFiniteError);
    CHECK(test::content_of(scratch / "a.json") == "old");
    CHECK(scratch.count() == 1);
  }
}
