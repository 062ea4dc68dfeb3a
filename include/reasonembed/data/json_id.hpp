#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// The id in a field of a JSON row: a text, or an integer, which is read as its decimal digits.
///
/// @throws  DataError (file:line) if the field is missing, empty or neither text nor integer
[[nodiscard]] inline std::string json_id(const io::JsonFields& row, std::string_view name) {
  const auto field = row.json().find(std::string(name));
  if (field != row.json().end() && field->is_number_integer()) {
    return field->is_number_unsigned() ? std::to_string(field->get<std::uint64_t>())
                                       : std::to_string(field->get<std::int64_t>());
  }
  const std::string& id = row.get_string(name);
  if (id.empty()) {
    throw DataError::invalid(row.where(), name, "empty", "an id");
  }
  return id;
}

}  // namespace reasonembed::data
