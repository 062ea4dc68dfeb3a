// expected-error: does not satisfy 'TextEmbedder'|satisfaction of .TextEmbedder<.*M = OneSided
#include <reasonembed/retrieval/text_embedder.hpp>

#include <span>
#include <string>
#include <string_view>

namespace re = reasonembed;

struct OneSided {  // has no side for documents
  [[nodiscard]] re::Matrix<float> encode_query(std::span<const std::string_view> texts, re::Progress*) const {
    return re::Matrix<float>(static_cast<re::Index>(texts.size()), 2);
  }
  [[nodiscard]] const re::ThreadPool& pool() const { return threads; }
  re::ThreadPool threads{1};
};
struct TwoSided : OneSided {
  [[nodiscard]] re::Matrix<float> encode_document(std::span<const std::string> texts, re::Progress*) const {
    return re::Matrix<float>(static_cast<re::Index>(texts.size()), 2);
  }
};

#if MUST_FAIL
using Chosen = OneSided;
#else
using Chosen = TwoSided;
#endif

template <re::retrieval::TextEmbedder M>
int width(const M& model) {
  return static_cast<int>(model.encode_query({}, nullptr).cols());
}

int main() {
  return width(Chosen{}) - 2;
}
