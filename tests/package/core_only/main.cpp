#include <reasonembed/core/arena.hpp>

int main() {
  reasonembed::Arena arena;
  return arena.matrix<float>(2, 3).size() == 6 ? 0 : 1;
}
