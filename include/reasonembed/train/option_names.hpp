#pragma once
/// @file Options by name: what logs show, and what a resumed run must agree with.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

namespace detail {

/// Takes any option, for the test whether a type can name its own.
struct AnyOption {
  template <class T>
  void operator()(const char* /*name*/, const T& /*value*/) const {}
};

template <class T>
concept NamesItsOptions = requires(const T& options) { options.visit(AnyOption{}); };

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

}  // namespace detail

/// An option as JSON: numbers and truth values as they are, an enumerator as its number, an unset option as null, an
/// infinite number as "inf", a vector as an array, an aggregate with `visit(f)` as an object.
///
/// Options of a user's policy without `visit` become null: they can be neither logged nor compared.
template <class T>
[[nodiscard]] io::Json option_json(const T& value) {
  if constexpr (detail::NamesItsOptions<T>) {
    io::Json object = io::Json::object();
    value.visit([&](const char* name, const auto& option) { object[name] = option_json(option); });
    return object;
  } else if constexpr (detail::kIsOptional<T>) {
    return value ? option_json(*value) : io::Json(nullptr);
  } else if constexpr (detail::kIsVector<T>) {
    io::Json array = io::Json::array();
    for (const auto& element : value) {
      array.push_back(option_json(element));
    }
    return array;
  } else if constexpr (std::is_enum_v<T>) {
    return option_json(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::isfinite(value) ? io::Json(value) : io::Json(std::to_string(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return io::Json(value);
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    return io::Json(std::string(std::string_view(value)));
  } else {
    return io::Json(nullptr);
  }
}

/// @param where  of the error
/// @param got    options of this run
/// @param want   options they must agree with, as option_json wrote them
/// @param name   of the whole, for the error
/// @throws       ConfigError naming the first option that differs; those that only `got` has come last
inline void require_same_options(std::string_view where,
                                 const io::Json& got,
                                 const io::Json& want,
                                 const std::string& name = "") {
  const auto child = [&](const std::string& key) { return name.empty() ? key : name + "." + key; };
  if (got.is_object() && want.is_object()) {
    for (const auto& [key, value] : want.items()) {
      require_same_options(where, got.value(key, io::Json(nullptr)), value, child(key));
    }
    for (const auto& [key, value] : got.items()) {
      if (!want.contains(key)) {
        require_same_options(where, value, io::Json(nullptr), child(key));
      }
    }
    return;
  }
  if (got != want) {
    throw ConfigError::invalid(where, name, io::dump_json(got, -1), io::dump_json(want, -1) + ", as the run began");
  }
}

}  // namespace reasonembed::train
