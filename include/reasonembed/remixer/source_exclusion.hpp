#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/near_duplicates.hpp>
#include <reasonembed/remixer/shingles.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of SourceExclusion.
struct SourceExclusionOptions {
  bool near_duplicates = false;  ///< also leave out documents that are nearly the source
  NearDuplicateOptions near = {};

  friend bool operator==(const SourceExclusionOptions&, const SourceExclusionOptions&) = default;
};

/// Finds the documents that must not be candidates for a query, because the query was written from them.
///
/// A query shares words with its source: as a positive it would teach matching words, not reasoning. Documents of equal
/// text are always found, whatever their numbers; near-duplicates by switch.
///
/// @note  16 bytes a document, and what NearDuplicates needs; equality is decided by the texts, hashes only find them.
///        Reading from many threads is safe.
class SourceExclusion {
 public:
  using Options = SourceExclusionOptions;

  /// @param documents  (N) must outlive this object
  /// @throws           ConfigError as NearDuplicates, whether or not the switch is on
  explicit SourceExclusion(std::span<const std::string> documents,
                           Options options = {},
                           const ThreadPool* pool = nullptr)
      : documents_(documents), options_(options) {
    for (std::size_t i = 0; i < documents.size(); ++i) {
      hashes_.push_back({detail::text_hash(documents[i]), static_cast<Index>(i)});
    }
    std::sort(hashes_.begin(), hashes_.end());
    const NearDuplicates checked({}, options.near);
    if (options.near_duplicates) {
      near_.emplace(documents, options.near, pool);
    }
  }

  /// @return  ascending numbers of the documents that are the source or, if asked for, nearly the source; the form that
  ///          retrieval::SearchOptions::excluded takes
  [[nodiscard]] std::vector<Index> find(std::string_view source) const {
    std::vector<Index> found = near_ ? near_->find(source) : std::vector<Index>();
    const std::uint64_t hash = detail::text_hash(source);
    for (auto entry = std::lower_bound(hashes_.begin(), hashes_.end(), Entry{hash, 0});
         entry != hashes_.end() && entry->hash == hash;
         ++entry) {
      if (documents_[static_cast<std::size_t>(entry->document)] == source) {
        found.push_back(entry->document);
      }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }
  /// @return  (B) what `find` returns for each source
  [[nodiscard]] std::vector<std::vector<Index>> find_all(std::span<const std::string> sources,
                                                         const ThreadPool* pool = nullptr) const {
    std::vector<std::vector<Index>> found(sources.size());
    retrieval::detail::for_each_item(pool, static_cast<Index>(sources.size()), [&](Index item, int) {
      found[static_cast<std::size_t>(item)] = find(sources[static_cast<std::size_t>(item)]);
    });
    return found;
  }

  /// The same question about one pair, without any corpus; near-duplicates are found with certainty.
  [[nodiscard]] static bool is_source(std::string_view source, std::string_view document, const Options& options = {}) {
    return source == document ||
           (options.near_duplicates && jaccard(source, document, options.near.shingles) >= options.near.threshold);
  }

 private:
  struct Entry {
    std::uint64_t hash = 0;
    Index document = 0;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };

  std::span<const std::string> documents_;
  Options options_;
  std::vector<Entry> hashes_;  // sorted
  std::optional<NearDuplicates> near_;
};

/// Says of one candidate whether it is nearly the source, by the exact Jaccard similarity of their shingles; of none
/// while the switch is off. What MineCandidates takes: it looks at a hundred candidates a query, and comparing those is
/// less work than a signature of every document.
///
/// Models: ExclusionRule.
///
/// @note  the shingles of the source that was asked about last are kept, so one thread asks at a time
class NearSource {
 public:
  using Options = SourceExclusionOptions;
  /// @throws  ConfigError as NearDuplicates and shingles, whether or not the switch is on
  explicit NearSource(Options options = {}) : options_(options) {
    const NearDuplicates checked({}, options.near);
    (void)shingles("", options.near.shingles);
  }

  [[nodiscard]] bool operator()(std::string_view source, std::string_view candidate) const {
    if (!options_.near_duplicates) {
      return false;
    }
    if (source != source_) {
      source_ = source;
      shingles_ = shingles(source, options_.near.shingles);
    }
    return !shingles_.empty() &&
           jaccard(shingles_, shingles(candidate, options_.near.shingles)) >= options_.near.threshold;
  }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  Options options_;
  mutable std::string source_;
  mutable std::vector<std::uint64_t> shingles_;
};

}  // namespace reasonembed::remixer
