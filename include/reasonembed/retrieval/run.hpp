#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/stable_sort.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// One retrieved document, by its id.
struct RunEntry {
  std::string document;
  double score = 0;

  friend bool operator==(const RunEntry&, const RunEntry&) = default;
};

/// What a retriever returned for each query: a ranking of document ids by score, the highest first.
///
/// Entries of equal score keep the order they were given in. A measure orders them by its own rule (see
/// eval::evaluate), so that no retriever gains from the order of its files.
class Run {
 public:
  /// Adds the ranking of one more query; entries are sorted by score, descending.
  ///
  /// @throws  DataError if the query has a ranking already or a document appears twice in this one, NonFiniteError if a
  ///          score is NaN or infinite; the run is then unchanged
  void add(std::string_view query, std::vector<RunEntry> entries) {
    const auto where = [query] { return "retrieval::Run: query " + io::in_quotes(query); };
    std::unordered_set<std::string_view> seen;
    seen.reserve(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!std::isfinite(entries[i].score)) {
        throw NonFiniteError::found(where(), "score", i, entries[i].score);
      }
      if (!seen.insert(entries[i].document).second) {
        throw DataError::invalid(where(), "document " + io::in_quotes(entries[i].document), "ranked twice", "once");
      }
    }
    if (queries_.contains(query)) {
      throw DataError::invalid(where(), "ranking", "added twice", "one ranking");
    }
    stable_sort(entries, [](const RunEntry& a, const RunEntry& b) { return a.score > b.score; });
    rankings_.push_back(std::move(entries));
    queries_.add(query);
  }

  /// @return  queries in the order they were added
  [[nodiscard]] const std::vector<std::string>& queries() const { return queries_.strings(); }
  /// @return  the ranking of the query with this number in queries()
  [[nodiscard]] const std::vector<RunEntry>& ranking(Index query) const {
    REASONEMBED_ASSERT(query >= 0 && query < size());
    return rankings_[static_cast<std::size_t>(query)];
  }
  /// @return  the ranking of a query, nullptr if it has none
  [[nodiscard]] const std::vector<RunEntry>* find(std::string_view query) const {
    const Index number = queries_.find(query);
    return number == StringIndex::kAbsent ? nullptr : &ranking(number);
  }
  /// @return  number of queries
  [[nodiscard]] Index size() const { return queries_.size(); }
  [[nodiscard]] bool empty() const { return queries_.empty(); }

  friend bool operator==(const Run&, const Run&) = default;

 private:
  StringIndex queries_;
  std::vector<std::vector<RunEntry>> rankings_;
};

}  // namespace reasonembed::retrieval
