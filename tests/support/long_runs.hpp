#pragma once
/// @file How much a property test does: little in every run, much where time allows.
#include <cstdlib>
#include <string_view>

namespace test {

/// @return  `thorough` if the environment variable REASONEMBED_LONG_TESTS is 1 (cmake/test.sh full sets it), else
/// `quick`
inline int repetitions(int quick, int thorough) {
  const char* value = std::getenv("REASONEMBED_LONG_TESTS");
  return value != nullptr && std::string_view(value) == "1" ? thorough : quick;
}

}  // namespace test
