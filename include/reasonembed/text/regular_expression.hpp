#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/newer_characters.hpp>
#include <reasonembed/text/regex_syntax.hpp>
#include <reasonembed/text/unicode.hpp>

#include <pcre2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

inline std::string pcre2_reason(int code) {
  std::array<unsigned char, 160> text{};
  (void)::pcre2_get_error_message_8(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// What PCRE2 makes of a pattern; immutable.
class CompiledRegex {
 public:
  /// Steps back within one match: a second, and a run of 50 million blanks; the default ends at ten million.
  static constexpr std::uint32_t kMostSteps = 50'000'000;
  static constexpr std::uint32_t kMostMemory = 256 * 1024;  // KiB

  CompiledRegex(std::string_view regex, std::string_view where) {
    const std::string pattern = to_pcre2_syntax(regex, where);
    const Context<pcre2_compile_context_8, ::pcre2_compile_context_free_8> compiling(
        ::pcre2_compile_context_create_8(nullptr));
    limits_.reset(::pcre2_match_context_create_8(nullptr));
    if (compiling == nullptr || limits_ == nullptr) {
      throw std::bad_alloc();
    }
    (void)::pcre2_set_newline_8(compiling.get(), PCRE2_NEWLINE_LF);
    (void)::pcre2_set_match_limit_8(limits_.get(), kMostSteps);
    (void)::pcre2_set_heap_limit_8(limits_.get(), kMostMemory);
    int code = 0;
    PCRE2_SIZE place = 0;
    code_.reset(::pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()),
                                  pattern.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                                  &code,
                                  &place,
                                  compiling.get()));
    if (code_ == nullptr) {
      throw ConfigError::invalid(where,
                                 "pattern.Regex",
                                 "\"" + std::string(regex) + "\" (" + pcre2_reason(code) + ")",
                                 "a regular expression");
    }
    (void)::pcre2_jit_compile_8(code_.get(), PCRE2_JIT_COMPLETE);  // without it pcre2_match interprets
  }

  /// The first match from byte `from` on; its offsets are then in `match`.
  /// @return  whether there is one
  /// @throws  DataError if the pattern needs too many steps or too much memory on this text
  bool find(std::string_view text, std::size_t from, pcre2_match_data_8* match) const {
    int code = search(text, from, PCRE2_NO_UTF_CHECK, match);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) {  // deep nesting: the interpreter keeps its stack on the heap
      code = search(text, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match);
    }
    if (code < 0 && code != PCRE2_ERROR_NOMATCH) {
      throw DataError::invalid("text::RegularExpression",
                               "a text of " + std::to_string(text.size()) + " bytes",
                               "too hard (" + pcre2_reason(code) + ")",
                               "a text that the tokenizer's pattern cuts in fewer steps");
    }
    return code != PCRE2_ERROR_NOMATCH;
  }

 private:
  template <class T, void (*Free)(T*)>
  struct Freeing {
    void operator()(T* object) const { Free(object); }
  };
  template <class T, void (*Free)(T*)>
  using Context = std::unique_ptr<T, Freeing<T, Free>>;

  int search(std::string_view text, std::size_t from, std::uint32_t options, pcre2_match_data_8* match) const {
    return ::pcre2_match_8(
        code_.get(), reinterpret_cast<PCRE2_SPTR8>(text.data()), text.size(), from, options, match, limits_.get());
  }

  Context<pcre2_code_8, ::pcre2_code_free_8> code_;
  Context<pcre2_match_context_8, ::pcre2_match_context_free_8> limits_;
};

/// What one thread needs to match: allocated once.
struct RegexBuffers {
  struct Free {
    void operator()(pcre2_match_data_8* data) const { ::pcre2_match_data_free_8(data); }
  };
  std::unique_ptr<pcre2_match_data_8, Free> match{::pcre2_match_data_create_8(1, nullptr)};
  std::string subject;

  [[nodiscard]] static RegexBuffers& of_this_thread() {
    thread_local RegexBuffers buffers;
    return buffers;
  }
};

}  // namespace detail

/// A regular expression of a tokenizer file, matched as Hugging Face `tokenizers` matches it.
///
/// For patterns without a scanner of their own (see split_patterns.hpp), which is up to twice as quick. Runs on
/// PCRE2 with its just-in-time compiler; characters that PCRE2's Unicode does not know yet have stand-ins (see
/// newer_characters.hpp).
///
/// @note  immutable, cheap to copy, safe from many threads
class RegularExpression {
 public:
  /// @param where  of the error
  /// @throws       ConfigError for a pattern that is none, or that the two engines would read differently
  RegularExpression(std::string regex, std::string_view where)
      : compiled_(std::make_shared<detail::CompiledRegex>(regex, where)), regex_(std::move(regex)) {}

  [[nodiscard]] const std::string& regex() const { return regex_; }

  /// Calls on_part(std::size_t begin, std::size_t end, bool is_match) for the matches and for what lies between them,
  /// in order. A match may be empty, but not right behind another one.
  ///
  /// @param text  well-formed UTF-8
  /// @throws      DataError if the pattern needs too many steps on this text
  /// @note        not within on_part of another call on the same thread; allocates only where the buffers of the thread
  ///              must grow
  template <class OnPart>
  void for_each_part(std::string_view text, OnPart&& on_part) const {
    detail::RegexBuffers& buffers = detail::RegexBuffers::of_this_thread();
    if (buffers.match == nullptr) {
      throw std::bad_alloc();
    }
    const std::string_view subject = replace_newer_characters(text, buffers.subject) ? buffers.subject : text;
    const PCRE2_SIZE* offsets = ::pcre2_get_ovector_pointer_8(buffers.match.get());
    std::size_t done = 0;
    std::size_t from = 0;
    bool behind_match = false;
    while (from <= subject.size() && compiled_->find(subject, from, buffers.match.get())) {
      const std::size_t begin = offsets[0];
      const std::size_t end = offsets[1];
      if (begin == end && behind_match && end == done) {
        from = end < subject.size() ? end + decode_utf8(subject, end).length : end + 1;
        continue;
      }
      if (begin > done) {
        on_part(done, begin, false);
      }
      on_part(begin, end, true);
      done = end;
      from = end;
      behind_match = true;
    }
    if (done < subject.size()) {
      on_part(done, subject.size(), false);
    }
  }

  friend bool operator==(const RegularExpression& a, const RegularExpression& b) { return a.regex_ == b.regex_; }

 private:
  std::shared_ptr<const detail::CompiledRegex> compiled_;
  std::string regex_;
};

}  // namespace reasonembed::text
