#include <reasonembed/retrieval/binary_codes.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::retrieval::binary_codes;
using re::retrieval::BinaryByte;
using re::retrieval::decode_binary;
using re::retrieval::hamming;

static_assert(BinaryByte<std::uint8_t> && BinaryByte<std::int8_t>);
static_assert(!BinaryByte<char> && !BinaryByte<std::uint16_t> && !BinaryByte<bool> && !BinaryByte<const std::uint8_t>);

namespace {

Matrix<float> random_matrix(Index rows, Index cols, std::uint64_t seed) {
  Matrix<float> matrix(rows, cols);
  const std::vector<float> values = test::normal_vector<float>(rows * cols, seed);
  std::copy(values.begin(), values.end(), matrix.flat().begin());
  return matrix;
}

Matrix<float> row_of(const std::vector<float>& values) {
  Matrix<float> matrix(1, static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), matrix.flat().begin());
  return matrix;
}

}  // namespace

TEST_SUITE("retrieval/binary_codes") {
  TEST_CASE("binary_codes: the first number is the highest bit, and only what is above zero is one") {
    const Matrix<std::uint8_t> codes = binary_codes(row_of({1, 0, -0.0F, 1e-45F, -1e-45F, 3e38F, -3e38F, 2, 5, -5}));
    REQUIRE(codes.cols() == 2);
    CHECK(codes(0, 0) == 0b10010101);
    CHECK(codes(0, 1) == 0b10000000);
  }
  TEST_CASE("binary_codes: signed bytes are the others less 128") {
    const Matrix<float> vectors = random_matrix(9, 33, 1);
    const Matrix<std::uint8_t> bytes = binary_codes(vectors);
    const Matrix<std::int8_t> signed_bytes = binary_codes<std::int8_t>(vectors);
    for (std::size_t i = 0; i < bytes.flat().size(); ++i) {
      CHECK(int{bytes.flat()[i]} - 128 == int{signed_bytes.flat()[i]});
    }
  }
  TEST_CASE("binary_codes, decode_binary: give the signs at every width, also on strided rows") {
    for (const Index width : {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 129}) {
      CAPTURE(width);
      const Matrix<float> wide = random_matrix(3, width + 2, 2);
      const auto vectors = wide.view().col_block(1, width);
      const Matrix<std::uint8_t> codes = binary_codes(vectors);
      CHECK(codes.cols() == (width + 7) / 8);
      const Matrix<float> signs = decode_binary(codes, width);
      const Matrix<float> same = decode_binary(binary_codes<std::int8_t>(vectors), width);
      bool right = true;
      for (Index n = 0; n < 3; ++n) {
        for (Index d = 0; d < width; ++d) {
          const float want = vectors(n, d) > 0.0F ? 1.0F : -1.0F;
          right = right && signs(n, d) == want && same(n, d) == want;
        }
      }
      CHECK(right);
    }
  }
  TEST_CASE("binary_codes: no rows and no columns give no bytes") {
    CHECK(binary_codes(Matrix<float>(0, 9)).rows() == 0);
    CHECK(binary_codes(Matrix<float>(0, 9)).cols() == 2);
    CHECK(binary_codes(Matrix<float>(3, 0)).cols() == 0);
    CHECK(decode_binary(Matrix<std::uint8_t>(3, 0), 0).rows() == 3);
  }
  TEST_CASE("hamming: counts the bits that differ, at every length around a word") {
    for (const std::size_t length : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 100}) {
      std::vector<std::uint8_t> a(length);
      std::vector<std::uint8_t> b(length);
      std::int64_t want = 0;
      for (std::size_t i = 0; i < length; ++i) {
        a[i] = static_cast<std::uint8_t>(i * 37);
        b[i] = static_cast<std::uint8_t>(i * 91 + 5);
        for (int bit = 0; bit < 8; ++bit) {
          want += (a[i] >> bit & 1) != (b[i] >> bit & 1) ? 1 : 0;
        }
      }
      CAPTURE(length);
      CHECK(hamming(std::span<const std::uint8_t>(a), std::span<const std::uint8_t>(b)) == want);
      CHECK(hamming(std::span(a), std::span(a)) == 0);
    }
  }
  TEST_CASE("hamming: ranks as the dot product of the signs does") {
    const Index width = 77;
    const Matrix<float> vectors = random_matrix(12, width, 3);
    const Matrix<std::int8_t> codes = binary_codes<std::int8_t>(vectors);
    const Matrix<float> signs = decode_binary(codes, width);
    for (Index n = 0; n < 12; ++n) {
      float dot = 0.0F;  // of whole numbers below 2^24: exact
      for (Index d = 0; d < width; ++d) {
        dot += signs(0, d) * signs(n, d);
      }
      CHECK(static_cast<std::int64_t>(dot) == width - 2 * hamming(codes.view().row(0), codes.view().row(n)));
    }
  }
  TEST_CASE("binary_codes: a number that is none is refused by row and element") {
    Matrix<float> vectors = random_matrix(3, 40, 4);
    vectors(2, 39) = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS((void)binary_codes(vectors),
                         "retrieval::binary_codes: vectors[2][39] is nan, expected a finite number",
                         re::NonFiniteError);
    vectors(1, 0) = -std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS((void)binary_codes<std::int8_t>(vectors),
                         "retrieval::binary_codes: vectors[1][0] is -inf, expected a finite number",
                         re::NonFiniteError);
  }
  TEST_CASE("hamming, decode_binary: lengths that don't fit are refused") {
    const std::vector<std::uint8_t> bytes(4);
    CHECK_THROWS_WITH_AS((void)hamming(std::span(bytes), std::span(bytes).first(3)),
                         "retrieval::hamming: b.size() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)decode_binary(Matrix<std::uint8_t>(1, 4), 33),
                         "retrieval::decode_binary: codes.cols() is 4, expected 5",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)decode_binary(Matrix<std::uint8_t>(1, 0), -1),
                         "retrieval::decode_binary: width is -1, expected at least 0",
                         re::ShapeError);
  }
}
