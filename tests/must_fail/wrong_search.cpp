// expected-error: DatasetSearch
#include <reasonembed/eval/retrieve.hpp>

namespace re = reasonembed;

/// Forgets that a dataset excludes documents: the options never reach the index.
struct PlainSearch {
#if MUST_FAIL
  re::retrieval::Rankings operator()() const { return {}; }
#else
  re::retrieval::Rankings operator()(const re::retrieval::SearchOptions&) const { return {}; }
#endif
};

int main() {
  const re::data::RetrievalDataset dataset;
  return re::eval::retrieve(dataset, PlainSearch()).empty() ? 0 : 1;
}
