// expected-error: does not satisfy 'BatchLoss'|satisfaction of .BatchLoss<.*L(oss)? = SingleQuery
#include <reasonembed/loss/batch_loss.hpp>

#include <cstdint>
#include <string>

namespace re = reasonembed;

struct SingleQueryOptions {};
struct SingleQuery {  // sees one query at a time, where a batch loss sees the whole global batch
  using Options = SingleQueryOptions;
  explicit SingleQuery(Options) {}
  static std::string name() { return "single"; }
  [[nodiscard]] bool needs_reasoning(std::int64_t) const { return false; }
  [[nodiscard]] double evaluate(double similarity) const { return -similarity; }
};

#if MUST_FAIL
using Chosen = SingleQuery;
#else
using Chosen = re::loss::Contrastive<>;
#endif

template <re::loss::BatchLoss Loss>
int first_step_needs_reasoning() {
  return Loss(typename Loss::Options{}).needs_reasoning(0) ? 1 : 0;
}

int main() {
  return first_step_needs_reasoning<Chosen>();
}
