#pragma once
/// @file What mining asks of a retriever.
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <concepts>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

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
/// | `r.index(documents, progress)` | a RetrieverIndex of (N) texts, which it may look at as long as it lives;        |
/// |                                | `progress` (may be null) is advanced by N in all                                |
template <class R>
concept Retriever = requires(const R& r, std::span<const std::string> documents, Progress* progress) {
  { r.index(documents, progress) } -> RetrieverIndex;
};

}  // namespace reasonembed::remixer
