#include <reasonembed/reasonembed.hpp>

#ifdef PLANTED_TYPE
struct Planted {
  PLANTED_TYPE value;
};
int read(const Planted& planted);
#endif

int other() {
#ifdef PLANTED_TYPE
  return read(Planted{0});
#else
  return 0;
#endif
}
