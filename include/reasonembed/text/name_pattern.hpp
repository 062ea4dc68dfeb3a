#pragma once
/// @file Regular expressions of configuration files, which whole names match.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/regular_expression.hpp>

#include <pcre2.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// A regular expression that a whole name must match, as `re.fullmatch` of Python reads it.
///
/// For names in ASCII without line breaks, such as those of modules; there PCRE2's syntax is Python's. Unlike
/// RegularExpression, which reads a tokenizer's pattern as Oniguruma does and finds parts of a text.
///
/// @note  immutable, cheap to copy; matching allocates
class NamePattern {
 public:
  /// @param where  of the error, and `what` it calls the pattern
  /// @throws       ConfigError for a text that is no regular expression
  NamePattern(std::string_view regex, std::string_view where, std::string_view what) {
    int code = 0;
    PCRE2_SIZE place = 0;
    pcre2_code_8* const compiled = ::pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(regex.data()),
                                                     regex.size(),
                                                     PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C,
                                                     &code,
                                                     &place,
                                                     nullptr);
    if (compiled == nullptr) {
      throw ConfigError::invalid(where,
                                 what,
                                 "\"" + std::string(regex) + "\" (" + detail::pcre2_reason(code) + " at byte " +
                                     std::to_string(place + 1) + ")",
                                 "a regular expression");
    }
    code_ = {compiled, [](pcre2_code_8* freed) { ::pcre2_code_free_8(freed); }};
  }

  /// @throws  DataError if the pattern takes too many steps on this name
  [[nodiscard]] bool matches(std::string_view name) const {
    const std::unique_ptr<pcre2_match_data_8, decltype(&::pcre2_match_data_free_8)> match(
        ::pcre2_match_data_create_8(1, nullptr), ::pcre2_match_data_free_8);
    const std::unique_ptr<pcre2_match_context_8, decltype(&::pcre2_match_context_free_8)> limits(
        ::pcre2_match_context_create_8(nullptr), ::pcre2_match_context_free_8);
    if (match == nullptr || limits == nullptr) {
      throw std::bad_alloc();
    }
    (void)::pcre2_set_match_limit_8(limits.get(), kMostSteps);
    const int code = ::pcre2_match_8(
        code_.get(), reinterpret_cast<PCRE2_SPTR8>(name.data()), name.size(), 0, 0, match.get(), limits.get());
    if (code < 0 && code != PCRE2_ERROR_NOMATCH) {
      throw DataError::invalid("text::NamePattern",
                               "name \"" + std::string(name.substr(0, 80)) + "\"",
                               "too hard (" + detail::pcre2_reason(code) + ")",
                               "one that the pattern decides in fewer steps");
    }
    return code >= 0;
  }

 private:
  static constexpr std::uint32_t kMostSteps = 1'000'000;

  std::shared_ptr<const pcre2_code_8> code_;
};

}  // namespace reasonembed::text
