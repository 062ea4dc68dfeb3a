#pragma once
/// @file How a JSON text becomes a value: nlohmann's parser with the checks it leaves out.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/utf8.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// Any JSON value; object keys are kept sorted.
using Json = nlohmann::json;

/// Deepest nesting that is read, far above what files hold and far below what exhausts a stack.
inline constexpr std::size_t kDeepestJson = 256;

namespace detail {

/// Builds the value while nlohmann's parser runs, which is where duplicate keys are still visible.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, std::string_view where) : text_(text), where_(where) {}
  [[nodiscard]] Json take() { return std::move(root_); }

  // The names and the bool results ("go on") are those of nlohmann's SAX interface.
  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(Json::number_integer_t value) { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value); }
  bool number_float(Json::number_float_t value, const Json::string_t& /*digits*/) { return put(value); }
  bool string(Json::string_t& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(Json::string_t& name) {
    auto& object = open_.back()->get_ref<Json::object_t&>();
    const auto [member, added] = object.try_emplace(std::move(name));
    if (!added) {
      throw DataError::invalid(
          where_, "JSON key " + in_quotes(member->first), "given twice in one object", "one value");
    }
    slot_ = &member->second;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*last*/, const Json::exception& error) {
    refuse(position, reason(error.what()));
  }
  /// @param position  1-based byte that is wrong
  [[noreturn]] void refuse(std::size_t position, const std::string& why) const {
    throw DataError::invalid(where_, "JSON", "malformed at " + place(position) + " (" + why + ")", "valid JSON");
  }

 private:
  /// @return  where the next value belongs
  Json& slot() {
    if (open_.empty()) {
      return root_;
    }
    return open_.back()->is_array() ? open_.back()->emplace_back() : *slot_;
  }
  bool put(Json value) {
    slot() = std::move(value);
    return true;
  }
  bool open(Json value) {
    if (open_.size() == kDeepestJson) {
      throw DataError::invalid(where_,
                               "JSON nesting",
                               "deeper than " + std::to_string(kDeepestJson),
                               "at most " + std::to_string(kDeepestJson) + " levels");
    }
    Json& place = slot();
    place = std::move(value);
    open_.push_back(&place);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  /// @param position  1-based byte that the parser stopped at
  [[nodiscard]] std::string place(std::size_t position) const {
    const std::string_view before = text_.substr(0, std::max<std::size_t>(position, 1) - 1);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 == 0
    const std::string byte = "byte " + std::to_string(before.size() - start + 1);
    return text_.find('\n') == std::string_view::npos ? byte : "line " + std::to_string(line) + ", " + byte;
  }
  /// The parser's reason without its own prefix and position; what it quotes may not be UTF-8.
  [[nodiscard]] static std::string reason(std::string_view text) {
    for (const std::string_view prefix : {"] ", ": "}) {
      const std::size_t at = text.find(prefix);
      if (at != std::string_view::npos && (prefix == "] " || text.starts_with("parse error"))) {
        text.remove_prefix(at + prefix.size());
      }
    }
    constexpr std::size_t kLongest = 200;  // it quotes the whole token, which may be megabytes
    if (text.size() <= kLongest && find_invalid_utf8(text) == std::string_view::npos) {
      return std::string(text);
    }
    std::string shown;
    for (const char c : text.substr(0, kLongest)) {
      const auto byte = static_cast<unsigned char>(c);
      shown += byte < 0x80 ? std::string(1, c) : "\\x" + hex_byte(byte);
    }
    return text.size() <= kLongest ? shown : shown + "...";
  }

  std::string_view text_;
  std::string_view where_;
  Json root_;
  std::vector<Json*> open_;
  Json* slot_ = nullptr;
};

}  // namespace detail

}  // namespace reasonembed::io
