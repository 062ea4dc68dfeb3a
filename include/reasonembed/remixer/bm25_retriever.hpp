#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/analyzer.hpp>
#include <reasonembed/retrieval/bm25.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Finds documents by the words they share with the query.
///
/// Models: Retriever.
///
/// @tparam A  models retrieval::Analyzer
/// @note      memory: an entry of 8 bytes for each document and distinct word of it (20 while it is made), wherever the
///            texts are
template <class A = retrieval::UnicodeWords>
  requires retrieval::Analyzer<A>
class Bm25Retriever {
 public:
  using Options = retrieval::Bm25Options;

  /// Documents, by the words they hold.
  class Searcher {
   public:
    Searcher(std::span<const std::string_view> documents, const Options& options, const ThreadPool* pool)
        : bm25_(documents, options), pool_(pool) {}
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view /*instruction*/,
                                             Index top_k) const {
      return bm25_.search(queries, {.top_k = top_k, .pool = pool_});
    }

   private:
    retrieval::Bm25<A> bm25_;
    const ThreadPool* pool_;
  };

  /// @param pool  the threads to search with, must outlive the retriever; null: the calling thread alone
  explicit Bm25Retriever(Options options = {}, const ThreadPool* pool = nullptr) : options_(options), pool_(pool) {}

  /// @throws  ConfigError as retrieval::Bm25
  [[nodiscard]] Searcher index(const DocumentTexts& documents, Progress* progress = nullptr) const {
    Searcher searcher(documents.texts(), options_, pool_);
    if (progress != nullptr) {
      progress->advance(documents.size());
    }
    return searcher;
  }

 private:
  Options options_;
  const ThreadPool* pool_;
};
static_assert(Retriever<Bm25Retriever<>>);

}  // namespace reasonembed::remixer
