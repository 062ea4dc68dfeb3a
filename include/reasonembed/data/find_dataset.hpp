#pragma once
#include <reasonembed/config.hpp>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Where a dataset lies that a user named: `name` itself if it exists, else that name in the directory which the
/// environment variable REASONEMBED_DATA holds, if it exists there.
///
/// @return  a path; `name` unchanged where neither exists, so that a reader's error names what was asked for
[[nodiscard]] inline std::filesystem::path find_dataset(const std::filesystem::path& name) {
  std::error_code ignored;  // what can't be looked at is not there
  const char* root = std::getenv("REASONEMBED_DATA");
  if (name.empty() || name.is_absolute() || std::filesystem::exists(name, ignored) || root == nullptr) {
    return name;
  }
  const std::filesystem::path inside = std::filesystem::path(root) / name;
  return std::filesystem::exists(inside, ignored) ? inside : name;
}

}  // namespace reasonembed::data
