#include <reasonembed/model/tokenizer_config.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using re::model::detail::added_tokens_of_config;
using re::model::detail::token_of;

namespace {

const Json kVocabulary = {{"a", 0}, {"<s>", 1}, {"</s>", 2}, {"<mask>", 3}};

Json added(const Json& config, bool mask_lstrip = false) {
  return added_tokens_of_config(JsonFields(config, "config"), kVocabulary, mask_lstrip);
}

/// Contents and ids, one behind the other.
std::string listed(const Json& tokens) {
  std::string out;
  for (const Json& token : tokens) {
    out += token["content"].get<std::string>() + "=" + token["id"].dump() + " ";
  }
  return out;
}

Json decoder_entry(const char* content, bool special = true) {
  return {{"content", content},
          {"lstrip", false},
          {"normalized", false},
          {"rstrip", true},
          {"single_word", false},
          {"special", special}};
}

}  // namespace

TEST_SUITE("model/tokenizer_config") {
  TEST_CASE("token_of: a text, an object with its content, or the default") {
    const Json config = {{"a", "<a>"}, {"b", {{"content", "<b>"}, {"lstrip", true}}}, {"c", nullptr}, {"d", 3}};
    const JsonFields fields(config, "config");
    CHECK(token_of(fields, "a", "x") == "<a>");
    CHECK(token_of(fields, "b", "x") == "<b>");
    CHECK(token_of(fields, "c", "x") == "x");
    CHECK(token_of(fields, "e", "x") == "x");
    CHECK_THROWS_WITH_AS((void)token_of(fields, "d", "x"), "config: d is 3, expected a string", re::DataError);
  }

  TEST_CASE("added_tokens_of_config: the decoder's tokens by id, with their flags") {
    const Json config = {
        {"added_tokens_decoder",
         {{"10", decoder_entry("<x>")}, {"9", decoder_entry("<y>", false)}, {"100", decoder_entry("<z>")}}}};
    const Json tokens = added(config);
    CHECK(listed(tokens) == "<y>=9 <x>=10 <z>=100 ");
    CHECK(tokens[0]["special"] == false);
    CHECK(tokens[0]["rstrip"] == true);
    CHECK(tokens[1]["special"] == true);
  }

  TEST_CASE("added_tokens_of_config: roles name tokens of the vocabulary where no decoder does") {
    const Json config = {{"bos_token", "<s>"},
                         {"cls_token", "<s>"},
                         {"eos_token", {{"content", "</s>"}}},
                         {"mask_token", "<mask>"},
                         {"pad_token", nullptr}};
    CHECK(listed(added(config)) == "<s>=1 </s>=2 <mask>=3 ");
    CHECK(added(config)[2]["lstrip"] == false);
    CHECK(added(config, true)[2]["lstrip"] == true);
    CHECK(added(config, true)[1]["lstrip"] == false);
    CHECK(added(config)[0]["normalized"] == false);
    CHECK(added(config)[0]["special"] == true);
    CHECK(added(Json::object()) == Json::array());
  }

  TEST_CASE("added_tokens_of_config: a token of the decoder keeps its flags, whatever its role") {
    const Json config = {{"added_tokens_decoder", {{"3", decoder_entry("<mask>")}}}, {"mask_token", "<mask>"}};
    const Json tokens = added(config, true);
    CHECK(listed(tokens) == "<mask>=3 ");
    CHECK(tokens[0]["lstrip"] == false);
    CHECK(tokens[0]["rstrip"] == true);
  }

  TEST_CASE("added_tokens_of_config: names what has no id") {
    CHECK_THROWS_WITH_AS(
        (void)added({{"bos_token", "<bos>"}}),
        "config: bos_token is \"<bos>\", expected a token of added_tokens_decoder or of the vocabulary",
        re::ConfigError);
    for (const char* key : {"x", "", "-1", "1x", "99999999999999999999"}) {
      Json decoder = Json::object();
      decoder[key] = decoder_entry("<x>");
      CHECK_THROWS_WITH_AS((void)added({{"added_tokens_decoder", decoder}}),
                           ("config: added_tokens_decoder is \"" + std::string(key) + "\", expected ids").c_str(),
                           re::DataError);
    }
    CHECK_THROWS_WITH_AS((void)added({{"added_tokens_decoder", {{"1", Json::object()}}}}),
                         "config: added_tokens_decoder.1.content is missing, expected a string",
                         re::DataError);
  }
}
