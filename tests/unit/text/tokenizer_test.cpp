#include <reasonembed/text/tokenizer.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using Ids = std::vector<std::int32_t>;
using re::text::Encoding;

namespace {

/// The least that is a tokenizer: the archetype of the concept. One token for every byte, and -1 stands behind.
struct Archetype {
  Encoding encode(std::string_view text, re::Index max_tokens, re::text::TokenScratch&, Ids& ids) const {
    re::text::TokenSink sink("Archetype", max_tokens, 1, ids);
    for (const char byte : text) {
      sink.add(byte);
    }
    sink.add_special(99);
    return sink.result();
  }
  Ids encode(std::string_view text) const { return re::text::encode_whole(*this, text); }
  re::Index vocab_size() const { return 128; }
  std::string_view token(std::int32_t) const { return "t"; }
  re::text::SpecialIds special_ids() const { return {.end = 99}; }
};
static_assert(re::text::Tokenizer<Archetype>);

struct WithoutSize : Archetype {
  void vocab_size() const {}
};
static_assert(!re::text::Tokenizer<WithoutSize>);
struct NotConst : Archetype {
  Ids encode(std::string_view) { return {}; }
};
static_assert(!re::text::Tokenizer<NotConst>);
struct SilentTruncation : Archetype {  // must say what it cut
  using Archetype::encode;
  void encode(std::string_view, re::Index, re::text::TokenScratch&, Ids&) const {}
};
static_assert(!re::text::Tokenizer<SilentTruncation>);
static_assert(!re::text::Tokenizer<int>);

}  // namespace

TEST_SUITE("text/tokenizer") {
  TEST_CASE("TokenSink: keeps what has room and counts the rest") {
    Ids ids = {7};
    re::text::TokenSink sink("test", 4, 2, ids);
    sink.add_special(100);
    sink.add(1);
    sink.add(2);
    sink.add(3);
    sink.add(4);
    sink.add_special(101);
    CHECK(ids == Ids{7, 100, 1, 2, 101});
    CHECK(sink.result() == Encoding{.tokens = 4, .truncated = 2});
  }

  TEST_CASE("TokenSink: room for the special tokens alone leaves none for the content") {
    Ids ids;
    re::text::TokenSink sink("test", 2, 2, ids);
    sink.add_special(100);
    sink.add(1);
    sink.add_special(101);
    CHECK(ids == Ids{100, 101});
    CHECK(sink.result() == Encoding{2, 1});
  }

  TEST_CASE("TokenSink: refuses a limit below the number of special tokens") {
    Ids ids;
    CHECK_THROWS_WITH_AS(re::text::TokenSink("where", 1, 2, ids),
                         "where: max_tokens is 1, expected >= 2, the number of special tokens",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(re::text::TokenSink("where", -5, 0, ids),
                         "where: max_tokens is -5, expected >= 0, the number of special tokens",
                         re::ConfigError);
    CHECK_NOTHROW(re::text::TokenSink("where", 0, 0, ids));
  }

  TEST_CASE("SpecialIds: has none to begin with") {
    const re::text::SpecialIds none;
    CHECK(none.unknown == re::text::SpecialIds::kNone);
    CHECK(none.begin == -1);
    CHECK(none.end == -1);
    CHECK(none != re::text::SpecialIds{.unknown = 0});
  }

  TEST_CASE("tokenize: packs texts behind each other and marks where each begins") {
    const std::vector<std::string> texts = {"ab", "", "c"};
    const re::text::TokenizedTexts packed = re::text::tokenize(Archetype(), texts);
    CHECK(packed.ids == Ids{'a', 'b', 99, 99, 'c', 99});
    CHECK(packed.offsets == Ids{0, 3, 4, 6});
    CHECK(packed.truncated == std::vector<re::Index>{0, 0, 0});
  }

  TEST_CASE("tokenize: cuts every text by itself and says how much each lost") {
    constexpr std::array<std::string_view, 3> texts = {"abcd", "x", "yz"};
    const re::text::TokenizedTexts packed = re::text::tokenize(Archetype(), texts, 2);
    CHECK(packed.ids == Ids{'a', 99, 'x', 99, 'y', 99});
    CHECK(packed.offsets == Ids{0, 2, 4, 6});
    CHECK(packed.truncated == std::vector<re::Index>{3, 0, 1});
  }

  TEST_CASE("tokenize: no texts give no tokens and one offset") {
    const re::text::TokenizedTexts packed = re::text::tokenize(Archetype(), std::vector<std::string>());
    CHECK(packed.ids.empty());
    CHECK(packed.offsets == Ids{0});
    CHECK(packed.truncated.empty());
  }
  TEST_CASE("encode_whole: all ids, special ones included, of an empty, a short and a long text") {
    CHECK(re::text::encode_whole(Archetype(), "") == Ids{99});
    CHECK(re::text::encode_whole(Archetype(), "ab") == Ids{'a', 'b', 99});
    CHECK(re::text::encode_whole(Archetype(), std::string(100000, 'x')).size() == 100001);
  }
}
