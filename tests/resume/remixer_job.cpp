// Two stages of calls to a language model with a journal, for remixer_kill_test.py to kill.
// usage: remixer_job DIRECTORY URL CALLS
//
// The second stage's prompts hold the first one's answers. Leaves DIRECTORY/journal.sqlite and DIRECTORY/rows.jsonl;
// started again, it goes on.
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/remixer/http_language_model.hpp>
#include <reasonembed/remixer/journaled.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using Model = re::remixer::Journaled<re::remixer::HttpLanguageModel>;

namespace {

/// @return  the answers to `prompts`, in their order
std::vector<std::string> ask(Model& model, const std::string& stage, const std::vector<std::string>& prompts) {
  std::vector<std::string> answers(prompts.size());
  std::size_t given = 0;
  model.run(
      [&]() -> std::optional<re::remixer::ChatCall> {
        if (given == prompts.size()) {
          return std::nullopt;
        }
        re::remixer::ChatCall call{
            .id = given, .stage = stage, .messages = {{.role = "user", .content = prompts[given]}}};
        ++given;
        return call;
      },
      [&](const re::remixer::ChatCall& call, re::remixer::ChatResult result) {
        if (!result) {
          throw re::Error(result.error().message);
        }
        answers[call.id] = std::move(result->text);
      });
  return answers;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: remixer_job DIRECTORY URL CALLS\n");
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  re::remixer::Journal journal(directory / "journal.sqlite");
  Model model(re::remixer::HttpLanguageModel({.model = {.name = "test-model"},
                                              .http = {.url = argv[2], .key_environment = "", .proxy = ""},
                                              .retry = {.retries = 20, .first_wait = 0.01, .longest_wait = 0.1},
                                              .prices = {.prompt = 1.0, .completion = 4.0}}),
              journal);
  std::vector<std::string> prompts;
  for (int i = 0; i < std::atoi(argv[3]) / 2; ++i) {
    prompts.push_back("write " + std::to_string(i));
  }
  const std::vector<std::string> queries = ask(model, "write", prompts);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    prompts[i] = "annotate " + queries[i];
  }
  const std::vector<std::string> notes = ask(model, "annotate", prompts);
  std::string rows;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    rows += re::io::dump_json({{"query", queries[i]}, {"note", notes[i]}}, -1) + "\n";
  }
  re::io::write_file_atomically(directory / "rows.jsonl", rows);
  std::printf("%lld requests, %lld answers found\n",
              static_cast<long long>(model.model().counts().requests),
              static_cast<long long>(model.found()));
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
