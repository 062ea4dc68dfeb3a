#pragma once
/// @file A prompt as a page of Markdown, and what it becomes for one text.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// The placeholders of a prompt.
struct PromptFields {
  std::vector<std::string> known = {};   ///< those that a page may hold
  std::vector<std::string> needed = {};  ///< those of them that it must hold
};

/// A placeholder and what takes its place.
using PromptValue = std::pair<std::string_view, std::string_view>;

/// A conversation with placeholders.
///
/// A page is Markdown. A line `## system`, `## user` or `## assistant` begins a turn, which reaches to the next such
/// line and loses the blank lines at its ends; what stands before the first is for readers and is not sent. `{{name}}`
/// is a placeholder.
///
/// @note  value type; rendering from many threads is safe
class PromptTemplate {
 public:
  /// @param text   the page, UTF-8
  /// @param where  what errors call it: a path
  /// @throws       ConfigError that names place and placeholder: no turn or an empty one, an unknown heading or
  ///               placeholder, a needed one that is missing, `{{` without its `}}`; bytes that are not UTF-8
  PromptTemplate(std::string_view text, std::string where, PromptFields fields)
      : where_(std::move(where)), fields_(std::move(fields)) {
    if (const std::size_t bad = io::find_invalid_utf8(text); bad != std::string_view::npos) {
      throw ConfigError::invalid(where_, "byte " + std::to_string(bad + 1), "not UTF-8", "UTF-8 text");
    }
    read_turns(text);
    if (turns_.empty()) {
      throw ConfigError::invalid(where_, "number of turns", "0", "a heading `## user`");
    }
    for (const std::string& name : fields_.needed) {
      if (!holds(name)) {
        throw ConfigError::invalid(where_, "placeholder {{" + name + "}}", "missing", "at least one");
      }
    }
  }

  [[nodiscard]] const std::string& where() const { return where_; }
  /// @return  whether the page has this placeholder
  [[nodiscard]] bool holds(std::string_view name) const {
    return std::any_of(turns_.begin(), turns_.end(), [&](const Turn& turn) {
      return std::any_of(turn.pieces.begin(), turn.pieces.end(), [&](const Piece& piece) {
        return piece.placeholder && piece.text == name;
      });
    });
  }

  /// Puts the values in the places of their names. Values are not searched for placeholders or headings.
  ///
  /// @param values  may hold names that the page does not
  /// @throws        ConfigError if a placeholder of the page has no value, DataError if a value is not UTF-8
  [[nodiscard]] std::vector<ChatMessage> render(std::span<const PromptValue> values) const {
    std::vector<ChatMessage> messages;
    messages.reserve(turns_.size());
    for (const Turn& turn : turns_) {
      ChatMessage& message = messages.emplace_back(ChatMessage{.role = turn.role});
      for (const Piece& piece : turn.pieces) {
        message.content += piece.placeholder ? value_of(piece.text, values) : std::string_view(piece.text);
      }
    }
    return messages;
  }

 private:
  struct Piece {
    bool placeholder = false;
    std::string text = {};  // literal, or the placeholder's name
  };
  struct Turn {
    std::string role = {};
    std::vector<Piece> pieces = {};
  };

  void read_turns(std::string_view text) {
    std::string role;
    std::size_t begin = 0;  // of the current turn's text
    for (std::size_t line = 0; line < text.size();) {
      const std::size_t end = std::min(text.find('\n', line), text.size());
      const std::string_view heading = text.substr(line, end - line);
      if (heading.starts_with("## ")) {
        close_turn(role, text.substr(begin, line - begin));
        role = trimmed(heading.substr(3));
        if (role != "system" && role != "user" && role != "assistant") {
          throw ConfigError::invalid(
              where_, "heading", io::in_quotes(trimmed(heading)), "`## system`, `## user` or `## assistant`");
        }
        begin = end;
      }
      line = end + 1;
    }
    close_turn(role, text.substr(std::min(begin, text.size())));
  }
  void close_turn(const std::string& role, std::string_view text) {
    if (role.empty()) {
      return;  // what stands before the first heading
    }
    text = trimmed(text);
    if (text.empty()) {
      throw ConfigError::invalid(where_, "text of the turn `## " + role + "`", "empty", "text");
    }
    turns_.push_back({role, read_pieces(text)});
  }
  [[nodiscard]] std::vector<Piece> read_pieces(std::string_view text) const {
    std::vector<Piece> pieces;
    while (!text.empty()) {
      const std::size_t open = std::min(text.find("{{"), text.size());
      if (open > 0) {
        pieces.push_back({false, std::string(text.substr(0, open))});
      }
      text.remove_prefix(open);
      if (text.empty()) {
        break;
      }
      const std::size_t close = text.find("}}");
      if (close == std::string_view::npos) {
        throw ConfigError::invalid(where_, "placeholder", io::in_quotes(text), "{{name}}");
      }
      std::string name(text.substr(2, close - 2));
      require_known(name);
      pieces.push_back({true, std::move(name)});
      text.remove_prefix(close + 2);
    }
    return pieces;
  }
  void require_known(const std::string& name) const {
    if (std::find(fields_.known.begin(), fields_.known.end(), name) != fields_.known.end()) {
      return;
    }
    std::string want = "one of";
    for (const std::string& close : io::closest_names(name, fields_.known, fields_.known.size())) {
      want += " {{" + close + "}}";
    }
    throw ConfigError::invalid(where_, "placeholder", io::in_quotes("{{" + name + "}}"), want);
  }
  [[nodiscard]] std::string_view value_of(const std::string& name, std::span<const PromptValue> values) const {
    const auto found =
        std::find_if(values.begin(), values.end(), [&](const PromptValue& value) { return value.first == name; });
    if (found == values.end()) {
      throw ConfigError::invalid(where_, "value of {{" + name + "}}", "missing", "a text");
    }
    if (const std::size_t bad = io::find_invalid_utf8(found->second); bad != std::string_view::npos) {
      throw DataError::invalid(
          where_, "byte " + std::to_string(bad + 1) + " of {{" + name + "}}", "not UTF-8", "UTF-8 text");
    }
    return found->second;
  }
  static std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
    const std::size_t start = std::min(text.find_first_not_of(kWhiteSpace), text.size());
    text.remove_prefix(start);
    return text.substr(0, text.find_last_not_of(kWhiteSpace) + 1);  // npos + 1 == 0
  }

  std::string where_;
  PromptFields fields_;
  std::vector<Turn> turns_;
};

}  // namespace reasonembed::remixer
