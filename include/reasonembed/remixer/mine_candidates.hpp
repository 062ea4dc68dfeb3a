#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
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

  /// @param corpus       texts of all documents of the task; blank ones are never candidates
  /// @param instruction  what the queries ask for, e.g. Task::instruction
  /// @throws             ConfigError for an impossible option
  MineCandidates(R retriever,
                 std::span<const std::string> corpus,
                 std::string instruction = {},
                 Options options = {},
                 Exclusion exclusion = {})
      : retriever_(std::move(retriever)),
        instruction_(std::move(instruction)),
        options_(options),
        exclusion_(std::move(exclusion)) {
    for (const auto& [option, value] :
         {std::pair<std::string_view, Index>{"top_k", options_.top_k}, {"kept", options_.kept}}) {
      if (value < 1) {
        throw ConfigError::invalid("remixer::MineCandidates", option, std::to_string(value), "at least 1");
      }
    }
    auto pool = std::make_shared<StringIndex>();
    for (const std::string& text : corpus) {
      add_document(*pool, text);
    }
    corpus_ = std::move(pool);
  }

  [[nodiscard]] std::vector<MinedQuery> run(std::vector<GeneratedQuery> queries, StageMonitor& monitor) const {
    std::vector<MinedQuery> mined;
    if (queries.empty()) {
      return mined;
    }
    const std::shared_ptr<const StringIndex> pool = pool_with_sources(queries);
    const std::shared_ptr<const std::vector<std::string>> texts(pool, &pool->strings());
    const auto count = static_cast<Index>(queries.size());
    monitor.expect(pool->size() + count, "texts");
    monitor.report().counts["documents in the pool"] = pool->size();
    const auto index = retriever_.index(*texts, monitor.progress());
    for (Index first = 0; first < count; first += kBlock) {
      const std::span<GeneratedQuery> block = std::span(queries).subspan(
          static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(kBlock, count - first)));
      std::vector<std::string> asked;
      asked.reserve(block.size());
      for (const GeneratedQuery& query : block) {
        asked.push_back(query.query);
      }
      const retrieval::Rankings rankings = index.search(asked, instruction_, std::min(options_.top_k, pool->size()));
      for (std::size_t i = 0; i < block.size(); ++i) {
        MinedQuery found{.query = std::move(block[i].query), .source = std::move(block[i].source), .candidates = {}};
        take_candidates(found, rankings[i], *pool, texts, monitor.report());
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
  static constexpr Index kBlock = 256;  // queries that are searched for at a time: progress, and memory for rankings

  static void add_document(StringIndex& pool, std::string_view text) {
    if (!data::detail::is_blank(text)) {
      pool.add(text);
    }
  }
  /// The corpus, with those sources that it lacks.
  [[nodiscard]] std::shared_ptr<const StringIndex> pool_with_sources(const std::vector<GeneratedQuery>& queries) const {
    std::shared_ptr<StringIndex> larger;
    for (const GeneratedQuery& query : queries) {
      const std::string_view text = query.source.text;
      if (!larger && !data::detail::is_blank(text) && !corpus_->contains(text)) {
        larger = std::make_shared<StringIndex>(*corpus_);
      }
      if (larger) {
        add_document(*larger, text);
      }
    }
    return larger ? larger : corpus_;
  }
  void take_candidates(MinedQuery& query,
                       const std::vector<retrieval::Hit>& ranking,
                       const StringIndex& pool,
                       const std::shared_ptr<const std::vector<std::string>>& texts,
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
      if (is_source || exclusion_(query.source.text, pool[hit.document])) {
        ++report.counts[is_source ? "candidates that were the source" : "candidates too like the source"];
        kept += options_.fill_gaps ? 0 : 1;
        continue;
      }
      query.candidates.emplace_back(texts, static_cast<std::size_t>(hit.document));
      ++kept;
    }
  }

  R retriever_;
  std::string instruction_;
  Options options_;
  Exclusion exclusion_;
  std::shared_ptr<const StringIndex> corpus_;
};

}  // namespace reasonembed::remixer
