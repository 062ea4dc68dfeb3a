#include <reasonembed/io/onnx_graph.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/protobuf.hpp>
#include <support/scratch.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::DType;
using re::io::NamedTensor;
using re::io::OnnxGraph;
using re::io::OnnxScope;
using test::OnnxFile;
using test::Protobuf;

namespace {

std::string written(const OnnxGraph& graph, const std::map<std::string, std::string>& metadata = {}) {
  const test::Scratch scratch;
  graph.write(scratch / "model.onnx", metadata);
  CHECK_FALSE(std::filesystem::exists(scratch / "model.onnx.data"));
  return re::io::read_text_file(scratch / "model.onnx");
}

/// x W^T for one weight.
OnnxGraph projection(std::span<const float> weight, re::Index rows) {
  OnnxGraph graph("projection");
  graph.add_input("x", DType::kF32, {std::string("batch"), std::int64_t{2}});
  graph.add_tensor({"w", {DType::kF32, {rows, 2}, std::as_bytes(weight)}});
  const std::string y = graph.add("Gemm", {"x", "w"}, {{"transB", 1}});
  graph.add_output("y", DType::kF32, {std::string("batch"), rows}, y);
  return graph;
}

}  // namespace

TEST_SUITE("io/onnx_graph") {
  TEST_CASE("write: versions, names, inputs, outputs, nodes and tensors") {
    const std::vector<float> weight = {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F};
    const std::string bytes = written(projection(weight, 3), {{"b", "2"}, {"a", "1"}});
    const OnnxFile file(bytes);
    CHECK(file.model.integers(1) == std::vector<std::int64_t>{8});
    CHECK(file.model.one(2) == "reasonembed");
    CHECK(file.model.message(8).integers(2) == std::vector<std::int64_t>{17});
    const auto pairs = file.model.all(14);
    REQUIRE(pairs.size() == 2);
    CHECK(Protobuf(pairs[0]).one(1) == "a");
    CHECK(Protobuf(pairs[1]).one(2) == "2");
    CHECK(file.graph.one(2) == "projection");
    CHECK(file.graph.message(11).one(1) == "x");
    CHECK(file.graph.message(12).one(1) == "y");
    REQUIRE(file.nodes.size() == 2);
    CHECK(file.nodes[0].op == "Gemm");
    CHECK(file.nodes[0].inputs == std::vector<std::string>{"x", "w"});
    CHECK(file.nodes[1].op == "Identity");
    CHECK(file.nodes[1].inputs == file.nodes[0].outputs);
    CHECK(file.nodes[1].outputs == std::vector<std::string>{"y"});
    const OnnxFile::Tensor& w = file.tensor("w");
    CHECK(w.shape == std::vector<std::int64_t>{3, 2});
    REQUIRE(w.raw.size() == sizeof(float) * weight.size());
    CHECK(std::memcmp(w.raw.data(), weight.data(), w.raw.size()) == 0);
  }
  TEST_CASE("write: the same calls give the same bytes") {
    const std::vector<float> weight = {1.0F, 2.0F};
    CHECK(written(projection(weight, 1)) == written(projection(weight, 1)));
  }
  TEST_CASE("add: names tell scope and operator, and are numbered from the second on") {
    OnnxGraph graph("g");
    graph.add_input("x", DType::kF32, {std::int64_t{1}});
    CHECK(graph.add("Neg", {"x"}) == "Neg");
    CHECK(graph.add("Neg", {"x"}) == "Neg_1");
    {
      const OnnxScope outer(graph, "outer");
      CHECK(graph.add("Neg", {"x"}) == "outer/Neg");
      {
        const OnnxScope inner(graph, "outer.inner");
        CHECK(graph.add("Neg", {"x"}) == "outer.inner/Neg");
      }
      CHECK(graph.add("Neg", {"x"}) == "outer/Neg_1");
    }
    CHECK(graph.add("Abs", {"x"}) == "Abs");
    graph.add_tensor(NamedTensor{"Abs_1", {DType::kF32, {0}, {}}});
    CHECK(graph.add("Abs", {"x"}) == "Abs_2");  // a tensor has taken the first
  }
  TEST_CASE("add: several outputs, optional inputs and attributes") {
    OnnxGraph graph("g");
    graph.add_input("x", DType::kF32, {std::int64_t{2}});
    const auto halves = graph.add("Split", std::array<std::string, 1>{"x"}, 2, {{"axis", -1}});
    CHECK(halves == std::vector<std::string>{"Split:0", "Split:1"});
    (void)graph.add("Clip", {halves[0], "", halves[1]});
    const std::string bytes = written(graph);
    const OnnxFile file(bytes);
    CHECK(file.node("Split").outputs == halves);
    REQUIRE(file.node("Split").attributes.size() == 1);
    CHECK(file.node("Split").attributes[0].integers(3) == std::vector<std::int64_t>{-1});
    CHECK(file.node("Clip").inputs == std::vector<std::string>{"Split:0", "", "Split:1"});
  }
  TEST_CASE("constants: equal ones are one tensor, with the bits they were given") {
    OnnxGraph graph("g");
    CHECK(graph.ints({1, -1}) == graph.ints({1, -1}));
    CHECK(graph.ints({1}) != graph.integer(1));
    CHECK(graph.number(0.5F) == graph.number(0.5F));
    CHECK(graph.number(0.1F) != graph.number(0.10000001F + 1e-7F));
    CHECK(graph.number(1.0F) != graph.integer(1));
    (void)graph.ints({});
    const std::string bytes = written(graph);
    const OnnxFile file(bytes);
    CHECK(file.tensor("ints[1,-1]").shape == std::vector<std::int64_t>{2});
    CHECK(file.tensor("ints[1,-1]").raw == std::string("\x01\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16));
    CHECK(file.tensor("ints[]").shape == std::vector<std::int64_t>{0});
    CHECK(file.tensor("int 1").shape.empty());
    CHECK(file.tensor("int 1").type == 7);
    CHECK(file.tensor("float 0.5").type == 1);
    CHECK(file.tensor("float 0.5").raw == std::string("\0\0\0\x3F", 4));
  }
  TEST_CASE("add_tensor, add_input, add_output: a name is given once, and only floats and integers are tensors") {
    const std::vector<double> wide = {1.0};
    OnnxGraph graph("g");
    graph.add_input("x", DType::kF32, {});
    CHECK_THROWS_WITH_AS(graph.add_input("x", DType::kF32, {}),
                         "io::OnnxGraph: name is \"x\", given twice, expected a name of its own",
                         re::DataError);
    CHECK_THROWS_AS(graph.add_tensor({"x", {DType::kF32, {0}, {}}}), re::DataError);
    CHECK_THROWS_AS(graph.add_output("x", DType::kF32, {}, "x"), re::DataError);
    CHECK_THROWS_WITH_AS(graph.add_tensor(NamedTensor::of("w", std::span<const double>(wide))),
                         "io::OnnxGraph: dtype is F64, expected F32 or I64",
                         re::DataError);
  }
  TEST_CASE("write: tensors above the limit go into a file beside it, each at a page of its own") {
    const std::vector<float> weight(3 * 700, 0.25F);  // 8,400 bytes
    const std::vector<float> bias = {7.0F};
    OnnxGraph graph = projection(weight, 1050);
    graph.add_tensor(NamedTensor::of("bias", std::span<const float>(bias)));
    const std::vector<float> second(1000, 0.75F);
    graph.add_tensor(NamedTensor::of("second", std::span<const float>(second)));
    const test::Scratch scratch;
    graph.write(scratch / "model.onnx", {}, 5000);
    const std::string bytes = re::io::read_text_file(scratch / "model.onnx");
    const std::string data = re::io::read_text_file(scratch / "model.onnx.data");
    const OnnxFile file(bytes);
    CHECK(file.tensor("bias").raw.size() == 4);
    const auto check = [&](const char* name, std::size_t offset, std::span<const float> values) {
      const auto& external = file.tensor(name).external;
      REQUIRE(external.size() == 3);
      CHECK(external[0].one(1) == "location");
      CHECK(external[0].one(2) == "model.onnx.data");
      CHECK(external[1].one(1) == "offset");
      CHECK(external[1].one(2) == std::to_string(offset));
      CHECK(external[2].one(1) == "length");
      CHECK(external[2].one(2) == std::to_string(values.size_bytes()));
      REQUIRE(data.size() >= offset + values.size_bytes());
      CHECK(std::memcmp(data.data() + offset, values.data(), values.size_bytes()) == 0);
    };
    check("w", 0, weight);
    check("second", 12288, second);
    CHECK(data.size() == 12288 + 4000);
  }
  TEST_CASE("write: the limit is the size of the whole file") {
    const std::vector<float> weight(2000, 1.0F);
    const OnnxGraph graph = projection(weight, 1000);
    const std::uint64_t size = written(graph).size();
    const test::Scratch scratch;
    graph.write(scratch / "fits.onnx", {}, size);
    CHECK_FALSE(std::filesystem::exists(scratch / "fits.onnx.data"));
    graph.write(scratch / "parts.onnx", {}, size - 1);
    CHECK(std::filesystem::exists(scratch / "parts.onnx.data"));
  }
  TEST_CASE("write: an old model is replaced, through a link too") {
    const std::vector<float> weight(2000, 1.0F);
    const test::Scratch scratch;
    scratch.write("model.onnx", "old");
    std::filesystem::create_symlink(scratch / "model.onnx", scratch / "link.onnx");
    const OnnxGraph graph = projection(weight, 1000);
    graph.write(scratch / "link.onnx", {}, 0);
    CHECK(std::filesystem::is_symlink(scratch / "link.onnx"));
    const std::string bytes = re::io::read_text_file(scratch / "model.onnx");
    CHECK(OnnxFile(bytes).tensor("w").external[0].one(2) == "link.onnx.data");
    CHECK(std::filesystem::exists(scratch / "link.onnx.data"));
  }
  TEST_CASE("write: a full disk leaves the old model and its tensors") {
    const std::vector<float> weight(200000, 1.0F);
    const OnnxGraph graph = projection(weight, 100000);
    const test::Scratch scratch;
    scratch.write("model.onnx", "old");
    scratch.write("model.onnx.data", "old tensors");
    {
      const test::FileSizeLimit limit(400000);
      CHECK_THROWS_AS(graph.write(scratch / "model.onnx", {}, 0), re::IoError);
      CHECK_THROWS_AS(graph.write(scratch / "model.onnx", {}), re::IoError);
    }
    CHECK(re::io::read_text_file(scratch / "model.onnx") == "old");
    CHECK(re::io::read_text_file(scratch / "model.onnx.data") == "old tensors");
    CHECK(std::distance(std::filesystem::directory_iterator(scratch.path()), {}) == 2);
  }
  TEST_CASE("write: a directory that is missing is an IoError that names the path") {
    const std::vector<float> weight = {1.0F, 2.0F};
    CHECK_THROWS_AS(projection(weight, 1).write("/nonexistent/model.onnx", {}), re::IoError);
  }
}
