#include <reasonembed/reasonembed.hpp>

#include <cstdio>

int main() {
  std::printf(
      "ReasonEmbed %d.%d.%d\n", REASONEMBED_VERSION_MAJOR, REASONEMBED_VERSION_MINOR, REASONEMBED_VERSION_PATCH);
}
