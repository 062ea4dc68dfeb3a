#pragma once
/// @file A directory that lives as long as a test.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace test {

/// An empty directory of its own under the system's temporary one, removed with all it holds at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "reasonembed_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    std::error_code ignored;  // a leftover in the temporary directory is no reason to end the test program
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  /// Writes a file with plain stdio, so that the library's own writers are not needed to test its readers.
  /// @return  its path
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::FILE* stream = std::fopen(file.c_str(), "wb");
    REQUIRE(stream != nullptr);
    const std::size_t written = std::fwrite(content.data(), 1, content.size(), stream);
    REQUIRE(std::fclose(stream) == 0);
    REQUIRE(written == content.size());
    return file;
  }
  /// @return  how many entries the directory holds
  [[nodiscard]] std::size_t count() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) {
      ++count;
    }
    return count;
  }

 private:
  std::filesystem::path path_;
};

/// All bytes of a file, read with plain stdio.
inline std::string content_of(const std::filesystem::path& file) {
  std::FILE* stream = std::fopen(file.c_str(), "rb");
  REQUIRE(stream != nullptr);
  std::string content;
  for (int c = std::fgetc(stream); c != EOF; c = std::fgetc(stream)) {
    content += static_cast<char>(c);
  }
  (void)std::fclose(stream);
  return content;
}

/// Writes a file anew with the first `from` in it as `to`; there must be one.
inline void replace_in(const std::filesystem::path& file, const std::string& from, const std::string& to) {
  std::string content = content_of(file);
  const std::size_t at = content.find(from);
  REQUIRE(at != std::string::npos);
  content.replace(at, from.size(), to);
  std::FILE* stream = std::fopen(file.c_str(), "wb");
  REQUIRE(stream != nullptr);
  REQUIRE(std::fwrite(content.data(), 1, content.size(), stream) == content.size());
  REQUIRE(std::fclose(stream) == 0);
}

}  // namespace test
