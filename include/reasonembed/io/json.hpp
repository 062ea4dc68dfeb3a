#pragma once
/// @file JSON with the errors of this library: parse, read, write, and typed access to the fields of an object.
///
/// Stricter than most readers: duplicate keys, bytes that are not UTF-8, NaN, infinity and nesting deeper than 256 are
/// refused, because two readers that take such a document differently is how an evaluation goes wrong unseen.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json_builder.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

namespace detail {

/// @throws NonFiniteError if a number in `value` is NaN or infinite: JSON has no word for it, and `null` would be a lie
inline void require_finite(const Json& value, const std::string& pointer) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    throw NonFiniteError(reasonembed::detail::error_text(
        "io::dump_json", pointer.empty() ? "value" : pointer, std::to_string(value.get<double>()), "a finite number"));
  }
  if (value.is_structured()) {
    for (const auto& [key, child] : value.items()) {
      require_finite(child, pointer + "/" + key);
    }
  }
}

/// " in [1, 2]", " >= 1", " <= 2" or "" behind the name of a type
inline std::string range_text(bool below, const std::string& least, bool above, const std::string& most) {
  if (below && above) {
    return " in [" + least + ", " + most + "]";
  }
  return below ? " >= " + least : above ? " <= " + most : "";
}

}  // namespace detail

/// Parses one JSON document.
///
/// @param text   UTF-8, a byte order mark at the start is skipped
/// @param where  what errors call it: a path, or file:line
/// @throws       DataError that says where and why: not JSON, not UTF-8, a key given twice in one object, a number that
///               no double holds, nesting deeper than kDeepestJson
[[nodiscard]] inline Json parse_json(std::string_view text, std::string_view where) {
  detail::JsonBuilder builder(text, where);
  const std::size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    builder.refuse(nul + 1, "NUL byte");  // the parser would take it for the end and ignore what hides behind it
  }
  (void)Json::sax_parse(text, &builder);  // false never comes: every error has thrown
  return builder.take();
}

/// @throws IoError if the file can't be read, DataError if it is not one JSON document
[[nodiscard]] inline Json read_json(const std::filesystem::path& path) {
  return parse_json(read_text_file(path), path.string());
}

/// `value` as text: keys sorted, characters beyond ASCII kept as UTF-8, doubles with the fewest digits that read back
/// to the same bits.
///
/// @param indent  spaces per level, -1 for one line
/// @throws        NonFiniteError for NaN or infinity, DataError for a string that is not UTF-8
[[nodiscard]] inline std::string dump_json(const Json& value, int indent = 2) {
  detail::require_finite(value, "");
  try {
    return value.dump(indent);
  } catch (const Json::exception&) {
    throw DataError::invalid("io::dump_json", "a string", "not UTF-8", "UTF-8 text");
  }
}

/// Writes `value`, indented and with a newline at the end, in one step (see write_file_atomically).
///
/// @throws  as dump_json; IoError if the file can't be written
inline void write_json(const std::filesystem::path& path, const Json& value) {
  write_file_atomically(path, dump_json(value) + "\n");
}

/// The fields of one JSON object, read by name and type.
///
/// Errors read `where: name is got, expected want`. `get_*` demands the field; `find_*` returns nothing for a field
/// that is absent or null (Hugging Face writes null for "not set"), and still refuses one of the wrong type. Fields
/// that nobody asks for are ignored.
///
/// @note  a view: the object must outlive it and every reference it returns; cheap to make, not to copy
class JsonFields {
 public:
  /// @param where  what errors call the object: a path, or file:line
  /// @throws       DataError if `value` is no object
  JsonFields(const Json& value, std::string where) : JsonFields(value, std::move(where), "") {}
  JsonFields(Json&& value, std::string where) = delete;  // would outlive what it looks at

