#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/analyzer.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/top_k.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// How a word counts that the query repeats.
enum class RepeatedWords : bool {
  kEveryTime,  ///< as in Lucene: the score is a sum over the words of the query
  kOnce,       ///< as in a sum over its distinct words
};

/// Options of Bm25; the defaults are those of Anserini, and of the published BEIR and BRIGHT baselines made with it.
struct Bm25Options {
  float k1 = 0.9F;  ///< how soon repetition in a document saturates, >= 0
  float b = 0.4F;   ///< how much long documents are discounted, in [0, 1]
  RepeatedWords repeated_words = RepeatedWords::kEveryTime;

  friend bool operator==(const Bm25Options&, const Bm25Options&) = default;
};

/// Okapi BM25 with an inverted index, in Lucene's variant.
///
///   score(q, n) = sum_{w in q} idf_w * tf_wn / (tf_wn + k1 (1 - b + b |n| / avg|n|))   [Robertson & Zaragoza
///   2009, 3.4] idf_w       = ln(1 + (N - N_w + 1/2) / (N_w + 1/2))                                [Lucene,
///   BM25Similarity]
/// tf_wn counts w in document n, N_w the documents with w, |n| the words of n. Unlike Lucene, which rounds |n| to a
/// byte, lengths are exact.
///
/// @tparam A  models Analyzer: what a word is
/// @note      the weights of all (word, document) pairs are computed once; reading from many threads is safe
template <class A = UnicodeWords>
  requires Analyzer<A>
class Bm25 {
 public:
  using Options = Bm25Options;

  /// @param documents  (N) texts
  /// @throws           ConfigError if k1 or b is out of range
  /// @note             O(words) time and memory
  explicit Bm25(std::span<const std::string> documents, Options options = {}, A analyzer = A())
      : Bm25(options, std::move(analyzer), documents) {}
  explicit Bm25(std::span<const std::string_view> documents, Options options = {}, A analyzer = A())
      : Bm25(options, std::move(analyzer), documents) {}

  /// @return  N
  [[nodiscard]] Index size() const { return size_; }
  /// @return  number of distinct words
  [[nodiscard]] Index vocabulary_size() const { return vocabulary_.size(); }
  [[nodiscard]] const Options& options() const { return options_; }

  /// Finds the best documents for each query, among those that share a word with it.
  ///
  /// @param queries  (B) texts
  /// @return         (B) hits in the order of `ranks_before`, top_k of them or as many as there are
  /// @throws         ConfigError if top_k < 1 or an exclusion list is unsorted, ShapeError if `excluded` has not B rows
  /// @note           time grows with the documents that hold a word of the query; scores and order are bit-identical
  ///                 for every pool size, for every batch, and for every order of a query's words
  [[nodiscard]] Rankings search(std::span<const std::string> queries, const SearchOptions& options = {}) const {
    detail::check_search("retrieval::Bm25::search", options, static_cast<Index>(queries.size()));
    Rankings hits(queries.size());
    std::vector<Scratch> scratch(detail::worker_count(options.pool));
    detail::for_each_item(options.pool, static_cast<Index>(queries.size()), [&](Index item, int worker) {
      const auto query = static_cast<std::size_t>(item);
      TopK best(options.top_k,
                options.excluded.empty() ? std::span<const Index>() : std::span(options.excluded[query]));
      hits[query] = search_one(queries[query], best, scratch[static_cast<std::size_t>(worker)]);
    });
    return hits;
  }

 private:
  struct Posting {
    std::uint32_t word = 0;
    std::uint32_t document = 0;
    std::uint32_t count = 0;
  };
  /// What one worker needs for a query; the scores are all 0 between queries.
  struct Scratch {
    std::vector<float> scores;  // (N)
    std::vector<std::uint32_t> touched;
    std::vector<Index> words;
  };

  template <class Text>
  Bm25(Options options, A analyzer, std::span<const Text> documents)
      : options_(options), analyzer_(std::move(analyzer)), size_(static_cast<Index>(documents.size())) {
    require_options();
    std::vector<Posting> postings;  // by document
    std::vector<double> lengths;
    lengths.reserve(documents.size());
    for (const std::string_view text : documents) {
      lengths.push_back(static_cast<double>(count_words(text, postings, static_cast<Index>(lengths.size()))));
    }
    invert(postings, lengths);
  }
  void require_options() const {
    constexpr std::string_view kWhere = "retrieval::Bm25";
    if (!(options_.k1 >= 0) || !std::isfinite(options_.k1)) {
      throw ConfigError::invalid(kWhere, "k1", std::to_string(options_.k1), "a finite number of at least 0");
    }
    if (!(options_.b >= 0 && options_.b <= 1)) {
      throw ConfigError::invalid(kWhere, "b", std::to_string(options_.b), "a number in [0, 1]");
    }
    if (size_ > static_cast<Index>(UINT32_MAX)) {
      throw ConfigError::invalid(kWhere, "number of documents", std::to_string(size_), "at most 2^32 - 1");
    }
  }

