// Token ids equal to the reference tokenizers' on 2,000 texts for each published vocabulary, on llama.cpp's cases, for
// every normaliser, pre-tokenizer, added token and post-processor alone, and character properties over all of Unicode.
// Pinned because every embedding of a pretrained model depends on them; golden/tokenizer_pipeline.py wrote the files
// and says when they may change.
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/text/normalizers.hpp>
#include <reasonembed/text/pre_tokenizers.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using re::io::Json;
using re::io::JsonFields;

namespace {

std::filesystem::path fixture(const std::string& name) {
  return test::source_path("tests/golden/tokenizer_pipeline/" + name);
}

const std::vector<std::string>& texts() {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> read;
    re::io::for_each_json_line(fixture("texts.jsonl"),
                               [&](const JsonFields& row) { read.push_back(row.get_string("text")); });
    return read;
  }();
  return kTexts;
}

/// The hashes of published.jsonl by name.
std::string published_hashes(const std::string& name) {
  std::string hashes;
  re::io::for_each_json_line(fixture("published.jsonl"), [&](const JsonFields& row) {
    if (row.get_string("name") == name) {
      hashes = row.get_string("hashes");
    }
  });
  return hashes;
}

/// FNV-1a of 32 bits over the ids, four bytes each, the lowest first; the last `digits` digits.
std::string hash_of(const Ids& ids, std::size_t digits) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const std::int32_t id : ids) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFU)) * 0x01000193U;
    }
  }
  std::string text(8, '0');
  for (std::size_t i = 8; i > 0; --i, hash >>= 4) {
    text[i - 1] = "0123456789abcdef"[hash & 15U];
  }
  return text.substr(8 - digits);
}

/// Compares the ids of the first texts with their hashes; names the texts that differ.
template <class Tokenizer>
void check_hashes(const Tokenizer& tokenizer, const std::string& hashes, std::size_t count, std::size_t digits) {
  REQUIRE(hashes.size() == count * digits);
  re::text::TokenScratch scratch;
  Ids ids;
  std::string wrong;  // the first few
  for (std::size_t i = 0; i < count && wrong.size() < 200; ++i) {
    ids.clear();
    tokenizer.encode(texts()[i], re::text::kNoTokenLimit, scratch, ids);
    if (hash_of(ids, digits) != hashes.substr(i * digits, digits)) {
      wrong += " " + std::to_string(i) + " " + re::io::in_quotes(texts()[i]);
    }
  }
  CHECK(wrong == "");
}

void check_published(const std::string& name, const re::text::AnyTokenizer& tokenizer) {
  CAPTURE(name);
  REQUIRE(texts().size() == 2000);
  check_hashes(tokenizer, published_hashes(name), texts().size(), 8);
}

/// A directory with the vocabulary of Qwen2 and the configuration of `name`.
void gather_qwen(const std::filesystem::path& tokenizers, const std::string& name, const test::Scratch& scratch) {
  for (const char* file : {"vocab.json", "merges.txt"}) {
    std::filesystem::create_symlink(tokenizers / "qwen2" / file, scratch.path() / file);
  }
  scratch.write("tokenizer_config.json", re::io::read_text_file(tokenizers / name / "tokenizer_config.json"));
}

/// The tokenizer.json of parts.jsonl with its model: every character is spelled as bytes, marked if it continues a
/// word.
Json with_spelling_model(Json tokenizer) {
  Json vocabulary = Json::object();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
    vocabulary[name] = byte;
  }
  tokenizer["model"] = {{"type", "BPE"},
                        {"vocab", vocabulary},
                        {"merges", Json::array()},
                        {"byte_fallback", true},
                        {"continuing_subword_prefix", "\x01"}};
  return tokenizer;
}

/// llama.cpp's cases of one vocabulary: texts, and the ids of each.
void check_conformance(const std::string& name, const std::function<Ids(const std::string&)>& encode) {
  const auto root = test::find_data("tokenizer-conformance/llama.cpp/ggml-vocab-" + name + ".gguf.inp");
  if (!root) {
    return;
  }
  const std::string input = re::io::read_text_file(*root);
  std::istringstream output(re::io::read_text_file(std::filesystem::path(*root).replace_extension(".out")));
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  std::size_t count = 0;
  for (std::size_t at = 0; at < input.size(); ++count) {
    const std::size_t end = input.find(kSeparator, at);
    const std::string text = input.substr(at, end - at);
    at = end == std::string::npos ? input.size() : end + kSeparator.size();
    std::string line;
    std::getline(output, line);
    std::istringstream numbers(line);
    Ids expected;
    for (std::int32_t id = 0; numbers >> id;) {
      expected.push_back(id);
    }
    CAPTURE(text);
    CHECK(encode(text) == expected);
  }
  CHECK(count >= 46);
}

