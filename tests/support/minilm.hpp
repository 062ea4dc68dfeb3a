#pragma once
/// @file Where tests find the all-MiniLM-L6-v2 model directory, which is not part of the repository.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace test {

/// @return  the first of $REASONEMBED_MINILM and ${XDG_CACHE_HOME:-$HOME/.cache}/reasonembed/all-MiniLM-L6-v2 that is
///          set and holds config.json; otherwise says why the test is skipped and returns nothing
inline std::optional<std::filesystem::path> find_minilm() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  std::filesystem::path path = variable("REASONEMBED_MINILM");
  if (path.empty()) {
    std::filesystem::path cache = variable("XDG_CACHE_HOME");
    if (cache.empty()) {
      cache = variable("HOME") / ".cache";
    }
    path = cache / "reasonembed" / "all-MiniLM-L6-v2";
  }
  if (!std::filesystem::exists(path / "config.json")) {
    MESSAGE("SKIPPED: no all-MiniLM-L6-v2 in " << path.string() << " (set REASONEMBED_MINILM to its directory)");
    return std::nullopt;
  }
  return path;
}

}  // namespace test
