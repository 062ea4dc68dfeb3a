#pragma once
/// @file The typed errors. Every message reads `where: what is got, expected want`.
#include <reasonembed/config.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI {

namespace detail {
inline std::string error_text(std::string_view where,
                              std::string_view what,
                              std::string_view got,
                              std::string_view want) {
  std::string text;
  text.append(where).append(": ").append(what).append(" is ").append(got).append(", expected ").append(want);
  return text;
}
}  // namespace detail

/// Root of every exception the library throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A run-time extent does not match the documented shape.
class ShapeError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static ShapeError mismatch(std::string_view where,
                                           std::string_view what,
                                           std::int64_t got,
                                           std::int64_t want) {
    return ShapeError(detail::error_text(where, what, std::to_string(got), std::to_string(want)));
  }
  [[nodiscard]] static ShapeError invalid(std::string_view where,
                                          std::string_view what,
                                          std::string_view got,
                                          std::string_view want) {
    return ShapeError(detail::error_text(where, what, got, want));
  }
};

/// An option, a configuration file or a model description asks for something impossible or unknown.
class ConfigError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static ConfigError invalid(std::string_view where,
                                           std::string_view what,
                                           std::string_view got,
                                           std::string_view want) {
    return ConfigError(detail::error_text(where, what, got, want));
  }
};

/// The operating system refused: a file is missing, unreadable, truncated or can't be written. `where` is the path.
class IoError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static IoError failed(std::string_view path,
                                      std::string_view what,
                                      std::string_view got,
                                      std::string_view want) {
    return IoError(detail::error_text(path, what, got, want));
  }
};

/// The content of a file or of a caller's data is malformed.
class DataError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static DataError invalid(std::string_view where,
                                         std::string_view what,
                                         std::string_view got,
                                         std::string_view want) {
    return DataError(detail::error_text(where, what, got, want));
  }
  /// @param line  1-based line number, printed as `file:line`
  [[nodiscard]] static DataError at_line(
      std::string_view file, std::size_t line, std::string_view what, std::string_view got, std::string_view want) {
    return invalid(std::string(file) + ":" + std::to_string(line), what, got, want);
  }
};

/// A number that must be finite is NaN or infinite.
class NonFiniteError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static NonFiniteError found(std::string_view where,
                                            std::string_view what,
                                            std::size_t index,
                                            double value) {
    // the sign of a NaN differs between machines and means nothing
    const std::string got = std::isnan(value) ? "nan" : std::to_string(value);
    return NonFiniteError(
        detail::error_text(where, std::string(what) + "[" + std::to_string(index) + "]", got, "a finite number"));
  }
};

}  // namespace reasonembed
