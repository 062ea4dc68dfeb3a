#include <reasonembed/text/regex_syntax.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace re = reasonembed;
using re::text::to_pcre2_syntax;

TEST_SUITE("text/regex_syntax") {
  TEST_CASE("to_pcre2_syntax: what both engines read alike stays as it is") {
    for (
        const char* regex :
        {"",
         "a",
         ".",
         "^a$|b",
         "a*b+c?d*?e+?f??g*+h++i?+",
         "(a)(?:b)(?=c)(?!d)(?<=e)(?<!f)(?>g)(?i:h)(?-i:i)",
         "(?i)a",
         "[abc][^abc][a-z\\-\\]\\[][&]",
         "\\s\\S\\d\\D\\r\\n\\t",
         "\\.\\\\\\/\\#\\ ",
         "\\p{L}\\P{N}\\p{Lu}[\\p{Zs}^]",
         "a{2}b{3,}c{4,5}d",
         "\\x{1F600}[\\x{4e00}-\\x{9fa5}]",
         "\xE4\xB8\x80-\xE9\xBE\xA5[\xE4\xB8\x80-\xE9\xBE\xA5]",
         R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)",
         R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}) {
      CAPTURE(regex);
      CHECK(to_pcre2_syntax(regex, "file") == regex);
    }
  }
  TEST_CASE("to_pcre2_syntax: \\uHHHH has other words in PCRE2") {
    CHECK(to_pcre2_syntax("a\\u4e00b", "file") == "a\\x{4e00}b");
    CHECK(to_pcre2_syntax("[\\u4E00-\\u9FA5]", "file") == "[\\x{4E00}-\\x{9FA5}]");
  }
  TEST_CASE("to_pcre2_syntax: what the engines read differently is refused by name and place") {
    for (const auto& [regex, what] : {std::pair{"a\\w", "\\w at byte 2"},
                                      {"\\b", "\\b at byte 1"},
                                      {"\\h", "\\h at byte 1"},
                                      {"\\R", "\\R at byte 1"},
                                      {"\\X", "\\X at byte 1"},
                                      {"\\K", "\\K at byte 1"},
                                      {"\\A", "\\A at byte 1"},
                                      {"\\Q", "\\Q at byte 1"},
                                      {"\\v", "\\v at byte 1"},
                                      {"(a)\\1", "\\1 at byte 4"},
                                      {"\\x41", "\\x at byte 1"},
                                      {"\\x{41", "an open \\x{ at byte 1"},
                                      {"\\u12", "\\u without four digits at byte 1"},
                                      {"a\\", "a backslash and nothing at byte 2"},
                                      {"\\p{Han}", "a property that is no general category at byte 1"},
                                      {"\\p{^L}", "a property that is no general category at byte 1"},
                                      {"\\pL", "a property that is no general category at byte 1"},
                                      {"\\p{L", "a property that is no general category at byte 1"},
                                      {"[\\w]", "\\w at byte 2"},
                                      {"[a[b]]", "a class within a class at byte 3"},
                                      {"[[:alpha:]]", "a class within a class at byte 2"},
                                      {"[a&&b]", "&& at byte 3"},
                                      {"[]a]", "an empty class at byte 2"},
                                      {"[^]a]", "an empty class at byte 3"},
                                      {"[a", "an open class at byte 3"},
                                      {"(?m:a)", "a group of another kind at byte 1"},
                                      {"(?x)", "a group of another kind at byte 1"},
                                      {"(?<name>a)", "a group of another kind at byte 1"},
                                      {"(?P<n>a)", "a group of another kind at byte 1"},
                                      {"(?~a)", "a group of another kind at byte 1"},
                                      {"(?#a)", "a group of another kind at byte 1"},
                                      {"(?(1)a)", "a group of another kind at byte 1"},
                                      {"(*UTF)", "(* at byte 1"},
                                      {"a{1,2}+", "a count and what follows it at byte 7"},
                                      {"a{2}?", "a count and what follows it at byte 5"},
                                      {"a{,2}", "{ that begins no count at byte 2"},
                                      {"a{", "{ that begins no count at byte 2"},
                                      {"a{}", "{ that begins no count at byte 2"},
                                      {"a{1,2,3}", "{ that begins no count at byte 2"},
                                      {"a{x}", "{ that begins no count at byte 2"}}) {
      CAPTURE(regex);
      const std::string message = "file: pattern.Regex is \"" + std::string(regex) + "\" with " + what +
                                  ", expected characters, classes, general categories, groups without names, (?i:...), "
                                  "lookaround and repetitions";
      CHECK_THROWS_WITH_AS((void)to_pcre2_syntax(regex, "file"), message.c_str(), re::ConfigError);
    }
  }
}
