// What sentence-transformers computes with all-MiniLM-L6-v2, made by minilm_embeddings.py. Pinned, because the
// library's promise to its users is this number. May change only with the generator's texts.
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/model/minilm.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/minilm.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace re = reasonembed;

TEST_SUITE("golden/minilm_embeddings") {
  TEST_CASE("encode_document: 100 varied texts have the vectors of sentence-transformers") {
    const auto directory = test::find_minilm();
    if (!directory) {
      return;
    }
    std::vector<std::string> texts;
    re::io::for_each_json_line(test::source_path("tests/golden/minilm_embeddings.jsonl"),
                               [&](const re::io::JsonFields& row) {
                                 std::string text;
                                 for (std::int64_t i = row.find_int("repeat").value_or(1); i > 0; --i) {
                                   text += row.get_string("text");
                                 }
                                 texts.push_back(std::move(text));
                               });
    REQUIRE(texts.size() == 100);
    const auto encoder = re::model::MiniLm::load(*directory);
    re::Matrix<float> want(100, encoder.dim());
    re::io::SafeTensors::open(test::source_path("tests/golden/minilm_embeddings.safetensors"))
        .read("embeddings", want.view());
    const re::Matrix<float> got = encoder.encode_document(texts);
    double largest = 0.0;
    double least_cosine = 1.0;
    for (re::Index i = 0; i < 100; ++i) {
      double dot = 0.0;
      double norms[2] = {0.0, 0.0};
      for (re::Index d = 0; d < encoder.dim(); ++d) {
        largest = std::max(largest, std::abs(double(got(i, d)) - double(want(i, d))));
        dot += double(got(i, d)) * double(want(i, d));
        norms[0] += double(got(i, d)) * double(got(i, d));
        norms[1] += double(want(i, d)) * double(want(i, d));
      }
      const double cosine = dot / std::sqrt(norms[0] * norms[1]);
      CAPTURE(texts[static_cast<std::size_t>(i)].substr(0, 60));
      CHECK(cosine >= 0.99999);
      least_cosine = std::min(least_cosine, cosine);
    }
    MESSAGE("largest difference " << largest << ", 1 - least cosine " << 1.0 - least_cosine);
    CHECK(largest <= 1e-5);
  }
}
