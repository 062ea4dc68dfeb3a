// expected-error: does not satisfy 'Pooling'|satisfaction of .Pooling<Pool>. .with Pool = LongestToken
#include <reasonembed/model/bert.hpp>

namespace re = reasonembed;

/// A pooling that can't be trained: it has no pool_vjp.
struct LongestToken {
  static constexpr const char* name = "longest";
  template <class B>
  void pool(re::nn::Context<B>&, re::MatrixView<const typename B::Scalar>, re::MatrixView<typename B::Scalar>) const {}
};

#if MUST_FAIL
using Chosen = LongestToken;
#else
using Chosen = re::nn::Mean;
#endif

int main() {
  using Encoder = re::model::BertEncoder<re::nn::kDynamic, Chosen>;
  return static_cast<int>(sizeof(Encoder)) == 0 ? 1 : 0;
}
