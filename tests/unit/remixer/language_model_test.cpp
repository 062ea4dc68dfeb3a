#include <reasonembed/remixer/language_model.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;

namespace {

/// The smallest language model: says how many messages it was given.
struct Counter {
  [[nodiscard]] std::string identity() const { return "counter"; }
  void run(re::remixer::NextCall next, re::remixer::CallDone done) {
    while (const std::optional<re::remixer::ChatCall> call = next()) {
      done(*call, re::remixer::ChatAnswer{.text = std::to_string(call->messages.size())});
    }
  }
};
static_assert(re::remixer::LanguageModel<Counter>);

struct Silent {
  [[nodiscard]] std::string identity() const { return "silent"; }
};
static_assert(!re::remixer::LanguageModel<Silent>);

}  // namespace

TEST_SUITE("remixer/language_model") {
  TEST_CASE("run: every call ends once") {
    Counter model;
    std::uint64_t asked = 0;
    std::vector<std::string> answers;
    model.run(
        [&]() -> std::optional<re::remixer::ChatCall> {
          return asked == 3 ? std::nullopt
                            : std::optional(re::remixer::ChatCall{
                                  .id = asked++, .messages = std::vector<re::remixer::ChatMessage>(asked)});
        },
        [&](const re::remixer::ChatCall& call, re::remixer::ChatResult result) {
          CHECK(call.id == answers.size());
          answers.push_back(result.value().text);
        });
    CHECK(answers.size() == 3);
  }
}
