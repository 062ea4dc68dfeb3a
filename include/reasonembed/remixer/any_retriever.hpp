#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Any retriever behind one type, for programs that learn from a file which one it is.
///
/// Models: Retriever.
///
/// @note  copies share the retriever; one virtual call an index and one a search
class AnyRetriever {
 public:
  /// Documents in the index of whichever retriever it is.
  class Searcher {
   public:
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      return index_->search(queries, instruction, top_k);
    }

   private:
    friend class AnyRetriever;
    struct Held {
      Held() = default;
      Held(const Held&) = delete;
      Held& operator=(const Held&) = delete;
      Held(Held&&) = delete;
      Held& operator=(Held&&) = delete;
      virtual ~Held() = default;
      [[nodiscard]] virtual retrieval::Rankings search(std::span<const std::string> queries,
                                                       std::string_view instruction,
                                                       Index top_k) const = 0;
    };
    template <class R>
    struct Holds final : Held {
      Holds(const R& retriever, const DocumentTexts& documents, Progress* progress)
          : index(retriever.index(documents, progress)) {}
      [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                               std::string_view instruction,
                                               Index top_k) const override {
        return index.search(queries, instruction, top_k);
      }
      decltype(std::declval<const R&>().index(std::declval<const DocumentTexts&>(), nullptr)) index;
    };

    explicit Searcher(std::unique_ptr<const Held> index) : index_(std::move(index)) {}

    std::unique_ptr<const Held> index_;
  };

  /// @param retriever  models Retriever
  template <Retriever R>
    requires(!std::same_as<R, AnyRetriever>)
  // NOLINTNEXTLINE(google-explicit-constructor): holding any retriever is the point of the class
  AnyRetriever(R retriever) : held_(std::make_shared<Holds<R>>(std::move(retriever))) {}

  /// @throws  what the retriever throws
  [[nodiscard]] Searcher index(const DocumentTexts& documents, Progress* progress = nullptr) const {
    return Searcher(held_->index(documents, progress));
  }

 private:
  struct Held {
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Held(Held&&) = delete;
    Held& operator=(Held&&) = delete;
    virtual ~Held() = default;
    [[nodiscard]] virtual std::unique_ptr<const Searcher::Held> index(const DocumentTexts& documents,
                                                                      Progress* progress) const = 0;
  };
  template <class R>
  struct Holds final : Held {
    explicit Holds(R given) : retriever(std::move(given)) {}
    [[nodiscard]] std::unique_ptr<const Searcher::Held> index(const DocumentTexts& documents,
                                                              Progress* progress) const override {
      return std::make_unique<const Searcher::Holds<R>>(retriever, documents, progress);
    }
    R retriever;
  };

  std::shared_ptr<const Held> held_;
};
static_assert(Retriever<AnyRetriever>);

}  // namespace reasonembed::remixer
