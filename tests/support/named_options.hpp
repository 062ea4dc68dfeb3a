#pragma once
/// @file What options call themselves.
#include <cstdio>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace test {

template <class T>
std::string option_text(const T& value);

/// "name value" of every option that `options` visits, in order.
template <class Options>
std::vector<std::string> named_options(const Options& options) {
  std::vector<std::string> all;
  options.visit(
      [&](const char* name, const auto& value) { all.push_back(std::string(name) + " " + option_text(value)); });
  return all;
}

template <class T>
inline constexpr bool kOptional = false;
template <class T>
inline constexpr bool kOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kVector = false;
template <class T>
inline constexpr bool kVector<std::vector<T>> = true;

/// An option as text: an enumerator as its number, one that is not set as "none", several in
/// braces, a vector in brackets.
template <class T>
std::string option_text(const T& value) {
  if constexpr (kOptional<T>) {
    return value ? option_text(*value) : "none";
  } else if constexpr (kVector<T>) {
    std::string text = "[";
    for (const auto& element : value) {
      text += (text.size() == 1 ? "" : ", ") + option_text(element);
    }
    return text + "]";
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<int>(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    std::string text = "{";
    for (const std::string& option : named_options(value)) {
      text += (text.size() == 1 ? "" : ", ") + option;
    }
    return text + "}";
  }
}

}  // namespace test
