#pragma once
#include <reasonembed/config.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Porter's stemmer for English words as NLTK has it, in its mode NLTK_EXTENSIONS: the one of the `rouge-score`
/// package.
///
/// A letter is a vowel if it is one of a, e, i, o, u, or a y behind a consonant. The measure m of a stem is how often a
/// consonant follows a vowel in it. Five steps of rules (suffix, replacement, condition on the stem) are applied, the
/// first rule of a list whose suffix fits decides                            [Porter 1980; NLTK, nltk.stem.porter]
///
/// @note  stateless; O(length)
class PorterStemmer {
 public:
  /// @param word  in lower case; bytes other than a to z count as consonants
  /// @return      its stem
  [[nodiscard]] std::string stem(std::string_view word) const {
    for (const auto& [form, lemma] : kIrregular) {
      if (word == form) {
        return std::string(lemma);
      }
    }
    std::string stem(word);
    if (stem.size() <= 2) {
      return stem;
    }
    strip_plural(stem);
    strip_participle(stem);
    if (stem.ends_with('y') && stem.size() > 2 && is_consonant(stem, stem.size() - 2)) {
      stem.back() = 'i';
    }
    shorten_double_suffix(stem);
    apply(stem, kStep3, 0);
    strip_suffix(stem);
    strip_final_e(stem);
    if (stem.ends_with("ll") && measure(std::string_view(stem).substr(0, stem.size() - 1)) > 1) {
      stem.pop_back();
    }
    return stem;
  }