  /// Appends the distinct words of one document.
  /// @return  its length in words
  std::size_t count_words(std::string_view text, std::vector<Posting>& postings, Index document) {
    std::vector<std::uint32_t> words;
    analyzer_.for_each_word(
        text, [&](std::string_view word) { words.push_back(static_cast<std::uint32_t>(vocabulary_.add(word).first)); });
    std::sort(words.begin(), words.end());
    for (std::size_t i = 0; i < words.size();) {
      std::size_t end = i;
      while (end < words.size() && words[end] == words[i]) {
        ++end;
      }
      postings.push_back({words[i], static_cast<std::uint32_t>(document), static_cast<std::uint32_t>(end - i)});
      i = end;
    }
    return words.size();
  }

  /// Sorts the postings by word, documents ascending, and weighs them.
  void invert(const std::vector<Posting>& postings, const std::vector<double>& lengths) {
    double total = 0;
    for (const double length : lengths) {
      total += length;  // exact: whole numbers
    }
    const double average = total == 0 ? 1 : total / static_cast<double>(size_);
    first_.assign(static_cast<std::size_t>(vocabulary_.size()) + 1, 0);
    for (const Posting& posting : postings) {
      ++first_[posting.word + 1];
    }
    std::vector<double> idf(static_cast<std::size_t>(vocabulary_.size()));
    for (std::size_t word = 0; word < idf.size(); ++word) {
      const auto with = static_cast<double>(first_[word + 1]);
      idf[word] = std::log1p((static_cast<double>(size_) - with + 0.5) / (with + 0.5));
      first_[word + 1] += first_[word];
    }
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    documents_.resize(postings.size());
    weights_.resize(postings.size());
    const double k1 = options_.k1;
    const double b = options_.b;
    for (const Posting& posting : postings) {
      const double count = posting.count;
      const double norm = k1 * (1 - b + b * lengths[posting.document] / average);
      const std::size_t place = next[posting.word]++;
      documents_[place] = posting.document;
      weights_[place] = static_cast<float>(idf[posting.word] * count / (count + norm));
    }
  }

  /// Numbers of the query's known words, ascending, so that sums don't depend on the order of the words.
  void read_words(std::string_view query, std::vector<Index>& words) const {
    words.clear();
    analyzer_.for_each_word(query, [&](std::string_view word) {
      const Index number = vocabulary_.find(word);
      if (number != StringIndex::kAbsent) {
        words.push_back(number);
      }
    });
    std::sort(words.begin(), words.end());
    if (options_.repeated_words == RepeatedWords::kOnce) {
      words.erase(std::unique(words.begin(), words.end()), words.end());
    }
  }

  std::vector<Hit> search_one(std::string_view query, TopK& best, Scratch& scratch) const {
    scratch.scores.resize(static_cast<std::size_t>(size_));
    scratch.touched.clear();
    read_words(query, scratch.words);
    for (const Index word : scratch.words) {
      const std::size_t end = first_[static_cast<std::size_t>(word) + 1];
      for (std::size_t i = first_[static_cast<std::size_t>(word)]; i < end; ++i) {
        float& score = scratch.scores[documents_[i]];
        if (score == 0) {  // weights are positive: 0 means not seen yet
          scratch.touched.push_back(documents_[i]);
        }
        score += weights_[i];
      }
    }
    for (const std::uint32_t document : scratch.touched) {
      best.offer({static_cast<Index>(document), std::exchange(scratch.scores[document], 0.0F)});
    }
    return best.take();
  }

  Options options_;
  A analyzer_;
  Index size_ = 0;
  StringIndex vocabulary_;
  std::vector<std::size_t> first_;        // (words + 1) where a word's postings begin
  std::vector<std::uint32_t> documents_;  // (postings)
  std::vector<float> weights_;            // (postings)
};

}  // namespace reasonembed::retrieval
