#include <reasonembed/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::MatrixView;
using re::io::DType;
using re::io::SafeTensors;
using re::io::TensorInfo;
using Shape = std::vector<Index>;
using namespace std::string_literals;
using namespace std::string_view_literals;

static_assert(!std::is_copy_constructible_v<SafeTensors> && std::is_nothrow_move_constructible_v<re::MemoryMap>);

namespace {

constexpr const char* kDTypeWant =
    "one of BOOL, U8, I8, F8_E5M2, F8_E4M3, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64";

std::string with_length(std::uint64_t length, std::string_view rest) {
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file.append(rest);
}

/// A file of a header and so many bytes 0, 1, 2, ... of data.
std::string file_of(std::string_view header, std::size_t data = 0) {
  std::string file = with_length(header.size(), header);
  for (std::size_t i = 0; i < data; ++i) {
    file += static_cast<char>(i);
  }
  return file;
}

SafeTensors parse_view(const std::string& file) {
  return SafeTensors::parse(std::as_bytes(std::span(file)), "m.st");
}

/// Keeps the file until the end of the program, for the tensors look into it.
SafeTensors parse(std::string file) {
  static std::deque<std::string> files;
  return parse_view(files.emplace_back(std::move(file)));
}

/// The error for a file, "accepted" if there is none.
std::string verdict(const std::string& file) {
  try {
    (void)parse_view(file);
    return "accepted";
  } catch (const re::DataError& error) {
    return error.what();
  }
}

std::string entry(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return R"({"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
         std::string(offsets) + "}";
}

/// The error for a file of one tensor "t".
std::string verdict_of(const std::string& tensor, std::size_t data) {
  return verdict(file_of("{\"t\":" + tensor + "}", data));
}

/// A file of one tensor "t" of floats or doubles.
template <class T>
std::string file_with(const std::vector<T>& values, std::string_view dtype) {
  const std::size_t size = values.size() * sizeof(T);
  std::string file = file_of(
      "{\"t\":" + entry(dtype, "[" + std::to_string(values.size()) + "]", "[0," + std::to_string(size) + "]") + "}");
  file.resize(file.size() + size);
  std::memcpy(file.data() + file.size() - size, values.data(), size);
  return file;
}

}  // namespace

