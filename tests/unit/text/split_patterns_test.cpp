#include <reasonembed/text/split_patterns.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::text::CharacterClass;
using re::text::Gpt2Pattern;
using re::text::ReferenceCharacters;
using re::text::TiktokenPattern;

namespace {

using Characters = std::vector<char32_t>;
using Test = std::function<bool(char32_t)>;

/// One part of an alternative: at least `least` and at most `most` characters for which `test` holds, as many as can
/// be.
struct Part {
  Test test;
  std::size_t least = 1;
  std::size_t most = static_cast<std::size_t>(-1);
};
/// An alternative: its parts, and whether no character may follow that is not white space.
struct Alternative {
  std::vector<Part> parts;
  bool blank_follows = false;
};

/// How long a match of parts[k...] from place i is: greedy, with backtracking; -1 without a match.
int match(const Alternative& alternative, const Characters& text, std::size_t i, std::size_t k) {
  if (k == alternative.parts.size()) {
    const bool ends = i == text.size() || ReferenceCharacters::class_of(text[i]) == CharacterClass::kSpace;
    return !alternative.blank_follows || ends ? 0 : -1;
  }
  const Part& part = alternative.parts[k];
  std::size_t run = 0;
  while (run < part.most && i + run < text.size() && part.test(text[i + run])) {
    ++run;
  }
  for (std::size_t count = run + 1; count > part.least; --count) {
    const int rest = match(alternative, text, i + count - 1, k + 1);
    if (rest >= 0) {
      return static_cast<int>(count - 1) + rest;
    }
  }
  return -1;
}

Test is(CharacterClass kind) {
  return [kind](char32_t c) { return ReferenceCharacters::class_of(c) == kind; };
}
Test exactly(char32_t wanted, bool fold) {
  return [wanted, fold](char32_t c) {
    return c == wanted || (fold && (c + 32 == wanted || (wanted == 's' && c == 0x17F)));
  };
}

std::vector<Alternative> contractions(bool fold) {
  std::vector<Alternative> list;
  for (const std::string_view letters : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    Alternative alternative{{{exactly('\'', false), 1, 1}}, false};
    for (const char letter : letters) {
      alternative.parts.push_back({exactly(static_cast<unsigned char>(letter), fold), 1, 1});
    }
    list.push_back(alternative);
  }
  return list;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::vector<Alternative> gpt2() {
  std::vector<Alternative> list = contractions(false);
  for (const CharacterClass kind : {CharacterClass::kLetter, CharacterClass::kNumber, CharacterClass::kOther}) {
    list.push_back({{{exactly(' ', false), 0, 1}, {is(kind)}}, false});
  }
  list.push_back({{{is(CharacterClass::kSpace)}}, true});
  list.push_back({{{is(CharacterClass::kSpace)}}, false});
  return list;
}

/// (?i:'s|..)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
std::vector<Alternative> tiktoken(std::size_t digits) {
  const Test line = [](char32_t c) { return c == '\r' || c == '\n'; };
  const Test neither = [line](char32_t c) {
    const CharacterClass kind = ReferenceCharacters::class_of(c);
    return !line(c) && kind != CharacterClass::kLetter && kind != CharacterClass::kNumber;
  };
  std::vector<Alternative> list = contractions(true);
  list.push_back({{{neither, 0, 1}, {is(CharacterClass::kLetter)}}, false});
  list.push_back({{{is(CharacterClass::kNumber), 1, digits}}, false});
  list.push_back({{{exactly(' ', false), 0, 1}, {is(CharacterClass::kOther)}, {line, 0}}, false});
  list.push_back({{{is(CharacterClass::kSpace), 0}, {line}}, false});
  list.push_back({{{is(CharacterClass::kSpace)}}, true});
  list.push_back({{{is(CharacterClass::kSpace)}}, false});
  return list;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    (out += i > 0 ? "|" : "") += words[i];
  }
  return out;
}

std::string words_by_definition(const std::vector<Alternative>& alternatives, const Characters& text) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    int length = -1;
    for (std::size_t k = 0; k < alternatives.size() && length < 0; ++k) {
      length = match(alternatives[k], text, i, 0);
    }
    REQUIRE(length > 0);
    std::string word;
    for (int n = 0; n < length; ++n, ++i) {
      re::text::append_utf8(text[i], word);
    }
    words.push_back(word);
  }
  return joined(words);
}

template <class Pattern>
std::string words(const Pattern& pattern, std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = pattern.word_end(text, i);
    REQUIRE(end > i);
    REQUIRE(end <= text.size());
    found.emplace_back(text.substr(i, end - i));
    i = end;
  }
  return joined(found);
}

}  // namespace

