// Whole encoders beside what PyTorch makes of the same weights, on every store: run by cmake/compile_neon.sh on 64-bit
// Arm, where tests/golden as a whole takes too long to compile.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/tiny_encoder.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::backend::Cpu;

namespace {

/// Texts of 1, 2, 7, the most and about half of the most tokens; the same bits in one batch and alone.
///
/// @return  vectors of the batch
template <class Encoder, class B>
Matrix<float> encode(const test::TinyEncoder<Encoder, B>& tiny) {
  Matrix<float> together = tiny.embed(tiny.tokens, tiny.offsets);
  for (std::size_t b = 0; b + 1 < tiny.offsets.size(); ++b) {
    const std::int32_t length = tiny.offsets[b + 1] - tiny.offsets[b];
    const std::vector<std::int32_t> ends = {0, length};
    const auto ids =
        std::span(tiny.tokens).subspan(static_cast<std::size_t>(tiny.offsets[b]), static_cast<std::size_t>(length));
    const Matrix<float> alone = tiny.embed(ids, ends);
    CHECK(std::equal(alone.flat().begin(), alone.flat().end(), together.row(static_cast<Index>(b)).begin()));
  }
  return together;
}

double largest_difference(const Matrix<float>& a, const Matrix<float>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.flat().size(); ++i) {
    largest = std::max(largest, std::abs(double(a.flat()[i]) - double(b.flat()[i])));
  }
  return largest;
}

template <class Encoder>
void check_float(const std::string& name) {
  const test::TinyEncoder<Encoder, Cpu<float>> tiny(name, re::model::Residency::kServe);
  CHECK(largest_difference(encode(tiny), tiny.read("float32")) <= 1e-6);  // a few hundred roundings of 6e-8
}

template <class Encoder, class B>
void check_store(const std::string& name, double least) {
  const test::TinyEncoder<Encoder, B> tiny(name, re::model::Residency::kServe);
  CHECK(test::least_cosine(encode(tiny), tiny.read("float32")) >= least);
}

}  // namespace

TEST_SUITE("neon/encode") {
  TEST_CASE("encoders in float: vectors are PyTorch's") {
    check_float<re::model::BertEncoder<>>("bert");
    check_float<re::model::Qwen3Encoder<>>("qwen3");
  }

  TEST_CASE("encoders on narrower stores: vectors are within the cosines that tests/golden asks for") {
    check_store<re::model::Qwen3Encoder<>, Cpu<re::bf16>>("qwen3", 0.9999);
    check_store<re::model::Qwen3Encoder<>, Cpu<re::bf16, re::bf16>>("qwen3", 0.9997);
    check_store<re::model::BertEncoder<>, Cpu<re::int8>>("bert", 0.995);
  }
}
