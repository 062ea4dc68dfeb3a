#pragma once
/// @file The regular expressions of tokenizer files in the words of PCRE2.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

/// The general categories, one by one and in groups: the properties that mean the same everywhere.
inline constexpr std::array<std::string_view, 37> kGeneralCategories = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",  "Nd", "Nl",
    "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

/// Reads a regular expression of Oniguruma, as Hugging Face uses it, and writes it for PCRE2.
class RegexTranslation {
 public:
  RegexTranslation(std::string_view regex, std::string_view where) : regex_(regex), where_(where) {}

  [[nodiscard]] std::string translated() {
    while (at_ < regex_.size()) {
      switch (regex_[at_]) {
        case '\\':
          take_escape();
          break;
        case '[':
          take_class();
          break;
        case '(':
          take_group();
          break;
        case '{':
          take_count();
          break;
        default:
          take(1);
      }
    }
    return out_;
  }

 private:
  /// @throws ConfigError that shows the place
  [[noreturn]] void refuse(std::string_view what) const {
    throw ConfigError::invalid(
        where_,
        "pattern.Regex",
        "\"" + std::string(regex_) + "\" with " + std::string(what) + " at byte " + std::to_string(at_ + 1),
        "characters, classes, general categories, groups without names, (?i:...), lookaround and repetitions");
  }
  [[nodiscard]] char next(std::size_t ahead = 1) const {
    return at_ + ahead < regex_.size() ? regex_[at_ + ahead] : '\0';
  }
  void take(std::size_t count) {
    out_.append(regex_.substr(at_, count));
    at_ += count;
  }

  static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

  /// What both engines understand alike behind a backslash, in a class or out of it.
  void take_escape() {
    const char c = next();
    if (c == 'p' || c == 'P') {
      take_property();
    } else if (c == 'u') {
      take_code_unit();
    } else if (c == 'x' && next(2) == '{') {
      const std::size_t end = regex_.find('}', at_);
      if (end == std::string_view::npos) {
        refuse("an open \\x{");
      }
      take(end + 1 - at_);
    } else if (std::string_view("sSdDrnt").find(c) != std::string_view::npos && c != '\0') {
      take(2);
    } else if (c == '\0' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               static_cast<unsigned char>(c) >= 0x80) {
      refuse(c == '\0' ? "a backslash and nothing" : "\\" + std::string(1, c));
    } else {
      take(2);
    }
  }
  void take_property() {
    const std::size_t end = next(2) == '{' ? regex_.find('}', at_) : std::string_view::npos;
    const std::string_view name = end == std::string_view::npos ? "" : regex_.substr(at_ + 3, end - at_ - 3);
    if (std::find(kGeneralCategories.begin(), kGeneralCategories.end(), name) == kGeneralCategories.end()) {
      refuse("a property that is no general category");
    }
    take(end + 1 - at_);
  }
  void take_code_unit() {
    if (!(is_hex(next(2)) && is_hex(next(3)) && is_hex(next(4)) && is_hex(next(5)))) {
      refuse("\\u without four digits");
    }
    out_.append("\\x{").append(regex_.substr(at_ + 2, 4)).append("}");
    at_ += 6;
  }

  /// `[` to `]`: no class within a class and no intersection, which PCRE2 reads as characters.
  void take_class() {
    take(next() == '^' ? 2 : 1);
    if (at_ < regex_.size() && regex_[at_] == ']') {
      refuse("an empty class");
    }
    while (at_ < regex_.size() && regex_[at_] != ']') {
      if (regex_[at_] == '\\') {
        take_escape();
      } else if (regex_[at_] == '[') {
        refuse("a class within a class");
      } else if (regex_[at_] == '&' && next() == '&') {
        refuse("&&");
      } else {
        take(1);
      }
    }
    if (at_ == regex_.size()) {
      refuse("an open class");
    }
    take(1);
  }

  void take_group() {
    if (next() == '*') {
      refuse("(*");
    }
    if (next() != '?') {
      take(1);
      return;
    }
    for (const std::string_view form : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:", "(?i)", "(?-i)"}) {
      if (regex_.substr(at_).starts_with(form)) {
        take(form.size());
        return;
      }
    }
    refuse("a group of another kind");
  }

  /// `{n}`, `{n,}`, `{n,m}`: what follows them differs (a plus repeats in one engine and forbids in the other).
  void take_count() {
    std::size_t end = at_ + 1;
    while (end < regex_.size() && ((regex_[end] >= '0' && regex_[end] <= '9') || regex_[end] == ',')) {
      ++end;
    }
    const std::string_view count = regex_.substr(at_ + 1, end - at_ - 1);
    const auto commas = std::count(count.begin(), count.end(), ',');
    if (count.empty() || count.front() == ',' || commas > 1 || end == regex_.size() || regex_[end] != '}') {
      refuse("{ that begins no count");
    }
    take(end + 1 - at_);
    if (at_ < regex_.size() && (regex_[at_] == '+' || regex_[at_] == '?')) {
      refuse("a count and what follows it");
    }
  }

  std::string_view regex_;
  std::string_view where_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace detail

/// @param regex  of Oniguruma in Ruby's syntax, as tokenizer files hold it
/// @param where  of the error
/// @return       the same for PCRE2 with UTF, UCP and MULTILINE
/// @throws       ConfigError naming what the two engines read differently, or what only one of them has: \w, \b, \h,
///               scripts, sets of classes, back references, named groups, possessive counts
[[nodiscard]] inline std::string to_pcre2_syntax(std::string_view regex, std::string_view where) {
  return detail::RegexTranslation(regex, where).translated();
}

}  // namespace reasonembed::text
