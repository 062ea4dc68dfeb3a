#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/remixer/dense_retriever.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using Texts = std::vector<std::string>;

namespace {

/// Counts the letters a, b and c; remembers the queries it has seen.
class LetterCounter {
 public:
  [[nodiscard]] re::Matrix<float> encode_query(std::span<const std::string_view> texts, re::Progress* progress) const {
    for (const std::string_view text : texts) {
      queries.emplace_back(text);
    }
    return encode(texts, progress);
  }
  [[nodiscard]] re::Matrix<float> encode_document(std::span<const std::string> texts, re::Progress* progress) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return encode(views, progress);
  }
  [[nodiscard]] const re::ThreadPool& pool() const { return pool_; }

  mutable Texts queries = {};

 private:
  static re::Matrix<float> encode(std::span<const std::string_view> texts, re::Progress* progress) {
    re::Matrix<float> vectors(static_cast<Index>(texts.size()), 3);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::array<float, 3> counts = {0.0F, 0.0F, 0.0F};
      for (const char c : texts[i]) {
        if (c >= 'a' && c <= 'c') {
          ++counts[static_cast<std::size_t>(c - 'a')];
        }
      }
      const float length = std::sqrt(counts[0] * counts[0] + counts[1] * counts[1] + counts[2] * counts[2]);
      for (std::size_t j = 0; j < 3; ++j) {
        vectors.row(static_cast<Index>(i))[j] = length > 0 ? counts[j] / length : 0.0F;
      }
    }
    if (progress != nullptr) {
      progress->advance(static_cast<Index>(texts.size()));
    }
    return vectors;
  }
  re::ThreadPool pool_{1};
};
static_assert(re::retrieval::TextEmbedder<LetterCounter>);
static_assert(rx::Retriever<rx::DenseRetriever<LetterCounter>>);

const Texts kDocuments = {"a", "b", "ab", "c", "ccb"};

}  // namespace

TEST_SUITE("remixer/dense_retriever") {
  TEST_CASE("search: ranks by the inner product of the encoder's vectors") {
    const LetterCounter encoder;
    const auto index = rx::DenseRetriever(encoder).index(kDocuments);
    const Texts queries = {"aa", "cb", "z"};
    const re::retrieval::Rankings found = index.search(queries, "", 2);
    REQUIRE(found.size() == 3);
    CHECK(found[0][0].document == 0);
    CHECK(found[0][1].document == 2);
    CHECK(found[1][0].document == 4);
    CHECK(found[2].size() == 2);  // ties by number
    CHECK(found[2][0].document == 0);
  }

  TEST_CASE("search: encodes queries with the instruction, as training does") {
    const LetterCounter encoder;
    const auto index = rx::DenseRetriever(encoder).index(kDocuments);
    const Texts queries = {"why", "how"};
    (void)index.search(queries, "Find it.", 1);
    CHECK(encoder.queries == Texts{"Instruct: Find it.\nQuery: why", "Instruct: Find it.\nQuery: how"});
    encoder.queries.clear();
    (void)index.search(queries, "", 1);
    CHECK(encoder.queries == queries);
  }

  TEST_CASE("index: advances the progress by its documents; none at all can be searched") {
    const LetterCounter encoder;
    re::Progress progress("index", 5, {.silent = true});
    (void)rx::DenseRetriever(encoder).index(kDocuments, &progress);
    CHECK(progress.done() == 5);
  }
}
