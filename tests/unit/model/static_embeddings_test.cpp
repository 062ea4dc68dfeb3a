#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/model/static_embeddings.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::io::DType;
using re::model::StaticEmbeddings;

namespace {

/// Tensors of a file, which keep their bytes.
class File {
 public:
  template <class T>
  File& add(const std::string& name, DType dtype, std::vector<Index> shape, const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    bytes_.emplace_back(bytes.begin(), bytes.end());
    entries_.push_back({name, dtype, std::move(shape)});
    return *this;
  }
  [[nodiscard]] std::filesystem::path write(const test::Scratch& scratch) const {
    std::vector<re::io::NamedTensor> tensors;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      tensors.push_back({entries_[i].name, {entries_[i].dtype, entries_[i].shape, bytes_[i]}});
    }
    re::io::write_safetensors(scratch / "model.safetensors", tensors);
    return scratch / "model.safetensors";
  }

 private:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<Index> shape;
  };
  std::vector<Entry> entries_;
  std::vector<std::vector<std::byte>> bytes_;
};

File rows(const std::string& name = "embeddings") {
  return File().add<float>(name, DType::kF32, {3, 2}, {1, 2, 3, 4, 5, 7});
}

StaticEmbeddings table_of(const File& file) {
  const test::Scratch scratch;
  return StaticEmbeddings::read(re::io::SafeTensors::open(file.write(scratch)));
}

std::vector<float> mean_of(const StaticEmbeddings& table, const std::vector<std::int32_t>& ids) {
  std::vector<float> out(static_cast<std::size_t>(table.dim()), 99.0F);
  table.mean(ids, out);
  return out;
}

template <class Error>
void check_refused(const File& file, const std::string& message) {
  const test::Scratch scratch;
  const std::string path = file.write(scratch).string();
  std::string got = "nothing thrown";
  try {
    (void)StaticEmbeddings::read(re::io::SafeTensors::open(path));
  } catch (const Error& error) {
    got = error.what();
  }
  CHECK(got == path + ": " + message);
}

}  // namespace

