#include <reasonembed/text/porter_stemmer.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

using reasonembed::text::PorterStemmer;

namespace {

void check_stems(std::initializer_list<std::pair<std::string_view, std::string_view>> stems) {
  for (const auto& [word, stem] : stems) {
    CAPTURE(word);
    CHECK(PorterStemmer().stem(word) == stem);
  }
}

}  // namespace

TEST_SUITE("text/porter_stemmer") {
  TEST_CASE("stem: plurals and participles, with the examples of Porter's paper") {
    check_stems({{"caresses", "caress"}, {"ponies", "poni"},  {"ties", "tie"},       {"caress", "caress"},
                 {"cats", "cat"},        {"feed", "feed"},    {"agreed", "agre"},    {"plastered", "plaster"},
                 {"bled", "bled"},       {"sing", "sing"},    {"motoring", "motor"}, {"troubled", "troubl"},
                 {"sized", "size"},      {"hopping", "hop"},  {"falling", "fall"},   {"hissing", "hiss"},
                 {"fizzed", "fizz"},     {"failing", "fail"}, {"filing", "file"},    {"happy", "happi"}});
  }
  TEST_CASE("stem: double suffixes and the steps after them") {
    check_stems({{"relational", "relat"},
                 {"conditional", "condit"},
                 {"digitizer", "digit"},
                 {"radically", "radic"},
                 {"vietnamization", "vietnam"},
                 {"hopefulness", "hope"},
                 {"sensibiliti", "sensibl"},
                 {"triplicate", "triplic"},
                 {"electrical", "electr"},
                 {"goodness", "good"},
                 {"revival", "reviv"},
                 {"adoption", "adopt"},
                 {"gyroscopic", "gyroscop"},
                 {"communism", "commun"},
                 {"probate", "probat"},
                 {"rate", "rate"},
                 {"cease", "ceas"},
                 {"controll", "control"},
                 {"roll", "roll"},
                 {"geology", "geolog"}});
  }
  TEST_CASE("stem: what NLTK does beyond the paper") {
    check_stems({{"skies", "sky"},
                 {"dying", "die"},
                 {"news", "news"},
                 {"innings", "inning"},
                 {"flies", "fli"},
                 {"died", "die"},
                 {"enjoy", "enjoy"},
                 {"spied", "spi"},
                 {"succeed", "succeed"},
                 {"proceed", "proceed"}});
  }
  TEST_CASE("stem: short words, digits and other bytes stay what they are") {
    check_stems({{"", ""},
                 {"a", "a"},
                 {"is", "is"},
                 {"y", "y"},
                 {"1760", "1760"},
                 {"2x", "2x"},
                 {"\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"}});
  }
  TEST_CASE("stem: a y is a vowel behind a consonant alone, in runs of any length") {
    check_stems({{"syzygy", "syzygi"}, {"toy", "toy"}, {"sayyyy", "sayyyi"}});
    const std::string many(1'000'000, 'y');  // linear time, or this would not end
    CHECK(PorterStemmer().stem(many).size() == many.size());
  }
}
