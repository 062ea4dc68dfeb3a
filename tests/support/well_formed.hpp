#pragma once
/// @file A small check of markup, enough for documents that this library writes.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// @return  what is wrong with the XML-like `document`: tags that don't nest, attributes without quotes, bare < or &;
///          empty if nothing is
inline std::string markup_fault(std::string_view document) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < document.size();) {
    if (document[i] == '&') {
      const std::size_t end = document.find(';', i);
      if (end == std::string_view::npos || end - i > 7 || end - i < 3) {
        return "bare & at byte " + std::to_string(i);
      }
    }
    if (document[i] == '>') {
      return "bare > at byte " + std::to_string(i);
    }
    if (document[i] != '<') {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    for (bool quoted = false; end < document.size() && (quoted || document[end] != '>'); ++end) {
      quoted = quoted != (document[end] == '"');
      if (document[end] == '<') {
        return "< inside the tag at byte " + std::to_string(i);
      }
    }
    if (end >= document.size()) {
      return "a tag without an end at byte " + std::to_string(i);
    }
    const std::string_view tag = document.substr(i + 1, end - i - 1);
    const std::string name(tag.substr(tag.starts_with('/') ? 1 : 0).substr(0, tag.find_first_of(" /", 1)));
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != name) {
        return "</" + name + "> does not match <" + (open.empty() ? std::string() : open.back()) + ">";
      }
      open.pop_back();
    } else if (!tag.starts_with('!') && !tag.ends_with('/')) {
      open.push_back(name);
    }
    i = end + 1;
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

/// @return  how often `part` stands in `text`
inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

}  // namespace test
