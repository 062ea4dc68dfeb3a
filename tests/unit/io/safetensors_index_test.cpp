#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::io::ShardedSafeTensors;

namespace {

/// Writes a file in which every tensor is a single float.
void write_shard(const fs::path& path, const std::map<std::string, float>& values) {
  std::vector<re::io::NamedTensor> tensors;
  for (const auto& [name, value] : values) {
    tensors.push_back(re::io::NamedTensor::of<float>(name, std::span(&value, 1)));
  }
  re::io::write_safetensors(path, tensors);
}

void write_index(const test::Scratch& scratch, std::string_view weight_map) {
  scratch.write("model.safetensors.index.json",
                R"({"metadata":{"total_size":12},"weight_map":)" + std::string(weight_map) + "}");
}

float value_of(const ShardedSafeTensors& model, std::string_view name) {
  std::vector<float> out(1);
  model.read(name, std::span(out));
  return out[0];
}

}  // namespace

TEST_SUITE("io/safetensors_index") {
  TEST_CASE("open: a directory with one file") {
    const test::Scratch scratch;
    write_shard(scratch / "model.safetensors", {{"a", 1.0F}, {"b", 2.0F}});
    const ShardedSafeTensors model = ShardedSafeTensors::open(scratch.path());
    CHECK(model.where() == (scratch / "model.safetensors").string());
    CHECK(model.names() == std::vector<std::string>{"a", "b"});
    CHECK(model.contains("b"));
    CHECK_FALSE(model.contains("c"));
    CHECK(value_of(model, "b") == 2.0F);
  }
  TEST_CASE("open: shards behind an index look like one file") {
    const test::Scratch scratch;
    write_shard(scratch / "model-00001-of-00002.safetensors", {{"a", 1.0F}, {"c", 3.0F}});
    write_shard(scratch / "model-00002-of-00002.safetensors", {{"b", 2.0F}});
    write_index(scratch, R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",
                            "c":"model-00001-of-00002.safetensors"})");
    for (const fs::path& path : {scratch.path(), scratch / "model.safetensors.index.json"}) {
      const ShardedSafeTensors model = ShardedSafeTensors::open(path);
      CHECK(model.names() == std::vector<std::string>{"a", "b", "c"});
      CHECK(value_of(model, "a") == 1.0F);
      CHECK(value_of(model, "b") == 2.0F);
      CHECK(value_of(model, "c") == 3.0F);
      CHECK(model.shard("b").where() == (scratch / "model-00002-of-00002.safetensors").string());
      CHECK(model.tensor("c").size() == 1);
      double wide = 0.0;
      model.read("c", std::span(&wide, 1));
      CHECK(wide == 3.0);
      model.read("b", re::MatrixView<double>(&wide, 1, 1));
      CHECK(wide == 2.0);
      float single = 0.0F;
      model.read("a", re::MatrixView<float>(&single, 1, 1));
      CHECK(single == 1.0F);
    }
  }
  TEST_CASE("open: one file is preferred to an index, as in the usual loader") {
    const test::Scratch scratch;
    write_shard(scratch / "model.safetensors", {{"a", 1.0F}});
    write_index(scratch, R"({"a":"absent.safetensors"})");
    CHECK(value_of(ShardedSafeTensors::open(scratch.path()), "a") == 1.0F);
  }
  TEST_CASE("open: a file of another name, and moves of the object") {
    const test::Scratch scratch;
    write_shard(scratch / "other.safetensors", {{"x", 4.0F}});
    ShardedSafeTensors first = ShardedSafeTensors::open(scratch / "other.safetensors");
    const ShardedSafeTensors second = std::move(first);
    CHECK(value_of(second, "x") == 4.0F);
  }
  TEST_CASE("open: a tensor that is not in the index is not part of the model") {
    const test::Scratch scratch;
    write_shard(scratch / "s1.safetensors", {{"a", 1.0F}, {"stray", 9.0F}});
    write_shard(scratch / "s2.safetensors", {{"a", 5.0F}, {"b", 2.0F}});
    write_index(scratch, R"({"a":"s1.safetensors","b":"s2.safetensors"})");
    const ShardedSafeTensors model = ShardedSafeTensors::open(scratch.path());
    CHECK(model.names() == std::vector<std::string>{"a", "b"});
    CHECK_FALSE(model.contains("stray"));
    CHECK(value_of(model, "a") == 1.0F);
  }
  TEST_CASE("open: a directory without weights is an error") {
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS((void)ShardedSafeTensors::open(scratch.path()),
                         (scratch.path().string() + ": model.safetensors is missing, expected it or "
                                                    "model.safetensors.index.json in this directory")
                             .c_str(),
                         re::IoError);
    const std::string absent = (scratch / "absent").string();
    CHECK_THROWS_WITH_AS((void)ShardedSafeTensors::open(absent),
                         (absent + ": file is missing, expected a readable regular file").c_str(),
                         re::IoError);
  }
  TEST_CASE("open: a shard that is missing is an error that names it and the index") {
    const test::Scratch scratch;
    write_shard(scratch / "s1.safetensors", {{"a", 1.0F}});
    write_index(scratch, R"({"a":"s1.safetensors","b":"s2.safetensors"})");
    CHECK_THROWS_WITH_AS(
        (void)ShardedSafeTensors::open(scratch.path()),
        ((scratch / "s2.safetensors").string() + ": shard is missing, expected a file, for weight_map in " +
         (scratch / "model.safetensors.index.json").string())
            .c_str(),
        re::IoError);
  }
  TEST_CASE("open: a tensor that the index lists and the shard lacks is an error") {
    const test::Scratch scratch;
    write_shard(scratch / "s1.safetensors", {{"a", 1.0F}});
    write_index(scratch, R"({"a":"s1.safetensors","b":"s1.safetensors"})");
    CHECK_THROWS_WITH_AS(
        (void)ShardedSafeTensors::open(scratch.path()),
        ((scratch / "s1.safetensors").string() + ": tensor \"b\" is missing, expected what weight_map in " +
         (scratch / "model.safetensors.index.json").string() + " lists")
            .c_str(),
        re::DataError);
  }
  TEST_CASE("open: an index that points outside its directory is refused") {
    const test::Scratch scratch;
    const std::string where = (scratch / "model.safetensors.index.json").string();
    for (const std::string shard : {"../s.safetensors", "/etc/passwd", "a/b", "a\\\\b", "", ".", ".."}) {
      write_index(scratch, "{\"a\":\"" + shard + "\"}");
      const std::string shown = shard == "a\\\\b" ? "a\\\\b" : shard;
      CHECK_THROWS_WITH_AS(
          (void)ShardedSafeTensors::open(scratch.path()),
          (where + ": weight_map.a is \"" + shown + "\", expected the name of a file beside it").c_str(),
          re::DataError);
    }
  }
  TEST_CASE("open: a malformed index is an error that names it") {
    const test::Scratch scratch;
    const std::string where = (scratch / "model.safetensors.index.json").string();
    scratch.write("model.safetensors.index.json", "{}");
    CHECK_THROWS_WITH_AS((void)ShardedSafeTensors::open(scratch.path()),
                         (where + ": weight_map is missing, expected an object").c_str(),
                         re::DataError);
    write_index(scratch, R"({"a":1})");
    CHECK_THROWS_WITH_AS((void)ShardedSafeTensors::open(scratch.path()),
                         (where + ": weight_map.a is 1, expected a string").c_str(),
                         re::DataError);
    scratch.write("model.safetensors.index.json", "[");
    CHECK_THROWS_AS((void)ShardedSafeTensors::open(scratch.path()), re::DataError);
    scratch.write("s.safetensors", "short");
    write_index(scratch, R"({"a":"s.safetensors"})");
    CHECK_THROWS_WITH_AS(
        (void)ShardedSafeTensors::open(scratch.path()),
        ((scratch / "s.safetensors").string() + ": file is 5 bytes, expected at least 8, the length of the header")
            .c_str(),
        re::DataError);
    write_index(scratch, "{}");
    CHECK(ShardedSafeTensors::open(scratch.path()).names().empty());
  }
  TEST_CASE("tensor: a missing name is an error that offers names of all shards") {
    const test::Scratch scratch;
    write_shard(scratch / "s1.safetensors", {{"layer.0.weight", 1.0F}});
    write_shard(scratch / "s2.safetensors", {{"layer.1.weight", 1.0F}});
    write_index(scratch, R"({"layer.0.weight":"s1.safetensors","layer.1.weight":"s2.safetensors"})");
    const ShardedSafeTensors model = ShardedSafeTensors::open(scratch.path());
    CHECK_THROWS_WITH_AS(
        (void)model.tensor("layer.2.weight"),
        (model.where() + ": tensor \"layer.2.weight\" is missing, expected one of the 2 tensors there, "
                         "such as \"layer.0.weight\", \"layer.1.weight\"")
            .c_str(),
        re::DataError);
  }
}
