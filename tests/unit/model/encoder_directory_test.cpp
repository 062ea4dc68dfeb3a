#include <reasonembed/model/encoder_directory.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::model::DirectoryOptions;
using re::model::EncoderDescription;
using re::model::read_encoder_description;
using test::changed;
using test::kBertConfigJson;
using test::kQwen3ConfigJson;

namespace {

constexpr std::string_view kModules = R"([
{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
{"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
])";
constexpr std::string_view kMeanPooling = R"({
"word_embedding_dimension": 8,
"pooling_mode_cls_token": false,
"pooling_mode_mean_tokens": true,
"pooling_mode_max_tokens": false
})";
constexpr std::string_view kPrompts = R"({
"prompts": {"query": "query: ", "passage": "text: ", "other": "o: "},
"default_prompt_name": null
})";

using Files = std::vector<std::pair<std::string, std::string>>;

/// A BERT as sentence-transformers saves it, some files replaced or added.
Files bert_files(const Files& others = {}) {
  Files files = {{"config.json", std::string(kBertConfigJson)},
                 {"modules.json", std::string(kModules)},
                 {"1_Pooling/config.json", std::string(kMeanPooling)}};
  files.insert(files.end(), others.begin(), others.end());  // written last, so they hold
  return files;
}
EncoderDescription described(const Files& files, const DirectoryOptions& said = {}) {
  const test::Scratch scratch;
  for (const auto& [name, content] : files) {
    test::write_file(scratch, name, content);
  }
  return read_encoder_description(scratch.path(), said);
}
template <class Error>
void check_files_refused(const Files& files, const std::string& message, const DirectoryOptions& said = {}) {
  const test::Scratch scratch;
  for (const auto& [name, content] : files) {
    test::write_file(scratch, name, content);
  }
  test::check_refused<Error>(scratch, [&] { (void)read_encoder_description(scratch.path(), said); }, message);
}
/// A bare directory.
Files bare_files() {
  return {{"config.json", std::string(kBertConfigJson)}};
}
std::string changed_pooling(std::string_view part, std::string_view by) {
  return changed(kMeanPooling, part, by);
}

}  // namespace

