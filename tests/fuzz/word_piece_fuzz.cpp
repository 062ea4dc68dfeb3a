// Any bytes through the tokenizers: no crash, no silent loss, the same ids twice, and UTF-8 or a DataError.
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/text/word_piece.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;

namespace {

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const re::text::DecodedCharacter character = re::text::decode_utf8(text, i);
    if (!character.valid) {
      return false;
    }
    i += character.length;
  }
  return true;
}

const re::text::WordPiece& word_piece() {
  static const std::vector<std::string> kTokens = {"[PAD]",
                                                   "[UNK]",
                                                   "[CLS]",
                                                   "[SEP]",
                                                   "[MASK]",
                                                   "a",
                                                   "##a",
                                                   "ab",
                                                   "##b",
                                                   "the",
                                                   ".",
                                                   "[",
                                                   "##s",
                                                   "\xC3\xB8",
                                                   "##\xE1\x84\x92"};
  static const re::text::WordPiece kTokenizer{re::text::Vocabulary(kTokens)};
  return kTokenizer;
}

template <re::text::Tokenizer T>
void check(const T& tokenizer, std::string_view text, re::Index limit) {
  static re::text::TokenScratch scratch;  // kept, so that a state left behind would show
  Ids whole;
  Ids cut;
  try {
    const re::text::Encoding all = tokenizer.encode(text, re::text::kNoTokenLimit, scratch, whole);
    require(all.truncated == 0 && all.tokens == static_cast<re::Index>(whole.size()), "a text without limit is whole");
    const re::text::Encoding part = tokenizer.encode(text, limit, scratch, cut);
    require(part.tokens == static_cast<re::Index>(cut.size()) && part.tokens <= limit, "the limit holds");
    require(part.tokens + part.truncated == all.tokens, "what is cut is counted");
    require(whole == tokenizer.encode(text), "the same ids from fresh buffers");
    for (const std::int32_t id : whole) {
      require(id >= 0 && id < tokenizer.vocab_size(), "every id is one of the vocabulary");
    }
    require(is_utf8(text), "only UTF-8 is encoded");
  } catch (const re::DataError&) {
    require(!is_utf8(text), "UTF-8 is never refused");
    require(whole.empty() && cut.empty(), "a refused text leaves no ids");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const re::Index limit = 2 + (size > 0 ? data[0] % 16 : 0);
  check(word_piece(), bytes, limit);
  check(re::text::ByteTokenizer(), bytes, limit);
  // Any bytes as vocab.txt: a vocabulary or a DataError, never anything else.
  try {
    const re::text::Vocabulary vocabulary = re::text::Vocabulary::from_lines(bytes, "vocab.txt");
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      require(vocabulary.find(vocabulary.token(id)) == id, "every token is found under its id");
    }
  } catch (const re::DataError&) {
  }
  return 0;
}
