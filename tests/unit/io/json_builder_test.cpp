#include <reasonembed/io/json.hpp>
#include <reasonembed/io/json_builder.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::parse_json;
using Texts = std::vector<std::string_view>;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

/// The error's text, or "accepted".
std::string verdict(std::string_view text) {
  try {
    (void)parse_json(text, "f.json");
    return "accepted";
  } catch (const re::DataError& error) {
    return error.what();
  }
}

bool refused(std::string_view text) {
  return std::string_view(verdict(text)).starts_with("f.json: JSON is malformed at ");
}

}  // namespace

TEST_SUITE("io/json_builder") {
  TEST_CASE("parse_json: builds the value that nlohmann's own parser builds") {
    for (const std::string_view text : Texts{R"(null)",
                                             R"(true)",
                                             R"(false)",
                                             R"(0)",
                                             R"(-0)",
                                             R"(-1)",
                                             R"(18446744073709551615)",
                                             R"(-9223372036854775808)",
                                             R"(1.5e-3)",
                                             "1E4",
                                             R"("")",
                                             R"("a\u00e9\ud83d\ude00\n\"")",
                                             R"([])",
                                             R"({})",
                                             R"([[],{},[{}]])",
                                             R"({"a":{"b":[1,2,{"c":null}]},"d":"e","":0})",
                                             " [ 1 , 2 ]\r\n\t",
                                             R"([{"a":1},{"a":1}])",
                                             R"({"a":{"a":{"a":[]}}})",
                                             "\"\xE2\x82\xAC \xF0\x9F\x98\x80\""}) {
      CAPTURE(text);
      const Json got = parse_json(text, "f.json");
      const Json want = Json::parse(text);
      CHECK(got == want);
      CHECK(got.dump() == want.dump());
      CHECK(got.type() == want.type());
    }
  }
  TEST_CASE("parse_json: numbers keep their kind and their bits") {
    CHECK(parse_json("18446744073709551615", "f").get<std::uint64_t>() == std::numeric_limits<std::uint64_t>::max());
    CHECK(parse_json("-9223372036854775808", "f").get<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
    CHECK(parse_json("1", "f").is_number_integer());
    CHECK(parse_json("1.0", "f").is_number_float());
    CHECK(parse_json("18446744073709551616", "f").get<double>() == 0x1p64);
    CHECK(parse_json("0.1", "f").get<double>() == 0.1);
    CHECK(parse_json("4.9e-324", "f").get<double>() == std::numeric_limits<double>::denorm_min());
    CHECK(std::signbit(parse_json("-0.0", "f").get<double>()));
  }
  TEST_CASE("parse_json: a byte order mark at the start is skipped") {
    CHECK(parse_json("\xEF\xBB\xBF{\"a\": 1}", "f").at("a") == 1);
    CHECK(refused("\xEF\xBB{}"));
    CHECK(refused("{}\xEF\xBB\xBF"));
  }
  TEST_CASE("parse_json: what is not JSON is refused") {
    for (const std::string_view text :
         Texts{"",          " ",       "nul",      "nulll",     "True",       "NaN",       "Infinity",    "-Infinity",
               "01",        "+1",      "1.",       ".5",        "1e",         "0x10",      "--1",         "[",
               "]",         "[1",      "[1,",      "[1,]",      "[,1]",       "[1 2]",     "{",           "}",
               "{\"a\"",    "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}",     "{'a':1}",     "{1:2}",
               "{\"a\" 1}", "\"",      "\"a",      "\"\\\"",    "\"\\x\"",    "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"",
               "\"\t\"",    "{} {}",   "1 2",      "[]]",       "// c\n1",    "/* c */ 1", "[1] x",       "\"\0\""sv,
               "{}\0"sv,    "\0"sv}) {
      CAPTURE(text);
      CHECK(refused(text));
    }
  }
  TEST_CASE("parse_json: nothing hides behind a NUL byte") {
    CHECK(verdict("{}\0{\"a\": 1}"sv) == "f.json: JSON is malformed at byte 3 (NUL byte), expected valid JSON");
    CHECK(verdict("{\n\"a\0\": 1}"sv) == "f.json: JSON is malformed at line 2, byte 3 (NUL byte), expected valid JSON");
    CHECK(verdict(R"("\u0000")") == "accepted");
  }
  TEST_CASE("parse_json: a number beyond the range of double is refused, one that rounds is read") {
    CHECK(verdict("[1e999]") ==
          "f.json: JSON is malformed at byte 6 (number overflow parsing '1e999'), expected valid JSON");
    CHECK(refused("-1e999"));
    CHECK(parse_json("1e-999", "f").get<double>() == 0.0);
    CHECK(parse_json("1.7976931348623157e308", "f").get<double>() == std::numeric_limits<double>::max());
  }
  TEST_CASE("parse_json: bytes that are not UTF-8 are refused") {
    for (const std::string_view bytes : {"\xFF"sv,
                                         "\x80"sv,
                                         "\xC3"sv,
                                         "\xC0\x80"sv,
                                         "\xED\xA0\x80"sv,
                                         "\xF5\x80\x80\x80"sv,
                                         "\xE2\x82"sv,
                                         "\xF0\x9F\x98"sv}) {
      CHECK(refused("\"" + std::string(bytes) + "\""));
      CHECK(refused("{\"" + std::string(bytes) + "\": 1}"));
      CHECK(refused("[" + std::string(bytes) + "]"));
    }
    CHECK(refused(R"("\ud800")"));
    CHECK(refused(R"("\ud800\u0041")"));
    CHECK(refused(R"("\udc00")"));
  }
  TEST_CASE("parse_json: a key given twice is refused, however it is spelled") {
    const std::string want = R"(f.json: JSON key "a" is given twice in one object, expected one value)";
    CHECK(verdict(R"({"a":1,"a":1})") == want);
    CHECK(verdict(R"({"a":1,"b":2,"\u0061":3})") == want);
    CHECK(verdict(R"([{"x":{"a":{},"a":{}}}])") == want);
    CHECK(verdict(R"({"a":1,"A":1})") == "accepted");
    CHECK(verdict(R"({"a":{"a":1},"b":{"a":1}})") == "accepted");
    CHECK(verdict(R"({"":1,"":2})") == R"(f.json: JSON key "" is given twice in one object, expected one value)");
  }
  TEST_CASE("parse_json: the error says where") {
    CHECK(verdict("nul") ==
          "f.json: JSON is malformed at byte 4 (syntax error while parsing value - invalid literal; last read: 'nul'), "
          "expected valid JSON");
    CHECK(verdict("{\"a\": 1,\n \"b\": [2,\n\n  }") ==
          "f.json: JSON is malformed at line 4, byte 3 (syntax error while parsing value - unexpected '}'; expected "
          "'[', '{', or a literal), expected valid JSON");
    CHECK(verdict("\n\n\nx").starts_with("f.json: JSON is malformed at line 4, byte 1 "));
    CHECK(verdict("[1,\n2\n").starts_with("f.json: JSON is malformed at line 3, byte 1 "));
    CHECK(verdict("").starts_with("f.json: JSON is malformed at byte 1 "));
  }
  TEST_CASE("parse_json: the error is UTF-8 and short, whatever it quotes") {
    const std::string broken = verdict(
        "\"ab\xE4"
        "cd\"");
    CHECK(broken.find("\\xE4") != std::string::npos);
    CHECK(re::io::find_invalid_utf8(broken) == std::string_view::npos);
    CHECK(re::io::find_invalid_utf8(verdict("\"\xE2\x82\xAC\xFF\"")) == std::string_view::npos);
    const std::string giant = verdict("\"" + std::string(1'000'000, 'x') + "\n\"");
    CHECK(giant.size() < 400);
    CHECK(giant.find("...") != std::string::npos);
    CHECK(verdict("[\"\xE2\x82\xAC\" x]").find("\xE2\x82\xAC") != std::string::npos);
    CHECK(verdict("{\"" + std::string(500, 'k') + "\":1,\"" + std::string(500, 'k') + "\":1}").size() < 200);
  }
  TEST_CASE("parse_json: nesting is read down to the limit and refused below it") {
    const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
      std::string text;
      for (std::size_t i = 0; i < depth; ++i) {
        text += open;
      }
      text += "1";
      for (std::size_t i = 0; i < depth; ++i) {
        text += close;
      }
      return text;
    };
    const std::string want = "f.json: JSON nesting is deeper than 256, expected at most 256 levels";
    CHECK(verdict(nested(256, "[", "]")) == "accepted");
    CHECK(verdict(nested(257, "[", "]")) == want);
    CHECK(verdict(nested(256, "{\"a\":", "}")) == "accepted");
    CHECK(verdict(nested(257, "{\"a\":", "}")) == want);
    CHECK(verdict(std::string(10'000'000, '[')) == want);
    CHECK(verdict("[" + nested(255, "[", "]") + "," + nested(255, "[", "]") + "]") == "accepted");
  }
  TEST_CASE("parse_json: every prefix of a document is refused, never a crash") {
    const std::string text = R"({"a":[1,-2.5e3,true,null,"x\u00e9\n"],"b":{"c":{}},"d":[[[]]]})";
    REQUIRE(verdict(text) == "accepted");
    for (std::size_t size = 0; size < text.size(); ++size) {
      CAPTURE(size);
      CHECK(refused(std::string_view(text).substr(0, size)));
    }
  }
}