TEST_SUITE("io/safetensors") {
  TEST_CASE("parse: finds tensors, shapes and bytes") {
    const std::string file = file_of(R"({"b":{"dtype":"I8","shape":[2,3],"data_offsets":[4,10]},"__metadata__":)"
                                     R"({"format":"pt"},"a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}   )",
                                     10);
    const SafeTensors tensors = parse(file);
    CHECK(tensors.where() == "m.st");
    CHECK(tensors.names() == std::vector<std::string>{"a", "b"});
    CHECK(tensors.contains("a"));
    CHECK_FALSE(tensors.contains("__metadata__"));
    CHECK(tensors.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
    const TensorInfo& b = tensors.tensor("b");
    CHECK(b.dtype == DType::kI8);
    CHECK(b.shape == Shape{2, 3});
    CHECK(b.size() == 6);
    REQUIRE(b.bytes.size() == 6);
    CHECK(b.bytes[0] == std::byte{4});
    CHECK(tensors.tensor("a").shape.empty());
    CHECK(tensors.tensor("a").size() == 1);
  }
  TEST_CASE("parse: a file without tensors, tensors without elements and fields it does not know are fine") {
    CHECK(verdict(file_of("{}")) == "accepted");
    CHECK(verdict(file_of(R"({"__metadata__":{}})")) == "accepted");
    CHECK(verdict_of(entry("F32", "[0]", "[0,0]"), 0) == "accepted");
    CHECK(verdict_of(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"later":[{}]})", 1) == "accepted");
    // Empty tensors before, between and after others take no place.
    const SafeTensors tensors =
        parse(file_of("{\"a\":" + entry("U8", "[2]", "[0,2]") + ",\"b\":" + entry("F32", "[3,0]", "[2,2]") +
                          ",\"c\":" + entry("U8", "[1,1,1]", "[2,3]") + ",\"d\":" + entry("F64", "[0]", "[0,0]") +
                          ",\"e\":" + entry("BOOL", "[0,7]", "[3,3]") + "}",
                      3));
    CHECK(tensors.names().size() == 5);
    CHECK(tensors.tensor("b").shape == Shape{3, 0});
    CHECK(tensors.tensor("b").size() == 0);
    CHECK(tensors.tensor("c").bytes[0] == std::byte{2});
  }
  TEST_CASE("parse: knows the size of every dtype") {
    for (const auto& row : re::io::detail::kDTypes) {
      CAPTURE(row.name);
      const std::size_t size = 6 * row.size;
      CHECK(verdict_of(entry(row.name, "[2,3]", "[0," + std::to_string(size) + "]"), size) == "accepted");
      CHECK(verdict_of(entry(row.name, "[2,3]", "[0," + std::to_string(size + 1) + "]"), size + 1) ==
            "m.st: tensor \"t\": data_offsets is [0, " + std::to_string(size + 1) + "], expected " +
                std::to_string(size) + " bytes for " + std::string(row.name) + " [2, 3]");
    }
  }

  TEST_CASE("parse: a file that ends in its header is refused") {
    const std::string whole = file_of("{\"t\":" + entry("U8", "[4]", "[0,4]") + "}", 4);
    REQUIRE(verdict(whole) == "accepted");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      const std::string error = verdict(whole.substr(0, size));
      const std::string want =
          size < 8 ? "m.st: file is " + std::to_string(size) + " bytes, expected at least 8, the length of the header"
          : size < whole.size() - 4 ? "m.st: header length is " + std::to_string(whole.size() - 12) +
                                          ", expected at most " + std::to_string(size - 8) + ", the rest of the file"
                                    : "m.st: tensor \"t\": data_offsets is [0, 4], expected begin <= end <= " +
                                          std::to_string(size + 4 - whole.size()) + ", the size of the data";
      CHECK(error == want);
    }
  }
  TEST_CASE("parse: a header length beyond the file or the format's limit is refused") {
    CHECK(verdict(with_length(3, "{}")) == "m.st: header length is 3, expected at most 2, the rest of the file");
    CHECK(verdict(with_length(100'000'000, "{}")) ==
          "m.st: header length is 100000000, expected at most 2, the rest of the file");
    CHECK(verdict(with_length(100'000'001, "{}")) == "m.st: header length is 100000001, expected at most 100000000");
    CHECK(verdict(with_length(~std::uint64_t{0}, "{}")) ==
          "m.st: header length is 18446744073709551615, expected at most 100000000");
    CHECK(verdict(with_length(std::uint64_t{1} << 63, "{}")) ==
          "m.st: header length is 9223372036854775808, expected at most 100000000");
  }
  TEST_CASE("parse: a header over the limit is refused though the file holds it") {
    const std::string file = with_length(100'000'001, "{}" + std::string(99'999'999, ' '));
    CHECK(verdict(file) == "m.st: header length is 100000001, expected at most 100000000");
  }
  TEST_CASE("parse: a header that is no JSON object is refused") {
    CHECK(verdict(file_of("")) == "m.st: start of the header is \"\", expected \"{\"");
    CHECK(verdict(file_of("[]")) == "m.st: start of the header is \"[]\", expected \"{\"");
    CHECK(verdict(file_of(" {}")) == "m.st: start of the header is \" {}\", expected \"{\"");
    CHECK(verdict(file_of("\xEF\xBB\xBF{}")).starts_with("m.st: start of the header is "));
    CHECK(verdict(file_of("PK\x03\x04 a zip file")) ==
          R"(m.st: start of the header is "PK\x03\x04 a z...", expected "{")");
    CHECK(verdict(file_of("{\"a\":")).starts_with("m.st: header: JSON is malformed at byte 6 ("));
    CHECK(verdict(file_of("{} {}")).starts_with("m.st: header: JSON is malformed at byte 4 ("));
    CHECK(verdict(file_of("{}\0"sv)) == "m.st: header: JSON is malformed at byte 3 (NUL byte), expected valid JSON");
    CHECK(verdict(file_of("{\"\xFF\":" + entry("U8", "[0]", "[0,0]") + "}"))
              .starts_with("m.st: header: JSON is malformed at byte 3 ("));
    CHECK(verdict(file_of("{\"a\":" + std::string(1000, '['))) ==
          "m.st: header: JSON nesting is deeper than 256, expected at most 256 levels");
  }
  TEST_CASE("parse: a name given twice is refused") {
    const std::string one = entry("U8", "[1]", "[0,1]");
    CHECK(verdict(file_of("{\"a\":" + one + ",\"a\":" + one + "}", 1)) ==
          "m.st: header: JSON key \"a\" is given twice in one object, expected one value");
  }
  TEST_CASE("parse: a field that is missing or of another type is refused") {
    const auto error = [](const std::string& tensor) {
      return verdict_of(tensor, 4).substr("m.st: tensor \"t\": "sv.size());
    };
    CHECK(error("{}") == "dtype is missing, expected a string");
    CHECK(error(R"({"dtype":"F32"})") == "shape is missing, expected an array of integers");
    CHECK(error(R"({"dtype":"F32","shape":[1]})") == "data_offsets is missing, expected an array of integers");
    CHECK(error("[]") == "JSON value is an array, expected an object");
    CHECK(error("null") == "JSON value is null, expected an object");
    CHECK(error(R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})") == "dtype is 32, expected a string");
    CHECK(error(entry("F32", "1", "[0,4]")) == "shape is 1, expected an array of integers");
    CHECK(error(entry("F32", "[1.0]", "[0,4]")) == "shape[0] is 1.0, expected an integer >= 0");
    CHECK(error(entry("F32", "[\"1\"]", "[0,4]")) == "shape[0] is \"1\", expected an integer >= 0");
    CHECK(error(entry("F32", "[1,[1]]", "[0,4]")) == "shape[1] is an array, expected an integer >= 0");
    CHECK(error(entry("F32", "[1]", "4")) == "data_offsets is 4, expected an array of integers");
    CHECK(error(entry("F32", "[1]", "[]")) == "data_offsets is 0 numbers, expected [begin, end]");
    CHECK(error(entry("F32", "[1]", "[0]")) == "data_offsets is 1 numbers, expected [begin, end]");
    CHECK(error(entry("F32", "[1]", "[0,4,8]")) == "data_offsets is 3 numbers, expected [begin, end]");
    CHECK(error(entry("F32", "[1]", "[0,4.0]")) == "data_offsets[1] is 4.0, expected an integer >= 0");
    CHECK(error(entry("F32", "[1]", "[null,4]")) == "data_offsets[0] is null, expected an integer >= 0");
  }
  TEST_CASE("parse: an unknown dtype is refused by name") {
    for (const char* dtype : {"F4", "F8_E8M0", "f32", "", "C64", "FLOAT"}) {
      CHECK(verdict_of(entry(dtype, "[1]", "[0,4]"), 4) ==
            "m.st: tensor \"t\": dtype is \"" + std::string(dtype) + "\", expected " + kDTypeWant);
    }
  }
  TEST_CASE("parse: a negative extent and one that no integer holds are refused") {
    CHECK(verdict_of(entry("U8", "[-1]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": shape[0] is -1, expected an integer >= 0");
    CHECK(verdict_of(entry("U8", "[2,-2]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": shape[1] is -2, expected an integer >= 0");
    CHECK(verdict_of(entry("U8", "[18446744073709551615]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": shape[0] is 18446744073709551615, expected an integer >= 0");
    CHECK(verdict_of(entry("U8", "[1e3]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": shape[0] is 1000.0, expected an integer >= 0");
  }
  TEST_CASE("parse: a shape whose product wraps around is refused") {
    const auto error = [](std::string_view dtype, std::string_view shape) {
      return verdict_of(entry(dtype, shape, "[0,4]"), 4);
    };
    const std::string want = "expected less than 2^63 bytes of ";
    // Products that are 4 modulo 2^64, the bytes that are there.
    CHECK(error("U8", "[6148914691236517205,3,4]").ends_with(want + "U8"));
    CHECK(error("F32", "[4611686018427387905]").ends_with(want + "F32"));
    CHECK(error("F32", "[4294967296,4294967296]") ==
          "m.st: tensor \"t\": shape is [4294967296, 4294967296], " + want + "F32");
    CHECK(error("U8", "[9223372036854775807,2]").ends_with(want + "U8"));
    CHECK(error("F64", "[1152921504606846976]").ends_with(want + "F64"));
    CHECK(error("U8", "[9223372036854775807,9223372036854775807,0]").ends_with(want + "U8"));
    // One that fits is refused for its bytes instead.
    CHECK(error("U8", "[9223372036854775807]") ==
          "m.st: tensor \"t\": data_offsets is [0, 4], expected 9223372036854775807 bytes for U8 "
          "[9223372036854775807]");
    std::string ranks = "[";
    for (int i = 0; i < 1000; ++i) {
      ranks += "2,";
    }
    CHECK(error("U8", ranks + "2]") == "m.st: tensor \"t\": shape is [2, 2, 2, 2, 2, 2, 2, 2, ...], " + want + "U8");
  }
  TEST_CASE("parse: offsets that are reversed or out of the data are refused") {
    const auto error = [](std::string_view offsets) { return verdict_of(entry("U8", "[4]", offsets), 4); };
    CHECK(error("[4,0]") ==
          "m.st: tensor \"t\": data_offsets is [4, 0], expected begin <= end <= 4, the size of the data");
    CHECK(error("[0,5]") ==
          "m.st: tensor \"t\": data_offsets is [0, 5], expected begin <= end <= 4, the size of the data");
    CHECK(error("[4,8]") ==
          "m.st: tensor \"t\": data_offsets is [4, 8], expected begin <= end <= 4, the size of the data");
    CHECK(error("[9223372036854775803,9223372036854775807]")
              .ends_with("expected begin <= end <= 4, the size of the data"));
    CHECK(error("[-4,0]") == "m.st: tensor \"t\": data_offsets[0] is -4, expected an integer >= 0");
    CHECK(error("[0,18446744073709551615]") ==
          "m.st: tensor \"t\": data_offsets[1] is 18446744073709551615, expected an integer >= 0");
  }
  TEST_CASE("parse: data of another size than shape and dtype want are refused") {
    CHECK(verdict_of(entry("F32", "[2]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": data_offsets is [0, 4], expected 8 bytes for F32 [2]");
    CHECK(verdict_of(entry("F32", "[]", "[0,0]"), 0) ==
          "m.st: tensor \"t\": data_offsets is [0, 0], expected 4 bytes for F32 []");
    CHECK(verdict_of(entry("F32", "[5,0]", "[0,4]"), 4) ==
          "m.st: tensor \"t\": data_offsets is [0, 4], expected 0 bytes for F32 [5, 0]");
  }
  TEST_CASE("parse: overlaps, holes and trailing bytes are refused") {
    const auto error = [](std::string_view a, std::string_view b, std::size_t data) {
      return verdict(file_of("{\"a\":" + entry("U8", "[4]", a) + ",\"b\":" + entry("U8", "[4]", b) + "}", data));
    };
    CHECK(error("[0,4]", "[4,8]", 8) == "accepted");
    CHECK(error("[4,8]", "[0,4]", 8) == "accepted");
    CHECK(error("[0,4]", "[3,7]", 7) ==
          "m.st: tensor \"b\": begin of data_offsets is 3 (overlap), expected 4, the end of the tensor before");
    CHECK(error("[0,4]", "[0,4]", 4) ==
          "m.st: tensor \"b\": begin of data_offsets is 0 (overlap), expected 4, the end of the tensor before");
    CHECK(error("[0,4]", "[5,9]", 9) ==
          "m.st: tensor \"b\": begin of data_offsets is 5 (hole), expected 4, the end of the tensor before");
    CHECK(error("[1,5]", "[5,9]", 9) ==
          "m.st: tensor \"a\": begin of data_offsets is 1 (hole), expected 0, the end of the tensor before");
    CHECK(error("[0,4]", "[4,8]", 9) == "m.st: data is 9 bytes, expected 8, the end of the last tensor");
    CHECK(verdict(file_of("{}", 1)) == "m.st: data is 1 bytes, expected 0, the end of the last tensor");
    // An empty tensor may not point into the middle of another, where it would be a second name for a place.
    CHECK(
        verdict(file_of("{\"a\":" + entry("U8", "[4]", "[0,4]") + ",\"b\":" + entry("U8", "[0]", "[2,2]") + "}", 4)) ==
        "m.st: tensor \"b\": begin of data_offsets is 2 (overlap), expected 4, the end of the tensor before");
  }
  TEST_CASE("parse: metadata that is no map of strings is refused") {
    CHECK(verdict(file_of(R"({"__metadata__":[]})")) ==
          "m.st: __metadata__: JSON value is an array, expected an object");
    CHECK(verdict(file_of(R"({"__metadata__":{"a":1}})")) == "m.st: __metadata__: a is 1, expected a string");
    CHECK(verdict(file_of(R"({"__metadata__":{"a":{}}})")) == "m.st: __metadata__: a is an object, expected a string");
  }
  TEST_CASE("parse: no change of one byte of a file makes it crash or reach outside the data") {
    const std::string good = file_of("{\"a\":" + entry("F32", "[2]", "[0,8]") +
                                         ",\"b\":" + entry("U8", "[3]", "[8,11]") + ",\"__metadata__\":{\"k\":\"v\"}}",
                                     11);
    REQUIRE(verdict(good) == "accepted");
    std::size_t accepted = 0;
    std::size_t outside = 0;
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const char byte : "\0\"{}[]:,019-.e\\x\x7F\xFF"sv) {
        std::string file = good;
        file[i] = byte;
        if (verdict(file) != "accepted") {
          continue;
        }
        ++accepted;
        const SafeTensors tensors = parse_view(file);
        const auto* const begin = reinterpret_cast<const std::byte*>(file.data());
        for (const std::string& name : tensors.names()) {
          const std::span<const std::byte> bytes = tensors.tensor(name).bytes;
          outside += bytes.data() >= begin && bytes.data() + bytes.size() <= begin + file.size() ? 0 : 1;
        }
      }
    }
    CHECK(outside == 0);
    CHECK(accepted > 11 * 15);  // at least the changes in the data
    CHECK(accepted < good.size() * 18 / 2);
  }

  TEST_CASE("tensor: a missing name is an error that offers the closest ones") {
    const std::string empty = entry("U8", "[0]", "[0,0]");
    const SafeTensors tensors = parse(file_of(
        "{\"embeddings.word_embeddings.weight\":" + empty + ",\"embeddings.position_embeddings.weight\":" + empty +
        ",\"pooler.dense.bias\":" + empty + ",\"encoder.layer.0.weight\":" + empty + "}"));
    CHECK_THROWS_WITH_AS((void)tensors.tensor("embeddings.word_embedings.weight"),
                         "m.st: tensor \"embeddings.word_embedings.weight\" is missing, expected one of the 4 tensors "
                         "there, such as \"embeddings.word_embeddings.weight\", "
                         "\"embeddings.position_embeddings.weight\", \"encoder.layer.0.weight\"",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)parse(file_of("{}")).tensor("x"),
                         "m.st: tensor \"x\" is missing, expected one of the 0 tensors there",
                         re::DataError);
    std::vector<float> out(1);
    CHECK_THROWS_AS(tensors.read("x", std::span(out)), re::DataError);
    CHECK_THROWS_AS(tensors.read("__metadata__", std::span(out)), re::DataError);
  }
  TEST_CASE_TEMPLATE("read: a matrix lands in a view with any stride", T, float, double) {
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    std::string file = file_of("{\"t\":" + entry("F32", "[2,3]", "[0,24]") + "}", 24);
    std::memcpy(file.data() + file.size() - 24, values.data(), 24);
    const SafeTensors tensors = parse(file);
    for (const Index stride : {3, 4, 9}) {
      const T nan = std::numeric_limits<T>::quiet_NaN();
      std::vector<T> out(static_cast<std::size_t>(2 * stride), nan);
      tensors.read("t", MatrixView<T>(out.data(), 2, 3, stride));
      for (Index row = 0; row < 2; ++row) {
        for (Index col = 0; col < stride; ++col) {
          const T got = out[static_cast<std::size_t>(row * stride + col)];
          CHECK((col < 3 ? got == static_cast<T>(row * 3 + col + 1) : std::isnan(got)));
        }
      }
    }
    std::vector<T> flat(6);
    tensors.read("t", std::span(flat));
    CHECK(flat == std::vector<T>{1, 2, 3, 4, 5, 6});
  }
  TEST_CASE("read: another shape is an error with both shapes") {
    const SafeTensors tensors =
        parse(file_of("{\"m\":" + entry("F32", "[2,3]", "[0,24]") + ",\"v\":" + entry("F32", "[3]", "[24,36]") +
                          ",\"s\":" + entry("F32", "[]", "[36,40]") + "}",
                      40));
    std::vector<float> out(36);
    const auto view = [&](Index rows, Index cols) { return MatrixView<float>(out.data(), rows, cols); };
    CHECK_THROWS_WITH_AS(
        tensors.read("m", view(3, 2)), "m.st: tensor \"m\": shape is [2, 3], expected [3, 2]", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        tensors.read("m", view(1, 6)), "m.st: tensor \"m\": shape is [2, 3], expected [1, 6]", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        tensors.read("v", view(3, 1)), "m.st: tensor \"v\": shape is [3], expected [3, 1]", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        tensors.read("s", view(1, 1)), "m.st: tensor \"s\": shape is [], expected [1, 1]", re::ShapeError);
    CHECK_THROWS_WITH_AS(tensors.read("m", std::span(out).first(5)),
                         "m.st: tensor \"m\": shape is [2, 3], expected 5 elements",
                         re::ShapeError);
    CHECK_NOTHROW(tensors.read("v", view(1, 3)));  // a vector is a matrix of one row
    CHECK_NOTHROW(tensors.read("m", std::span(out).first(6)));
    CHECK_NOTHROW(tensors.read("s", std::span(out).first(1)));
  }
  TEST_CASE("read: a tensor without elements is read into nothing") {
    const SafeTensors tensors = parse(file_of("{\"t\":" + entry("F32", "[0,4]", "[0,0]") + "}"));
    CHECK_NOTHROW(tensors.read("t", MatrixView<float>(nullptr, 0, 4)));
    CHECK_NOTHROW(tensors.read("t", std::span<double>()));
    CHECK_THROWS_AS(tensors.read("t", MatrixView<float>(nullptr, 0, 3)), re::ShapeError);
  }
  TEST_CASE("read: integers are refused by name, not converted") {
    const SafeTensors tensors = parse(file_of("{\"t\":" + entry("I64", "[1]", "[0,8]") + "}", 8));
    std::vector<double> out(1);
    CHECK_THROWS_WITH_AS(tensors.read("t", std::span(out)),
                         "m.st: tensor \"t\": dtype is I64, expected F64, F32, F16 or BF16",
                         re::DataError);
  }
  TEST_CASE("read: a double beyond the range of float is refused, not made infinite") {
    const double largest = static_cast<double>(std::numeric_limits<float>::max());
    std::vector<float> out(3);
    const SafeTensors big = parse(file_with<double>({1.0, -largest, 1e39}, "F64"));
    CHECK_THROWS_WITH_AS(big.read("t", std::span(out)),
                         "m.st: tensor \"t\": element 2 is 1e+39, expected a number in the range of float",
                         re::DataError);
    std::vector<double> wide(3);
    CHECK_NOTHROW(big.read("t", std::span(wide)));
    CHECK(wide[2] == 1e39);
    const double infinity = std::numeric_limits<double>::infinity();
    parse(file_with<double>({-infinity, std::nan(""), largest}, "F64")).read("t", std::span(out));
    CHECK(out[0] == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(out[1]));
    CHECK(out[2] == std::numeric_limits<float>::max());
  }
  TEST_CASE("read: a number beyond the range of bf16 is refused, not made infinite; smaller ones are rounded") {
    std::vector<re::bf16> out(3);
    const auto view = [&] { return MatrixView<re::bf16>(out.data(), 1, 3); };
    CHECK_THROWS_WITH_AS(
        parse(file_with<float>({1.0F, 2.0F, -3.4e38F}, "F32")).read("t", view()),
        "m.st: tensor \"t\": element 2 is -3.3999999521443642e+38, expected a number in the range of bf16",
        re::DataError);
    CHECK_THROWS_WITH_AS(parse(file_with<double>({1.0, 1e39, 2.0}, "F64")).read("t", view()),
                         "m.st: tensor \"t\": element 1 is 1e+39, expected a number in the range of bf16",
                         re::DataError);
    const float infinity = std::numeric_limits<float>::infinity();
    parse(file_with<float>({-infinity, std::nanf(""), 1.0F + 0x1p-12F}, "F32")).read("t", view());
    CHECK(static_cast<float>(out[0]) == -infinity);
    CHECK(std::isnan(static_cast<float>(out[1])));
    CHECK(static_cast<float>(out[2]) == 1.0F);
  }
  TEST_CASE_TEMPLATE("read_rows: reads some rows of a tensor, and demands the whole tensor's shape", T, float, double) {
    const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
    std::string file = file_of("{\"t\":" + entry("F32", "[4,2]", "[0,32]") + "}", 32);
    std::memcpy(file.data() + file.size() - 32, values.data(), 32);
    const SafeTensors tensors = parse(file);
    std::vector<T> out(4);
    for (const Index first : {0, 1, 2}) {
      tensors.read_rows("t", first, 4, MatrixView<T>(out.data(), 2, 2));
      for (std::size_t i = 0; i < 4; ++i) {
        CHECK(out[i] == static_cast<T>(2 * first + 1 + static_cast<Index>(i)));
      }
    }
    CHECK_NOTHROW(tensors.read_rows("t", 4, 4, MatrixView<T>(out.data(), 0, 2)));
    tensors.release("t");  // of a file in memory, nothing
    CHECK_THROWS_WITH_AS(tensors.read_rows("t", 0, 3, MatrixView<T>(out.data(), 2, 2)),
                         "m.st: tensor \"t\": shape is [4, 2], expected [3, 2]",
                         re::ShapeError);
    CHECK_THROWS_AS(tensors.read_rows("u", 0, 4, MatrixView<T>(out.data(), 2, 2)), re::DataError);
    CHECK_THROWS_AS(tensors.release("u"), re::DataError);
  }
  TEST_CASE("read: NaN and infinity in a file are read as they are") {
    const float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> out(3);
    parse(file_with<float>({std::nanf(""), infinity, -infinity}, "F32")).read("t", std::span(out));
    CHECK(std::isnan(out[0]));
    CHECK(out[1] == infinity);
    CHECK(out[2] == -infinity);
  }
  TEST_CASE("read: data at an odd address are read") {
    std::string header = "{\"t\":" + entry("F32", "[2]", "[0,8]") + "}";
    while (header.size() % 4 != 1) {
      header += ' ';
    }
    std::string file = file_of(header, 8);
    const std::vector<float> values = {1.5F, -2.0F};
    std::memcpy(file.data() + file.size() - 8, values.data(), 8);
    std::vector<float> out(2);
    parse(file).read("t", std::span(out));
    CHECK(out == values);
  }

  TEST_CASE("open: maps a file that outlives moves of the object") {
    const test::Scratch scratch;
    const std::string path = scratch.write("m.safetensors", file_with<float>({1, 2}, "F32")).string();
    SafeTensors first = SafeTensors::open(path);
    CHECK(first.where() == path);
    SafeTensors second = std::move(first);
    std::vector<SafeTensors> many;
    many.push_back(std::move(second));
    many.push_back(SafeTensors::open(path));
    std::vector<float> out(2);
    many[0].read("t", std::span(out));
    CHECK(out == std::vector<float>{1, 2});
  }
  TEST_CASE("open: errors name the file") {
    const test::Scratch scratch;
    const std::string absent = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS((void)SafeTensors::open(absent),
                         (absent + ": file is missing, expected a readable regular file").c_str(),
                         re::IoError);
    const std::string empty = scratch.write("empty", "").string();
    CHECK_THROWS_WITH_AS((void)SafeTensors::open(empty),
                         (empty + ": file is 0 bytes, expected at least 8, the length of the header").c_str(),
                         re::DataError);
    // What `git clone` without large file support leaves in place of the weights.
    const std::string pointer = scratch.write("lfs", "version https://git-lfs.github.com/spec/v1\n").string();
    CHECK_THROWS_AS((void)SafeTensors::open(pointer), re::DataError);
  }
  TEST_CASE("open: reads what the Python package wrote (tests/golden/safetensors_files.py)") {
    const SafeTensors tensors = SafeTensors::open(test::source_path("tests/golden/safetensors/reference.safetensors"));
    CHECK(tensors.names() == std::vector<std::string>{"bfloat.bits",
                                                      "byte",
                                                      "cube",
                                                      "double",
                                                      "flag",
                                                      "half.bits",
                                                      "no.rows",
                                                      "scalar",
                                                      "short",
                                                      "single",
                                                      "\xE5\x90\x8D\xE5\x89\x8D"});
    CHECK(tensors.metadata() ==
          std::map<std::string, std::string>{{"format", "pt"},
                                             {"note", "caf\xC3\xA9 \xE4\xB8\xAD \xF0\x9F\x98\x80 \"quoted\""}});
    const float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> ten(10);
    tensors.read("half.bits", std::span(ten));
    CHECK(ten == std::vector<float>{
                     0, -0.0F, 0x1p-24F, -0x3FFp-24F, 0x1p-14F, 1, 65504, infinity, -infinity, 0.333251953125F});
    CHECK(std::signbit(ten[1]));
    tensors.read("bfloat.bits", std::span(ten));
    CHECK(ten[2] == std::bit_cast<float>(0x00010000U));
    CHECK(ten[5] == 0.0078125F);
    std::vector<double> six(6);
    tensors.read("double", MatrixView<double>(six.data(), 2, 3));
    CHECK(six == std::vector<double>{0.0, 0.1, 0.2, 0.3, 0.4, 0.5});
    tensors.read("single", MatrixView<double>(six.data(), 2, 3));
    CHECK(six == std::vector<double>{-0.25, -0.125, 0, 0.125, 0.25, 0.375});
    std::vector<float> one(1);
    tensors.read("scalar", std::span(one));
    CHECK(one[0] == 2.5F);
    CHECK(tensors.tensor("no.rows").shape == Shape{0, 4});
    CHECK(tensors.tensor("cube").shape == Shape{2, 2, 2});
    CHECK(tensors.tensor("short").dtype == DType::kI32);
    CHECK(tensors.tensor("byte").bytes[2] == std::byte{255});
    CHECK(tensors.tensor("flag").dtype == DType::kBool);
  }
  TEST_CASE("open: reads published files of many dtypes and shapes") {
    const auto path = test::find_data("safetensors-vectors/safetensors_fixtures.safetensors");
    if (!path) {
      return;
    }
    const SafeTensors tensors = SafeTensors::open(*path);
    CHECK(tensors.names().size() == 240);
    std::size_t read = 0;
    for (const std::string& name : tensors.names()) {
      CAPTURE(name);
      const TensorInfo& tensor = tensors.tensor(name);
      CHECK(name.starts_with(re::io::dtype_name(tensor.dtype)));
      std::vector<double> out(static_cast<std::size_t>(tensor.size()));
      if (tensor.dtype != DType::kF64 && tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16) {
        CHECK_THROWS_AS(tensors.read(name, std::span(out)), re::DataError);
        continue;
      }
      tensors.read(name, std::span(out));
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto index = static_cast<double>(i);
        wrong += name.find("gradient") != std::string::npos && out[i] != index ? 1 : 0;
        wrong += name.find("alternating") != std::string::npos && out[i] != static_cast<double>(i % 2) ? 1 : 0;
        wrong += name.find("repeating") != std::string::npos && out[i] != static_cast<double>(i % 10 + 1) ? 1 : 0;
      }
      CHECK(wrong == 0);
      ++read;
    }
    CHECK(read == 60);
  }
  TEST_CASE("open: reads the Vandermonde matrix in three dtypes") {
    const auto path = test::find_data("safetensors-vectors/vandermonde.safetensors");
    if (!path) {
      return;
    }
    const SafeTensors tensors = SafeTensors::open(*path);
    for (const std::string dtype : {"F64", "F32", "BF16"}) {
      CAPTURE(dtype);
      std::vector<float> out(25);
      tensors.read(dtype + "_vandermonde_5x5", MatrixView<float>(out.data(), 5, 5));
      for (int row = 0; row < 5; ++row) {
        for (int col = 0; col < 5; ++col) {
          const float want = static_cast<float>(std::pow(row + 1, col + 1));
          const float got = out[static_cast<std::size_t>(row * 5 + col)];
          CHECK(got == (dtype == "BF16" ? static_cast<float>(re::bf16(want)) : want));
        }
      }
    }
  }
  TEST_CASE("shape_text: shows eight extents at most") {
    CHECK(re::io::shape_text(Shape{}) == "[]");
    CHECK(re::io::shape_text(Shape{7}) == "[7]");
    CHECK(re::io::shape_text(Shape{1, 2, 3, 4, 5, 6, 7, 8}) == "[1, 2, 3, 4, 5, 6, 7, 8]");
    CHECK(re::io::shape_text(Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}) == "[1, 2, 3, 4, 5, 6, 7, 8, ...]");
  }
}
