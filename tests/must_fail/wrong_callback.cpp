// expected-error: does not satisfy 'Callback'|satisfaction of .Callback<.*C = Silent
#include <reasonembed/train/events.hpp>

#include <cstdint>

namespace re = reasonembed;

struct Silent {  // takes a number, and no event of a run
  void operator()(std::int64_t*) const {}
};
struct Counter {
  void operator()(const re::train::StepReport& report) { steps = report.step; }
  std::int64_t steps = 0;
};

#if MUST_FAIL
using Chosen = Silent;
#else
using Chosen = Counter;
#endif

template <re::train::Callback C>
bool watch(C callback) {
  return re::train::detail::notify_all(re::train::StepReport{.step = 1}, callback);
}

int main() {
  return watch(Chosen{}) ? 1 : 0;
}
