// expected-error: does not satisfy 'Weighting'|satisfaction of .Weighting<W>. .with W = Hardest
#include <reasonembed/loss/contrastive.hpp>

#include <cstdint>
#include <span>
namespace re = reasonembed;
struct Hardest {  // weighs one query at a time, where a weighting sees the whole global batch
  struct Options {};
  static constexpr const char* name = "hardest";
  explicit Hardest(Options) {}
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  [[nodiscard]] double weigh(double loss) const { return loss; }
};
#if MUST_FAIL
using Weighting = Hardest;
#else
using Weighting = re::loss::ReasoningIntensity;
#endif
int main() {
  return re::loss::Contrastive<Weighting>().needs_reasoning(0) ? 1 : 0;
}