TEST_SUITE("model/static_embeddings") {
  TEST_CASE("mean: is the mean of the rows of the ids") {
    for (const char* name : {"embeddings", "embedding.weight"}) {
      CAPTURE(name);
      const StaticEmbeddings table = table_of(rows(name));
      CHECK(table.dim() == 2);
      CHECK(table.vocab_size() == 3);
      CHECK(mean_of(table, {0}) == std::vector<float>{1, 2});
      CHECK(mean_of(table, {2, 0}) == std::vector<float>{3, 4.5});
      CHECK(mean_of(table, {1, 1, 1, 1}) == std::vector<float>{3, 4});
      CHECK(mean_of(table, {}) == std::vector<float>{0, 0});
    }
  }
  TEST_CASE("mean: tokens of a cluster share a row, and each has its own weight") {
    File file = rows();
    file.add<std::int32_t>("mapping", DType::kI32, {4}, {2, 0, 0, 1});
    const StaticEmbeddings mapped = table_of(file);
    CHECK(mapped.vocab_size() == 4);
    CHECK(mean_of(mapped, {0}) == std::vector<float>{5, 7});
    CHECK(mean_of(mapped, {1, 2}) == std::vector<float>{1, 2});
    file.add<double>("weights", DType::kF64, {4}, {1.0, 0.5, 4.0, 0.25});
    const StaticEmbeddings weighted = table_of(file);
    CHECK(mean_of(weighted, {1}) == std::vector<float>{0.5, 1});
    CHECK(mean_of(weighted, {1, 2}) == std::vector<float>{2.25, 4.5});  // divided by tokens, not by weights
    CHECK(mean_of(weighted, {3}) == std::vector<float>{0.75, 1});
  }
  TEST_CASE("mean: weights without a mapping belong to the rows") {
    File file = rows();
    file.add<float>("weights", DType::kF32, {3}, {1, 2, 3});
    CHECK(mean_of(table_of(file), {1, 2}) == std::vector<float>{10.5, 14.5});
  }
  TEST_CASE("mean: sums in double, so that many tokens lose nothing") {
    const StaticEmbeddings table = table_of(File().add<float>("embeddings", DType::kF32, {2, 1}, {1e8F, 1.0F}));
    std::vector<std::int32_t> ids(1001, 1);
    ids[0] = 0;
    CHECK(mean_of(table, ids)[0] == static_cast<float>((1e8 + 1000.0) / 1001.0));
  }
  TEST_CASE("mean: an id without a row, and an output of another width, are refused") {
    const StaticEmbeddings table = table_of(rows());
    CHECK_THROWS_WITH_AS((void)mean_of(table, {0, 3}),
                         "model::StaticEmbeddings::mean: ids[1] is 3, expected 0 <= id < 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)mean_of(table, {-1}),
                         "model::StaticEmbeddings::mean: ids[0] is -1, expected 0 <= id < 3",
                         re::ShapeError);
    std::vector<float> narrow(1);
    CHECK_THROWS_WITH_AS(table.mean(std::vector<std::int32_t>{0}, narrow),
                         "model::StaticEmbeddings::mean: out.size() is 1, expected 2",
                         re::ShapeError);
  }
  TEST_CASE("read: takes rows of every type, and mappings of two") {
    CHECK(mean_of(table_of(File().add<double>("embeddings", DType::kF64, {2, 1}, {0.5, 3})), {0, 1})[0] == 1.75F);
    CHECK(mean_of(table_of(File().add<std::int8_t>("embeddings", DType::kI8, {2, 1}, {-128, 127})), {0})[0] == -128.0F);
    CHECK(mean_of(table_of(File().add<std::int8_t>("embeddings", DType::kI8, {2, 1}, {-128, 127})), {1})[0] == 127.0F);
    CHECK(mean_of(table_of(File().add<std::uint16_t>("embeddings", DType::kF16, {1, 1}, {0x3C00})), {0})[0] == 1.0F);
    CHECK(mean_of(table_of(File().add<std::uint16_t>("embeddings", DType::kBf16, {1, 1}, {0x4040})), {0})[0] == 3.0F);
    File wide = rows();
    wide.add<std::int64_t>("mapping", DType::kI64, {2}, {1, 2});
    CHECK(mean_of(table_of(wide), {1}) == std::vector<float>{5, 7});
  }
  TEST_CASE("read: a tensor that is missing or of no use here is named") {
    check_refused<re::DataError>(File().add<float>("vectors", DType::kF32, {1, 1}, {1}),
                                 "tensor \"embeddings\" is missing, expected one of the 1 tensors there, such as "
                                 "\"vectors\"");
    File file = rows();
    file.add<float>("pooler", DType::kF32, {1}, {1});
    check_refused<re::DataError>(file, "tensor \"pooler\" is present, expected only those of a static embedding model");
    File plain = rows("embedding.weight");
    plain.add<std::int32_t>("mapping", DType::kI32, {1}, {0});
    check_refused<re::DataError>(plain,
                                 "tensor \"mapping\" is present, expected only those of a static embedding model");
    File both = rows();
    both.add<float>("embedding.weight", DType::kF32, {1, 1}, {1});
    check_refused<re::DataError>(
        both, "tensor \"embedding.weight\" is present, expected only those of a static embedding model");
  }
  TEST_CASE("read: another shape or type is refused with both") {
    check_refused<re::ShapeError>(File().add<float>("embeddings", DType::kF32, {2}, {1, 2}),
                                  "tensor \"embeddings\": shape is [2], expected [tokens, width]");
    check_refused<re::ShapeError>(File().add<float>("embeddings", DType::kF32, {0, 2}, {}),
                                  "tensor \"embeddings\": shape is [0, 2], expected [tokens, width]");
    check_refused<re::DataError>(File().add<std::int32_t>("embeddings", DType::kI32, {1, 1}, {1}),
                                 "tensor \"embeddings\": dtype is I32, expected F64, F32, F16 or BF16");
    File file = rows();
    file.add<float>("weights", DType::kF32, {2}, {1, 2});
    check_refused<re::ShapeError>(file, "tensor \"weights\": shape is [2], expected [3], one for each token");
    file = rows();
    file.add<std::int32_t>("mapping", DType::kI32, {1, 2}, {1, 2});
    check_refused<re::ShapeError>(file, "tensor \"mapping\": shape is [1, 2], expected [tokens]");
    file = rows();
    file.add<float>("mapping", DType::kF32, {1}, {1});
    check_refused<re::DataError>(file, "tensor \"mapping\": dtype is F32, expected I32 or I64");
  }
  TEST_CASE("read: a mapping to no row, and numbers that are none, are refused by element") {
    for (const std::int32_t bad : {3, -1}) {
      File file = rows();
      file.add<std::int32_t>("mapping", DType::kI32, {2}, {0, bad});
      check_refused<re::DataError>(
          file, "tensor \"mapping\": element 1 is " + std::to_string(bad) + ", expected 0 <= row < 3");
    }
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    check_refused<re::NonFiniteError>(File().add<float>("embeddings", DType::kF32, {2, 2}, {1, 2, kNan, 4}),
                                      "tensor \"embeddings\"[2] is nan, expected a finite number");
    File file = rows();
    file.add<float>("weights", DType::kF32, {3}, {1, std::numeric_limits<float>::infinity(), 1});
    check_refused<re::NonFiniteError>(file, "tensor \"weights\"[1] is inf, expected a finite number");
  }
}
