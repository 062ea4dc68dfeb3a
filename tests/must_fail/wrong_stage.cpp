// expected-error: does not satisfy 'Stage'|Stage<Stages>\) \[with Stages = .OneByOne
#include <reasonembed/remixer/pipeline.hpp>

namespace re = reasonembed;

/// Takes one item at a time, where a stage takes all of them.
struct OneByOne {
  using Input = int;
  using Output = int;
  static constexpr const char* name = "one_by_one";
  static int run(int item, re::remixer::StageMonitor& /*monitor*/) { return item; }
};
struct AllTogether {
  using Input = int;
  using Output = int;
  static constexpr const char* name = "all_together";
  static std::vector<int> run(std::vector<int> items, re::remixer::StageMonitor& /*monitor*/) { return items; }
};

#if MUST_FAIL
using Chosen = OneByOne;
#else
using Chosen = AllTogether;
#endif

int main() {
  re::remixer::Pipeline<Chosen> pipeline{Chosen()};
  return static_cast<int>(pipeline.run({}).items.size());
}
