#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::Progress;
using re::retrieval::TextEmbedder;

namespace {

/// The smallest conforming type: a text is its length.
struct Archetype {
  [[nodiscard]] Matrix<float> encode_query(std::span<const std::string_view> texts, Progress* progress) const {
    return lengths(texts, progress);
  }
  [[nodiscard]] Matrix<float> encode_document(std::span<const std::string> texts, Progress* progress) const {
    return lengths(texts, progress);
  }
  [[nodiscard]] const re::ThreadPool& pool() const { return threads; }

  template <class Texts>
  static Matrix<float> lengths(const Texts& texts, Progress* progress) {
    Matrix<float> vectors(static_cast<Index>(texts.size()), 1);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      vectors(static_cast<Index>(i), 0) = static_cast<float>(texts[i].size());
    }
    if (progress != nullptr) {
      progress->advance(static_cast<Index>(texts.size()));
    }
    return vectors;
  }
  re::ThreadPool threads{1};
};

struct WithoutDocuments : Archetype {
  void encode_document(std::span<const std::string>, Progress*) const = delete;
};
struct InDouble : Archetype {
  [[nodiscard]] Matrix<double> encode_query(std::span<const std::string_view>, Progress*) const { return {}; }
};
struct GivesAView : Archetype {  // of memory that nobody owns
  [[nodiscard]] re::MatrixView<const float> encode_query(std::span<const std::string_view>, Progress*) const {
    return {};
  }
};
struct ChangesWhileEncoding : Archetype {
  [[nodiscard]] Matrix<float> encode_query(std::span<const std::string_view>, Progress*) { return {}; }
};
struct WithoutProgress : Archetype {
  [[nodiscard]] Matrix<float> encode_query(std::span<const std::string_view>) const { return {}; }
};
struct CopiesItsPool : Archetype {
  [[nodiscard]] int pool() const { return 1; }
};

template <class E, class B>
using Model = re::model::TextEncoder<E, B>;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;

static_assert(TextEmbedder<Archetype>);
static_assert(TextEmbedder<re::model::MiniLm> && TextEmbedder<Model<re::model::Qwen3Encoder<>, Cpu32>>);
static_assert(!TextEmbedder<Model<re::model::BertEncoder<>, Cpu64>>, "search is in float");
static_assert(!TextEmbedder<WithoutDocuments> && !TextEmbedder<InDouble> && !TextEmbedder<GivesAView>);
static_assert(!TextEmbedder<ChangesWhileEncoding> && !TextEmbedder<WithoutProgress> && !TextEmbedder<CopiesItsPool>);
static_assert(!TextEmbedder<int> && !TextEmbedder<std::string>);

/// Through the concept alone: one query and two documents.
template <TextEmbedder M>
Index count_texts(const M& model) {
  Progress progress("encode", 3, {.silent = true});
  const std::vector<std::string_view> queries = {"why"};
  const std::vector<std::string> documents = {"salt", "light"};
  const Matrix<float> q = model.encode_query(std::span(queries), &progress);
  const Matrix<float> d = model.encode_document(std::span<const std::string>(documents), &progress);
  CHECK(q.rows() == 1);
  CHECK(d.rows() == 2);
  CHECK(q.cols() == d.cols());
  CHECK(model.pool().size() >= 1);
  CHECK(model.encode_query(std::span<const std::string_view>(), nullptr).rows() == 0);
  return progress.done();
}

}  // namespace

TEST_SUITE("retrieval/text_embedder") {
  TEST_CASE("TextEmbedder: the smallest type that models it, and a model of the library, are used alike") {
    CHECK(count_texts(Archetype()) == 3);
    CHECK(count_texts(re::model::random_byte_encoder(1, {.threads = 1})) == 3);
  }
}
