#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/remixer/shared_text.hpp>
#include <reasonembed/remixer/text_store.hpp>

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// The documents of a corpus that can be candidates: its distinct texts without the blank ones, and where each stands.
///
/// Given a directory it keeps the texts on the disk, see TextStore, and a corpus may be larger than memory.
///
/// @note  about 60 bytes of memory a document; reading from many threads is safe
class DocumentPool {
 public:
  static constexpr Index kAbsent = TextStore::kAbsent;

  /// In memory.
  DocumentPool() = default;
  /// In a file without a name in `directory`, gone with the last text of the pool.
  /// @throws  IoError if no file can be made there
  explicit DocumentPool(const std::filesystem::path& directory) : texts_(std::make_shared<TextStore>(directory)) {}

  /// Adds the next document of the corpus.
  /// @return  its number, that of an earlier one with the same text, kAbsent for a blank one
  /// @throws  IoError as io::TextSpool::add
  Index add(std::string_view text) {
    Index number = kAbsent;
    if (!data::detail::is_blank(text)) {
      const auto [found, added] = texts_->add(text);
      number = found;
      if (added) {
        rows_.push_back(corpus_size_);
      }
    }
    ++corpus_size_;
    return number;
  }
  /// @return  the number of the document with this text, kAbsent if there is none
  [[nodiscard]] Index find(std::string_view text) const { return texts_->find(text); }
  /// @return  N
  [[nodiscard]] Index size() const { return texts_->size(); }
  /// @return  how many documents were added, blank ones and copies among them
  [[nodiscard]] Index corpus_size() const { return corpus_size_; }
  /// @pre  0 <= number < size()
  [[nodiscard]] std::string_view operator[](Index number) const { return (*texts_)[number]; }
  /// @return  the text of a document, which keeps the pool's texts; the empty text for kAbsent
  [[nodiscard]] SharedText text(Index number) const {
    return number == kAbsent ? SharedText() : TextStore::share(texts_, number);
  }
  /// @return  (N) ascending: the place in the corpus, from 0, where each document stood first
  [[nodiscard]] std::span<const Index> rows() const { return rows_; }
  /// Gives back the memory of texts on the disk that have been read.
  void release() const { texts_->release(); }

 private:
  std::shared_ptr<TextStore> texts_ = std::make_shared<TextStore>();
  std::vector<Index> rows_;
  Index corpus_size_ = 0;
};

}  // namespace reasonembed::remixer