  [[nodiscard]] const Json& json() const { return *object_; }
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  [[nodiscard]] const std::string& get_string(std::string_view name) const {
    return string_of(name, get(name, "a string"));
  }
  [[nodiscard]] std::optional<std::string> find_string(std::string_view name) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(string_of(name, *value));
  }
  /// @param least,most  the accepted range
  /// @throws            DataError if missing, no integer (1.0 is none) or out of range
  [[nodiscard]] std::int64_t get_int(std::string_view name,
                                     std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                     std::int64_t most = std::numeric_limits<std::int64_t>::max()) const {
    return int_of(name, get(name, int_range(least, most)), least, most);
  }
  [[nodiscard]] std::optional<std::int64_t> find_int(
      std::string_view name,
      std::int64_t least = std::numeric_limits<std::int64_t>::min(),
      std::int64_t most = std::numeric_limits<std::int64_t>::max()) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(int_of(name, *value, least, most));
  }
  /// A number, written with or without a point; always finite.
  [[nodiscard]] double get_double(std::string_view name,
                                  double least = std::numeric_limits<double>::lowest(),
                                  double most = std::numeric_limits<double>::max()) const {
    return double_of(name, get(name, double_range(least, most)), least, most);
  }
  [[nodiscard]] std::optional<double> find_double(std::string_view name,
                                                  double least = std::numeric_limits<double>::lowest(),
                                                  double most = std::numeric_limits<double>::max()) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(double_of(name, *value, least, most));
  }
  [[nodiscard]] bool get_bool(std::string_view name) const { return bool_of(name, get(name, "true or false")); }
  [[nodiscard]] std::optional<bool> find_bool(std::string_view name) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(bool_of(name, *value));
  }
  /// An array of strings; errors name the element, as `name[2]`.
  [[nodiscard]] std::vector<std::string> get_strings(std::string_view name) const {
    return strings_of(name, get(name, "an array of strings"));
  }
  [[nodiscard]] std::optional<std::vector<std::string>> find_strings(std::string_view name) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(strings_of(name, *value));
  }
  /// An array of integers, each in [least, most].
  [[nodiscard]] std::vector<std::int64_t> get_ints(std::string_view name,
                                                   std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                                   std::int64_t most = std::numeric_limits<std::int64_t>::max()) const {
    const Json& value = get(name, "an array of integers");
    if (!value.is_array()) {
      refuse(name, value, "an array of integers");
    }
    std::vector<std::int64_t> ints;
    ints.reserve(value.size());
    for (const Json& element : value) {
      ints.push_back(int_of(std::string(name) + "[" + std::to_string(ints.size()) + "]", element, least, most));
    }
    return ints;
  }
  [[nodiscard]] const Json& get_array(std::string_view name) const {
    const Json& value = get(name, "an array");
    return value.is_array() ? value : refuse(name, value, "an array");
  }
  /// A nested object; its errors name fields as `name.field`.
  [[nodiscard]] JsonFields get_object(std::string_view name) const {
    return {get(name, "an object"), where_, full_name(name)};
  }
  [[nodiscard]] std::optional<JsonFields> find_object(std::string_view name) const {
    const Json* value = find(name);
    return value == nullptr ? std::nullopt : std::optional(JsonFields(*value, where_, full_name(name)));
  }

 private:
  JsonFields(const Json& value, std::string where, std::string path)
      : object_(&value), where_(std::move(where)), path_(std::move(path)) {
    if (!value.is_object()) {
      throw DataError::invalid(where_, path_.empty() ? "JSON value" : path_, shown(value), "an object");
    }
  }

  [[nodiscard]] std::string full_name(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  [[nodiscard]] const Json* find(std::string_view name) const {
    const auto member = object_->find(std::string(name));
    return member == object_->end() || member->is_null() ? nullptr : &*member;
  }
  [[nodiscard]] const Json& get(std::string_view name, std::string_view want) const {
    const auto member = object_->find(std::string(name));
    if (member == object_->end()) {
      throw DataError::invalid(where_, full_name(name), "missing", want);
    }
    return *member;
  }
  /// The value as an error shows it: short, on one line, always UTF-8.
  [[nodiscard]] static std::string shown(const Json& value) {
    if (value.is_string()) {
      return in_quotes(value.get_ref<const std::string&>());
    }
    if (value.is_structured()) {
      return value.is_array() ? "an array" : "an object";
    }
    return value.dump();
  }
  [[noreturn]] const Json& refuse(std::string_view name, const Json& value, std::string_view want) const {
    throw DataError::invalid(where_, full_name(name), shown(value), want);
  }

  [[nodiscard]] static std::string int_range(std::int64_t least, std::int64_t most) {
    const bool below = least != std::numeric_limits<std::int64_t>::min();
    const bool above = most != std::numeric_limits<std::int64_t>::max();
    return "an integer" + detail::range_text(below, std::to_string(least), above, std::to_string(most));
  }
  [[nodiscard]] static std::string double_range(double least, double most) {
    const bool below = least != std::numeric_limits<double>::lowest();
    const bool above = most != std::numeric_limits<double>::max();
    return "a number" + detail::range_text(below, Json(least).dump(), above, Json(most).dump());
  }

  [[nodiscard]] const std::string& string_of(std::string_view name, const Json& value) const {
    return (value.is_string() ? value : refuse(name, value, "a string")).get_ref<const std::string&>();
  }
  [[nodiscard]] std::int64_t int_of(std::string_view name,
                                    const Json& value,
                                    std::int64_t least,
                                    std::int64_t most) const {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() > kMost);
    if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
      refuse(name, value, int_range(least, most));
    }
    return value.get<std::int64_t>();
  }
  [[nodiscard]] double double_of(std::string_view name, const Json& value, double least, double most) const {
    if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most)) {
      refuse(name, value, double_range(least, most));
    }
    return value.get<double>();
  }
  [[nodiscard]] bool bool_of(std::string_view name, const Json& value) const {
    return (value.is_boolean() ? value : refuse(name, value, "true or false")).get<bool>();
  }
  [[nodiscard]] std::vector<std::string> strings_of(std::string_view name, const Json& value) const {
    if (!value.is_array()) {
      refuse(name, value, "an array of strings");
    }
    std::vector<std::string> strings;
    strings.reserve(value.size());
    for (const Json& element : value) {
      strings.push_back(string_of(std::string(name) + "[" + std::to_string(strings.size()) + "]", element));
    }
    return strings;
  }

  const Json* object_;
  std::string where_;
  std::string path_;
};

}  // namespace reasonembed::io
