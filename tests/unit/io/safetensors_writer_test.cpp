#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::MatrixView;
using re::io::DType;
using re::io::NamedTensor;
using re::io::SafeTensors;
using re::io::TensorInfo;
using re::io::write_safetensors;
using Metadata = std::map<std::string, std::string>;

namespace {

/// Every tensor and the metadata of one file written into another; the bytes stay with `file`.
void copy(const SafeTensors& file, const std::filesystem::path& to) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) {
    tensors.push_back({name, file.tensor(name)});
  }
  write_safetensors(to, tensors, file.metadata());
}

}  // namespace

TEST_SUITE("io/safetensors_writer") {
  TEST_CASE("write_safetensors: the documented example") {
    const test::Scratch scratch;
    const std::filesystem::path path = scratch / "weights.safetensors";
    // example-begin safetensors
    re::Matrix<float> weight(2, 3);
    weight(1, 2) = 0.5F;
    re::io::write_safetensors(
        path, std::vector{re::io::NamedTensor::of<float>("projection.weight", weight.view())}, {{"format", "pt"}});

    const auto file = re::io::SafeTensors::open(path);
    for (const std::string& name : file.names()) {
      const re::io::TensorInfo& tensor = file.tensor(name);
      std::printf("%s %s\n", name.c_str(), re::io::shape_text(tensor.shape).c_str());  // projection.weight [2, 3]
    }
    re::Matrix<double> read(2, 3);
    file.read("projection.weight", read.view());
    // example-end safetensors
    CHECK(read(1, 2) == 0.5);
  }
  TEST_CASE("write_safetensors: the bytes are those of the format, headers padded to eight") {
    const test::Scratch scratch;
    const std::vector<float> values = {1.0F, -2.0F};
    write_safetensors(scratch / "a", std::vector{NamedTensor::of<float>("t", std::span(values))}, {{"k", "v"}});
    const std::string header = R"({"__metadata__":{"k":"v"},"t":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
    REQUIRE(header.size() == 79);
    std::string want("\x50\0\0\0\0\0\0\0", 8);
    want += header + " ";
    want += std::string("\0\0\x80\x3F\0\0\0\xC0", 8);
    CHECK(test::content_of(scratch / "a") == want);
  }
  TEST_CASE("write_safetensors: what is written is read back, bit for bit") {
    const test::Scratch scratch;
    const std::vector<float> singles = {1.5F, std::nanf(""), -std::numeric_limits<float>::infinity(), -0.0F};
    const std::vector<double> doubles = {0.1, 4.9e-324};
    const std::vector<re::bf16> halves = {re::bf16(1.0F), re::bf16(-3.0F), re::bf16(0.5F)};
    const std::vector<std::int32_t> ints = {-1, 7};
    const std::vector<std::int64_t> longs = {std::numeric_limits<std::int64_t>::min()};
    write_safetensors(scratch / "a",
                      std::vector{NamedTensor::of("matrix", MatrixView<const float>(singles.data(), 2, 2)),
                                  NamedTensor::of<double>("double", std::span(doubles)),
                                  NamedTensor::of<re::bf16>("half", std::span(halves)),
                                  NamedTensor::of<std::int32_t>("int", std::span(ints)),
                                  NamedTensor::of<std::int64_t>("long", std::span(longs)),
                                  NamedTensor{"scalar", {DType::kF32, {}, std::as_bytes(std::span(singles).first(1))}},
                                  NamedTensor{"none", {DType::kU8, {3, 0}, {}}}});
    const SafeTensors file = SafeTensors::open(scratch / "a");
    CHECK(file.metadata().empty());
    CHECK(file.names().size() == 7);
    CHECK(file.tensor("matrix").shape == std::vector<Index>{2, 2});
    CHECK(std::ranges::equal(file.tensor("matrix").bytes, std::as_bytes(std::span(singles))));
    CHECK(std::ranges::equal(file.tensor("double").bytes, std::as_bytes(std::span(doubles))));
    CHECK(std::ranges::equal(file.tensor("half").bytes, std::as_bytes(std::span(halves))));
    CHECK(std::ranges::equal(file.tensor("int").bytes, std::as_bytes(std::span(ints))));
    CHECK(std::ranges::equal(file.tensor("long").bytes, std::as_bytes(std::span(longs))));
    CHECK(file.tensor("scalar").shape.empty());
    CHECK(file.tensor("none").shape == std::vector<Index>{3, 0});
    std::vector<float> out(3);
    file.read("half", std::span(out));
    CHECK(out == std::vector<float>{1.0F, -3.0F, 0.5F});
  }
  TEST_CASE("write_safetensors: the order of the tensors does not matter to the bytes") {
    const test::Scratch scratch;
    const std::vector<double> data(64);
    std::vector<NamedTensor> tensors;
    for (const DType dtype : {DType::kU8, DType::kF64, DType::kF16, DType::kI32, DType::kF32}) {
      for (const Index size : {1, 3}) {
        const auto bytes =
            std::as_bytes(std::span(data)).first(static_cast<std::size_t>(size) * re::io::dtype_size(dtype));
        tensors.push_back(
            {std::string(re::io::dtype_name(dtype)) + "." + std::to_string(size), {dtype, {size}, bytes}});
      }
    }
    const Metadata metadata = {{"b", "2"}, {"a", "1"}};
    write_safetensors(scratch / "want", tensors, metadata);
    const std::string want = test::content_of(scratch / "want");
    std::mt19937 random(1);
    for (int i = 0; i < 10; ++i) {
      std::shuffle(tensors.begin(), tensors.end(), random);
      write_safetensors(scratch / "got", tensors, metadata);
      CHECK(test::content_of(scratch / "got") == want);
    }
  }
  TEST_CASE("write_safetensors: every tensor is aligned to its element in the file") {
    const test::Scratch scratch;
    const std::vector<double> data(16);
    const auto bytes = std::as_bytes(std::span(data));
    write_safetensors(scratch / "a",
                      std::vector{NamedTensor{"a", {DType::kU8, {3}, bytes.first(3)}},
                                  NamedTensor{"b", {DType::kF64, {1}, bytes.first(8)}},
                                  NamedTensor{"c", {DType::kF16, {3}, bytes.first(6)}},
                                  NamedTensor{"d", {DType::kF32, {1}, bytes.first(4)}},
                                  NamedTensor{"e", {DType::kBool, {5}, bytes.first(5)}}});
    const SafeTensors file = SafeTensors::open(scratch / "a");
    for (const std::string& name : file.names()) {
      const TensorInfo& tensor = file.tensor(name);
      CHECK(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % re::io::dtype_size(tensor.dtype) == 0);
    }
  }
  TEST_CASE("write_safetensors: no tensors make a readable file") {
    const test::Scratch scratch;
    write_safetensors(scratch / "a", {});
    CHECK(SafeTensors::open(scratch / "a").names().empty());
    CHECK(test::content_of(scratch / "a") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  }
  TEST_CASE("write_safetensors: a name is any UTF-8 text") {
    const test::Scratch scratch;
    const std::vector<NamedTensor> tensors = {
        {"", {DType::kU8, {0}, {}}}, {"a \"b\" \\ \n", {DType::kU8, {0}, {}}}, {"\xE5\x90\x8D", {DType::kU8, {0}, {}}}};
    write_safetensors(scratch / "a", tensors);
    CHECK(SafeTensors::open(scratch / "a").names() == std::vector<std::string>{"", "a \"b\" \\ \n", "\xE5\x90\x8D"});
    CHECK_THROWS_AS(write_safetensors(scratch / "a", std::vector{NamedTensor{"\xFF", {DType::kU8, {0}, {}}}}),
                    re::DataError);
  }
  TEST_CASE("write_safetensors: what would make a file no reader accepts is refused, and the old file stays") {
    const test::Scratch scratch;
    const std::string path = scratch.write("m.st", "old").string();
    const std::vector<float> values(4);
    const auto bytes = std::as_bytes(std::span(values));
    const auto write = [&](const std::vector<NamedTensor>& tensors) { write_safetensors(path, tensors); };
    const std::string where = path + ": tensor \"t\": ";
    CHECK_THROWS_WITH_AS(write({{"t", {DType::kF32, {3}, bytes}}}),
                         (where + "data is 16 bytes, expected 12 for F32 [3]").c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS(write({{"t", {DType::kF32, {}, {}}}}),
                         (where + "data is 0 bytes, expected 4 for F32 []").c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS(write({{"t", {DType::kF32, {-1, -4}, bytes}}}),
                         (where + "shape is [-1, -4], expected extents >= 0").c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS(write({{"t", {DType::kF32, {Index{1} << 62, 4}, bytes}}}),
                         (where + "shape is [4611686018427387904, 4], expected less than 2^63 bytes of F32").c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS(
        write({{"t", {DType::kF32, {4}, bytes}}, {"a", {DType::kF32, {4}, bytes}}, {"t", {DType::kU8, {16}, bytes}}}),
        (where + "name is given twice, expected a name of its own").c_str(),
        re::DataError);
    CHECK_THROWS_WITH_AS(write({{"__metadata__", {DType::kF32, {4}, bytes}}}),
                         (path + ": tensor \"__metadata__\": name is reserved, expected a name of its own").c_str(),
                         re::DataError);
    CHECK(test::content_of(path) == "old");
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("write_safetensors: a directory that is missing is an error") {
    const test::Scratch scratch;
    const std::string path = (scratch / "no/m.st").string();
    CHECK_THROWS_WITH_AS(write_safetensors(path, {}),
                         (path + ": directory is missing, expected a writable directory").c_str(),
                         re::IoError);
  }
  TEST_CASE("of: rows that lie apart are refused") {
    const std::vector<float> values(8);
    CHECK_THROWS_WITH_AS((void)NamedTensor::of("w", MatrixView<const float>(values.data(), 2, 3, 4)),
                         "io::NamedTensor::of: \"w\" stride is 4, expected 3",
                         re::ShapeError);
    CHECK(NamedTensor::of("w", MatrixView<const float>(values.data(), 1, 3, 4)).tensor.bytes.size() == 12);
    CHECK(NamedTensor::of("w", MatrixView<const float>(values.data(), 0, 3, 4)).tensor.bytes.empty());
  }
  TEST_CASE("write_safetensors: a copy of the Python package's file holds the same tensors") {
    const test::Scratch scratch;
    const SafeTensors reference =
        SafeTensors::open(test::source_path("tests/golden/safetensors/reference.safetensors"));
    copy(reference, scratch / "copy");
    const SafeTensors copied = SafeTensors::open(scratch / "copy");
    CHECK(copied.metadata() == reference.metadata());
    REQUIRE(copied.names() == reference.names());
    for (const std::string& name : reference.names()) {
      CAPTURE(name);
      CHECK(copied.tensor(name).dtype == reference.tensor(name).dtype);
      CHECK(copied.tensor(name).shape == reference.tensor(name).shape);
      CHECK(std::ranges::equal(copied.tensor(name).bytes, reference.tensor(name).bytes));
    }
    // The other direction, when the generator script checks it: REASONEMBED_KEEP=FILE keeps the copy.
    if (const char* keep = std::getenv("REASONEMBED_KEEP"); keep != nullptr && *keep != '\0') {
      copy(reference, keep);
    }
    copy(copied, scratch / "again");
    CHECK(test::content_of(scratch / "again") == test::content_of(scratch / "copy"));
  }
  TEST_CASE("write_safetensors: copies of published files hold the same tensors") {
    const auto path = test::find_data("safetensors-vectors/safetensors_fixtures.safetensors");
    if (!path) {
      return;
    }
    const test::Scratch scratch;
    const SafeTensors reference = SafeTensors::open(*path);
    copy(reference, scratch / "copy");
    const SafeTensors copied = SafeTensors::open(scratch / "copy");
    std::size_t same = 0;
    for (const std::string& name : reference.names()) {
      same += std::ranges::equal(copied.tensor(name).bytes, reference.tensor(name).bytes) ? 1 : 0;
    }
    CHECK(same == 240);
  }
}
