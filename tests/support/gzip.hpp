#pragma once
/// @file Gzipped test data, unpacked by the gzip program: the library itself reads no compressed files.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace test {

/// @return  whether the gzip program can be run; says that the test is skipped if not
inline bool has_gzip() {
  const bool found = std::system("gzip --version >/dev/null 2>&1") == 0;
  if (!found) {
    MESSAGE("SKIPPED: the test data is compressed and there is no gzip program");
  }
  return found;
}

/// Unpacks `packed` into the file `plain`.
inline void unpack_gzip(const std::filesystem::path& packed, const std::filesystem::path& plain) {
  const std::string command = "gzip -dc '" + packed.string() + "'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::ofstream file(plain, std::ios::binary);
  std::array<char, 1 << 16> buffer{};
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    file.write(buffer.data(), static_cast<std::streamsize>(count));
  }
  REQUIRE(::pclose(pipe) == 0);
  REQUIRE(file.good());
}

}  // namespace test
