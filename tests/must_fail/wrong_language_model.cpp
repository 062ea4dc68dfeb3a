// expected-error: LanguageModel
#include <reasonembed/remixer/record_replay.hpp>

#include <filesystem>
#include <string>

namespace re = reasonembed;

/// Gives its answers back as a list instead of as they come: nothing could be recorded or journalled on the way.
struct Model {
  [[nodiscard]] std::string identity() const { return "model"; }
#if MUST_FAIL
  std::vector<re::remixer::ChatResult> run(const std::vector<re::remixer::ChatCall>&) { return {}; }
#else
  void run(re::remixer::NextCall, re::remixer::CallDone) {}
#endif
};

int main() {
  re::remixer::Recorded<Model> model(Model(), std::filesystem::path("answers.jsonl"));
  return model.identity().empty() ? 0 : 1;
}
