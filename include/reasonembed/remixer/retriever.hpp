#pragma once
/// @file What mining asks of a retriever.
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Looks at (N) distinct texts that are to be made searchable, and knows where they stand in their corpus.
///
/// @note  16 bytes a text; the texts must outlive it
class DocumentTexts {
 public:
  /// What row() returns for a text that the corpus lacks.
  static constexpr Index kNoRow = -1;

  DocumentTexts() = default;
  /// Texts that are a corpus as they are.
  // NOLINTNEXTLINE(google-explicit-constructor): a view, like a span
  DocumentTexts(std::span<const std::string> texts) : texts_(texts.begin(), texts.end()), corpus_size_(size()) {}
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  DocumentTexts(const std::vector<std::string>& texts) : DocumentTexts(std::span(texts)) {}
  /// @param rows         (M) ascending places of the first M <= N texts in the corpus, from 0; must outlive this. The
  ///                     corpus lacks the other texts
  /// @param corpus_size  documents of the corpus, those among them that are not searched for: blank ones and copies
  DocumentTexts(std::vector<std::string_view> texts, std::span<const Index> rows, Index corpus_size)
      : texts_(std::move(texts)), rows_(rows), corpus_size_(corpus_size), is_corpus_(false) {}

  /// @return  N
  [[nodiscard]] Index size() const { return static_cast<Index>(texts_.size()); }
  [[nodiscard]] std::string_view operator[](Index number) const {
    REASONEMBED_ASSERT(number >= 0 && number < size());
    return texts_[static_cast<std::size_t>(number)];
  }
  /// @return  (N)
  [[nodiscard]] std::span<const std::string_view> texts() const { return texts_; }
  [[nodiscard]] auto begin() const { return texts_.begin(); }
  [[nodiscard]] auto end() const { return texts_.end(); }

  /// @return  M: how many of the texts, the first ones, are of the corpus
  [[nodiscard]] Index in_corpus() const { return is_corpus_ ? size() : static_cast<Index>(rows_.size()); }
  /// @return  the place of a text in the corpus, kNoRow if the corpus lacks it
  [[nodiscard]] Index row(Index number) const {
    return number >= in_corpus() ? kNoRow : is_corpus_ ? number : rows_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] Index corpus_size() const { return corpus_size_; }

 private:
  std::vector<std::string_view> texts_;
  std::span<const Index> rows_;
  Index corpus_size_ = 0;
  bool is_corpus_ = true;
};

/// Documents that can be searched.
///
/// | expression                          | meaning                                                                    |
/// |-------------------------------------|----------------------------------------------------------------------------|
/// | `i.search(queries, instruction, k)` | `retrieval::Rankings` (B): for each of the B queries the numbers of at     |
/// |                                     | most k documents in the order of `ranks_before`. `instruction` says what   |
/// |                                     | the queries ask for, see data::instructed_query; a retriever of words may  |
/// |                                     | ignore it                                                                  |
///
/// The ranking of a query depends on no other query.
template <class I>
concept RetrieverIndex =
    requires(const I& index, std::span<const std::string> queries, std::string_view instruction, Index top_k) {
      { index.search(queries, instruction, top_k) } -> std::same_as<retrieval::Rankings>;
    };

/// Makes documents searchable.
///
/// | expression                     | meaning                                                                         |
/// |--------------------------------|---------------------------------------------------------------------------------|
/// | `r.index(documents, progress)` | a RetrieverIndex of (N) DocumentTexts, whose texts live as long as it does;     |
/// |                                | `progress` (may be null) is advanced by N in all                                |
template <class R>
concept Retriever = requires(const R& r, const DocumentTexts& documents, Progress* progress) {
  { r.index(documents, progress) } -> RetrieverIndex;
};

}  // namespace reasonembed::remixer