TEST_SUITE("text/split_patterns") {
  TEST_CASE("Gpt2Pattern: words take the blank before them along") {
    const Gpt2Pattern gpt2;
    CHECK(words(gpt2, "") == "");
    CHECK(words(gpt2, "Hello world") == "Hello| world");
    CHECK(words(gpt2, "a1 b2!? 3") == "a|1| b|2|!?| 3");
    CHECK(words(gpt2, "don't we'LL") == "don|'t| we|'|LL");
    CHECK(words(gpt2, "''s") == "''|s");
    CHECK(words(gpt2, " 's 're're") == " '|s| '|re|'re");
    CHECK(words(gpt2, "12345") == "12345");
  }

  TEST_CASE("Gpt2Pattern: a run of white space leaves its last character to what follows") {
    const Gpt2Pattern gpt2;
    CHECK(words(gpt2, "a   b") == "a|  | b");
    CHECK(words(gpt2, "a\n\nb") == "a|\n|\n|b");
    CHECK(words(gpt2, "a  ") == "a|  ");
    CHECK(words(gpt2, " ") == " ");
    CHECK(words(gpt2, "a\u3000\u3000b") == "a|\u3000|\u3000|b");
    CHECK(words(gpt2, "\t a") == "\t| a");
  }

  TEST_CASE("TiktokenPattern: letters take one sign along, digits stand in groups") {
    const TiktokenPattern llama3{3};
    const TiktokenPattern qwen{1};
    CHECK(words(llama3, "12345 6") == "123|45| |6");
    CHECK(words(qwen, "123 4") == "1|2|3| |4");
    CHECK(words(qwen, "(a.b)_c") == "(a|.b|)_|c");
    CHECK(words(qwen, "\ta\u00A0b") == "\ta|\u00A0b");
    CHECK(words(qwen, "a\nb") == "a|\n|b");
    CHECK(words(qwen, "don'T I'Ll it'\u017F") == "don|'T| I|'Ll| it|'\u017F");
  }

  TEST_CASE("TiktokenPattern: ends of lines close signs and white space") {
    const TiktokenPattern qwen{1};
    CHECK(words(qwen, "!!\n\nx") == "!!\n\n|x");
    CHECK(words(qwen, "a  \n \n  b") == "a|  \n \n| | b");
    CHECK(words(qwen, "  \r\n") == "  \r\n");
    CHECK(words(qwen, " \n\t ") == " \n|\t ");
    CHECK(words(qwen, " ,\r\n ") == " ,\r\n| ");
  }

  TEST_CASE("patterns: agree with a backtracking reading of their regular expressions") {
    const Characters alphabet = {' ',  ' ', '\n', '\r', '\t', 0x3000, 'a',   's',     'T',   'l', 'L',
                                 'r',  'e', 'V',  'm',  'd',  0x17F,  0xE9,  0x4E2D,  '1',   '2', 0x663,
                                 0xB2, '.', '!',  '\'', '\'', '-',    0x301, 0x1F600, 0x200D};
    const std::vector<Alternative> gpt2_list = gpt2();
    const std::vector<Alternative> qwen_list = tiktoken(1);
    const std::vector<Alternative> llama_list = tiktoken(3);
    std::uint64_t state = 3;
    for (int n = 0; n < 6000; ++n) {
      Characters text;
      std::string bytes;
      for (int length = n % 12; length >= 0; --length) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        text.push_back(alphabet[(state >> 33) % alphabet.size()]);
        re::text::append_utf8(text.back(), bytes);
      }
      CAPTURE(bytes);
      CHECK(words(Gpt2Pattern(), bytes) == words_by_definition(gpt2_list, text));
      CHECK(words(TiktokenPattern{1}, bytes) == words_by_definition(qwen_list, text));
      CHECK(words(TiktokenPattern{3}, bytes) == words_by_definition(llama_list, text));
    }
  }

  TEST_CASE("patterns: a megabyte of anything is read in linear time") {
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string_view unit : {"a", " ", "\n", " \n", "'", "\u0301", "7", "\t", "a ", " '"}) {
      std::string text;
      while (text.size() < 1000000) {
        text += unit;
      }
      for (std::size_t i = 0; i < text.size();) {
        i = Gpt2Pattern::word_end(text, i);
      }
      for (std::size_t i = 0; i < text.size();) {
        i = TiktokenPattern{3}.word_end(text, i);
      }
    }
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
  }
}
