#include <reasonembed/remixer/any_language_model.hpp>
#include <reasonembed/remixer/ask.hpp>

#include <doctest/doctest.h>

#include "support/scripted_model.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using rx::AnyLanguageModel;

namespace {

/// Can be moved, not copied; says what it was given to say.
class Once {
 public:
  explicit Once(std::unique_ptr<std::string> text) : text_(std::move(text)) {}
  [[nodiscard]] std::string identity() const { return "once"; }
  void run(rx::NextCall next, rx::CallDone done) {
    while (const std::optional<rx::ChatCall> call = next()) {
      done(*call, rx::ChatAnswer{.text = *text_});
    }
  }

 private:
  std::unique_ptr<std::string> text_;
};

std::vector<std::optional<std::string>> ask(AnyLanguageModel& model, re::Index count) {
  rx::StageMonitor monitor;
  return rx::ask(
      model,
      rx::Questions{"stage", count, {}, {}},
      [](re::Index i) { return std::vector<rx::ChatMessage>{{"user", std::to_string(i)}}; },
      [](const rx::ChatAnswer& answer) { return rx::parse_text(answer); },
      monitor);
}

}  // namespace

TEST_SUITE("remixer/any_language_model") {
  TEST_CASE("run: asks the model that it holds") {
    AnyLanguageModel model(Once(std::make_unique<std::string>("said")));
    CHECK(model.identity() == "once");
    CHECK(ask(model, 2) == std::vector<std::optional<std::string>>{"said", "said"});
    model = AnyLanguageModel(
        test::ScriptedModel([](const rx::ChatCall& call) { return test::says("to " + call.messages[0].content); }, 4));
    CHECK(model.identity() == "scripted");
    AnyLanguageModel moved = std::move(model);
    CHECK(ask(moved, 3) == std::vector<std::optional<std::string>>{"to 0", "to 1", "to 2"});
  }

  TEST_CASE("AnyLanguageModel: what the model must not outlive goes after it") {
    auto journal = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = journal;
    struct Reader {
      std::weak_ptr<int> watched;
      [[nodiscard]] std::string identity() const { return watched.expired() ? "gone" : "there"; }
      void run(rx::NextCall /*next*/, rx::CallDone /*done*/) {}
    };
    {
      const AnyLanguageModel model(Reader{watch}, std::move(journal));
      CHECK(model.identity() == "there");
    }
    CHECK(watch.expired());
  }
}
