#include <reasonembed/data/json_id.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;

namespace {

std::string id_of(const std::string& text) {
  const re::io::Json row = re::io::parse_json(text, "f:3");
  return re::data::json_id(re::io::JsonFields(row, "f:3"), "id");
}

}  // namespace

TEST_SUITE("data/json_id") {
  TEST_CASE("json_id: takes a text as it stands") {
    CHECK(id_of(R"({"id": "a b/c.txt"})") == "a b/c.txt");
    CHECK(id_of(R"({"id": " "})") == " ");
    CHECK(id_of(R"({"id": "caf\u00e9"})") == "caf\xC3\xA9");
    CHECK(id_of(R"({"id": "007"})") == "007");
  }

  TEST_CASE("json_id: writes an integer in decimal digits") {
    CHECK(id_of(R"({"id": 0})") == "0");
    CHECK(id_of(R"({"id": -12})") == "-12");
    CHECK(id_of(R"({"id": 18446744073709551615})") == "18446744073709551615");
    CHECK(id_of(R"({"id": -9223372036854775808})") == "-9223372036854775808");
  }

  TEST_CASE("json_id: refuses what identifies nothing") {
    CHECK_THROWS_WITH_AS((void)id_of(R"({"x": 1})"), "f:3: id is missing, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)id_of(R"({"id": ""})"), "f:3: id is empty, expected an id", re::DataError);
    CHECK_THROWS_WITH_AS((void)id_of(R"({"id": null})"), "f:3: id is null, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)id_of(R"({"id": 1.0})"), "f:3: id is 1.0, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)id_of(R"({"id": ["a"]})"), "f:3: id is an array, expected a string", re::DataError);
    CHECK_THROWS_WITH_AS((void)id_of(R"({"id": true})"), "f:3: id is true, expected a string", re::DataError);
  }
}
