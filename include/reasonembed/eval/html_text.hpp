#pragma once
/// @file Texts inside HTML.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::eval::detail {

/// `text` such that HTML and XML show it as it is, between tags and inside an attribute; characters that neither may
/// hold become U+FFFD.
///
/// @throws DataError if `text` is not UTF-8
[[nodiscard]] inline std::string html_text(std::string_view text) {
  if (const std::size_t at = io::find_invalid_utf8(text); at != std::string_view::npos) {
    throw DataError::invalid(
        "eval::HtmlReport", "text " + io::in_quotes(text), "not UTF-8 at byte " + std::to_string(at), "UTF-8 text");
  }
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7F;
        html += control ? std::string("\xEF\xBF\xBD") : std::string(1, c);
      }
    }
  }
  return html;
}

/// @return  a paragraph of the class, or nothing for an empty text
[[nodiscard]] inline std::string html_paragraph(std::string_view css_class, std::string_view text) {
  return text.empty() ? std::string() : "<p class=\"" + std::string(css_class) + "\">" + html_text(text) + "</p>\n";
}

}  // namespace reasonembed::eval::detail
