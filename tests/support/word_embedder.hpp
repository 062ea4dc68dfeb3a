#pragma once
/// @file An embedder whose vectors can be worked out by hand.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/remixer/shingles.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace test {

/// Each word points somewhere; a text is the sum of its words, of unit length, zeros if it has none.
///
/// Models: TextEmbedder.
class WordEmbedder {
 public:
  explicit WordEmbedder(reasonembed::Index width = 256, float scale = 1.0F) : width_(width), scale_(scale) {}

  [[nodiscard]] reasonembed::Matrix<float> encode_query(std::span<const std::string_view> texts,
                                                        reasonembed::Progress* progress) const {
    return encode(texts, progress);
  }
  [[nodiscard]] reasonembed::Matrix<float> encode_document(std::span<const std::string> texts,
                                                           reasonembed::Progress* progress) const {
    return encode(texts, progress);
  }
  [[nodiscard]] const reasonembed::ThreadPool& pool() const { return pool_; }
  /// @return  texts encoded so far
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  template <class Text>
  reasonembed::Matrix<float> encode(std::span<const Text> texts, reasonembed::Progress* progress) const {
    reasonembed::Matrix<float> vectors(static_cast<reasonembed::Index>(texts.size()), width_);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto row = vectors.row(static_cast<reasonembed::Index>(i));
      double squares = 0;
      for (const std::string& word : reasonembed::remixer::normalized_words(texts[i])) {
        row[reasonembed::remixer::detail::text_hash(word) % row.size()] += 1.0F;
      }
      for (const float x : row) {
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      for (float& x : row) {
        x *= squares == 0 ? 0.0F : scale_ * static_cast<float>(1 / std::sqrt(squares));
      }
    }
    count_ += texts.size();
    if (progress != nullptr) {
      progress->advance(vectors.rows());
    }
    return vectors;
  }

  reasonembed::Index width_;
  float scale_;
  reasonembed::ThreadPool pool_{2};
  mutable std::size_t count_ = 0;
};

static_assert(reasonembed::retrieval::TextEmbedder<WordEmbedder>);

}  // namespace test
