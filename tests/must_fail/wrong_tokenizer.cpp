// expected-error: does not satisfy 'Tokenizer'|satisfaction of .{1,3}Tokenizer<T>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/text/tokenizer.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace re = reasonembed;

struct Letters {
  // A tokenizer must say how many tokens it cut; void would lose the end of a text in silence.
  void encode(std::string_view text, re::Index, re::text::TokenScratch&, std::vector<std::int32_t>& ids) const {
    ids.assign(text.begin(), text.end());
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const { return {text.begin(), text.end()}; }
  [[nodiscard]] re::Index vocab_size() const { return 128; }
  [[nodiscard]] std::string_view token(std::int32_t) const { return "letter"; }
  [[nodiscard]] re::text::SpecialIds special_ids() const { return {}; }
};

#if MUST_FAIL
using Chosen = Letters;
#else
using Chosen = re::text::ByteTokenizer;
#endif

int main() {
  const std::vector<std::string_view> texts = {"a", "bc"};
  return static_cast<int>(re::text::tokenize(Chosen(), texts).offsets.size()) - 3;
}
