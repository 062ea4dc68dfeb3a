#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/fusion.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of FusedRetriever.
struct FusedRetrieverOptions {
  double rank_constant = 60.0;  ///< how little the first ranks stand out, >= 0

  friend bool operator==(const FusedRetrieverOptions&, const FusedRetrieverOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("rank_constant", rank_constant);
  }
};

/// Joins two retrievers by the ranks they give, whatever their scores are.
///
/// The fusion is retrieval::fuse_ranks. Both are asked for as many documents as are wanted of it.
///
/// Models: Retriever.
///
/// @tparam A,B  model Retriever
template <Retriever A, Retriever B>
class FusedRetriever {
 public:
  using Options = FusedRetrieverOptions;

  /// Documents in both indices.
  class Searcher {
   public:
    Searcher(const A& first, const B& second, double rank_constant, const DocumentTexts& documents, Progress* progress)
        : rank_constant_(rank_constant),
          first_(first.index(documents, nullptr)),
          second_(second.index(documents, progress)) {}
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      const std::array systems = {first_.search(queries, instruction, top_k),
                                  second_.search(queries, instruction, top_k)};
      return retrieval::fuse_ranks(systems, {.top_k = top_k, .rank_constant = rank_constant_});
    }

   private:
    double rank_constant_;
    decltype(std::declval<const A&>().index({}, nullptr)) first_;
    decltype(std::declval<const B&>().index({}, nullptr)) second_;
  };

  /// @throws  ConfigError if rank_constant is negative or not finite
  FusedRetriever(A first, B second, Options options = {})
      : first_(std::move(first)), second_(std::move(second)), options_(options) {
    if (!(options_.rank_constant >= 0.0) || !std::isfinite(options_.rank_constant)) {
      throw ConfigError::invalid("remixer::FusedRetriever",
                                 "rank_constant",
                                 std::to_string(options_.rank_constant),
                                 "a finite number of at least 0");
    }
  }

  /// @throws  what the two retrievers throw
  [[nodiscard]] Searcher index(const DocumentTexts& documents, Progress* progress = nullptr) const {
    return Searcher(first_, second_, options_.rank_constant, documents, progress);
  }

 private:
  A first_;
  B second_;
  Options options_;
};

}  // namespace reasonembed::remixer
