#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/retriever.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;

namespace {

/// The smallest retriever: longer documents are better. Its index can't be moved or copied.
struct LongestFirst {
  class Searcher {
   public:
    explicit Searcher(std::span<const std::string_view> documents) : documents_(documents) {}
    Searcher(const Searcher&) = delete;
    Searcher& operator=(const Searcher&) = delete;
    Searcher(Searcher&&) = delete;
    Searcher& operator=(Searcher&&) = delete;
    ~Searcher() = default;
    [[nodiscard]] re::retrieval::Rankings search(std::span<const std::string> queries,
                                                 std::string_view /*instruction*/,
                                                 Index top_k) const {
      std::vector<re::retrieval::Hit> hits;
      for (std::size_t i = 0; i < documents_.size(); ++i) {
        hits.push_back({static_cast<Index>(i), static_cast<float>(documents_[i].size())});
      }
      std::sort(hits.begin(), hits.end(), re::retrieval::ranks_before);
      hits.resize(std::min(hits.size(), static_cast<std::size_t>(top_k)));
      re::retrieval::Rankings rankings(queries.size());
      for (std::size_t query = 0; query < queries.size(); ++query) {
        rankings[query] = hits;
      }
      return rankings;
    }

   private:
    std::span<const std::string_view> documents_;
  };
  [[nodiscard]] Searcher index(const rx::DocumentTexts& documents, re::Progress* /*progress*/) const {
    return Searcher(documents.texts());
  }
};
static_assert(rx::Retriever<LongestFirst>);
static_assert(rx::RetrieverIndex<LongestFirst::Searcher>);

struct WithoutInstruction {
  [[nodiscard]] re::retrieval::Rankings search(std::span<const std::string> queries, Index /*top_k*/) const {
    return re::retrieval::Rankings(queries.size());
  }
};
struct IndexByValue {
  [[nodiscard]] LongestFirst::Searcher index(std::vector<std::string> /*documents*/) const;
};
static_assert(!rx::RetrieverIndex<WithoutInstruction>);
static_assert(!rx::Retriever<IndexByValue>);
static_assert(!rx::Retriever<LongestFirst::Searcher>);

}  // namespace

TEST_SUITE("remixer/retriever") {
  TEST_CASE("Retriever: the smallest one mines") {
    rx::MineCandidates stage(LongestFirst(), std::vector<std::string>{"a", "ccc", "bb", "dddd"}, "", {.kept = 3});
    rx::StageReport report;
    const auto mined = run_stage(stage, {{"q", {"id", "ccc"}, {}}}, report);
    REQUIRE(mined.size() == 1);
    CHECK(mined[0].candidates == std::vector<rx::SharedText>{"dddd", "bb"});
  }

  TEST_CASE("DocumentTexts: a list is a corpus as it is") {
    const std::vector<std::string> list = {"a", "b", ""};
    const rx::DocumentTexts documents = list;
    CHECK(documents.size() == 3);
    CHECK(documents.in_corpus() == 3);
    CHECK(documents.corpus_size() == 3);
    CHECK(documents.row(2) == 2);
    CHECK(documents.row(3) == rx::DocumentTexts::kNoRow);
    CHECK(documents[1].data() == list[1].data());  // no copy
    CHECK(rx::DocumentTexts().size() == 0);
    CHECK(rx::DocumentTexts().corpus_size() == 0);
  }

  TEST_CASE("DocumentTexts: the first are of the corpus, the others are not") {
    const std::vector<Index> rows = {0, 4};
    const rx::DocumentTexts documents({"a", "b", "elsewhere"}, rows, 9);
    CHECK(documents.size() == 3);
    CHECK(documents.in_corpus() == 2);
    CHECK(documents.corpus_size() == 9);
    CHECK(documents.row(0) == 0);
    CHECK(documents.row(1) == 4);
    CHECK(documents.row(2) == rx::DocumentTexts::kNoRow);
    CHECK(std::vector<std::string_view>(documents.begin(), documents.end()) ==
          std::vector<std::string_view>{"a", "b", "elsewhere"});
    const rx::DocumentTexts none({"elsewhere"}, {}, 2);  // a corpus of blank documents
    CHECK(none.in_corpus() == 0);
    CHECK(none.row(0) == rx::DocumentTexts::kNoRow);
  }
}
