#include <reasonembed/retrieval/binary_codes.hpp>
#include <reasonembed/retrieval/int8_calibration.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::retrieval::int8_dot;
using re::retrieval::Int8Calibration;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Matrix<float> random_matrix(Index rows, Index cols, std::uint64_t seed) {
  Matrix<float> matrix(rows, cols);
  const std::vector<float> values = test::normal_vector<float>(rows * cols, seed);
  std::copy(values.begin(), values.end(), matrix.flat().begin());
  return matrix;
}

Matrix<float> matrix_of(Index cols, const std::vector<float>& values) {
  Matrix<float> matrix(static_cast<Index>(values.size()) / cols, cols);
  std::copy(values.begin(), values.end(), matrix.flat().begin());
  return matrix;
}

std::vector<int> ints(const Matrix<std::int8_t>& codes) {
  return {codes.flat().begin(), codes.flat().end()};
}

/// Checks that a file of this content is refused with `message`, the path cut off.
template <class Expected>
void check_file_refused(const std::string& content, const std::string& message) {
  const test::Scratch scratch;
  const std::string path = scratch.write("ranges.json", content).string();
  CHECK_THROWS_WITH_AS((void)Int8Calibration::load(path), (path + ": " + message).c_str(), Expected);
}

}  // namespace

TEST_SUITE("retrieval/int8_calibration") {
  TEST_CASE("Int8Calibration: the ranges are the least and the largest number of each dimension") {
    const Int8Calibration calibration(matrix_of(2, {1, -4, 3, 5, 2, 0}));
    CHECK(calibration.width() == 2);
    CHECK(std::vector<float>(calibration.low().begin(), calibration.low().end()) == std::vector<float>{1, -4});
    CHECK(std::vector<float>(calibration.high().begin(), calibration.high().end()) == std::vector<float>{3, 5});
  }
  TEST_CASE("encode: 256 steps cover a range, and what lies outside becomes its end") {
    const Int8Calibration calibration(std::vector<float>{0.0F}, std::vector<float>{255.0F});
    const Matrix<float> vectors =
        matrix_of(1, {0.0F, 0.99F, 1.0F, 127.5F, 254.99F, 255.0F, 256.0F, 1e38F, -0.01F, -1e38F});
    CHECK(ints(calibration.encode(vectors)) == std::vector<int>{-128, -128, -127, -1, 126, 127, 127, 127, -128, -128});
  }
  TEST_CASE("encode: a difference that float can't hold is an end too") {
    const Int8Calibration calibration(std::vector<float>{-3e38F}, std::vector<float>{-2e38F});
    CHECK(ints(calibration.encode(matrix_of(1, {3e38F, -3.4e38F}))) == std::vector<int>{127, -128});
  }
  TEST_CASE("encode: equals the formula at every width around the SIMD width, also on strided rows") {
    for (const Index width : {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65}) {
      CAPTURE(width);
      const Int8Calibration calibration(random_matrix(5, width, 1));
      const Matrix<float> wide = random_matrix(4, width + 3, 2);
      const Matrix<std::int8_t> codes = calibration.encode(wide.view().col_block(1, width));
      bool same = true;
      for (Index n = 0; n < 4; ++n) {
        for (Index d = 0; d < width; ++d) {
          const float low = calibration.low()[static_cast<std::size_t>(d)];
          const float step = (calibration.high()[static_cast<std::size_t>(d)] - low) / 255.0F;
          const float floored = std::floor((wide(n, d + 1) - low) / step);
          same = same && codes(n, d) == static_cast<int>(std::min(255.0F, std::max(0.0F, floored))) - 128;
        }
      }
      CHECK(same);
    }
  }
  TEST_CASE("encode, decode: no vectors give no codes and no vectors") {
    const Int8Calibration calibration(random_matrix(2, 5, 1));
    const Matrix<std::int8_t> codes = calibration.encode(Matrix<float>(0, 5));
    CHECK(codes.rows() == 0);
    CHECK(codes.cols() == 5);
    CHECK(calibration.decode(codes).rows() == 0);
  }
  TEST_CASE("decode: within its range a number comes back at most one step lower") {
    const Matrix<float> vectors = random_matrix(50, 9, 3);
    const Int8Calibration calibration(vectors);
    const Matrix<float> decoded = calibration.decode(calibration.encode(vectors));
    for (Index n = 0; n < vectors.rows(); ++n) {
      for (Index d = 0; d < vectors.cols(); ++d) {
        const auto i = static_cast<std::size_t>(d);
        const float step = (calibration.high()[i] - calibration.low()[i]) / 255.0F;
        const float down = vectors(n, d) - decoded(n, d);
        // Three roundings at the size of the ends: of the difference, of the quotient, of the decoded number.
        const float rounding =
            3.0F * 1.2e-7F * std::max(std::abs(calibration.low()[i]), std::abs(calibration.high()[i]));
        CHECK(down >= -rounding);
        CHECK(down <= step + rounding);
      }
    }
  }
  TEST_CASE("decode: codes of decoded vectors are the codes again, or one step lower by rounding") {
    const Matrix<float> vectors = random_matrix(20, 17, 4);
    const Int8Calibration calibration(vectors);
    const Matrix<std::int8_t> codes = calibration.encode(vectors);
    const Matrix<std::int8_t> again = calibration.encode(calibration.decode(codes));
    for (std::size_t i = 0; i < codes.flat().size(); ++i) {
      CHECK(codes.flat()[i] - again.flat()[i] >= 0);
      CHECK(codes.flat()[i] - again.flat()[i] <= 1);
    }
  }
  TEST_CASE("dot: is the product of the query with the decoded vector") {
    for (const Index width : {1, 8, 33}) {
      const Matrix<float> vectors = random_matrix(6, width, 5);
      const Int8Calibration calibration(vectors);
      const Matrix<std::int8_t> codes = calibration.encode(vectors);
      const Matrix<float> decoded = calibration.decode(codes);
      for (Index n = 0; n < 6; ++n) {
        double want = 0.0;
        for (Index d = 0; d < width; ++d) {
          want += static_cast<double>(vectors(0, d)) * static_cast<double>(decoded(n, d));
        }
        // decoded numbers below 8 are rounded to float once, the sums in double: width * 8 * 8 * 2^-24
        CHECK(std::abs(calibration.dot(vectors.row(0), codes.row(n)) - want) <= static_cast<double>(width) * 4e-6);
      }
    }
  }
  TEST_CASE("int8_dot: is exact at every length, also where 32 bits would not hold the sum") {
    for (const std::size_t length : {0, 1, 7, 15, 16, 17, 31, 63, 64, 65, 1000}) {
      std::vector<std::int8_t> a(length);
      std::vector<std::int8_t> b(length);
      std::int64_t want = 0;
      for (std::size_t i = 0; i < length; ++i) {
        a[i] = static_cast<std::int8_t>(static_cast<int>(i * 37 % 256) - 128);
        b[i] = static_cast<std::int8_t>(static_cast<int>(i * 91 % 256) - 128);
        want += std::int64_t{a[i]} * std::int64_t{b[i]};
      }
      CAPTURE(length);
      CHECK(int8_dot(a, b) == want);
    }
    const std::vector<std::int8_t> least(262145, -128);
    CHECK(int8_dot(least, least) == std::int64_t{262145} * 16384);
    const std::vector<std::int8_t> most(262145, 127);
    CHECK(int8_dot(least, most) == -std::int64_t{262145} * 128 * 127);
  }
  TEST_CASE("Int8Calibration: what can't be calibrated is refused by name") {
    const auto refuse = [](const Matrix<float>& vectors) { (void)Int8Calibration(vectors); };
    CHECK_THROWS_WITH_AS(refuse(Matrix<float>(0, 3)),
                         "retrieval::Int8Calibration: number of calibration vectors is 0, expected at least 2, to have "
                         "a range",
                         re::DataError);
    CHECK_THROWS_WITH_AS(refuse(random_matrix(1, 3, 1)),
                         "retrieval::Int8Calibration: number of calibration vectors is 1, expected at least 2, to have "
                         "a range",
                         re::DataError);
    CHECK_THROWS_WITH_AS(
        refuse(Matrix<float>(2, 0)), "retrieval::Int8Calibration: width is 0, expected at least 1", re::ShapeError);
    CHECK_THROWS_WITH_AS(refuse(matrix_of(2, {1, 0.1F, 2, 0.1F, 3, 0.1F})),
                         "retrieval::Int8Calibration: range of dimension 1 is [0.1,0.1], expected two ends that 256 "
                         "steps of a float tell apart",
                         re::DataError);
    CHECK_THROWS_WITH_AS(refuse(matrix_of(1, {-3e38F, 3e38F})),
                         "retrieval::Int8Calibration: range of dimension 0 is [-3e+38,3e+38], expected two ends that "
                         "256 steps of a float tell apart",
                         re::DataError);
    CHECK_THROWS_WITH_AS(refuse(matrix_of(1, {0.0F, 1e-45F})),
                         "retrieval::Int8Calibration: range of dimension 0 is [0.0,1e-45], expected two ends that 256 "
                         "steps of a float tell apart",
                         re::DataError);
    CHECK_THROWS_WITH_AS(refuse(matrix_of(2, {1, 2, 3, kNan})),
                         "retrieval::Int8Calibration: calibration vectors[1][1] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS(refuse(matrix_of(2, {1, kInfinity, 3, 4})),
                         "retrieval::Int8Calibration: calibration vectors[0][1] is inf, expected a finite number",
                         re::NonFiniteError);
  }
  TEST_CASE("Int8Calibration: ranges that are given are checked in the same way") {
    using Range = std::vector<float>;
    CHECK_THROWS_WITH_AS((void)Int8Calibration(Range{0, 1}, Range{2}),
                         "retrieval::Int8Calibration: high.size() is 1, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)Int8Calibration(Range{0, 5}, Range{2, 4}),
                         "retrieval::Int8Calibration: range of dimension 1 is [5.0,4.0], expected two ends that 256 "
                         "steps of a float tell apart",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)Int8Calibration(Range{0, kNan}, Range{2, 4}),
                         "retrieval::Int8Calibration: low[1] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS((void)Int8Calibration(Range{}, Range{}),
                         "retrieval::Int8Calibration: width is 0, expected at least 1",
                         re::ShapeError);
  }
  TEST_CASE("encode, decode, dot, int8_dot: another width or a number that is none is refused") {
    const Int8Calibration calibration(random_matrix(2, 4, 1));
    CHECK_THROWS_WITH_AS((void)calibration.encode(Matrix<float>(1, 5)),
                         "retrieval::Int8Calibration::encode: vectors.cols() is 5, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)calibration.encode(matrix_of(4, {0, 0, 0, 0, 0, 0, kNan, 0})),
                         "retrieval::Int8Calibration::encode: vectors[1][2] is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS((void)calibration.decode(Matrix<std::int8_t>(1, 3)),
                         "retrieval::Int8Calibration::decode: codes.cols() is 3, expected 4",
                         re::ShapeError);
    const std::vector<float> query(4);
    const std::vector<std::int8_t> codes(4);
    CHECK_THROWS_WITH_AS((void)calibration.dot(std::span(query).first(3), codes),
                         "retrieval::Int8Calibration::dot: query.size() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)calibration.dot(query, std::span(codes).first(3)),
                         "retrieval::Int8Calibration::dot: codes.size() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)int8_dot(codes, std::span(codes).first(3)),
                         "retrieval::int8_dot: b.size() is 3, expected 4",
                         re::ShapeError);
  }
  TEST_CASE("save, load: give back the calibration to the bit") {
    const test::Scratch scratch;
    const Int8Calibration calibration(random_matrix(7, 33, 6));
    calibration.save(scratch / "ranges.json");
    CHECK(Int8Calibration::load(scratch / "ranges.json") == calibration);
    CHECK_FALSE(Int8Calibration::load(scratch / "ranges.json") == Int8Calibration(random_matrix(7, 33, 7)));
  }
  TEST_CASE("save: writes the format that the documentation shows") {
    const test::Scratch scratch;
    Int8Calibration({-0.1F, 0.0F}, {0.25F, 1e-3F}).save(scratch / "ranges.json");
    CHECK(re::io::dump_json(re::io::read_json(scratch / "ranges.json"), -1) ==
          R"({"format":1,"high":[0.25,0.001],"kind":"int8","low":[-0.1,0.0]})");
  }
  TEST_CASE("load: a file that save does not write is refused by its field") {
    check_file_refused<re::DataError>("[]", "JSON value is an array, expected an object");
    check_file_refused<re::DataError>(R"({"format": 2, "kind": "int8", "low": [0], "high": [1]})",
                                      "format is 2, expected an integer in [1, 1]");
    check_file_refused<re::DataError>(R"({"format": 1, "kind": "int4", "low": [0], "high": [1]})",
                                      "kind is \"int4\", expected \"int8\"");
    check_file_refused<re::DataError>(R"({"format": 1, "kind": "int8", "high": [1]})",
                                      "low is missing, expected an array");
    check_file_refused<re::DataError>(R"({"format": 1, "kind": "int8", "low": [0, "1"], "high": [1, 2]})",
                                      "low[1] is \"1\", expected a number in the range of float");
    check_file_refused<re::DataError>(R"({"format": 1, "kind": "int8", "low": [0], "high": [1e39]})",
                                      "high[0] is 1e+39, expected a number in the range of float");
    check_file_refused<re::ShapeError>(R"({"format": 1, "kind": "int8", "low": [0], "high": [1, 2]})",
                                       "high.size() is 2, expected 1");
    check_file_refused<re::ShapeError>(R"({"format": 1, "kind": "int8", "low": [], "high": []})",
                                       "width is 0, expected at least 1");
    check_file_refused<re::DataError>(
        R"({"format": 1, "kind": "int8", "low": [0], "high": [0]})",
        "range of dimension 0 is [0.0,0.0], expected two ends that 256 steps of a float tell apart");
    CHECK_THROWS_AS((void)Int8Calibration::load("no/such/file"), re::IoError);
  }
  TEST_CASE("int8_dot, Int8Calibration::dot, hamming: find the document that the float vectors find") {
    const test::Scratch scratch;
    const std::string path = (scratch / "ranges.json").string();
    const Matrix<float> documents = random_matrix(40, 64, 9);
    const Matrix<float> queries = random_matrix(1, 64, 10);
    // example-begin quantize
    const re::retrieval::Int8Calibration calibration(documents);  // (N, D) typical vectors
    calibration.save(path);
    const auto ranges = re::retrieval::Int8Calibration::load(path);
    const re::Matrix<std::int8_t> codes = ranges.encode(documents);  // a byte a number
    const double score = ranges.dot(queries.row(0), codes.row(7));
    const std::int64_t quick = re::retrieval::int8_dot(ranges.encode(queries).view().row(0), codes.row(7));

    const re::Matrix<std::uint8_t> bits = re::retrieval::binary_codes(documents);  // a bit a number
    const std::int64_t distance = re::retrieval::hamming(bits.row(3), bits.row(7));
    // example-end quantize
    CHECK(score == calibration.dot(queries.row(0), calibration.encode(documents).row(7)));
    CHECK(quick == int8_dot(codes.row(7), calibration.encode(queries).row(0)));
    CHECK(distance > 0);
    CHECK(distance < 64);
  }
  TEST_CASE("Int8Calibration: is a value that copies, moves and assigns") {
    const Int8Calibration original(random_matrix(3, 5, 8));
    Int8Calibration copy = original;
    CHECK(copy == original);
    const Int8Calibration moved = std::move(copy);
    CHECK(moved == original);
    copy = moved;
    CHECK(copy == original);
  }
}
