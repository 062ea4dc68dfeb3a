#include <reasonembed/eval/html_text.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::eval::detail::html_paragraph;
using re::eval::detail::html_text;

TEST_SUITE("eval/html_text") {
  TEST_CASE("html_text: what HTML would read is escaped, everything else is kept") {
    CHECK(html_text("") == "");
    CHECK(html_text("plain, \xC3\xA9 \xE5\x8C\x97 \xF0\x9F\x98\x80\ttab\nline") ==
          "plain, \xC3\xA9 \xE5\x8C\x97 \xF0\x9F\x98\x80\ttab\nline");
    CHECK(html_text("<b a=\"1\" c='2'>&amp;</b>") == "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;");
  }
  TEST_CASE("html_text: characters that no document may hold are replaced") {
    const std::string replaced = "\xEF\xBF\xBD";
    CHECK(html_text(std::string("a\0b", 3)) == "a" + replaced + "b");
    CHECK(html_text("\x01\x1F\x7F\r") == replaced + replaced + replaced + replaced);
  }
  TEST_CASE("html_text: a text that is not UTF-8 is refused with its place") {
    CHECK_THROWS_WITH_AS((void)html_text("ab\xFF"),
                         "eval::HtmlReport: text \"ab\\xFF\" is not UTF-8 at byte 2, expected UTF-8 text",
                         re::DataError);
  }
  TEST_CASE("html_paragraph: an empty text is none") {
    CHECK(html_paragraph("note", "").empty());
    CHECK(html_paragraph("note", "a < b") == "<p class=\"note\">a &lt; b</p>\n");
  }
}