/// The line of characters.jsonl for one character: normalised or cut in context.
using CharacterLine = std::function<void(std::string_view character, std::string& out)>;

CharacterLine normalized_line(const re::text::NormalizerSequence& normalizer, bool clusters) {
  return [normalizer, clusters, scratch = re::text::TokenScratch()](std::string_view c, std::string& out) mutable {
    std::string text(clusters ? "a" : "A");
    text += c;
    text += clusters ? "a" : "\u302E\u1B44\u0301" + std::string(c) + "\u0323";
    out += normalizer.normalize(text, true, scratch).text;
  };
}
CharacterLine split_line(const re::text::PreTokenizerStep& step) {
  return [sequence = re::text::PreTokenizerSequence({step}), scratch = re::text::TokenScratch()](
             std::string_view c, std::string& out) mutable {
    const std::string character(c);
    sequence.split("a" + character + " " + character + "1" + character + character + "\n", true, scratch);
    for (std::size_t i = 0; i < scratch.words.size(); ++i) {
      (out += i > 0 ? "|" : "") += scratch.words[i];
    }
  };
}

std::map<std::string, CharacterLine> character_lines() {
  using namespace re::text;
  const auto normalizer = [](NormalizerStep step) { return normalized_line(NormalizerSequence({step}), false); };
  // The table {"a": "X"} as a double array: 'a' leads from the root's block to a node whose leaf is offset 0.
  std::vector<std::uint32_t> units(512, 0);
  units[0] = 256U << 10;
  units[256 ^ 'a'] = (static_cast<std::uint32_t>((256 ^ 'a') ^ 300) << 10) | (1U << 8) | 'a';
  units[300] = 1U << 31;
  const std::uint32_t bytes = 4 * 512;
  std::string table(reinterpret_cast<const char*>(&bytes), 4);
  table.append(reinterpret_cast<const char*>(units.data()), bytes).append("X\0", 2);
  return {{"gpt2", split_line(PatternSplit{.pattern = Gpt2Pattern()})},
          {"llama3", split_line(PatternSplit{.pattern = TiktokenPattern{3}})},
          {"whitespace", split_line(WhitespaceWords())},
          {"digits", split_line(Digits{true})},
          {"punctuation", split_line(Punctuation())},
          {"whitespace_split", split_line(WhitespaceSplit())},
          {"NFC", normalizer(NormalizationForm{true, false})},
          {"NFD", normalizer(NormalizationForm{false, false})},
          {"NFKC", normalizer(NormalizationForm{true, true})},
          {"NFKD", normalizer(NormalizationForm{false, true})},
          {"StripAccents", normalizer(StripAccents())},
          {"Nmt", normalizer(Nmt())},
          {"Lowercase", normalizer(Lowercase())},
          {"clusters", normalized_line(NormalizerSequence({CharacterMap(table)}), true)}};
}

}  // namespace

