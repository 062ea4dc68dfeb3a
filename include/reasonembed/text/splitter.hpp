#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/token_scratch.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// What becomes of the parts of a text that a splitting pre-tokenizer looks for.
enum class SplitBehavior : std::uint8_t {
  kRemoved,             ///< they vanish
  kIsolated,            ///< each is a piece
  kMergedWithPrevious,  ///< each joins what stands before it, unless that is a match too
  kMergedWithNext,      ///< each joins what stands behind it, unless that is a match too
  kContiguous           ///< those side by side are one piece
};

/// Turns the matches in a text, and what lies between them, into pieces.
class Splitter {
 public:
  explicit Splitter(SplitBehavior behavior, bool invert = false) : behavior_(behavior), invert_(invert) {}

  /// @param at_text_start  true if the raw text begins with `text`
  /// @param out            receives the pieces
  void begin(std::string_view text, bool at_text_start, Pieces& out) {
    text_ = text;
    out_ = &out;
    open_ = false;
    at_text_start_ = at_text_start;
  }
  /// The next part, which begins where the one before it ended.
  void add(std::size_t begin, std::size_t end, bool is_match) {
    is_match = is_match != invert_;
    if (open_ && joins(is_match)) {
      end_ = end;
      is_match_ = behavior_ == SplitBehavior::kMergedWithNext ? false : is_match;
      return;
    }
    close();
    open_ = !(is_match && behavior_ == SplitBehavior::kRemoved);
    begin_ = begin;
    end_ = end;
    is_match_ = is_match;
  }
  void end() { close(); }

 private:
  [[nodiscard]] bool joins(bool is_match) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious:
        return is_match && !is_match_;
      case SplitBehavior::kMergedWithNext:
        return !is_match && is_match_;
      case SplitBehavior::kContiguous:
        return is_match == is_match_;
      default:
        return false;
    }
  }
  void close() {
    if (open_ && end_ > begin_) {
      if (out_->size() == 0) {
        out_->set_at_text_start(at_text_start_ && begin_ == 0);
      }
      out_->add(text_.substr(begin_, end_ - begin_));
    }
    open_ = false;
  }

  SplitBehavior behavior_;
  bool invert_;
  std::string_view text_;
  Pieces* out_ = nullptr;
  bool at_text_start_ = false;
  bool open_ = false;  ///< a piece waits that could grow
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool is_match_ = false;
};

}  // namespace reasonembed::text
