#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/byte_fallback.hpp>
#include <reasonembed/text/byte_trie.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>
#include <reasonembed/text/vocabulary.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct UnigramOptions {
  std::int32_t unknown = 0;    ///< the id that stands for characters which no token spells
  bool byte_fallback = false;  ///< spell unknown text by <0x00> to <0xFF>

  friend bool operator==(const UnigramOptions&, const UnigramOptions&) = default;
};

/// The unigram language model of one word: of all ways to cut it into tokens the one with the highest sum of scores,
/// which is the most probable.                                                            [Kudo 2018, eq. 3 and 4]
///
/// Equal to Hugging Face's Unigram: an unknown character scores 10 below the worst token, and unknown characters side
/// by side are one token.
///
/// @note  immutable, safe from many threads
class Unigram {
 public:
  using Options = UnigramOptions;

  /// @param scores  of the tokens by id, log probabilities
  /// @param where   what errors call the source
  /// @throws        ConfigError for another number of scores than tokens, a score that is not finite, or an unknown id
  ///                that is no token
  Unigram(Vocabulary vocabulary,
          std::vector<double> scores,
          Options options = {},
          std::string_view where = "text::Unigram")
      : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), options_(options) {
    const Index size = vocabulary_.size();
    if (static_cast<Index>(scores_.size()) != size || size == 0) {
      throw ConfigError::invalid(where,
                                 "number of scores",
                                 std::to_string(scores_.size()),
                                 std::to_string(std::max(size, Index{1})) + ", one for each token");
    }
    if (options_.unknown < 0 || options_.unknown >= size) {
      throw ConfigError::invalid(where, "unk_id", std::to_string(options_.unknown), "0 to " + std::to_string(size - 1));
    }
    for (std::int32_t id = 0; id < size; ++id) {
      if (!std::isfinite(score(id))) {
        throw ConfigError::invalid(
            where, "score of token " + std::to_string(id), std::to_string(score(id)), "a finite number");
      }
      trie_.insert(vocabulary_.token(id), id);
    }
    unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - 10.0;
    if (options_.byte_fallback) {
      bytes_ = ByteFallback(vocabulary_);
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
  [[nodiscard]] std::int32_t unknown_id() const { return options_.unknown; }

  /// Calls on_id(std::int32_t) for every token of one word.
  ///
  /// @param word  UTF-8, not empty
  /// @note        O(n l) time for n bytes, l the longest token; allocates only where `scratch` must grow
  template <class OnId>
  void encode_word(std::string_view word, TokenScratch& scratch, OnId&& on_id) const {
    std::vector<PathNode>& paths = scratch.paths;
    find_paths(word, paths);
    // From the end to the begin; where a token began, its entry now says where the token behind it ends.
    std::size_t next = word.size();
    for (std::size_t end = word.size(); end > 0;) {
      const std::int32_t id = paths[end].id;
      std::size_t start = paths[end].start;
      while (id == options_.unknown && start > 0 && paths[start].id == id) {
        start = paths[start].start;  // unknown characters side by side
      }
      paths[end].start = next;
      next = end;
      end = start;
    }
    emit(word, next, paths, on_id);
  }

 private:
  [[nodiscard]] double score(std::int32_t id) const { return scores_[static_cast<std::size_t>(id)]; }

  /// paths[i]: the best way to cut the first i bytes.
  void find_paths(std::string_view word, std::vector<PathNode>& paths) const {
    paths.assign(word.size() + 1, PathNode());
    const auto offer = [&](std::size_t start, std::size_t end, double score, std::int32_t id) {
      PathNode& node = paths[end];
      const double sum = score + paths[start].score;
      if (!node.reachable || sum > node.score) {
        node = {sum, start, id, true};
      }
    };
    for (std::size_t i = 0; i < word.size();) {
      const std::size_t character = decode_utf8(word, i).length;
      bool known = false;
      trie_.for_each_prefix(word.substr(i), [&](std::size_t length, std::int32_t id) {
        offer(i, i + length, score(id), id);
        known = known || length == character;
      });
      if (!known) {
        offer(i, i + character, unknown_score_, options_.unknown);
      }
      i += character;
    }
  }

  template <class OnId>
  void emit(std::string_view word, std::size_t first_end, const std::vector<PathNode>& paths, OnId&& on_id) const {
    std::size_t start = 0;
    for (std::size_t end = first_end;;) {
      const std::int32_t id = paths[end].id;
      const std::string_view text = word.substr(start, end - start);
      // The reference looks unknown text up once more, because it may spell the unknown token itself.
      const std::int32_t found = id == options_.unknown ? vocabulary_.find(text) : id;
      if (found != Vocabulary::kMissing) {
        on_id(found);
      } else if (!options_.byte_fallback || !bytes_.spell(text, on_id)) {
        on_id(id);
      }
      if (end == word.size()) {
        return;
      }
      start = end;
      end = paths[end].start;
    }
  }

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  Options options_;
  ByteTrie trie_;
  ByteFallback bytes_;
  double unknown_score_ = 0.0;
};

}  // namespace reasonembed::text
