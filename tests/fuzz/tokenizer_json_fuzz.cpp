// Any bytes as a tokenizer.json, and texts through what it describes: a tokenizer or an error of this library, the same
// ids twice, no id out of the vocabulary, no silent loss where a text is cut.
#include <reasonembed/model/tokenizer_pipeline_json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
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

std::optional<re::text::TokenizerPipeline> read(std::string_view json) {
  try {
    const re::io::Json file = re::io::parse_json(json, "tokenizer.json");
    return re::model::tokenizer_pipeline_from_json(re::io::JsonFields(file, "tokenizer.json"));
  } catch (const re::Error&) {
    return std::nullopt;
  }
}

void check(const re::text::TokenizerPipeline& tokenizer, std::string_view text) {
  static re::text::TokenScratch scratch;  // kept, so that a state left behind would show
  const re::Index special = static_cast<re::Index>(tokenizer.parts().before.size() + tokenizer.parts().behind.size());
  try {
    Ids whole;
    const re::text::Encoding all = tokenizer.encode(text, re::text::kNoTokenLimit, scratch, whole);
    require(all.truncated == 0 && all.tokens == static_cast<re::Index>(whole.size()), "a text without limit is whole");
    require(whole == tokenizer.encode(text), "the same ids from fresh buffers");
    for (const std::int32_t id : whole) {
      require(id >= 0 && id < tokenizer.vocab_size(), "every id is one of the vocabulary");
      (void)tokenizer.token(id);
    }
    Ids cut;
    const re::text::Encoding part = tokenizer.encode(text, special + 3, scratch, cut);
    require(part.tokens == static_cast<re::Index>(cut.size()) && part.tokens <= special + 3, "the limit holds");
    require(part.tokens + part.truncated == all.tokens, "what is cut is counted");
  } catch (const re::DataError& error) {
    const bool hard = std::string_view(error.what()).find("is too hard") != std::string_view::npos;
    require(hard || re::io::find_invalid_utf8(text) != std::string_view::npos,
            "UTF-8 is refused only where a regular expression would take for ever");
  }
}

}  // namespace

/// The bytes before the first zero byte are the file, those behind it a text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = bytes.find('\0');
  const std::optional<re::text::TokenizerPipeline> tokenizer = read(bytes.substr(0, zero));
  if (tokenizer) {
    check(*tokenizer, zero == std::string_view::npos ? std::string_view() : bytes.substr(zero + 1));
    for (const std::string_view text :
         {"", "a ab  abc\n", "e\u0301\u0323 \uFB01\u5B57 <s>12! ", "\u2581 Ab'S\r\n\r\n x"}) {
      check(*tokenizer, text);
    }
  }
  return 0;
}
