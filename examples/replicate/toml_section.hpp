#pragma once
/// @file A table of a TOML file, read by name and type: errors name file, line and key, and unknown keys are refused.
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <toml++/toml.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replicate {

namespace re = reasonembed;

/// @throws  IoError if the file can't be read, DataError `file:line` if it is not TOML
inline toml::table read_toml(const std::filesystem::path& path) {
  const std::string text = re::io::read_text_file(path);
  try {
    return toml::parse(text, path.string());
  } catch (const toml::parse_error& error) {
    throw re::DataError::at_line(path.string(),
                                 error.source().begin.line,
                                 "TOML",
                                 "malformed (" + std::string(error.description()) + ")",
                                 "valid TOML");
  }
}

/// The keys of one table. Each `read` takes a key, if it is there, into a variable that holds its default; `finish`
/// refuses the keys that nobody has asked for.
class TomlSection {
 public:
  /// @param table  must outlive the section
  /// @param name   of the table, for errors; empty for the whole file
  TomlSection(const toml::table& table, std::string file, std::string name = "")
      : table_(&table), file_(std::move(file)), name_(std::move(name)) {}

  [[nodiscard]] bool has(std::string_view key) const { return table_->contains(key); }
  /// @return  file:line of the table
  [[nodiscard]] std::string where() const { return place(*table_); }
  [[nodiscard]] const std::string& file() const { return file_; }

  void read(std::string_view key, std::string& value) {
    if (const toml::node* node = take(key)) {
      value = node->is_string() ? node->as_string()->get() : refuse<std::string>(key, *node, "a string");
    }
  }
  void read(std::string_view key, bool& value) {
    if (const toml::node* node = take(key)) {
      value = node->is_boolean() ? node->as_boolean()->get() : refuse<bool>(key, *node, "true or false");
    }
  }
  void read(std::string_view key, double& value) {
    if (const toml::node* node = take(key)) {
      if (node->is_integer()) {
        value = static_cast<double>(node->as_integer()->get());
      } else {
        value = node->is_floating_point() ? node->as_floating_point()->get() : refuse<double>(key, *node, "a number");
      }
    }
  }
  template <std::integral T>
  void read(std::string_view key, T& value) {
    if (const toml::node* node = take(key)) {
      const std::int64_t number =
          node->is_integer() ? node->as_integer()->get() : refuse<std::int64_t>(key, *node, "an integer");
      if (!std::in_range<T>(number)) {
        refuse<T>(key, *node, std::in_range<T>(-1) ? "an integer that fits" : "an integer of at least 0");
      }
      value = static_cast<T>(number);
    }
  }
  void read(std::string_view key, std::filesystem::path& value) {
    std::string text = value.string();
    read(key, text);
    value = text;
  }
  void read(std::string_view key, std::vector<std::string>& value) {
    const toml::node* node = take(key);
    if (node == nullptr) {
      return;
    }
    const toml::array* array = node->as_array();
    value.clear();
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      const toml::node& element = *array->get(i);
      value.push_back(element.is_string() ? element.as_string()->get()
                                          : refuse<std::string>(key, element, "an array of strings"));
    }
    if (array == nullptr) {
      refuse<int>(key, *node, "an array of strings");
    }
  }
  /// Reads a list of strings for which a string may stand that is its only one.
  void read_one_or_more(std::string_view key, std::vector<std::string>& value) {
    const toml::node* node = table_->get(key);
    if (node != nullptr && node->is_string()) {
      value.assign(1, "");
      read(key, value.front());
    } else {
      read(key, value);
    }
  }
  /// The value of a key that must be one of `names`.
  /// @return  its position there, `otherwise` if the key is absent
  std::size_t read_choice(std::string_view key, const std::vector<std::string>& names, std::size_t otherwise) {
    std::string text = names[otherwise];
    read(key, text);
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) {
      std::string want;
      for (const std::string& name : names) {
        want += (want.empty() ? "one of " : ", ") + re::io::in_quotes(name);
      }
      refuse<int>(key, *table_->get(key), want);
    }
    return static_cast<std::size_t>(found - names.begin());
  }
  /// @return  the table of a key, an empty one if it is absent
  TomlSection section(std::string_view key) {
    static const toml::table empty;
    const toml::node* node = take(key);
    if (node != nullptr && !node->is_table()) {
      refuse<int>(key, *node, "a table");
    }
    return {node == nullptr ? empty : *node->as_table(), file_, full_name(key)};
  }
  /// @return  the tables of an array, none if the key is absent
  std::vector<TomlSection> sections(std::string_view key) {
    std::vector<TomlSection> all;
    const toml::node* node = take(key);
    if (node == nullptr) {
      return all;
    }
    const toml::array* array = node->as_array();
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      const toml::node& element = *array->get(i);
      if (!element.is_table()) {
        refuse<int>(key, element, "an array of tables");
      }
      all.emplace_back(*element.as_table(), file_, full_name(key) + "[" + std::to_string(i) + "]");
    }
    if (array == nullptr) {
      refuse<int>(key, *node, "an array of tables");
    }
    return all;
  }
  /// @throws  ConfigError for a key that is missing
  void require(std::string_view key) const {
    if (!has(key)) {
      throw re::ConfigError::invalid(where(), full_name(key), "missing", "a value");
    }
  }
  /// @throws  ConfigError file:line for the first key that was never read, with the closest of those that were
  void finish() const {
    for (const auto& [key, node] : *table_) {
      if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end()) {
        const std::vector<std::string> close = re::io::closest_names(key.str(), asked_, 1);
        throw re::ConfigError::invalid(
            file_ + ":" + std::to_string(key.source().begin.line),
            "key",
            re::io::in_quotes(full_name(key.str())),
            close.empty() ? "no key" : re::io::in_quotes(full_name(close.front())) + " or another known one");
      }
    }
  }
  /// `key` with the name of its table before it
  [[nodiscard]] std::string full_name(std::string_view key) const {
    return name_.empty() ? std::string(key) : name_ + "." + std::string(key);
  }
  /// @return  file:line of a key, of the table if the key is absent
  [[nodiscard]] std::string where(std::string_view key) const {
    const toml::node* node = table_->get(key);
    return place(node == nullptr ? static_cast<const toml::node&>(*table_) : *node);
  }

 private:
  [[nodiscard]] std::string place(const toml::node& node) const {
    const auto line = node.source().begin.line;
    return line == 0 ? file_ : file_ + ":" + std::to_string(line);
  }
  const toml::node* take(std::string_view key) {
    asked_.emplace_back(key);
    return table_->get(key);
  }
  template <class T>
  [[noreturn]] T refuse(std::string_view key, const toml::node& node, std::string_view want) const {
    std::string got;
    if (node.is_string()) {
      got = re::io::in_quotes(node.as_string()->get());
    } else if (node.is_integer()) {
      got = std::to_string(node.as_integer()->get());
    } else {
      got = node.is_array()     ? "an array"
            : node.is_table()   ? "a table"
            : node.is_boolean() ? "a truth value"
                                : "a number";
      got = node.is_date() || node.is_time() || node.is_date_time() ? "a date" : got;
    }
    throw re::ConfigError::invalid(place(node), full_name(key), got, want);
  }

  const toml::table* table_;
  std::string file_;
  std::string name_;
  std::vector<std::string> asked_;
};

}  // namespace replicate
