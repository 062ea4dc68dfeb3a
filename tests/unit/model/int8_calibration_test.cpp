#include <reasonembed/core/error.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/int8_calibration.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Matrix;
using re::model::Int8Calibration;
using re::model::Verify;

namespace {

template <class B>
using Bert = re::model::TextEncoder<re::model::BertEncoder<>, B>;
using Quantized = Bert<re::backend::Cpu<re::int8>>;
using Calibrating = Bert<re::backend::Calibrating>;

const std::vector<std::string_view> kTexts = {"salt and water", "x", "why does ice float on water?"};

/// A directory with a saved BERT.
struct Saved {
  test::Scratch scratch;
  std::filesystem::path directory = scratch / "model";
  Saved() { test::byte_bert(0.0, {.threads = 1}).save(directory); }

  [[nodiscard]] Int8Calibration calibrate(double limit) const {
    const auto model = Calibrating::load(directory, {.threads = 1});
    return re::model::calibrate_int8(model, model.document_role(), kTexts, limit);
  }
  template <class Model>
  [[nodiscard]] Matrix<float> encode() const {
    return Model::load(directory, {.threads = 1}).encode_document(kTexts);
  }
};

double distance(const Matrix<float>& a, const Matrix<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.flat().size(); ++i) {
    sum += (double(a.flat()[i]) - b.flat()[i]) * (double(a.flat()[i]) - b.flat()[i]);
  }
  return sum;
}

bool same(const Matrix<float>& a, const Matrix<float>& b) {
  return std::equal(a.flat().begin(), a.flat().end(), b.flat().begin());
}

}  // namespace

TEST_SUITE("model/int8_calibration") {
  TEST_CASE("calibrate_int8: names every projection, with an error that is none of its neighbours'") {
    const Saved saved;
    const Int8Calibration calibration = saved.calibrate(0.05);
    CHECK(calibration.texts == 3);
    REQUIRE(calibration.errors.size() == 12);  // two blocks of q, k, v, output, up, down
    CHECK(calibration.errors.contains("blocks.1.attention.q.weight"));
    CHECK(calibration.errors.at("blocks.0.attention.q.weight") == calibration.errors.at("blocks.0.attention.v.weight"));
    for (const auto& [name, error] : calibration.errors) {
      CAPTURE(name);
      CHECK(error > 0.001);
      CHECK(error < 0.05);
    }
    CHECK(calibration.in_bf16().empty());
  }
  TEST_CASE("load: what calibration keeps rests in bf16, and the vectors come nearer to float32's") {
    const Saved saved;
    const auto exact = saved.encode<Bert<re::backend::Cpu<float>>>();
    const auto all = saved.encode<Quantized>();
    saved.calibrate(0.05).write(saved.directory);
    CHECK(same(saved.encode<Quantized>(), all));
    Int8Calibration some = saved.calibrate(0.05);
    some.errors["blocks.0.mlp.up.weight"] = 0.5;
    some.write(saved.directory);
    CHECK(some.in_bf16() == std::set<std::string>{"blocks.0.mlp.up.weight"});
    const auto mixed = saved.encode<Quantized>();
    CHECK(!same(mixed, all));
    saved.calibrate(0.0).write(saved.directory);
    const auto kept = saved.encode<Quantized>();
    CHECK(distance(kept, exact) < distance(all, exact) / 4);
  }
  TEST_CASE("find: gives back what was written, and nothing where there is nothing") {
    const Saved saved;
    CHECK(!Int8Calibration::find(saved.directory, Verify::kFast));
    const Int8Calibration written = saved.calibrate(0.03);
    written.write(saved.directory);
    const auto read = Int8Calibration::find(saved.directory, Verify::kFast);
    REQUIRE(read.has_value());
    CHECK(read->limit == written.limit);
    CHECK(read->texts == written.texts);
    CHECK(read->errors == written.errors);
  }
  TEST_CASE("find: refuses other weights, and a file that is none") {
    const Saved saved;
    saved.calibrate(0.05).write(saved.directory);
    const auto path = saved.directory / re::model::kInt8CalibrationName;
    const auto refused = [&](const char* message) {
      CHECK_THROWS_WITH(static_cast<void>(Int8Calibration::find(saved.directory, Verify::kFast)),
                        (path.string() + ": " + message).c_str());
    };
    re::io::Json json = re::io::read_json(path);
    re::io::Json other = json;
    other["weights"]["model.safetensors"]["checksum"] = "0000000000000000";
    re::io::write_json(path, other);
    refused("weights is others than those beside it, expected these: calibrate again, or remove the file");
    CHECK(Int8Calibration::find(saved.directory, Verify::kOff).has_value());
    other = json;
    other["format"] = 2;
    re::io::write_json(path, other);
    refused("format is 2, expected an integer in [1, 1]");
    other = json;
    other["projections"]["blocks.0.mlp.up.weight"] = "small";
    re::io::write_json(path, other);
    refused("projections.blocks.0.mlp.up.weight is \"small\", expected a number >= 0.0");
    other = json;
    other.erase("projections");
    re::io::write_json(path, other);
    refused("projections is missing, expected an object");
  }
  TEST_CASE("calibrate_int8: refuses no text, and several threads") {
    const Saved saved;
    const auto model = Calibrating::load(saved.directory, {.threads = 1});
    CHECK_THROWS_WITH_AS(
        static_cast<void>(re::model::calibrate_int8(model, model.document_role(), std::vector<std::string_view>{})),
        "model::calibrate_int8: texts is none, expected at least one",
        re::ConfigError);
    const auto threads = Calibrating::load(saved.directory, {.threads = 2});
    CHECK_THROWS_WITH_AS(static_cast<void>(re::model::calibrate_int8(threads, threads.document_role(), kTexts)),
                         "model::calibrate_int8: threads is 2, expected 1",
                         re::ConfigError);
  }
}
