#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Relevance judgements: how relevant a document is for a query. 0 and below are not relevant.
class Qrels {
 public:
  /// The judgements of one query: document id to relevance, sorted by the bytes of the id.
  using Judgements = std::map<std::string, int, std::less<>>;

  /// Adds one judgement.
  ///
  /// @return  false if the same judgement was there already
  /// @throws  DataError if the document has another relevance for this query; nothing is changed then
  bool add(std::string_view query, std::string_view document, int relevance) {
    if (const Judgements* known = find(query); known != nullptr) {
      const auto judgement = known->find(document);
      if (judgement != known->end()) {
        if (judgement->second != relevance) {
          throw DataError::invalid("data::Qrels: query " + io::in_quotes(query),
                                   "relevance of document " + io::in_quotes(document),
                                   std::to_string(relevance),
                                   std::to_string(judgement->second) + ", as judged before");
        }
        return false;
      }
    }
    const auto [number, first] = queries_.add(query);
    if (first) {
      judgements_.emplace_back();
    }
    judgements_[static_cast<std::size_t>(number)].emplace(document, relevance);
    return true;
  }

  /// @return  queries with at least one judgement, in the order of their first
  [[nodiscard]] const std::vector<std::string>& queries() const { return queries_.strings(); }
  /// @return  the judgements of the query with this number in queries()
  [[nodiscard]] const Judgements& judgements(Index query) const {
    REASONEMBED_ASSERT(query >= 0 && query < size());
    return judgements_[static_cast<std::size_t>(query)];
  }
  /// @return  the judgements of a query, nullptr if it has none
  [[nodiscard]] const Judgements* find(std::string_view query) const {
    const Index number = queries_.find(query);
    return number == StringIndex::kAbsent ? nullptr : &judgements(number);
  }
  /// @return  whether some document of a positive relevance is known for the query
  [[nodiscard]] bool has_relevant(std::string_view query) const {
    const Judgements* known = find(query);
    if (known != nullptr) {
      for (const auto& [document, relevance] : *known) {
        if (relevance > 0) {
          return true;
        }
      }
    }
    return false;
  }
  /// @return  number of queries
  [[nodiscard]] Index size() const { return queries_.size(); }
  [[nodiscard]] bool empty() const { return queries_.empty(); }

  friend bool operator==(const Qrels&, const Qrels&) = default;

 private:
  StringIndex queries_;
  std::vector<Judgements> judgements_;
};

}  // namespace reasonembed::data
