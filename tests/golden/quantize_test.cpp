// What sentence-transformers' quantize_embeddings computes, made by quantize.py. Pinned, because codes that differ in
// one byte from those of an index that was built elsewhere rank it wrongly and nothing shows. May change only with the
// generator.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/retrieval/binary_codes.hpp>
#include <reasonembed/retrieval/int8_calibration.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <cstring>
#include <string>

namespace re = reasonembed;
using re::Matrix;

namespace {

const re::io::SafeTensors& golden_file() {
  static const auto file = re::io::SafeTensors::open(test::source_path("tests/golden/quantize/quantize.safetensors"));
  return file;
}

Matrix<float> read(const std::string& name) {
  const auto& shape = golden_file().tensor(name).shape;
  Matrix<float> values(shape.at(0), shape.at(1));
  golden_file().read(name, values.view());
  return values;
}

template <class T>
bool equal(const Matrix<T>& got, const std::string& name) {
  const re::io::TensorInfo& want = golden_file().tensor(name);
  return want.shape == std::vector<re::Index>{got.rows(), got.cols()} && want.bytes.size() == got.flat().size_bytes() &&
         std::memcmp(want.bytes.data(), got.flat().data(), want.bytes.size()) == 0;
}

}  // namespace

TEST_SUITE("golden/quantize") {
  TEST_CASE("Int8Calibration: gives the codes of sentence-transformers, and decodes them to the same numbers") {
    for (const std::string width : {"1", "7", "8", "9", "33"}) {
      CAPTURE(width);
      const re::retrieval::Int8Calibration calibration(read(width + ".calibration"));
      const Matrix<std::int8_t> codes = calibration.encode(read(width + ".vectors"));
      CHECK(equal(codes, width + ".int8"));
      CHECK(equal(calibration.decode(codes), width + ".decoded"));
    }
  }
  TEST_CASE("binary_codes: gives the bytes of sentence-transformers, with and without a sign") {
    for (const std::string width : {"1", "7", "8", "9", "33"}) {
      CAPTURE(width);
      CHECK(equal(re::retrieval::binary_codes(read(width + ".vectors")), width + ".ubinary"));
      CHECK(equal(re::retrieval::binary_codes<std::int8_t>(read(width + ".vectors")), width + ".binary"));
    }
  }
}
