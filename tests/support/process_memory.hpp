#pragma once
/// @file The memory of this process, as Linux counts it.
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/text_file.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>

namespace test {

/// @return  bytes of a field of /proc/self/status such as VmHWM, the most memory in use so far: pages of its own and
///          those of mapped files
inline double status_bytes(const std::string& field) {
  const std::string status = reasonembed::io::read_text_file("/proc/self/status");
  const std::size_t at = status.find(field + ":");
  if (at == std::string::npos) {
    throw reasonembed::IoError::failed("/proc/self/status", field, "missing", "a field of Linux");
  }
  return std::strtod(status.c_str() + at + field.size() + 1, nullptr) * 1024.0;
}

}  // namespace test
