#include <reasonembed/reasonembed.hpp>

#ifdef PLANTED_TYPE
struct Planted {
  PLANTED_TYPE value;
};
int read(const Planted& planted) {
  return static_cast<int>(planted.value);
}
#endif

int other();

int main() {
  return other();
}
