// expected-error: .analyzer.for_each_word\(text, emit\). (is invalid|would be invalid)
#include <reasonembed/retrieval/bm25.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

/// Returns its words instead of emitting them.
struct WordList {
#if MUST_FAIL
  [[nodiscard]] std::vector<std::string> words(std::string_view text) const { return {std::string(text)}; }
#else
  void for_each_word(std::string_view text, re::FunctionRef<void(std::string_view)> emit) const { emit(text); }
#endif
};

int main() {
  const std::vector<std::string> documents = {"one", "two"};
  const re::retrieval::Bm25<WordList> index(documents);
  return static_cast<int>(index.size()) - 2;
}
