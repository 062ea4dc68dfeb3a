#pragma once
/// @file A language model whose answers are a function of the call, given in any order.
#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// Keeps `in_flight` calls and ends them in an order that `order` draws.
class ScriptedModel {
 public:
  using Answer = std::function<reasonembed::remixer::ChatResult(const reasonembed::remixer::ChatCall&)>;

  explicit ScriptedModel(Answer answer, std::size_t in_flight = 1, std::uint64_t order = 0)
      : answer_(std::move(answer)), in_flight_(in_flight), random_(order) {}

  [[nodiscard]] std::string identity() const { return "scripted"; }

  void run(reasonembed::remixer::NextCall next, reasonembed::remixer::CallDone done) {
    ++runs;
    std::vector<reasonembed::remixer::ChatCall> open;
    bool more = true;
    while (more || !open.empty()) {
      while (more && open.size() < in_flight_) {
        std::optional<reasonembed::remixer::ChatCall> call = next();
        more = call.has_value();
        if (call) {
          calls.push_back(*call);
          open.push_back(std::move(*call));
        }
      }
      if (!open.empty()) {
        const std::size_t which = random_.below(open.size());
        const reasonembed::remixer::ChatCall call = open[which];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
        done(call, answer_(call));
      }
    }
  }

  std::vector<reasonembed::remixer::ChatCall> calls = {};  ///< all that were taken, in their order
  int runs = 0;

 private:
  Answer answer_;
  std::size_t in_flight_;
  reasonembed::RandomStream random_;
};
static_assert(reasonembed::remixer::LanguageModel<ScriptedModel>);

/// A usable answer.
inline reasonembed::remixer::ChatResult says(std::string text) {
  return reasonembed::remixer::ChatAnswer{.text = std::move(text), .prompt_tokens = 10, .completion_tokens = 3};
}
/// A call that failed.
inline reasonembed::remixer::ChatResult fails(reasonembed::remixer::CallFault fault) {
  return reasonembed::Unexpected<reasonembed::remixer::CallFailure>(
      reasonembed::remixer::CallFailure{fault, "test: status is 500, expected 200"});
}

/// What a prompt holds between `<name>` and `</name>`, each on a line of its own.
inline std::string tagged(const reasonembed::remixer::ChatCall& call, const std::string& name) {
  const std::string& text = call.messages.back().content;
  const std::size_t begin = text.find("<" + name + ">\n") + name.size() + 3;
  return text.substr(begin, text.find("\n</" + name + ">", begin) - begin);
}

}  // namespace test
