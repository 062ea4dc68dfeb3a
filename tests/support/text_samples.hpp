#pragma once
/// @file Short texts of very different lengths, the same in every run.
#include <reasonembed/core/random.hpp>

#include <string>
#include <vector>

namespace test {

/// @return  `count` texts of 1 to `most_words` words, one word in eight not ASCII
inline std::vector<std::string> text_samples(int count, int most_words, std::uint64_t seed = 1) {
  static const char* const kWords[] = {"salt",
                                       "water",
                                       "draws",
                                       "why",
                                       "gravity",
                                       "r\xC3\xA9sum\xC3\xA9",
                                       "cells",
                                       "and",
                                       "(2 + 2 = 4)",
                                       "the",
                                       "market",
                                       "\xE5\x8C\x97\xE4\xBA\xAC",
                                       "light",
                                       "bends",
                                       "thermodynamic",
                                       "prove"};
  reasonembed::RandomStream random(seed);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (auto words = 1 + random.below(static_cast<std::uint64_t>(most_words)); words > 0; --words) {
      text += (text.empty() ? "" : " ") + std::string(kWords[random.below(16)]);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace test
