// Asks a server of chat completions and prints how the calls ended, as JSON. usage: ask_server URL MODEL CALLS JOURNAL
//
// The key is in the environment variable REASONEMBED_TEST_KEY.
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/http_language_model.hpp>
#include <reasonembed/remixer/journaled.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

namespace re = reasonembed;

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: ask_server URL MODEL CALLS JOURNAL\n");
    return 2;
  }
  re::remixer::Journal journal(argv[4]);
  re::remixer::HttpLanguageModel::Options options{.model = {.name = argv[2]}, .retry = {.retries = 2}};
  options.http = {.url = argv[1], .key_environment = "REASONEMBED_TEST_KEY", .proxy = "", .in_flight = 8};
  re::remixer::Journaled model(re::remixer::HttpLanguageModel(options), journal);
  const std::uint64_t calls = std::strtoull(argv[3], nullptr, 10);
  std::uint64_t given = 0;
  re::io::Json ends = re::io::Json::object();
  std::string message;
  std::int64_t bytes = 0;
  model.run(
      [&]() -> std::optional<re::remixer::ChatCall> {
        if (given == calls) {
          return std::nullopt;
        }
        re::remixer::ChatCall call{.id = given, .stage = "ask", .sampling = {.temperature = 0.7, .max_tokens = 24}};
        call.sampling.seed = static_cast<std::int64_t>(given);
        call.messages = {{.role = "system", .content = "You answer."},
                         {.role = "user", .content = "Question " + std::to_string(given) + ": why \"\xC3\xA9\"?"}};
        ++given;
        return call;
      },
      [&](const re::remixer::ChatCall&, re::remixer::ChatResult result) {
        const std::string end(result ? name_of(result->finish) : name_of(result.error().fault));
        ends[end] = ends.value(end, 0) + 1;
        bytes += result ? static_cast<std::int64_t>(result->text.size()) : 0;
        message = result ? message : result.error().message;
      });
  const re::remixer::Usage usage = model.model().ledger().total();
  std::printf("%s\n",
              re::io::dump_json({{"ends", ends},
                                 {"bytes", bytes},
                                 {"message", message},
                                 {"found", model.found()},
                                 {"requests", model.model().counts().requests},
                                 {"prompt_tokens", usage.prompt_tokens},
                                 {"completion_tokens", usage.completion_tokens}},
                                -1)
                  .c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
