#include <reasonembed/model/contract_files.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <span>
#include <string>
#include <string_view>

namespace re = reasonembed;
using re::io::Json;
using re::model::hash_vector_files;
using re::model::hash_weights;
using re::model::WeightHash;

namespace {

std::string checksum_of(std::string_view content) {
  return re::checksum(std::as_bytes(std::span(content)));
}

}  // namespace

TEST_SUITE("model/contract_files") {
  TEST_CASE("hash_vector_files: hashes what changes vectors and nothing else") {
    const test::Scratch scratch;
    for (const char* name : {"config.json",
                             "tokenizer.json",
                             "vocab.txt",
                             "merges.txt",
                             "qwen.tiktoken",
                             "1_Pooling/config.json",
                             "2_Dense/config.json",
                             "README.md",
                             "notes.txt",
                             "onnx/config.json",
                             "model.safetensors",
                             "reasonembed_contract.json"}) {
      test::write_file(scratch, name, name);
    }
    std::filesystem::create_directory(scratch / "3_Normalize");
    const Json hashes = hash_vector_files(scratch.path());
    CHECK(hashes == Json{{"config.json", re::sha256("config.json")},
                         {"tokenizer.json", re::sha256("tokenizer.json")},
                         {"vocab.txt", re::sha256("vocab.txt")},
                         {"merges.txt", re::sha256("merges.txt")},
                         {"qwen.tiktoken", re::sha256("qwen.tiktoken")},
                         {"1_Pooling/config.json", re::sha256("1_Pooling/config.json")},
                         {"2_Dense/config.json", re::sha256("2_Dense/config.json")}});
  }
  TEST_CASE("hash_vector_files: a directory without such files has none, an empty file has a hash") {
    const test::Scratch scratch;
    CHECK(hash_vector_files(scratch.path()) == Json::object());
    scratch.write("config.json", "");
    CHECK(hash_vector_files(scratch.path()) == Json{{"config.json", re::sha256("")}});
  }
  TEST_CASE("hash_weights: the checksum is cheap, SHA-256 comes on demand") {
    const test::Scratch scratch;
    scratch.write("model.safetensors", "weights");
    const Json cheap = hash_weights(scratch.path(), WeightHash::kChecksum);
    CHECK(cheap == Json{{"model.safetensors", {{"bytes", 7}, {"checksum", checksum_of("weights")}}}});
    const Json whole = hash_weights(scratch.path(), WeightHash::kSha256);
    CHECK(whole == Json{{"model.safetensors",
                         {{"bytes", 7}, {"checksum", checksum_of("weights")}, {"sha256", re::sha256("weights")}}}});
  }
  TEST_CASE("hash_weights: shards are those that the index lists, and one file goes before an index") {
    const test::Scratch scratch;
    scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors",
                                                                    "c": "1.safetensors"}})");
    scratch.write("1.safetensors", "one");
    scratch.write("2.safetensors", "two");
    scratch.write("3.safetensors", "three");
    const Json hashes = hash_weights(scratch.path(), WeightHash::kChecksum);
    CHECK(hashes == Json{{"1.safetensors", {{"bytes", 3}, {"checksum", checksum_of("one")}}},
                         {"2.safetensors", {{"bytes", 3}, {"checksum", checksum_of("two")}}}});
    scratch.write("model.safetensors", "");
    CHECK(hash_weights(scratch.path(), WeightHash::kChecksum) ==
          Json{{"model.safetensors", {{"bytes", 0}, {"checksum", checksum_of("")}}}});
  }
  TEST_CASE("hash_weights: weights that are missing, or an index that is none, are errors") {
    const test::Scratch scratch;
    const auto hash = [&] { (void)hash_weights(scratch.path(), WeightHash::kSha256); };
    CHECK_THROWS_AS(hash(), re::IoError);
    const std::string index = scratch.write("model.safetensors.index.json", "{}").string();
    CHECK_THROWS_WITH_AS(hash(), (index + ": weight_map is missing, expected an object").c_str(), re::DataError);
    scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": 1}})");
    CHECK_THROWS_WITH_AS(hash(), (index + ": weight_map.a is 1, expected a string").c_str(), re::DataError);
    scratch.write("model.safetensors.index.json", R"({"weight_map": {"a": "1.safetensors"}})");
    CHECK_THROWS_AS(hash(), re::IoError);
  }
}
