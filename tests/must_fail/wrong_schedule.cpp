// expected-error: does not satisfy 'Schedule'|satisfaction of .Schedule<S>. .with S = Halving
#include <reasonembed/optim/schedule.hpp>

#include <cstdint>
namespace re = reasonembed;
struct Halving {  // counts for itself, so that a resumed run would begin again
  struct Options {};
  static constexpr const char* name = "halving";
  Halving(Options, std::int64_t) {}
  double factor() { return current /= 2; }
  double current = 2.0;
};
#if MUST_FAIL
using Choice = Halving;
#else
using Choice = re::optim::WarmupLinear;
#endif
template <re::optim::Schedule S>
int train(const S& schedule) {
  return schedule.factor(0) <= 1.0 ? 0 : 1;
}
int main() {
  return train(Choice(Choice::Options{}, 10));
}
