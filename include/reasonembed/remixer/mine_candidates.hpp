#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/document_pool.hpp>
#include <reasonembed/remixer/records.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/remixer/shared_text.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_report.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of MineCandidates; the defaults are the paper's.
struct MineCandidatesOptions {
  Index top_k = 1000;  ///< documents that the retriever is asked for, >= 1
  Index kept = 100;    ///< the first of them that are kept, >= 1
  /// Whether the next document takes the place of an excluded one, so that `kept` are left; in the paper none does.
  bool fill_gaps = false;

  friend bool operator==(const MineCandidatesOptions&, const MineCandidatesOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("top_k", top_k);
    f("kept", kept);
    f("fill_gaps", fill_gaps);
  }
};

/// Which candidates are too much like the source of a query, besides the source itself: `e(source, candidate)`.
template <class E>
concept ExclusionRule = std::copyable<E> && std::predicate<const E&, std::string_view, std::string_view>;

/// Excludes the source alone.
struct SourceOnly {
  bool operator()(std::string_view /*source*/, std::string_view /*candidate*/) const { return false; }
};
static_assert(ExclusionRule<SourceOnly>);

/// Finds candidates for each query: documents that may answer it, but not the one it was made from.
///
/// The pool holds the distinct texts of the corpus and of all sources. A retriever ranks the first `top_k` of it for a
/// query; documents equal to the query are skipped; the first `kept` of the rest are kept; of those the source, found
/// by its text, is taken out, and whatever `Exclusion` takes for a near-copy of it. Without that the query and its
/// positive would share the words that the query was made of, and there would be nothing to learn.
///
/// @tparam R          models Retriever
/// @tparam Exclusion  models ExclusionRule
template <Retriever R, ExclusionRule Exclusion = SourceOnly>
class MineCandidates {
 public:
  using Input = GeneratedQuery;
  using Output = MinedQuery;
  using Options = MineCandidatesOptions;
  static constexpr std::string_view name = "mine_candidates";

  /// @param corpus       texts of all documents of the task, which are copied; blank ones are never candidates
  /// @param instruction  what the queries ask for, e.g. Task::instruction
  /// @throws             ConfigError for an impossible option
  MineCandidates(R retriever,
                 std::span<const std::string> corpus,
                 std::string instruction = {},
                 Options options = {},
                 Exclusion exclusion = {})
      : MineCandidates(std::move(retriever), pool_of(corpus), std::move(instruction), options, std::move(exclusion)) {}
  /// @param corpus  the documents of the task, whose texts may be on the disk; not null
  MineCandidates(R retriever,
                 std::shared_ptr<const DocumentPool> corpus,
                 std::string instruction = {},
                 Options options = {},
                 Exclusion exclusion = {})
      : retriever_(std::move(retriever)),
        instruction_(std::move(instruction)),
        options_(options),
        exclusion_(std::move(exclusion)),
        corpus_(std::move(corpus)) {
    for (const auto& [option, value] :
         {std::pair<std::string_view, Index>{"top_k", options_.top_k}, {"kept", options_.kept}}) {
      if (value < 1) {
        throw ConfigError::invalid("remixer::MineCandidates", option, std::to_string(value), "at least 1");
      }
    }
  }

  [[nodiscard]] std::vector<MinedQuery> run(std::vector<GeneratedQuery> queries, StageMonitor& monitor) const {
    std::vector<MinedQuery> mined;
    if (queries.empty()) {
      return mined;
    }
    const Pool pool{*corpus_, sources_elsewhere(queries)};
    const auto count = static_cast<Index>(queries.size());
    monitor.expect(pool.size() + count, "texts");
    monitor.report().counts["documents in the pool"] = pool.size();
    const DocumentTexts documents = pool.texts();
    const auto index = retriever_.index(documents, monitor.progress());
    corpus_->release();
    for (Index first = 0; first < count; first += kBlock) {
      const std::span<GeneratedQuery> block = std::span(queries).subspan(
          static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(kBlock, count - first)));
      std::vector<std::string> asked;
      asked.reserve(block.size());
      for (const GeneratedQuery& query : block) {
        asked.push_back(query.query);
      }
      const retrieval::Rankings rankings =
          index.search(asked, instruction_, std::clamp<Index>(pool.size(), 1, options_.top_k));
      for (std::size_t i = 0; i < block.size(); ++i) {
        MinedQuery found{.query = std::move(block[i].query), .source = std::move(block[i].source), .candidates = {}};
        take_candidates(found, rankings[i], pool, monitor.report());
        if (found.candidates.empty()) {
          monitor.report().drop("no candidate");
        } else {
          mined.push_back(std::move(found));
        }
      }
      monitor.advance(static_cast<Index>(block.size()));
    }
    return mined;
  }

 private:
  // queries that are searched for at a time: memory for rankings, and a pass over vectors on the disk for each block
  static constexpr Index kBlock = 1024;

  /// The corpus, and behind it those sources that it lacks.
  struct Pool {
    const DocumentPool& corpus;
    DocumentPool sources;

    [[nodiscard]] Index size() const { return corpus.size() + sources.size(); }
    [[nodiscard]] Index find(std::string_view text) const {
      const Index number = corpus.find(text);
      const Index source = number == DocumentPool::kAbsent ? sources.find(text) : DocumentPool::kAbsent;
      return source == DocumentPool::kAbsent ? number : corpus.size() + source;
    }
    [[nodiscard]] SharedText text(Index number) const {
      return number < corpus.size() ? corpus.text(number) : sources.text(number - corpus.size());
    }
    [[nodiscard]] DocumentTexts texts() const {
      std::vector<std::string_view> all;
      all.reserve(static_cast<std::size_t>(size()));
      for (const DocumentPool* part : {&corpus, &sources}) {
        for (Index number = 0; number < part->size(); ++number) {
          all.push_back((*part)[number]);
        }
      }
      return {std::move(all), corpus.rows(), corpus.corpus_size()};
    }
  };

  static std::shared_ptr<const DocumentPool> pool_of(std::span<const std::string> corpus) {
    auto pool = std::make_shared<DocumentPool>();
    for (const std::string& text : corpus) {
      pool->add(text);
    }
    return pool;
  }
  [[nodiscard]] DocumentPool sources_elsewhere(const std::vector<GeneratedQuery>& queries) const {
    DocumentPool sources;
    for (const GeneratedQuery& query : queries) {
      if (corpus_->find(query.source.text) == DocumentPool::kAbsent) {
        sources.add(query.source.text);
      }
    }
    return sources;
  }
  void take_candidates(MinedQuery& query,
                       const std::vector<retrieval::Hit>& ranking,
                       const Pool& pool,
                       StageReport& report) const {
    const Index itself = pool.find(query.query);
    const Index source = pool.find(query.source.text);
    Index kept = 0;
    for (const retrieval::Hit& hit : ranking) {
      if (kept == options_.kept) {
        break;
      }
      if (hit.document == itself) {
        ++report.counts["candidates equal to the query"];
        continue;
      }
      const bool is_source = hit.document == source;
      if (is_source || exclusion_(query.source.text, pool.text(hit.document))) {
        ++report.counts[is_source ? "candidates that were the source" : "candidates too like the source"];
        kept += options_.fill_gaps ? 0 : 1;
        continue;
      }
      query.candidates.push_back(pool.text(hit.document));
      ++kept;
    }
  }

  R retriever_;
  std::string instruction_;
  Options options_;
  Exclusion exclusion_;
  std::shared_ptr<const DocumentPool> corpus_;
};

}  // namespace reasonembed::remixer
