// Regular expressions of tokenizer files cut 2,000 texts as the reference does, and know its categories over all of
// Unicode. Pinned because token ids depend on them; golden/split_patterns.py wrote the files and says when they may
// change.
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/model/pre_tokenizer_json.hpp>
#include <reasonembed/text/regular_expression.hpp>
#include <reasonembed/text/split_patterns.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace re = reasonembed;

namespace {

std::vector<std::string> texts() {
  std::vector<std::string> read;
  re::io::for_each_json_line(test::source_path("tests/golden/tokenizer_pipeline/texts.jsonl"),
                             [&](const re::io::JsonFields& row) { read.push_back(row.get_string("text")); });
  return read;
}

/// 4 digits of FNV-1a over the lengths of the pieces.
std::string hash_of(const re::text::Pieces& pieces) {
  std::uint32_t hash = 0x811C9DC5U;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto length = static_cast<std::uint32_t>(pieces[i].size());
    for (unsigned shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((length >> shift) & 0xFFU)) * 0x01000193U;
    }
  }
  std::string text(4, '0');
  for (std::size_t i = 4; i > 0; --i, hash >>= 4) {
    text[i - 1] = "0123456789abcdef"[hash & 15U];
  }
  return text;
}

re::text::PreTokenizerSequence pre_tokenizer(const std::string& regex, const std::string& behavior, bool invert) {
  const re::io::Json file = {
      {"pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", invert}}}};
  return re::model::detail::pre_tokenizer_of(re::io::JsonFields(file, "file"));
}

}  // namespace

TEST_SUITE("golden/split_patterns") {
  TEST_CASE("Split: patterns without a scanner cut every text as the reference") {
    const std::vector<std::string> all = texts();
    REQUIRE(all.size() == 2000);
    int patterns = 0;
    re::io::for_each_json_line(
        test::source_path("tests/golden/split_patterns/patterns.jsonl"), [&](const re::io::JsonFields& row) {
          const std::string& regex = row.get_string("regex");
          CAPTURE(regex);
          const auto split = pre_tokenizer(regex, row.get_string("behavior"), row.get_bool("invert"));
          const std::string& hashes = row.get_string("hashes");
          REQUIRE(hashes.size() == 4 * all.size());
          re::text::TokenScratch scratch;
          int wrong = 0;
          for (std::size_t i = 0; i < all.size(); ++i) {
            split.split(all[i], true, scratch);
            if (hash_of(scratch.words) != hashes.substr(4 * i, 4)) {
              ++wrong;
              MESSAGE("text " << i << ": " << all[i]);
            }
          }
          CHECK(wrong == 0);
          ++patterns;
        });
    CHECK(patterns == 9);
  }
  TEST_CASE("RegularExpression: the known patterns cut every text as their scanners") {
    const auto check = [](std::string_view regex, const auto& scanner) {
      const re::text::RegularExpression general(std::string(regex), "file");
      for (const std::string& text : texts()) {
        CAPTURE(text);
        std::size_t i = 0;
        bool same = true;
        general.for_each_part(text, [&](std::size_t begin, std::size_t end, bool match) {
          same = same && match && begin == i && end == scanner.word_end(text, i);
          i = end;
        });
        CHECK(same);
        CHECK(i == text.size());
      }
    };
    check(re::model::kGpt2Regex, re::text::Gpt2Pattern());
    check(re::model::kQwen2Regex, re::text::TiktokenPattern{1});
    check(re::model::kLlama3Regex, re::text::TiktokenPattern{3});
  }
  TEST_CASE("RegularExpression: general categories are the reference's over all of Unicode") {
    int categories = 0;
    re::io::for_each_json_line(
        test::source_path("tests/golden/split_patterns/categories.jsonl"), [&](const re::io::JsonFields& row) {
          const std::string& category = row.get_string("category");
          CAPTURE(category);
          const re::text::RegularExpression regex("\\p{" + category + "}", "file");
          re::Sha256 found;
          for (char32_t first = 1; first < 0x110000; first += 0x1000) {
            std::string text;
            for (char32_t c = first; c < std::min<char32_t>(first + 0x1000, 0x110000); ++c) {
              if (c < 0xD800 || c >= 0xE000) {
                re::text::append_utf8(c, text);
              }
            }
            regex.for_each_part(text, [&](std::size_t begin, std::size_t, bool match) {
              if (match) {
                const std::uint32_t c = re::text::decode_utf8(text, begin).value;
                const char bytes[] = {static_cast<char>(c), static_cast<char>(c >> 8), static_cast<char>(c >> 16), 0};
                found.update(std::string_view(bytes, 4));
              }
            });
          }
          CHECK(found.hex() == row.get_string("sha256"));
          ++categories;
        });
    CHECK(categories == 29);
  }
}