TEST_SUITE("model/encoder_directory") {
  TEST_CASE("read_encoder_description: a bare directory is normalised, and cut at the model's longest") {
    const EncoderDescription bert = described({{"config.json", std::string(kBertConfigJson)}});
    CHECK(bert.family.model_type == "bert");
    CHECK(bert.config.dim == 8);
    CHECK(bert.options.norm_eps == 1e-12);
    CHECK(bert.options.normalize);
    CHECK(bert.pooling.empty());  // whoever loads it decides
    CHECK(bert.query.prompt.empty());
    CHECK(bert.query.max_tokens == 16);
    CHECK(bert.document.max_tokens == 16);
    const EncoderDescription qwen3 = described({{"config.json", std::string(kQwen3ConfigJson)}});
    CHECK(qwen3.family.model_type == "qwen3");
    CHECK(qwen3.config.kv_heads == 2);
  }
  TEST_CASE("read_encoder_description: modules say pooling and normalisation") {
    const EncoderDescription normalized = described(bert_files());
    CHECK(normalized.pooling == "mean");
    CHECK(normalized.options.normalize);
    const EncoderDescription plain =
        described(bert_files({{"modules.json",
                               R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
              {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])"}}));
    CHECK(plain.pooling == "mean");
    CHECK_FALSE(plain.options.normalize);
  }
  TEST_CASE("read_encoder_description: module types are known by their last name, wherever they live") {
    const EncoderDescription other = described(bert_files(
        {{"modules.json",
          R"([{"type": "Transformer"}, {"type": "a.b.Pooling", "path": "1_Pooling"}, {"type": "Normalize"}])"}}));
    CHECK(other.pooling == "mean");
    CHECK(other.options.normalize);
  }
  TEST_CASE("read_encoder_description: every pooling the library has is known under both spellings") {
    for (const auto& [flag, name] : {std::pair{"pooling_mode_mean_tokens", "mean"},
                                     std::pair{"pooling_mode_cls_token", "cls"},
                                     std::pair{"pooling_mode_lasttoken", "lasttoken"}}) {
      CAPTURE(name);
      const std::string flags = "{\"" + std::string(flag) + "\": true}";
      CHECK(described(bert_files({{"1_Pooling/config.json", flags}})).pooling == name);
      const std::string word = "{\"pooling_mode\": \"" + std::string(name) + "\", \"include_prompt\": true}";
      CHECK(described(bert_files({{"1_Pooling/config.json", word}})).pooling == name);
    }
  }
  TEST_CASE("read_encoder_description: a pooling the library lacks is refused") {
    check_files_refused<re::ConfigError>(
        bert_files({{"1_Pooling/config.json",
                     changed_pooling("\"pooling_mode_max_tokens\": false", "\"pooling_mode_max_tokens\": true")}}),
        "1_Pooling/config.json: pooling_mode_max_tokens is true, expected mean, cls or last token pooling");
    check_files_refused<re::ConfigError>(bert_files({{"1_Pooling/config.json", R"({"pooling_mode": "max"})"}}),
                                         "1_Pooling/config.json: pooling_mode is max, expected mean, cls or lasttoken");
    check_files_refused<re::ConfigError>(
        bert_files({{"1_Pooling/config.json",
                     changed_pooling("\"pooling_mode_cls_token\": false", "\"pooling_mode_cls_token\": true")}}),
        "1_Pooling/config.json: pooling_mode_mean_tokens is true beside cls, expected one pooling");
    check_files_refused<re::ConfigError>(
        bert_files({{"1_Pooling/config.json",
                     changed_pooling("\"pooling_mode_mean_tokens\": true", "\"pooling_mode_mean_tokens\": false")}}),
        "1_Pooling/config.json: pooling mode is none, expected one of mean, cls, lasttoken");
    check_files_refused<re::ConfigError>(
        bert_files({{"1_Pooling/config.json", R"({"pooling_mode": "mean", "include_prompt": false})"}}),
        "1_Pooling/config.json: include_prompt is false, expected true");
  }
  TEST_CASE("read_encoder_description: a module the library lacks is refused") {
    check_files_refused<re::ConfigError>(
        bert_files({{"modules.json", changed(kModules, "models.Normalize", "models.Dense")}}),
        "modules.json: type is sentence_transformers.models.Dense, expected Transformer, Pooling or Normalize");
  }
  TEST_CASE("read_encoder_description: a transformer in a folder of its own is refused") {
    check_files_refused<re::ConfigError>(
        bert_files({{"modules.json", changed(kModules, "\"path\": \"\"", "\"path\": \"0_Transformer\"")}}),
        "modules.json: path of the Transformer is 0_Transformer, expected \"\", this directory itself");
  }
  TEST_CASE("read_encoder_description: of a bare directory the caller says the rest") {
    const EncoderDescription said = described(bare_files(),
                                              {.normalize = false,
                                               .query_prompt = "query: ",
                                               .document_prompt = "passage: ",
                                               .query_max_tokens = 5,
                                               .document_max_tokens = 16});
    CHECK_FALSE(said.options.normalize);
    CHECK(said.query.prompt == "query: ");
    CHECK(said.document.prompt == "passage: ");
    CHECK(said.query.max_tokens == 5);
    CHECK(said.document.max_tokens == 16);
    CHECK(described(bare_files(), {.normalize = true}).options.normalize);
    const EncoderDescription half = described(bare_files(), {.query_prompt = "q: ", .document_max_tokens = 3});
    CHECK(half.document.prompt.empty());
    CHECK(half.query.max_tokens == 16);
    CHECK(half.document.max_tokens == 3);
  }
  TEST_CASE("read_encoder_description: caller and directory may say the same, and an empty prompt says nothing") {
    const std::string file = "config_sentence_transformers.json";
    const Files files = bert_files({{file, std::string(kPrompts)}});
    const EncoderDescription same =
        described(files, {.normalize = true, .query_prompt = "query: ", .document_prompt = "text: "});
    CHECK(same.query.prompt == "query: ");
    const Files empty = bert_files({{file, R"({"prompts": {"query": "", "document": ""}})"}});
    CHECK(described(empty, {.query_prompt = "q: "}).query.prompt == "q: ");
  }
  TEST_CASE("read_encoder_description: what caller and directory say differently is refused by name") {
    const std::string file = "config_sentence_transformers.json";
    const Files files = bert_files({{file, std::string(kPrompts)}});
    check_files_refused<re::ConfigError>(
        files, ": normalize is false, expected true, as modules.json says", {.normalize = false});
    check_files_refused<re::ConfigError>(
        bert_files({{"modules.json", R"([{"type": "Transformer"}, {"type": "a.Pooling", "path": "1_Pooling"}])"}}),
        ": normalize is true, expected false, as modules.json says",
        {.normalize = true});
    check_files_refused<re::ConfigError>(files,
                                         ": query_prompt is \"other: \", expected \"query: \", as the directory says",
                                         {.query_prompt = "other: "});
    check_files_refused<re::ConfigError>(
        files, ": query_prompt is \"\", expected \"query: \", as the directory says", {.query_prompt = ""});
    check_files_refused<re::ConfigError>(
        files, ": document_prompt is \"d\", expected \"text: \", as the directory says", {.document_prompt = "d"});
  }
  TEST_CASE("read_encoder_description: a caller's limit shortens the directory's") {
    const Files files = bert_files({{"sentence_bert_config.json", R"({"max_seq_length": 9})"}});
    CHECK(described(files, {.query_max_tokens = 9}).query.max_tokens == 9);
    CHECK(described(files, {.query_max_tokens = 1}).query.max_tokens == 1);
    check_files_refused<re::ConfigError>(
        files, ": query_max_tokens is 10, expected 1..9, the directory's limit", {.query_max_tokens = 10});
    check_files_refused<re::ConfigError>(bare_files(),
                                         ": document_max_tokens is 17, expected 1..16, the directory's limit",
                                         {.document_max_tokens = 17});
    check_files_refused<re::ConfigError>(bare_files(),
                                         ": document_max_tokens is -1, expected 1..16, the directory's limit",
                                         {.document_max_tokens = -1});
  }
  TEST_CASE("read_encoder_description: every family is read from its config.json") {
    for (const auto& [json, type] : {std::pair{test::kXlmRobertaConfigJson, "xlm-roberta"},
                                     std::pair{test::kQwen2ConfigJson, "qwen2"},
                                     std::pair{test::kLlamaConfigJson, "llama"}}) {
      const EncoderDescription found = described({{"config.json", std::string(json)}});
      CHECK(found.family.model_type == type);
      CHECK(found.config.valid());
    }
    const std::string whole = changed(test::kQwen2ConfigJson, "\"hidden_act\"", "\"is_causal\": false, \"hidden_act\"");
    CHECK(described({{"config.json", whole}}).family.architecture ==
          "token>pre_norm(rms_norm,bidirectional_attention(rope),swiglu)");
  }
  TEST_CASE("read_encoder_description: malformed modules are refused") {
    check_files_refused<re::DataError>(bert_files({{"modules.json", "{}"}}),
                                       "modules.json: JSON value is object, expected an array of modules");
    check_files_refused<re::DataError>(bert_files({{"modules.json", "[1]"}}),
                                       "modules.json: JSON value is 1, expected an object");
    check_files_refused<re::DataError>(bert_files({{"modules.json", R"([{"path": "0"}])"}}),
                                       "modules.json: type is missing, expected a string");
    const test::Scratch scratch;
    scratch.write("config.json", kBertConfigJson);
    scratch.write("modules.json", kModules);  // and no 1_Pooling
    CHECK_THROWS_AS((void)read_encoder_description(scratch.path()), re::IoError);
  }
  TEST_CASE("read_encoder_description: sentence_bert_config.json shortens the inputs of both roles") {
    const EncoderDescription shorter =
        described(bert_files({{"sentence_bert_config.json", R"({"max_seq_length": 9, "do_lower_case": false})"}}));
    CHECK(shorter.query.max_tokens == 9);
    CHECK(shorter.document.max_tokens == 9);
    CHECK(shorter.config.max_length == 16);
    CHECK(described(bert_files({{"sentence_bert_config.json", R"({"max_seq_length": null})"}})).query.max_tokens == 16);
    check_files_refused<re::DataError>(
        bert_files({{"sentence_bert_config.json", R"({"max_seq_length": 17})"}}),
        "sentence_bert_config.json: max_seq_length is 17, expected an integer in [1, 16]");
    check_files_refused<re::ConfigError>(bert_files({{"sentence_bert_config.json", R"({"do_lower_case": true})"}}),
                                         "sentence_bert_config.json: do_lower_case is true, expected false");
  }
  TEST_CASE("read_encoder_description: without a limit of its own, a directory is cut where its tokenizer is") {
    const std::string file = "tokenizer_config.json";
    CHECK(described(bert_files({{file, R"({"model_max_length": 7})"}})).query.max_tokens == 7);
    CHECK(described({{"config.json", std::string(kBertConfigJson)}, {file, R"({"model_max_length": 7})"}})
              .document.max_tokens == 7);
    CHECK(described(bert_files({{file, R"({"model_max_length": 512})"}})).query.max_tokens == 16);
    CHECK(
        described(bert_files({{file, R"({"model_max_length": 1000000000000000019884624838656})"}})).query.max_tokens ==
        16);
    CHECK(described(bert_files({{file, "{}"}})).query.max_tokens == 16);
    CHECK(described(bert_files({{file, R"({"model_max_length": 7})"},
                                {"sentence_bert_config.json", R"({"transformer_task": "feature-extraction"})"}}))
              .query.max_tokens == 7);
    CHECK(described(bert_files({{file, R"({"model_max_length": 7})"},
                                {"sentence_bert_config.json", R"({"max_seq_length": 9})"}}))
              .query.max_tokens == 9);
    check_files_refused<re::DataError>(bert_files({{file, R"({"model_max_length": 0})"}}),
                                       "tokenizer_config.json: model_max_length is 0, expected a number >= 1.0");
  }
  TEST_CASE("read_encoder_description: limits that differ between roles are kept under a name of our own") {
    const std::string file = "config_sentence_transformers.json";
    const EncoderDescription roles =
        described(bert_files({{"sentence_bert_config.json", R"({"max_seq_length": 12})"},
                              {file, R"({"reasonembed": {"max_seq_length": {"query": 5, "document": 12}}})"}}));
    CHECK(roles.query.max_tokens == 5);
    CHECK(roles.document.max_tokens == 12);
    CHECK(described(bert_files({{file, R"({"reasonembed": {}})"}})).query.max_tokens == 16);
    check_files_refused<re::DataError>(
        bert_files({{file, R"({"reasonembed": {"max_seq_length": {"query": 17, "document": 1}}})"}}),
        file + ": reasonembed.max_seq_length.query is 17, expected an integer in [1, 16]");
    check_files_refused<re::DataError>(bert_files({{file, R"({"reasonembed": {"max_seq_length": {"query": 3}}})"}}),
                                       file +
                                           ": reasonembed.max_seq_length.document is missing, expected an integer "
                                           "in [1, 16]");
  }
  TEST_CASE("read_encoder_description: prompts belong to their roles") {
    const std::string file = "config_sentence_transformers.json";
    const EncoderDescription roles = described(bert_files({{file, std::string(kPrompts)}}));
    CHECK(roles.query.prompt == "query: ");
    CHECK(roles.document.prompt == "text: ");
    const EncoderDescription named =
        described(bert_files({{file, R"({"prompts": {"passage": "p: ", "document": "d: ", "corpus": "c: "}})"}}));
    CHECK(named.query.prompt.empty());
    CHECK(named.document.prompt == "d: ");
    CHECK(described(bert_files({{file, R"({"prompts": {"corpus": "c: "}})"}})).document.prompt == "c: ");
    CHECK(described(bert_files({{file, R"({"__version__": {}})"}})).query.prompt.empty());
  }
  TEST_CASE("read_encoder_description: the default prompt is for roles without one, and an empty prompt is one") {
    const std::string file = "config_sentence_transformers.json";
    const EncoderDescription some = described(
        bert_files({{file, changed(kPrompts, "\"default_prompt_name\": null", "\"default_prompt_name\": \"other\"")}}));
    CHECK(some.query.prompt == "query: ");
    CHECK(some.document.prompt == "text: ");
    const EncoderDescription none =
        described(bert_files({{file, R"({"prompts": {"other": "o: "}, "default_prompt_name": "other"})"}}));
    CHECK(none.query.prompt == "o: ");
    CHECK(none.document.prompt == "o: ");
    const EncoderDescription empty = described(
        bert_files({{file, R"({"prompts": {"query": "", "other": "o: "}, "default_prompt_name": "other"})"}}));
    CHECK(empty.query.prompt.empty());
    CHECK(empty.document.prompt == "o: ");
    check_files_refused<re::DataError>(
        bert_files({{file, R"({"prompts": {"query": "q: "}, "default_prompt_name": "absent"})"}}),
        file + ": prompts.absent is missing, expected a string");
    check_files_refused<re::DataError>(bert_files({{file, R"({"prompts": {"query": 1}})"}}),
                                       file + ": prompts.query is 1, expected a string");
  }
  TEST_CASE("read_encoder_description: a broken config.json is named with its field") {
    const test::Scratch empty;
    CHECK_THROWS_AS((void)read_encoder_description(empty.path()), re::IoError);
    check_files_refused<re::DataError>({{"config.json", "[]"}},
                                       "config.json: JSON value is an array, expected an object");
    check_files_refused<re::DataError>({{"config.json", "{}"}},
                                       "config.json: model_type is missing, expected a string");
    check_files_refused<re::DataError>({{"config.json", R"({"model_type": 3})"}},
                                       "config.json: model_type is 3, expected a string");
    check_files_refused<re::ConfigError>(
        {{"config.json", R"({"model_type": "t5"})"}},
        "config.json: model_type is t5, expected one of bert, xlm-roberta, qwen3, qwen2, llama");
    check_files_refused<re::DataError>(
        {{"config.json", changed(kBertConfigJson, "\"hidden_size\": 8", "\"hidden_size\": null")}},
        "config.json: hidden_size is null, expected an integer in [1, 1048576]");
    check_files_refused<re::ConfigError>({{"config.json", changed(kBertConfigJson, "\"gelu\"", "\"relu\"")}},
                                         "config.json: hidden_act is relu, expected gelu");
  }
}
