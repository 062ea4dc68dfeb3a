#include <reasonembed/core/error.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace re = reasonembed;

namespace {

/// Catches a Kind as Caught and gives its text.
template <class Caught, class Kind>
std::string caught_as(const Kind& error) {
  try {
    throw error;
  } catch (const Caught& caught) {
    return caught.what();
  }
}

}  // namespace

static_assert(std::is_base_of_v<std::runtime_error, re::Error>);
static_assert(std::is_nothrow_copy_constructible_v<re::ShapeError>, "an exception must not throw while it is thrown");

TEST_SUITE("core/error") {
  TEST_CASE("ShapeError: says where, what is got and what is expected") {
    CHECK(std::string(re::ShapeError::mismatch("nn::Linear", "x.cols()", 3, 4).what()) ==
          "nn::Linear: x.cols() is 3, expected 4");
    CHECK(std::string(re::ShapeError::mismatch("f", "n", -1, std::numeric_limits<std::int64_t>::max()).what()) ==
          "f: n is -1, expected 9223372036854775807");
    CHECK(std::string(re::ShapeError::invalid("f", "offsets", "unsorted", "ascending offsets").what()) ==
          "f: offsets is unsorted, expected ascending offsets");
  }

  TEST_CASE("ConfigError: says where, what is got and what is expected") {
    CHECK(std::string(re::ConfigError::invalid("config.json", "num_heads", "0", "at least 1").what()) ==
          "config.json: num_heads is 0, expected at least 1");
  }

  TEST_CASE("IoError: starts with the path") {
    CHECK(std::string(re::IoError::failed("a/b.txt", "file", "missing", "a readable file").what()) ==
          "a/b.txt: file is missing, expected a readable file");
  }

  TEST_CASE("DataError: names file and line") {
    CHECK(std::string(re::DataError::invalid("rows", "id", "empty", "a name").what()) ==
          "rows: id is empty, expected a name");
    CHECK(std::string(re::DataError::at_line("q.jsonl", 17, "text", "a number", "a string").what()) ==
          "q.jsonl:17: text is a number, expected a string");
  }

  TEST_CASE("NonFiniteError: names the element and spells the value alike on every machine") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(std::string(re::NonFiniteError::found("encode", "vector", 5, nan).what()) ==
          "encode: vector[5] is nan, expected a finite number");
    CHECK(std::string(re::NonFiniteError::found("encode", "vector", 5, std::copysign(nan, -1.0)).what()) ==
          "encode: vector[5] is nan, expected a finite number");
    CHECK(std::string(re::NonFiniteError::found("loss", "value", 0, infinity).what()) ==
          "loss: value[0] is inf, expected a finite number");
    CHECK(std::string(re::NonFiniteError::found("loss", "value", 0, -infinity).what()) ==
          "loss: value[0] is -inf, expected a finite number");
  }

  TEST_CASE("Error: catches every kind, and each kind only itself") {
    const std::string text = "f: n is 1, expected 2";
    CHECK(caught_as<re::Error>(re::ShapeError::mismatch("f", "n", 1, 2)) == text);
    CHECK(caught_as<re::Error>(re::ConfigError::invalid("f", "n", "1", "2")) == text);
    CHECK(caught_as<re::Error>(re::IoError::failed("f", "n", "1", "2")) == text);
    CHECK(caught_as<re::Error>(re::DataError::invalid("f", "n", "1", "2")) == text);
    CHECK(caught_as<std::exception>(re::DataError::invalid("f", "n", "1", "2")) == text);
    static_assert(!std::is_base_of_v<re::ShapeError, re::ConfigError>);
    static_assert(!std::is_base_of_v<re::DataError, re::IoError>);
    static_assert(std::is_base_of_v<re::Error, re::NonFiniteError>);
  }

  TEST_CASE("copy: keeps the text") {
    const re::IoError first = re::IoError::failed("p", "file", "missing", "a file");
    re::IoError second = re::IoError::failed("q", "x", "y", "z");
    second = first;
    CHECK(std::string(second.what()) == first.what());
  }
}
