#pragma once
/// @file Where tests find data that is not part of the repository.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace test {

/// @return  $REASONEMBED_DATA/`relative` if it exists; otherwise says why the test is skipped and returns nothing
inline std::optional<std::filesystem::path> find_data(const std::string& relative) {
  const char* root = std::getenv("REASONEMBED_DATA");
  if (root == nullptr || *root == '\0') {
    MESSAGE("SKIPPED: set REASONEMBED_DATA to a directory that holds " << relative);
    return std::nullopt;
  }
  std::filesystem::path path = std::filesystem::path(root) / relative;
  if (!std::filesystem::exists(path)) {
    MESSAGE("SKIPPED: no such data: " << path.string());
    return std::nullopt;
  }
  return path;
}

/// @return  a file of this repository, found through the REASONEMBED_SOURCE_DIR definition of the test target
inline std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(REASONEMBED_SOURCE_DIR) / relative;
}

}  // namespace test
