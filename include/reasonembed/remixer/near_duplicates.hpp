#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/min_hash.hpp>
#include <reasonembed/remixer/shingles.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of NearDuplicates.
struct NearDuplicateOptions {
  double threshold = 0.8;  ///< least Jaccard similarity of shingles, in (0, 1]
  ShingleOptions shingles = {};
  MinHashOptions min_hash = {};
  Index bands = 32;  ///< pieces of a signature, one of which must agree for a pair to be looked at; >= 1

  friend bool operator==(const NearDuplicateOptions&, const NearDuplicateOptions&) = default;
};

/// The texts of a corpus that say nearly the same, letter for letter.
///
/// Signatures are cut into bands; texts that agree in a whole band are candidates, and every candidate is verified by
/// its exact Jaccard similarity: there are no false alarms. A pair of similarity s is missed with probability
///
///   (1 - s^r)^bands,   r = permutations / bands        [Leskovec, Rajaraman & Ullman 2014, sec. 3.4]
///
/// which the defaults make 5e-8 at 0.8.
///
/// @note  12 bytes a text and band. The result depends on texts and options alone. Reading from many threads is safe.
class NearDuplicates {
 public:
  using Options = NearDuplicateOptions;

  /// @param texts  (N) must outlive this object
  /// @param pool   shares the work, may be null
  /// @throws       ConfigError if the threshold is not in (0, 1], or the signature has no whole number per band
  explicit NearDuplicates(std::span<const std::string> texts, Options options = {}, const ThreadPool* pool = nullptr)
      : texts_(texts), options_(options), min_hash_(options.min_hash) {
    require_options();
    const auto bands = static_cast<std::size_t>(options_.bands);
    std::vector<std::uint64_t> keys(texts.size() * bands);  // (N, bands)
    std::vector<char> empty(texts.size());
    retrieval::detail::for_each_item(pool, static_cast<Index>(texts.size()), [&](Index item, int) {
      const auto i = static_cast<std::size_t>(item);
      const std::vector<std::uint64_t> set = shingles(texts[i], options_.shingles);
      empty[i] = set.empty() ? 1 : 0;
      const std::vector<std::uint64_t> own = band_keys(set);
      std::copy(own.begin(), own.end(), keys.begin() + static_cast<std::ptrdiff_t>(i * bands));
    });
    bands_.resize(bands);
    retrieval::detail::for_each_item(pool, options_.bands, [&](Index item, int) {
      const auto band = static_cast<std::size_t>(item);
      for (std::size_t i = 0; i < texts.size(); ++i) {
        if (empty[i] == 0) {
          bands_[band].push_back({keys[i * bands + band], static_cast<Index>(i)});
        }
      }
      std::sort(bands_[band].begin(), bands_[band].end());
    });
  }

  /// @return  N
  [[nodiscard]] Index size() const { return static_cast<Index>(texts_.size()); }
  [[nodiscard]] const Options& options() const { return options_; }

  /// @return  the probability that a pair of this similarity becomes a candidate
  [[nodiscard]] double recall_at(double similarity) const {
    const double rows = static_cast<double>(options_.min_hash.permutations / options_.bands);
    return 1 - std::pow(1 - std::pow(similarity, rows), static_cast<double>(options_.bands));
  }

  /// @return  ascending numbers of the texts near `text`, itself included if it is one of them; none for a text without
  ///          words
  [[nodiscard]] std::vector<Index> find(std::string_view text) const {
    const std::vector<std::uint64_t> set = shingles(text, options_.shingles);
    std::vector<Index> near;
    if (set.empty()) {
      return near;
    }
    const std::vector<std::uint64_t> keys = band_keys(set);
    for (std::size_t band = 0; band < bands_.size(); ++band) {
      const auto [first, last] =
          std::equal_range(bands_[band].begin(), bands_[band].end(), Entry{keys[band], 0}, by_key);
      for (auto entry = first; entry != last; ++entry) {
        near.push_back(entry->text);
      }
    }
    std::sort(near.begin(), near.end());
    near.erase(std::unique(near.begin(), near.end()), near.end());
    std::erase_if(near, [&](Index other) {
      return jaccard(set, shingles(texts_[static_cast<std::size_t>(other)], options_.shingles)) < options_.threshold;
    });
    return near;
  }

