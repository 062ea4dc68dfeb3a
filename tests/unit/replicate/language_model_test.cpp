#include "replicate/language_model.hpp"

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using replicate::make_language_model;
using replicate::ModelConfig;
using replicate::open_journal;
using replicate::read_toml;
using replicate::TomlSection;

#ifdef REPLICATE_HAS_REMIXER

namespace {

ModelConfig read(const std::string& text, ModelConfig config = {}) {
  const test::Scratch scratch;
  const toml::table table = read_toml(scratch.write("c.toml", text));
  TomlSection section(table, "c.toml", "model");
  read_model(section, config);
  return config;
}

rx::ChatCall question(std::uint64_t id) {
  return {.id = id, .stage = "s", .messages = {{"user", std::to_string(id)}}};
}

/// The texts of the answers to questions 0, 1, ..., nothing for those that failed.
std::vector<std::optional<std::string>> ask(rx::AnyLanguageModel& model, std::uint64_t count) {
  std::vector<std::optional<std::string>> texts(count);
  std::uint64_t asked = 0;
  model.run(
      [&]() -> std::optional<rx::ChatCall> { return asked == count ? std::nullopt : std::optional(question(asked++)); },
      [&](const rx::ChatCall& call, rx::ChatResult result) {
        if (result) {
          texts[call.id] = result->text;
        }
      });
  return texts;
}

}  // namespace

#endif

TEST_SUITE("replicate/language_model") {
#ifdef REPLICATE_HAS_REMIXER
  TEST_CASE("read_model: every key of an endpoint") {
    const ModelConfig config = read(
        "name = \"m\"\nurl = \"http://localhost/v1\"\nkey_environment = \"KEY\"\nkey_header = \"api-key: \"\n"
        "ca_file = \"ca.pem\"\nproxy = \"\"\nproxy_login_environment = \"LOGIN\"\nin_flight = 3\nconnect_timeout = 1\n"
        "total_timeout = 2\nslow_seconds = 3\nslow_bytes_per_second = 4\nlargest_answer = 5\nretries = 6\n"
        "bad_answer_retries = 7\nfirst_wait = 8\nlongest_wait = 9\nlongest_told = 10\nrequests_per_minute = 11\n"
        "tokens_per_minute = 12\nburst_seconds = 13\nprice_prompt = 0.5\nprice_completion = 1.5\n"
        "max_tokens_name = \"max_completion_tokens\"\nextra = \"{}\"\nrecord = \"r.jsonl\"\n");
    CHECK(config.kind == replicate::ModelKind::kHttp);
    CHECK(config.http.model == rx::ChatModelOptions{"m", "max_completion_tokens", "{}"});
    CHECK(config.http.http ==
          rx::HttpOptions{"http://localhost/v1", "KEY", "api-key: ", "ca.pem", "", "LOGIN", 3, 1.0, 2.0, 3.0, 4.0, 5});
    CHECK(config.http.retry == rx::RetryOptions{6, 7, 8.0, 9.0, 10.0, 0});
    CHECK(config.http.rate_limit == rx::RateLimitOptions{11.0, 12.0, 13.0});
    CHECK(config.http.prices == rx::Prices{0.5, 1.5});
    CHECK(config.record == "r.jsonl");
  }

  TEST_CASE("read_model: a stage's own table changes what it says, and keeps the rest") {
    const ModelConfig file = read("name = \"large\"\nurl = \"http://localhost/v1\"\n");
    const ModelConfig stage = read("name = \"small\"\n", file);
    CHECK(stage.http.model.name == "small");
    CHECK(stage.http.http.url == "http://localhost/v1");
    CHECK_THROWS_WITH_AS((void)read("nmae = \"x\"\n"),
                         "c.toml:1: key is \"model.nmae\", expected \"model.name\" or another known one",
                         re::ConfigError);
    CHECK_THROWS_AS((void)read("kind = \"smtp\"\n"), re::ConfigError);
  }

  TEST_CASE("make_language_model: a recording is replayed without server, and the journal follows the recording") {
    const test::Scratch scratch;
    const std::string key = rx::hex_of(rx::call_key("m", question(0)));
    const auto journal = open_journal(scratch / "j.sqlite");
    for (const char* text : {"said before", "said better"}) {
      const std::string path =
          scratch.write("r.jsonl",
                        "{\"format\": \"reasonembed recording 1\", \"model\": \"m\"}\n{\"key\": \"" + key +
                            "\", \"stage\": \"s\", \"text\": \"" + text + "\"}\n");
      const ModelConfig config = read("kind = \"replay\"\nreplay = [\"" + path + "\"]\n");
      rx::AnyLanguageModel model = make_language_model(config, "task", journal);
      CHECK(ask(model, 2) == std::vector<std::optional<std::string>>{text, std::nullopt});
      CHECK(journal->find(rx::call_key("m", question(0))).value().text == text);
    }
  }

  TEST_CASE("make_language_model: batch files of each task have a directory of their own") {
    const test::Scratch scratch;
    const auto journal = open_journal(scratch / "j.sqlite");
    const ModelConfig config =
        read("kind = \"batch\"\nname = \"m\"\nrequests = \"" + (scratch / "batch").string() + "\"\n");
    for (const char* task : {"a", "b"}) {
      rx::AnyLanguageModel model = make_language_model(config, task, journal);
      CHECK(ask(model, 1) == std::vector<std::optional<std::string>>{std::nullopt});
      CHECK(std::filesystem::exists(scratch / "batch" / task / "requests-0001.jsonl"));
    }
  }

  TEST_CASE("make_language_model: what nobody answers is journalled as a failure; status can be read meanwhile") {
    const test::Scratch scratch;
    const auto journal = open_journal(scratch / "j.sqlite");
    const ModelConfig config = read(
        "name = \"m\"\nurl = \"http://127.0.0.1:9/v1\"\nkey_environment = \"\"\nretries = 0\nconnect_timeout = 1\n"
        "record = \"" +
        (scratch / "r.jsonl").string() + "\"\n");
    rx::AnyLanguageModel model = make_language_model(config, "task", journal);
    CHECK(ask(model, 2) == std::vector<std::optional<std::string>>{std::nullopt, std::nullopt});
    CHECK_NOTHROW(replicate::print_status(scratch / "j.sqlite"));
    CHECK(journal->status().front().failed.at(rx::CallFault::kConnection) == 2);
    CHECK_THROWS_AS(replicate::print_status(scratch / "missing.sqlite"), re::Error);
  }
#else
  TEST_CASE("make_language_model: a program built without libcurl and SQLite says so") {
    CHECK(open_journal("nowhere") == nullptr);
    CHECK_THROWS_WITH_AS(
        (void)make_language_model({}, "task", nullptr),
        "reasonembed: this program is built without libcurl and SQLite, expected one that can ask language "
        "models",
        re::ConfigError);
    CHECK_THROWS_AS(replicate::print_status("nowhere"), re::ConfigError);
  }
#endif
}
