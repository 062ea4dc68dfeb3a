#include <reasonembed/io/npy.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::MatrixView;
using namespace std::string_literals;

namespace {

/// A version 1.0 file as NumPy lays it out.
std::string npy(std::string_view header, const std::vector<float>& data) {
  std::string text(header);
  while ((10 + text.size() + 1) % 64 != 0) {
    text += ' ';
  }
  text += '\n';
  std::string file = "\x93NUMPY\x01\x00"s;
  file += {static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
  file += text;
  file.append(reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float));
  return file;
}

std::string header_of(std::string_view shape) {
  return "{'descr': '<f4', 'fortran_order': False, 'shape': " + std::string(shape) + ", }";
}

}  // namespace

TEST_SUITE("io/npy") {
  TEST_CASE("write_npy: the bytes are those that numpy.save writes") {
    const test::Scratch scratch;
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    re::io::write_npy(scratch / "a.npy", MatrixView<const float>(values.data(), 2, 3));
    CHECK(test::content_of(scratch / "a.npy") == npy(header_of("(2, 3)"), values));
  }
  TEST_CASE("write_npy: what is written is read back, bit for bit, at any stride") {
    const test::Scratch scratch;
    for (const Index rows : {0, 1, 2, 7}) {
      for (const Index cols : {0, 1, 8, 9}) {
        for (const Index gap : {0, 5}) {
          CAPTURE(rows);
          CAPTURE(cols);
          const float nan = std::numeric_limits<float>::quiet_NaN();
          std::vector<float> values(static_cast<std::size_t>(rows * (cols + gap)) + 1, nan);
          const MatrixView<float> view(values.data(), rows, cols, cols + gap);
          for (Index row = 0; row < rows; ++row) {
            for (Index col = 0; col < cols; ++col) {
              view(row, col) = static_cast<float>(row) * 0.1F - static_cast<float>(col);
            }
          }
          re::io::write_npy(scratch / "a.npy", view);
          const re::Matrix<float> back = re::io::read_npy(scratch / "a.npy");
          REQUIRE(back.rows() == rows);
          REQUIRE(back.cols() == cols);
          std::size_t wrong = 0;
          for (Index row = 0; row < rows; ++row) {
            for (Index col = 0; col < cols; ++col) {
              wrong += back(row, col) == view(row, col) ? 0 : 1;
            }
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
  TEST_CASE("NpyWriter: parts make one file that appears when it is finished") {
    const test::Scratch scratch;
    const std::vector<float> values = {1, 2, std::nanf(""), -0.0F, 5, 6};
    scratch.write("a.npy", "old");
    {
      re::io::NpyWriter writer(scratch / "a.npy", 2);
      writer.append(MatrixView<const float>(values.data(), 2, 2));
      writer.append(MatrixView<const float>(values.data(), 0, 2));
      writer.append(MatrixView<const float>(values.data() + 4, 1, 2));
      CHECK(test::content_of(scratch / "a.npy") == "old");
      writer.finish();
    }
    CHECK(test::content_of(scratch / "a.npy") == npy(header_of("(3, 2)"), values));
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("NpyWriter: an unfinished file leaves nothing, a wrong width is refused") {
    const test::Scratch scratch;
    {
      re::io::NpyWriter writer(scratch / "a.npy", 3);
      const std::vector<float> values(6);
      writer.append(MatrixView<const float>(values.data(), 2, 3));
      CHECK_THROWS_WITH_AS(writer.append(MatrixView<const float>(values.data(), 3, 2)),
                           "io::NpyWriter::append: rows.cols() is 2, expected 3",
                           re::ShapeError);
    }
    CHECK(scratch.count() == 0);
    const std::string path = (scratch / "no/a.npy").string();
    CHECK_THROWS_WITH_AS(re::io::NpyWriter(path, 3),
                         (path + ": directory is missing, expected a writable directory").c_str(),
                         re::IoError);
  }
  TEST_CASE("NpyWriter: the widest possible shape fits into the header") {
    const Index most = std::numeric_limits<Index>::max();
    CHECK(re::io::detail::npy_header(most, most).size() == 128);
    CHECK(re::io::detail::npy_header(0, 0).size() == 128);
  }
  TEST_CASE("read_npy: reads headers of all versions and layouts NumPy has written") {
    const test::Scratch scratch;
    const std::vector<float> values = {1, 2, 3, 4};
    CHECK(re::io::read_npy(scratch.write("a", npy(header_of("(2, 2)"), values)))(1, 0) == 3.0F);
    CHECK(re::io::read_npy(scratch.write("a", npy(header_of("(4,1)"), values))).rows() == 4);
    CHECK(re::io::read_npy(scratch.write("a", npy("{'shape':(1, 4),'fortran_order':False,'descr':'<f4'}", values)))
              .cols() == 4);
    std::string second = npy(header_of("(2, 2)"), values);
    second[6] = '\x02';
    second.insert(10, 2, '\0');  // a header length of four bytes
    CHECK(re::io::read_npy(scratch.write("a", second))(1, 1) == 4.0F);
    second[6] = '\x03';
    CHECK(re::io::read_npy(scratch.write("a", second))(0, 1) == 2.0F);
  }
  TEST_CASE("read_npy: other arrays are refused by what they are") {
    const test::Scratch scratch;
    const auto error = [&](std::string_view header) {
      const std::string path = scratch.write("a.npy", npy(header, {1, 2, 3, 4})).string();
      try {
        (void)re::io::read_npy(path);
        return "accepted"s;
      } catch (const re::DataError& caught) {
        return std::string(caught.what()).substr(path.size() + 2);
      }
    };
    REQUIRE(error(header_of("(2, 2)")) == "accepted");
    CHECK(error("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }") ==
          "descr is \"'<f8'\", expected '<f4' (float32)");
    CHECK(error("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }") ==
          "descr is \"'>f4'\", expected '<f4' (float32)");
    CHECK(error("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }") ==
          "fortran_order is True, expected False");
    CHECK(error(header_of("(4,)")) == "shape is \"(4,)\", expected (rows, columns)");
    CHECK(error(header_of("()")) == "shape is \"()\", expected (rows, columns)");
    CHECK(error(header_of("(1, 2, 2)")) == "shape is \"(1, 2, 2)\", expected (rows, columns)");
    CHECK(error(header_of("(-2, -2)")) == "shape is \"(-2, -2)\", expected (rows, columns)");
    CHECK(error(header_of("(99999999999999999999, 1)")) ==
          "shape is \"(99999999999999999999, 1)\", expected (rows, columns)");
    CHECK(error(header_of("[2, 2]")).starts_with("shape is "));
    CHECK(error("{'fortran_order': False, 'shape': (2, 2), }").ends_with("expected a dict with 'descr'"));
    CHECK(error("{'descr': '<f4', 'shape': (2, 2), }").ends_with("expected a dict with 'fortran_order'"));
    CHECK(error("{'descr': '<f4', 'fortran_order': False, }").ends_with("expected a dict with 'shape'"));
    CHECK(error(header_of("(2, 3)")) == "data is 16 bytes, expected 4 for each of 2 x 3 elements");
    CHECK(error(header_of("(1, 1)")) == "data is 16 bytes, expected 4 for each of 1 x 1 elements");
    CHECK(error(header_of("(4611686018427387905, 4)")) ==  // 4 elements modulo 2^64
          "data is 16 bytes, expected 4 for each of 4611686018427387905 x 4 elements");
    CHECK(error(header_of("(0, 4)")) == "data is 16 bytes, expected 4 for each of 0 x 4 elements");
    CHECK(error(header_of("(9223372036854775807, 0)")) ==
          "data is 16 bytes, expected 4 for each of 9223372036854775807 x 0 elements");
  }
  TEST_CASE("read_npy: a file that is cut anywhere is refused") {
    const test::Scratch scratch;
    const std::string whole = npy(header_of("(2, 2)"), {1, 2, 3, 4});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      const auto path = scratch.write("a.npy", std::string_view(whole).substr(0, size));
      CHECK_THROWS_AS((void)re::io::read_npy(path), re::DataError);
    }
    const auto path = scratch.write("a.npy", whole + "x");
    CHECK_THROWS_AS((void)re::io::read_npy(path), re::DataError);
  }
  TEST_CASE("read_npy: a file that is no .npy, and one that is missing") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a.npy", "PK\x03\x04 an .npz archive").string();
    CHECK_THROWS_WITH_AS((void)re::io::read_npy(path),
                         (path + ": start of the file is \"PK\\x03\\x04 an \", expected that of an .npy file").c_str(),
                         re::DataError);
    const std::string absent = (scratch / "absent.npy").string();
    CHECK_THROWS_AS((void)re::io::read_npy(absent), re::IoError);
  }

  TEST_CASE("NpyFile: reads any rows, and the rest stays on the disk") {
    const test::Scratch scratch;
    re::Matrix<float> rows(10, 3);
    for (Index i = 0; i < 30; ++i) {
      rows.flat()[static_cast<std::size_t>(i)] = static_cast<float>(i);
    }
    re::io::write_npy(scratch / "a.npy", rows.view());
    const re::io::NpyFile file(scratch / "a.npy");
    CHECK(file.rows() == 10);
    CHECK(file.cols() == 3);
    CHECK(file.path() == (scratch / "a.npy").string());
    re::Matrix<float> part(4, 3);
    for (const Index first : {0, 1, 5, 6}) {
      file.read(first, part.view());
      CHECK(part(0, 0) == static_cast<float>(3 * first));
      CHECK(part(3, 2) == static_cast<float>(3 * first + 11));
    }
    re::Matrix<float> none(0, 3);
    file.read(10, none.view());
    CHECK_THROWS_WITH_AS(file.read(7, part.view()),
                         "io::NpyFile::read: rows is [7, 11), expected a part of the 10 rows",
                         re::ShapeError);
    CHECK_THROWS_AS(file.read(-1, part.view()), re::ShapeError);
    re::Matrix<float> wide(1, 4);
    CHECK_THROWS_WITH_AS(file.read(0, wide.view()), "io::NpyFile::read: out.cols() is 4, expected 3", re::ShapeError);
  }

  TEST_CASE("fetch: brings the rows that read() reads, for any part, again and again") {
    const test::Scratch scratch;
    re::Matrix<float> rows(70'000, 9);  // 2.5 MB: more than a large page
    for (Index i = 0; i < rows.rows() * rows.cols(); ++i) {
      rows.flat()[static_cast<std::size_t>(i)] = static_cast<float>(i % 100'003);
    }
    re::io::write_npy(scratch / "a.npy", rows.view());
    const re::io::NpyFile file(scratch / "a.npy");
    re::io::NpyRows fetched;
    CHECK(fetched.view().rows() == 0);
    for (const auto& [first, count] : {std::pair<Index, Index>{0, 70'000},
                                       {0, 1},
                                       {69'999, 1},
                                       {1, 113},
                                       {60'000, 10'000},
                                       {500, 0},
                                       {70'000, 0},
                                       {114, 60'000}}) {
      CAPTURE(first);
      CAPTURE(count);
      file.fetch(first, count, fetched);
      REQUIRE(fetched.view().rows() == count);
      REQUIRE(fetched.view().cols() == 9);
      for (Index i = 0; i < count; ++i) {
        REQUIRE(std::equal(fetched.view().row(i).begin(), fetched.view().row(i).end(), rows.row(first + i).begin()));
      }
    }
    re::io::NpyRows moved = std::move(fetched);
    CHECK(moved.view()(0, 0) == rows(114, 0));
    CHECK_THROWS_WITH_AS(file.fetch(69'999, 2, moved),
                         "io::NpyFile::read: rows is [69999, 70001), expected a part of the 70000 rows",
                         re::ShapeError);
    CHECK_THROWS_AS(file.fetch(-1, 2, moved), re::ShapeError);
    CHECK(moved.view().rows() == 0);  // nothing of what was there before
  }

  TEST_CASE("fetch: rows that stand at no multiple of four bytes are copied") {
    const test::Scratch scratch;
    std::string bytes = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", {0, 1.5F, 2, 3, 4, 5});
    ++bytes[8];                                           // the header's length
    bytes.insert(bytes.size() - 6 * sizeof(float), " ");  // NumPy ends it at a multiple of 16 or 64
    const re::io::NpyFile file(scratch.write("b.npy", bytes));
    re::io::NpyRows fetched;
    file.fetch(0, 3, fetched);
    CHECK(fetched.view()(0, 0) == 0.0F);
    CHECK(fetched.view()(0, 1) == 1.5F);
  }

  TEST_CASE("fetch: a file that has shrunk is an error, not the end of the process") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "a.npy", re::Matrix<float>(100'000, 3).view());
    const re::io::NpyFile file(scratch / "a.npy");
    std::filesystem::resize_file(scratch / "a.npy", 500'000);
    re::io::NpyRows fetched;
    file.fetch(0, 10'000, fetched);  // these are still there
    CHECK(fetched.view().rows() == 10'000);
    CHECK_THROWS_WITH_AS(
        file.fetch(0, 100'000, fetched),
        ((scratch / "a.npy").string() + ": end of the file is at byte 500000, expected as far as when it was opened")
            .c_str(),
        re::IoError);
  }

  TEST_CASE("NpyFile: a file that shrinks after it was opened, and a directory, are errors") {
    const test::Scratch scratch;
    re::io::write_npy(scratch / "a.npy", re::Matrix<float>(100, 3).view());
    const re::io::NpyFile file(scratch / "a.npy");
    std::filesystem::resize_file(scratch / "a.npy", 500);
    re::Matrix<float> all(100, 3);
    CHECK_THROWS_WITH_AS(
        file.read(0, all.view()),
        ((scratch / "a.npy").string() + ": end of the file is at byte 500, expected as far as when it was opened")
            .c_str(),
        re::IoError);
    CHECK_THROWS_WITH_AS(re::io::NpyFile{scratch.path()},
                         (scratch.path().string() + ": path is a directory, expected a regular file").c_str(),
                         re::IoError);
  }
}
