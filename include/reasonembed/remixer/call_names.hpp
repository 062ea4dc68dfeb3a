#pragma once
/// @file How the ends of a call are spelled in files, tables and messages.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Names of CallFault, in its order.
inline constexpr std::array<std::string_view, 9> kFaultNames = {
    "refused", "rate_limited", "server", "timeout", "connection", "tls", "malformed", "empty", "not_recorded"};
/// Names of Finish, in its order.
inline constexpr std::array<std::string_view, 3> kFinishNames = {"stop", "length", "filtered"};

[[nodiscard]] inline std::string_view name_of(CallFault fault) {
  return kFaultNames[static_cast<std::size_t>(fault)];
}
[[nodiscard]] inline std::string_view name_of(Finish finish) {
  return kFinishNames[static_cast<std::size_t>(finish)];
}

namespace detail {

template <class Enumeration, std::size_t N>
[[nodiscard]] Enumeration enumerator_of(const std::array<std::string_view, N>& names,
                                        std::string_view name,
                                        std::string_view where,
                                        std::string_view what) {
  std::string known;
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) {
      return static_cast<Enumeration>(i);
    }
    known.append(i == 0 ? "one of " : ", ").append(names[i]);
  }
  throw DataError::invalid(where, what, io::in_quotes(name), known);
}

}  // namespace detail

/// @throws  DataError that begins with `where` and lists the names there are
[[nodiscard]] inline CallFault fault_of(std::string_view name, std::string_view where) {
  return detail::enumerator_of<CallFault>(kFaultNames, name, where, "fault");
}
/// @throws  DataError that begins with `where` and lists the names there are
[[nodiscard]] inline Finish finish_of(std::string_view name, std::string_view where) {
  return detail::enumerator_of<Finish>(kFinishNames, name, where, "finish");
}

/// @return  a failed result whose message reads `where: what is got, expected want`
[[nodiscard]] inline Unexpected<CallFailure> call_failure(
    CallFault fault, std::string_view where, std::string_view what, std::string_view got, std::string_view want) {
  return Unexpected<CallFailure>(
      CallFailure{.fault = fault, .message = reasonembed::detail::error_text(where, what, got, want)});
}

}  // namespace reasonembed::remixer
