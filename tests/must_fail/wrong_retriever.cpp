// expected-error: does not satisfy 'Retriever'|satisfaction of .Retriever<.*Scoreless
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

/// Its index returns numbers without scores.
struct Scoreless {
  struct Searcher {
    static std::vector<re::Index> search(std::span<const std::string> /*queries*/,
                                         std::string_view /*instruction*/,
                                         re::Index /*top_k*/) {
      return {};
    }
  };
  static Searcher index(const re::remixer::DocumentTexts& /*documents*/, re::Progress* /*progress*/) { return {}; }
};

#if MUST_FAIL
using Chosen = Scoreless;
#else
using Chosen = re::remixer::Bm25Retriever<>;
#endif

int main() {
  const re::remixer::MineCandidates<Chosen> stage(Chosen(), std::vector<std::string>{});
  return stage.name.empty() ? 1 : 0;
}
