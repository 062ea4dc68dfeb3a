#include <reasonembed/model/token_model_json.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using Ids = std::vector<std::int32_t>;

namespace {

/// The ids of one word by the model of a file.
Ids encoded(const Json& model, std::string_view word) {
  const Json file = {{"model", model}};
  re::text::TokenScratch scratch;
  Ids ids;
  std::visit([&](const auto& m) { m.encode_word(word, scratch, [&](std::int32_t id) { ids.push_back(id); }); },
             re::model::detail::token_model_of(JsonFields(file, "file")));
  return ids;
}

template <class Expected>
void check_refused(const Json& model, const std::string& message) {
  const std::string shown = model.dump();
  CAPTURE(shown);
  CHECK_THROWS_WITH_AS((void)encoded(model, "a"), ("file: " + message).c_str(), Expected);
}

Json changed(Json json, const char* pointer, const Json& value) {
  json[Json::json_pointer(pointer)] = value;
  return json;
}

const Json kBpe = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"abb", 3}, {"<0xC3>", 4}, {"<0xA9>", 5}}},
                   {"merges", Json::array({"a b", "ab b"})}};
const Json kUnigram = re::io::parse_json(R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
  "vocab": [["<unk>", 0.0], ["a", -1.5], ["ab", -2], ["<0xC3>", -9.0], ["<0xA9>", -9.0]]})",
                                         "test");
const Json kWordPiece = {{"type", "WordPiece"},
                         {"unk_token", "?"},
                         {"continuing_subword_prefix", "##"},
                         {"max_input_chars_per_word", 3},
                         {"vocab", {{"?", 0}, {"a", 1}, {"##b", 2}}}};

}  // namespace