 private:
  struct Irregular {
    std::string_view form;
    std::string_view lemma;
  };
  struct Rule {
    std::string_view suffix;
    std::string_view replacement;
  };
  static constexpr std::array<Irregular, 16> kIrregular{{{"sky", "sky"},
                                                         {"skies", "sky"},
                                                         {"dying", "die"},
                                                         {"lying", "lie"},
                                                         {"tying", "tie"},
                                                         {"news", "news"},
                                                         {"innings", "inning"},
                                                         {"inning", "inning"},
                                                         {"outings", "outing"},
                                                         {"outing", "outing"},
                                                         {"cannings", "canning"},
                                                         {"canning", "canning"},
                                                         {"howe", "howe"},
                                                         {"proceed", "proceed"},
                                                         {"exceed", "exceed"},
                                                         {"succeed", "succeed"}}};
  static constexpr std::array<Rule, 21> kStep2{
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
       {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
       {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
       {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
       {"fulli", "ful"}}};
  static constexpr std::array<Rule, 7> kStep3{
      {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}};
  static constexpr std::array<std::string_view, 19> kStep4{"al",
                                                           "ance",
                                                           "ence",
                                                           "er",
                                                           "ic",
                                                           "able",
                                                           "ible",
                                                           "ant",
                                                           "ement",
                                                           "ment",
                                                           "ent",
                                                           "ion",
                                                           "ou",
                                                           "ism",
                                                           "ate",
                                                           "iti",
                                                           "ous",
                                                           "ive",
                                                           "ize"};

  static bool is_consonant(std::string_view word, std::size_t i) {
    bool consonant = true;
    for (std::size_t at = 0; at <= i; ++at) {
      consonant = is_consonant_behind(word[at], at == 0 || !consonant);
    }
    return consonant;
  }
  /// @param behind_vowel  whether no consonant stands before the letter
  static bool is_consonant_behind(char letter, bool behind_vowel) {
    switch (letter) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        return false;
      case 'y':
        return behind_vowel;
      default:
        return true;
    }
  }
  static int measure(std::string_view stem) {
    int count = 0;
    bool consonant = true;
    for (std::size_t i = 0; i < stem.size(); ++i) {
      const bool now = is_consonant_behind(stem[i], i == 0 || !consonant);
      count += i > 0 && now && !consonant ? 1 : 0;
      consonant = now;
    }
    return count;
  }
  static bool has_vowel(std::string_view stem) {
    bool consonant = true;
    for (std::size_t i = 0; i < stem.size(); ++i) {
      consonant = is_consonant_behind(stem[i], i == 0 || !consonant);
      if (!consonant) {
        return true;
      }
    }
    return false;
  }
  static bool ends_double_consonant(std::string_view word) {
    return word.size() >= 2 && word[word.size() - 1] == word[word.size() - 2] && is_consonant(word, word.size() - 1);
  }
  /// Consonant, vowel, consonant other than w, x and y; or vowel, consonant and nothing else.
  static bool ends_short(std::string_view word) {
    const std::size_t n = word.size();
    if (n == 2) {
      return !is_consonant(word, 0) && is_consonant(word, 1);
    }
    return n >= 3 && is_consonant(word, n - 3) && !is_consonant(word, n - 2) && is_consonant(word, n - 1) &&
           word[n - 1] != 'w' && word[n - 1] != 'x' && word[n - 1] != 'y';
  }
  static void replace(std::string& word, std::size_t suffix, std::string_view replacement) {
    word.resize(word.size() - suffix);
    word += replacement;
  }
  /// Applies the first rule whose suffix fits, if the measure of the stem is above `least`.
  static void apply(std::string& word, std::span<const Rule> rules, int least) {
    for (const Rule& rule : rules) {
      if (word.ends_with(rule.suffix)) {
        if (measure(std::string_view(word).substr(0, word.size() - rule.suffix.size())) > least) {
          replace(word, rule.suffix.size(), rule.replacement);
        }
        return;
      }
    }
  }

  static void strip_plural(std::string& word) {
    if (word.ends_with("ies")) {
      replace(word, 3, word.size() == 4 ? "ie" : "i");
    } else if (word.ends_with("sses")) {
      replace(word, 4, "ss");
    } else if (word.ends_with('s') && !word.ends_with("ss")) {
      word.pop_back();
    }
  }
  static void strip_participle(std::string& word) {
    if (word.ends_with("ied")) {
      replace(word, 3, word.size() == 4 ? "ie" : "i");
      return;
    }
    if (word.ends_with("eed")) {
      if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) {
        word.pop_back();
      }
      return;
    }
    const std::size_t suffix = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
    if (suffix == 0 || !has_vowel(std::string_view(word).substr(0, word.size() - suffix))) {
      return;
    }
    word.resize(word.size() - suffix);
    if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
      word += 'e';
    } else if (ends_double_consonant(word)) {
      if (word.back() != 'l' && word.back() != 's' && word.back() != 'z') {
        word.pop_back();
      }
    } else if (measure(word) == 1 && ends_short(word)) {
      word += 'e';
    }
  }
  static void shorten_double_suffix(std::string& word) {
    while (word.ends_with("alli") && measure(std::string_view(word).substr(0, word.size() - 4)) > 0) {
      replace(word, 4, "al");
    }
    if (word.ends_with("logi")) {
      if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) {  // of the stem with its l
        word.pop_back();
      }
      return;
    }
    apply(word, kStep2, 0);
  }
  static void strip_suffix(std::string& word) {
    for (const std::string_view suffix : kStep4) {
      if (!word.ends_with(suffix)) {
        continue;
      }
      const std::string_view stem = std::string_view(word).substr(0, word.size() - suffix.size());
      if (measure(stem) > 1 && (suffix != "ion" || stem.ends_with('s') || stem.ends_with('t'))) {
        word.resize(stem.size());
      }
      return;
    }
  }
  static void strip_final_e(std::string& word) {
    if (word.ends_with('e')) {
      const std::string_view stem = std::string_view(word).substr(0, word.size() - 1);
      const int m = measure(stem);
      if (m > 1 || (m == 1 && !ends_short(stem))) {
        word.pop_back();
      }
    }
  }
};

}  // namespace reasonembed::text
