#include <reasonembed/text/splitter.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::Pieces;
using re::text::SplitBehavior;
using re::text::Splitter;

namespace {

constexpr SplitBehavior kAll[] = {SplitBehavior::kRemoved,
                                  SplitBehavior::kIsolated,
                                  SplitBehavior::kMergedWithPrevious,
                                  SplitBehavior::kMergedWithNext,
                                  SplitBehavior::kContiguous};

/// Parts of a text: each character is one, a match if it is '-'.
std::string split(std::string_view text, SplitBehavior behavior, bool invert = false) {
  Pieces pieces;
  Splitter splitter(behavior, invert);
  splitter.begin(text, true, pieces);
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    while (text[i] != '-' && end < text.size() && text[end] != '-') {
      ++end;  // what lies between matches is one part
    }
    splitter.add(i, end, text[i] == '-');
    i = end;
  }
  splitter.end();
  std::string out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    (out += i > 0 ? "|" : "") += pieces[i];
  }
  return out;
}

struct Part {
  std::string text;
  bool match = false;
};

/// The definitions, as folds over all parts.
std::string split_by_definition(std::vector<Part> parts, SplitBehavior behavior) {
  std::vector<std::string> pieces;
  bool previous = false;
  if (behavior == SplitBehavior::kMergedWithNext) {
    for (std::size_t i = parts.size(); i > 0; --i) {
      const Part& part = parts[i - 1];
      if (part.match && !previous && !pieces.empty()) {
        pieces.front() = part.text + pieces.front();
      } else {
        pieces.insert(pieces.begin(), part.text);
      }
      previous = part.match;
    }
  } else {
    for (const Part& part : parts) {
      const bool joins = behavior == SplitBehavior::kMergedWithPrevious ? part.match && !previous
                         : behavior == SplitBehavior::kContiguous       ? part.match == previous
                                                                        : false;
      if (joins && !pieces.empty()) {
        pieces.back() += part.text;
      } else if (behavior != SplitBehavior::kRemoved || !part.match) {
        pieces.push_back(part.text);
      }
      previous = part.match;
    }
  }
  std::string out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    (out += i > 0 ? "|" : "") += pieces[i];
  }
  return out;
}

}  // namespace

TEST_SUITE("text/splitter") {
  TEST_CASE("Splitter: each behaviour does what its name says") {
    CHECK(split("ab--c-", SplitBehavior::kRemoved) == "ab|c");
    CHECK(split("ab--c-", SplitBehavior::kIsolated) == "ab|-|-|c|-");
    CHECK(split("ab--c-", SplitBehavior::kMergedWithPrevious) == "ab-|-|c-");
    CHECK(split("ab--c-", SplitBehavior::kMergedWithNext) == "ab|-|-c|-");
    CHECK(split("ab--c-", SplitBehavior::kContiguous) == "ab|--|c|-");
  }

  TEST_CASE("Splitter: an inverted split treats the rest as matches") {
    CHECK(split("ab--c-", SplitBehavior::kRemoved, true) == "-|-|-");
    CHECK(split("ab--c-", SplitBehavior::kMergedWithPrevious, true) == "ab|-|-c|-");
    CHECK(split("ab--c-", SplitBehavior::kMergedWithNext, true) == "ab-|-|c-");
    CHECK(split("ab--c-", SplitBehavior::kContiguous, true) == "ab|--|c|-");
  }

  TEST_CASE("Splitter: an empty text has no piece") {
    for (const SplitBehavior behavior : kAll) {
      CHECK(split("", behavior) == "");
    }
    CHECK(split("---", SplitBehavior::kRemoved) == "");
  }

  TEST_CASE("Splitter: agrees with the definitions on every text of eight characters") {
    for (unsigned code = 0; code < 256; ++code) {
      std::string text;
      std::vector<Part> parts;
      for (unsigned bit = 0; bit < 8; ++bit) {
        const bool match = ((code >> bit) & 1U) != 0;
        const char c = match ? '-' : static_cast<char>('a' + bit);
        text += c;
        if (!match && !parts.empty() && !parts.back().match) {
          parts.back().text += c;
        } else {
          parts.push_back({std::string(1, c), match});
        }
      }
      std::vector<Part> inverted = parts;
      for (Part& part : inverted) {
        part.match = !part.match;
      }
      CAPTURE(text);
      for (const SplitBehavior behavior : kAll) {
        CHECK(split(text, behavior) == split_by_definition(parts, behavior));
        CHECK(split(text, behavior, true) == split_by_definition(inverted, behavior));
      }
    }
  }

  TEST_CASE("Splitter: says whether the first piece begins the text") {
    const auto at_start = [](std::string_view text, bool begins) {
      Pieces pieces;
      Splitter splitter(SplitBehavior::kRemoved);
      splitter.begin(text, begins, pieces);
      for (std::size_t i = 0; i < text.size(); ++i) {
        splitter.add(i, i + 1, text[i] == '-');
      }
      splitter.end();
      return pieces.at_text_start();
    };
    CHECK(at_start("a-", true));
    CHECK_FALSE(at_start("a-", false));
    CHECK_FALSE(at_start("-a", true));
    CHECK_FALSE(at_start("--", true));
  }
}