TEST_SUITE("model/token_model_json") {
  TEST_CASE("token_model_of: BPE with merges as texts or pairs") {
    CHECK(encoded(kBpe, "abb") == Ids{3});
    CHECK(encoded(kBpe, "bab") == Ids{1, 2});
    CHECK(encoded(changed(kBpe, "/merges", Json::array({Json::array({"a", "b"}), Json::array({"ab", "b"})})), "abb") ==
          Ids{3});
    CHECK(encoded(changed(kBpe, "/merges", Json::array({"#version: 0.2", "a b"})), "abb") == Ids{2, 1});
    CHECK(encoded(changed(kBpe, "/merges", Json::array()), "ab") == Ids{0, 1});
  }

  TEST_CASE("token_model_of: the options of BPE arrive") {
    CHECK(encoded(kBpe, "x\u00E9").empty());
    CHECK(encoded(changed(kBpe, "/byte_fallback", true), "x\u00E9") == Ids{4, 5});
    CHECK(encoded(changed(kBpe, "/unk_token", "b"), "xx") == Ids{1, 1});
    CHECK(encoded(changed(changed(kBpe, "/unk_token", "b"), "/fuse_unk", true), "xx") == Ids{1});
    const Json without = changed(kBpe, "/merges", Json::array());
    CHECK(encoded(changed(without, "/ignore_merges", true), "abb") == Ids{3});
    CHECK(encoded(changed(kBpe, "/dropout", 0.0), "abb") == Ids{3});
    const Json marked = {{"type", "BPE"},
                         {"continuing_subword_prefix", "#"},
                         {"end_of_word_suffix", "."},
                         {"vocab", {{"a", 0}, {"#b.", 1}, {"ab.", 2}}},
                         {"merges", Json::array({"a #b."})}};
    CHECK(encoded(marked, "ab") == Ids{2});
  }

  TEST_CASE("token_model_of: Unigram and WordPiece with their options") {
    CHECK(encoded(kUnigram, "ab") == Ids{2});
    CHECK(encoded(kUnigram, "a\u00E9") == Ids{1, 0});
    CHECK(encoded(changed(kUnigram, "/byte_fallback", true), "a\u00E9") == Ids{1, 3, 4});
    CHECK(encoded(changed(kUnigram, "/unk_id", 4), "x") == Ids{4});
    CHECK(encoded(kWordPiece, "abb") == Ids{1, 2, 2});
    CHECK(encoded(kWordPiece, "abbb") == Ids{0});
  }

  TEST_CASE("token_model_of: guesses the type of early files") {
    for (Json model : {kBpe, kUnigram, kWordPiece}) {
      const Ids expected = encoded(model, "ab");
      model.erase("type");
      CHECK(encoded(model, "ab") == expected);
    }
    check_refused<re::ConfigError>({{"vocab", Json::object()}},
                                   "model.type is missing, expected BPE, Unigram or WordPiece");
  }

  TEST_CASE("token_model_of: names what is not supported") {
    check_refused<re::ConfigError>({{"type", "WordLevel"}},
                                   "model.type is \"WordLevel\", expected BPE, Unigram or WordPiece");
    check_refused<re::ConfigError>(changed(kBpe, "/dropout", 0.5),
                                   "model.dropout is 0.500000, expected none, for ids that do not depend on chance");
    check_refused<re::ConfigError>(changed(kBpe, "/unk_token", "<unk>"),
                                   "unknown token \"<unk>\" is missing, expected a token of the vocabulary");
    check_refused<re::ConfigError>(changed(kUnigram, "/unk_id", 5), "unk_id is 5, expected 0 to 4");
  }

  TEST_CASE("token_model_of: names a merge that is none") {
    const auto merge = [](const Json& value) { return changed(kBpe, "/merges/1", value); };
    check_refused<re::DataError>(merge("ab"), "model.merges[1] is \"\\\"ab\\\"\", expected two tokens");
    check_refused<re::DataError>(merge("a b c"), "model.merges[1] is \"\\\"a b c\\\"\", expected two tokens");
    check_refused<re::DataError>(merge(Json::array({"a"})), "model.merges[1] is \"[\\\"a\\\"]\", expected two tokens");
    check_refused<re::DataError>(merge(3), "model.merges[1] is \"3\", expected two tokens");
    check_refused<re::DataError>(merge("a c"), "model.merges[1] is \"a c\", expected tokens of model.vocab, not \"c\"");
    check_refused<re::DataError>(merge("b a"),
                                 "model.merges[1] is \"b a\", expected tokens of model.vocab, not \"ba\"");
  }

  TEST_CASE("token_model_of: names a vocabulary with a hole, a duplicate or a wrong entry") {
    const auto vocabulary = [](const Json& value) { return changed(kBpe, "/vocab", value); };
    check_refused<re::DataError>(vocabulary({{"a", 0}, {"b", 2}}),
                                 "model.vocab[\"b\"] is 2, expected the id of a token, 0 to 1 without holes");
    check_refused<re::DataError>(vocabulary({{"a", 0}, {"b", 0}}),
                                 "model.vocab[\"b\"] is 0, which is also the id of \"a\", expected different ids");
    check_refused<re::DataError>(vocabulary({{"a", "x"}}),
                                 "model.vocab[\"a\"] is \"x\", expected the id of a token, 0 to 0 without holes");
    check_refused<re::DataError>(changed(kUnigram, "/vocab/1", Json::array({"a"})),
                                 "model.vocab[1] is \"[\\\"a\\\"]\", expected [token, score]");
    check_refused<re::DataError>(changed(kUnigram, "/vocab/2", Json::array({"a", -2.0})),
                                 "token 2 is \"a\", which is also token 1, expected different tokens");
    check_refused<re::DataError>(changed(kUnigram, "/vocab/1", Json::array({"", -2.0})),
                                 "token 1 is empty, expected a token: ids leave no holes");
    check_refused<re::DataError>(changed(kUnigram, "/unk_id", nullptr),
                                 "model.unk_id is null, expected an integer in [0, 2147483647]");
  }

  TEST_CASE("score_as_read: divides the digits by a power of ten") {
    using re::model::detail::score_as_read;
    CHECK(score_as_read(0.0) == 0.0);
    CHECK(score_as_read(-2.0) == -2.0);
    CHECK(score_as_read(-3.46354) == -3.46354);  // few digits: both roundings are one
    CHECK(score_as_read(123456.0) == 123456.0);
    CHECK(score_as_read(1e22) == 1e22);
    CHECK(score_as_read(1e-300) == 1e-300);
    CHECK(score_as_read(5e-324) == 5e-324);
    CHECK(score_as_read(std::numeric_limits<double>::max()) <= std::numeric_limits<double>::max());
  }

  TEST_CASE("score_as_read: is off by at most one rounding") {
    double value = 1.0;
    int different = 0;
    for (int i = 0; i < 2000; ++i) {
      value = std::fmod(value * 7.123456789012345 + 0.3183098861837907, 20.0);
      const double read = re::model::detail::score_as_read(-value);
      different += read == -value ? 0 : 1;
      // The digits as u64 round once, the quotient again: 2^-53 each, relative.
      CHECK(std::abs(read + value) <= value * 2.3e-16);
    }
    CHECK(different > 0);
  }

  TEST_CASE("power_of_ten: is the nearest double") {
    CHECK(re::model::detail::power_of_ten(0) == 1.0);
    CHECK(re::model::detail::power_of_ten(22) == 1e22);
    CHECK(re::model::detail::power_of_ten(308) == 1e308);
  }
}
