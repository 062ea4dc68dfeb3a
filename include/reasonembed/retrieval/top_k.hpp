#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Keeps the first k hits in the order of `ranks_before`, whatever the order they are offered in.
///
/// @note  O(1) amortised per hit; at most 2 k hits in memory.
class TopK {
 public:
  /// @param excluded  ascending numbers of documents that are refused; must outlive the object
  /// @pre             k >= 1
  explicit TopK(Index k, std::span<const Index> excluded = {}) : k_(static_cast<std::size_t>(k)), excluded_(excluded) {
    REASONEMBED_ASSERT(k >= 1);
  }

  /// @pre  the score is no NaN; no document is offered twice
  void offer(Hit hit) {
    if (hit.score < least_ || std::binary_search(excluded_.begin(), excluded_.end(), hit.document)) {
      return;
    }
    hits_.push_back(hit);
    if (hits_.size() == 2 * k_) {
      cut();
      least_ = hits_[k_ - 1].score;
    }
  }
  /// Offers documents first, first + 1, ... with these scores.
  void offer(Index first, std::span<const float> scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] >= least_) {
        offer({first + static_cast<Index>(i), scores[i]});
      }
    }
  }
  /// @return  a score below which a hit is refused; -infinity until k hits or more are known
  [[nodiscard]] float least() const { return least_; }
  /// @return  the hits, the best first; the object is then empty
  [[nodiscard]] std::vector<Hit> take() {
    cut();
    std::sort(hits_.begin(), hits_.end(), kOrder);
    least_ = -std::numeric_limits<float>::infinity();
    return std::exchange(hits_, {});
  }

 private:
  /// A function would be called through a pointer, this is inlined.
  static constexpr auto kOrder = [](const Hit& a, const Hit& b) { return ranks_before(a, b); };

  /// Leaves the first k, the k-th of them in its place.
  void cut() {
    if (hits_.size() > k_) {
      const auto last = hits_.begin() + static_cast<Index>(k_) - 1;
      std::nth_element(hits_.begin(), last, hits_.end(), kOrder);
      hits_.resize(k_);
    }
  }

  std::size_t k_;
  std::span<const Index> excluded_;
  std::vector<Hit> hits_;
  float least_ = -std::numeric_limits<float>::infinity();  // k hits have at least this score
};

}  // namespace reasonembed::retrieval
