// Token ids equal to the reference tokenizer's on 500 texts, and its character tables over all of Unicode. Pinned
// because every embedding of a pretrained model depends on them; golden/minilm_tokens.py wrote the files and says when
// they may change.
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/text/bert_normalizer.hpp>
#include <reasonembed/text/bert_pre_tokenizer.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/minilm.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using re::io::JsonFields;

namespace {

std::vector<std::string> texts() {
  std::vector<std::string> result;
  re::io::for_each_json_line(test::source_path("tests/golden/minilm_tokens/texts.jsonl"), [&](const JsonFields& row) {
    std::string text;
    for (std::int64_t i = row.find_int("repeat").value_or(1); i > 0; --i) {
      text += row.get_string("text");
    }
    result.push_back(text);
  });
  return result;
}

std::vector<Ids> expected_ids(std::int32_t begin, std::int32_t end) {
  std::vector<Ids> result;
  re::io::for_each_json_line(test::source_path("tests/golden/minilm_tokens/ids.jsonl"), [&](const JsonFields& row) {
    if (row.has("ids")) {
      result.push_back(row.get_array("ids").get<Ids>());
      return;
    }
    const Ids block = row.get_array("block").get<Ids>();
    Ids ids = {begin};
    for (std::int64_t i = row.get_int("repeat"); i > 0; --i) {
      ids.insert(ids.end(), block.begin(), block.end());
    }
    ids.push_back(end);
    result.push_back(ids);
  });
  return result;
}

void check_all(const re::text::WordPiece& tokenizer) {
  const std::vector<std::string> all = texts();
  const std::vector<Ids> expected = expected_ids(tokenizer.special_ids().begin, tokenizer.special_ids().end);
  REQUIRE(all.size() == 500);
  REQUIRE(expected.size() == all.size());
  re::text::TokenScratch scratch;
  Ids ids;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    for (const re::Index limit :
         {re::text::kNoTokenLimit, re::Index{256}, re::Index{128}, re::Index{3}, re::Index{2}}) {
      const auto length = static_cast<re::Index>(expected[i].size());
      const re::Index kept = std::min(limit, length);
      Ids cut(expected[i].begin(), expected[i].begin() + kept - 1);  // the generator checks that the reference cuts so
      cut.push_back(expected[i].back());
      ids.clear();
      CHECK(tokenizer.encode(all[i], limit, scratch, ids) == re::text::Encoding{kept, length - kept});
      CHECK(ids == cut);
    }
  }
}

/// The line that minilm_tokens.py writes for one character.
class CharacterLines {
 public:
  void append(char32_t c, std::string& out) {
    text_.assign("A");
    re::text::append_utf8(c, text_);
    text_ += "\u302E\u1B44\u0301";
    re::text::append_utf8(c, text_);
    default_.normalize(text_, marks_, out);
    out += '|';
    keep_accents_.normalize(text_, marks_, out);
    text_.assign("a");
    re::text::append_utf8(c, text_);
    text_ += 'b';
    int words = 0;
    re::text::BertPreTokenizer::for_each_word(text_, [&](std::string_view) { ++words; });
    out += '|';
    out += std::to_string(words);
    out += '\n';
  }

 private:
  re::text::BertNormalizer default_;
  re::text::BertNormalizer keep_accents_{
      {.clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = true}};
  re::text::MarkRun marks_;
  std::string text_;
};

}  // namespace

TEST_SUITE("golden/minilm_tokens") {
  TEST_CASE("read_word_piece: tokenizer.json of MiniLM gives the reference's ids, whole and cut") {
    if (const auto directory = test::find_minilm()) {
      check_all(re::model::read_word_piece(*directory / "tokenizer.json"));
    }
  }

  TEST_CASE("read_word_piece: vocab.txt of MiniLM gives the reference's ids, whole and cut") {
    if (const auto directory = test::find_minilm()) {
      check_all(re::model::read_word_piece(*directory / "vocab.txt"));
    }
  }

  TEST_CASE("BertNormalizer, BertPreTokenizer: treat every character of Unicode as the reference does") {
    CharacterLines lines;
    std::size_t blocks = 0;
    re::io::for_each_json_line(test::source_path("tests/golden/minilm_tokens/characters.jsonl"),
                               [&](const JsonFields& row) {
                                 const auto first = static_cast<char32_t>(row.get_int("first", 0, 0x10FFFF));
                                 std::string block;
                                 for (char32_t c = first; c < first + 4096; ++c) {
                                   if (c < 0xD800 || c > 0xDFFF) {
                                     lines.append(c, block);
                                   }
                                 }
                                 CAPTURE(static_cast<std::uint32_t>(first));
                                 CHECK(re::sha256(block) == row.get_string("sha256"));
                                 ++blocks;
                               });
    CHECK(blocks == 0x110000 / 4096);
  }
}