  /// Groups of two texts or more that are connected by near pairs.
  ///
  /// @return  each ascending, by the number of their first text
  [[nodiscard]] std::vector<std::vector<Index>> groups() const {
    std::vector<Index> parent(texts_.size());
    std::iota(parent.begin(), parent.end(), Index{0});
    std::unordered_map<Index, std::vector<std::uint64_t>> sets;  // of texts that were candidates
    for (const std::vector<Entry>& band : bands_) {
      for (std::size_t first = 0; first < band.size();) {
        std::size_t last = first + 1;
        while (last < band.size() && band[last].key == band[first].key) {
          ++last;
        }
        join_near(std::span(band).subspan(first, last - first), parent, sets);
        first = last;
      }
    }
    std::vector<std::vector<Index>> members(texts_.size());
    for (Index i = 0; i < size(); ++i) {
      members[static_cast<std::size_t>(root(parent, i))].push_back(i);
    }
    std::erase_if(members, [](const std::vector<Index>& group) { return group.size() < 2; });
    return members;  // roots are the least members
  }

 private:
  struct Entry {
    std::uint64_t key = 0;
    Index text = 0;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  static constexpr auto by_key = [](const Entry& a, const Entry& b) { return a.key < b.key; };

  void require_options() const {
    constexpr std::string_view kWhere = "remixer::NearDuplicates";
    if (!(options_.threshold > 0 && options_.threshold <= 1)) {
      throw ConfigError::invalid(kWhere, "threshold", std::to_string(options_.threshold), "a number in (0, 1]");
    }
    if (options_.bands < 1 || options_.min_hash.permutations % options_.bands != 0) {
      throw ConfigError::invalid(
          kWhere,
          "bands",
          std::to_string(options_.bands),
          "a divisor of the " + std::to_string(options_.min_hash.permutations) + " permutations");
    }
  }
  /// @return  (bands) a hash of each piece of the signature
  [[nodiscard]] std::vector<std::uint64_t> band_keys(std::span<const std::uint64_t> set) const {
    const std::vector<std::uint32_t> signature = min_hash_.signature(set);
    const auto rows = static_cast<std::size_t>(options_.min_hash.permutations / options_.bands);
    std::vector<std::uint64_t> keys;
    for (std::size_t first = 0; first < signature.size(); first += rows) {
      const char* bytes = reinterpret_cast<const char*>(signature.data() + first);
      keys.push_back(detail::text_hash({bytes, rows * sizeof(std::uint32_t)}, first));
    }
    return keys;
  }
  static Index root(std::vector<Index>& parent, Index i) {
    while (parent[static_cast<std::size_t>(i)] != i) {
      Index& up = parent[static_cast<std::size_t>(i)];
      up = parent[static_cast<std::size_t>(up)];
      i = up;
    }
    return i;
  }
  /// Joins the near ones of texts that agree in a band.
  void join_near(std::span<const Entry> run,
                 std::vector<Index>& parent,
                 std::unordered_map<Index, std::vector<std::uint64_t>>& sets) const {
    const auto set_of = [&](Index text) -> const std::vector<std::uint64_t>& {
      const auto [set, missing] = sets.try_emplace(text);
      if (missing) {
        set->second = shingles(texts_[static_cast<std::size_t>(text)], options_.shingles);
      }
      return set->second;
    };
    // the distinct texts so far: a thousand copies of one text need a thousand comparisons, not half a million
    std::vector<Index> heads;
    for (const Entry& entry : run) {
      bool equal_to_head = false;
      for (const Index head : heads) {
        equal_to_head =
            equal_to_head || texts_[static_cast<std::size_t>(head)] == texts_[static_cast<std::size_t>(entry.text)];
        const Index a = root(parent, head);
        const Index b = root(parent, entry.text);
        if (a != b && jaccard(set_of(head), set_of(entry.text)) >= options_.threshold) {
          parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
        }
      }
      if (!equal_to_head) {
        heads.push_back(entry.text);
      }
    }
  }

  std::span<const std::string> texts_;
  Options options_;
  MinHash min_hash_;
  std::vector<std::vector<Entry>> bands_;  // each sorted
};

}  // namespace reasonembed::remixer