TEST_SUITE("golden/tokenizer_pipeline") {
  TEST_CASE("read_tokenizer: GPT-2 gives the reference's ids") {
    if (const auto directory = test::find_data("tokenizers/gpt2")) {
      check_published("gpt2", re::model::read_tokenizer(*directory));
    }
  }

  TEST_CASE("read_tokenizer: Qwen2, Qwen2.5 and Qwen3 give the reference's ids from vocab.json and merges.txt") {
    if (const auto tokenizers = test::find_data("tokenizers")) {
      for (const char* name : {"qwen2", "qwen2.5", "qwen3"}) {
        const test::Scratch scratch;
        gather_qwen(*tokenizers, name, scratch);
        check_published(name, re::model::read_tokenizer(scratch.path()));
      }
    }
  }

  TEST_CASE("read_tokenizer: Qwen3's end of text is appended as its post-processor says") {
    if (const auto tokenizers = test::find_data("tokenizers")) {
      const test::Scratch scratch;
      gather_qwen(*tokenizers, "qwen3", scratch);
      Json tokenizer = re::model::tokenizer_json_from_merges(scratch.path());
      const Json end = {{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}};
      const Json a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
      const Json special = {{"id", "<|endoftext|>"}, {"ids", {151643}}, {"tokens", {"<|endoftext|>"}}};
      tokenizer["post_processor"] = {{"type", "Sequence"},
                                     {"processors",
                                      {tokenizer["post_processor"],
                                       {{"type", "TemplateProcessing"},
                                        {"single", {a, end}},
                                        {"pair", {a, end}},
                                        {"special_tokens", {{"<|endoftext|>", special}}}}}}};
      re::io::write_json(scratch.path() / "tokenizer.json", tokenizer);
      const re::text::AnyTokenizer read = re::model::read_tokenizer(scratch.path());
      CHECK(read.special_ids().end == 151643);
      CHECK(read.encode("") == Ids{151643});
      check_published("qwen3_end", read);
      re::text::TokenScratch buffers;
      Ids ids;
      CHECK(read.encode("one two three four", 3, buffers, ids) == re::text::Encoding{3, 2});
      CHECK(ids == Ids{603, 1378, 151643});
    }
  }

  TEST_CASE("read_tokenizer: bert-base-uncased gives the reference's ids") {
    if (const auto directory = test::find_data("tokenizers/bert-base-uncased")) {
      check_published("bert-base-uncased", re::model::read_tokenizer(*directory));
    }
  }

  TEST_CASE("read_tokenizer: tokenizers of the shapes of Llama 3 and XLM-R give the reference's ids") {
    for (const char* name : {"llama3_shape", "xlm_roberta_shape"}) {
      check_published(name, re::model::read_tokenizer(fixture(std::string(name) + ".json")));
    }
  }

  TEST_CASE("read_tokenizer: gives the ids of another implementation's test cases") {
    if (const auto tokenizers = test::find_data("tokenizers")) {
      const re::text::AnyTokenizer gpt2 = re::model::read_tokenizer(*tokenizers / "gpt2");
      check_conformance("gpt-2", [&](const std::string& text) { return gpt2.encode(text); });
      const re::text::AnyTokenizer qwen2 = re::model::read_tokenizer(*tokenizers / "qwen2");
      check_conformance("qwen2", [&](const std::string& text) { return qwen2.encode(text); });
      const re::text::AnyTokenizer bert = re::model::read_tokenizer(*tokenizers / "bert-base-uncased");
      check_conformance("bert-bge", [&](const std::string& text) {
        const Ids ids = bert.encode(text);
        return Ids(ids.begin() + 1, ids.end() - 1);  // the cases leave [CLS] and [SEP] out
      });
    }
  }

  TEST_CASE("tokenizer_pipeline_from_json: every part alone does what the reference's does") {
    std::size_t rows = 0;
    re::io::for_each_json_line(fixture("parts.jsonl"), [&](const JsonFields& row) {
      const Json json = with_spelling_model(row.get_object("tokenizer").json());
      const std::string shape = row.get_object("tokenizer").json().dump().substr(0, 900);
      CAPTURE(shape);
      check_hashes(
          re::model::tokenizer_pipeline_from_json(JsonFields(json, "parts.jsonl")), row.get_string("hashes"), 350, 4);
      ++rows;
    });
    CHECK(rows > 80);
  }

  TEST_CASE("parts: treat every character of Unicode as the reference does") {
    const std::map<std::string, CharacterLine> lines = character_lines();
    std::size_t rows = 0;
    re::io::for_each_json_line(fixture("characters.jsonl"), [&](const JsonFields& row) {
      const std::string& name = row.get_string("name");
      CAPTURE(name);
      REQUIRE(lines.contains(name));
      const CharacterLine& line = lines.at(name);
      std::string all;
      std::string character;
      for (char32_t c = 0; c < 0x110000; ++c) {
        if (c < 0xD800 || c > 0xDFFF) {
          character.clear();
          re::text::append_utf8(c, character);
          line(character, all);
          all += '\n';
        }
      }
      CHECK(re::sha256(all) == row.get_string("sha256"));
      ++rows;
    });
    CHECK(rows == lines.size());
  }
}
