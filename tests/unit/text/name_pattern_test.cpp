#include <reasonembed/text/name_pattern.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace re = reasonembed;
using re::text::NamePattern;

namespace {

bool matches(const char* regex, std::string_view name) {
  return NamePattern(regex, "test", "pattern").matches(name);
}

}  // namespace

TEST_SUITE("text/name_pattern") {
  TEST_CASE("matches: the whole name or nothing, as re.fullmatch") {
    // expected values: re.fullmatch of Python 3.11
    CHECK(matches("q_proj", "q_proj"));
    CHECK(!matches("q_proj", "layers.0.q_proj"));
    CHECK(!matches("q_proj", "q_proj.weight"));
    CHECK(matches(".*\\.(q|v)_proj", "layers.0.self_attn.v_proj"));
    CHECK(!matches(".*\\.(q|v)_proj", "layers.0.self_attn.k_proj"));
    CHECK(matches("layers\\.[0-3]\\..*", "layers.3.mlp.up_proj"));
    CHECK(!matches("layers\\.[0-3]\\..*", "layers.13.mlp.up_proj"));
    CHECK(matches("a|ab", "ab"));  // the second alternative, since the first is not the whole
    CHECK(matches("^q$", "q"));
    CHECK(matches("(?P<kind>q|k)_proj", "k_proj"));
    CHECK(matches("(?i)Q_PROJ", "q_proj"));
    CHECK(matches(".*(?<!k)_proj", "q_proj"));
    CHECK(!matches(".*(?<!k)_proj", "k_proj"));
    CHECK(matches("(a+)+\\d{2,3}", "aaa123"));
  }
  TEST_CASE("matches: empty names and empty patterns") {
    CHECK(matches("", ""));
    CHECK(!matches("", "q"));
    CHECK(matches(".*", ""));
    CHECK(matches(".*", std::string(100'000, 'x')));
  }
  TEST_CASE("NamePattern: a copy matches as its original") {
    const NamePattern pattern("q.*", "test", "pattern");
    const NamePattern copy = pattern;
    CHECK(copy.matches("q_proj"));
    CHECK(pattern.matches("q_proj"));
  }
  TEST_CASE("NamePattern: what is no regular expression is refused with its place") {
    CHECK_THROWS_WITH_AS(NamePattern("(q", "file.json", "target_modules"),
                         "file.json: target_modules is \"(q\" (missing closing parenthesis at byte 3), expected a "
                         "regular expression",
                         re::ConfigError);
    for (const char* regex : {"*q", "[q", "q)", "q{3,2}", "(?P<n", "\\", "\\C"}) {
      CAPTURE(regex);
      CHECK_THROWS_AS(NamePattern(regex, "test", "pattern"), re::ConfigError);
    }
  }
  TEST_CASE("matches: a pattern that would take for ever is stopped") {
    const NamePattern pattern("(a+)+b.*(c+)+d(x|y)", "test", "pattern");
    CHECK_THROWS_AS((void)NamePattern("(a*)*b\\1(?=z)", "test", "pattern").matches(std::string(40, 'a') + "b"),
                    re::DataError);
    CHECK(!pattern.matches("aab"));
  }
}
