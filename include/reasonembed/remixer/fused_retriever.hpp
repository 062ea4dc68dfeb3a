#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
///   score(n) = sum_r 1 / (k + rank_r(n)), over the retrievers r that find n        [Cormack et al. 2009, eq. 1]
///
/// Ranks count from 1. Both are asked for as many documents as are wanted of their fusion.
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
    Searcher(const A& first,
             const B& second,
             double rank_constant,
             std::span<const std::string> documents,
             Progress* progress)
        : rank_constant_(rank_constant),
          first_(first.index(documents, nullptr)),
          second_(second.index(documents, progress)) {}
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      const retrieval::Rankings first = first_.search(queries, instruction, top_k);
      const retrieval::Rankings second = second_.search(queries, instruction, top_k);
      retrieval::Rankings fused(queries.size());
      for (std::size_t query = 0; query < queries.size(); ++query) {
        fused[query] = fuse(first[query], second[query], static_cast<std::size_t>(top_k));
      }
      return fused;
    }

   private:
    [[nodiscard]] std::vector<retrieval::Hit> fuse(const std::vector<retrieval::Hit>& first,
                                                   const std::vector<retrieval::Hit>& second,
                                                   std::size_t top_k) const {
      std::map<Index, double> scores;
      for (const std::vector<retrieval::Hit>* hits : {&first, &second}) {
        double rank = 0;
        for (const retrieval::Hit& hit : *hits) {
          scores[hit.document] += 1.0 / (rank_constant_ + ++rank);
        }
      }
      std::vector<std::pair<double, Index>> order;  // by the score as it was summed, not as a float
      order.reserve(scores.size());
      for (const auto& [document, score] : scores) {
        order.emplace_back(-score, document);
      }
      std::sort(order.begin(), order.end());
      order.resize(std::min(order.size(), top_k));
      std::vector<retrieval::Hit> hits;
      for (const auto& [score, document] : order) {
        hits.push_back({document, static_cast<float>(-score)});
      }
      return hits;
    }

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
  [[nodiscard]] Searcher index(std::span<const std::string> documents, Progress* progress = nullptr) const {
    return Searcher(first_, second_, options_.rank_constant, documents, progress);
  }

 private:
  A first_;
  B second_;
  Options options_;
};

}  // namespace reasonembed::remixer
