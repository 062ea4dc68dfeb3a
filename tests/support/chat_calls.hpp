#pragma once
/// @file Calls for tests of language models, and what became of them.
#include <reasonembed/remixer/language_model.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test {

inline reasonembed::remixer::ChatCall chat_call(std::uint64_t id,
                                                const std::string& prompt,
                                                const std::string& stage = "annotate") {
  return {.id = id, .stage = stage, .messages = {{.role = "user", .content = prompt}}};
}

/// `count` calls with different prompts.
inline std::vector<reasonembed::remixer::ChatCall> chat_calls(std::uint64_t count,
                                                              const std::string& stage = "annotate") {
  std::vector<reasonembed::remixer::ChatCall> calls;
  for (std::uint64_t i = 0; i < count; ++i) {
    calls.push_back(chat_call(i, "question " + std::to_string(i), stage));
  }
  return calls;
}

/// Runs calls to their end. @return  results by id; a call that ends twice, or as another call, throws
template <class Model>
std::map<std::uint64_t, reasonembed::remixer::ChatResult> run_calls(
    Model& model, const std::vector<reasonembed::remixer::ChatCall>& calls) {
  std::map<std::uint64_t, reasonembed::remixer::ChatResult> results;
  std::size_t given = 0;
  model.run(
      [&]() -> std::optional<reasonembed::remixer::ChatCall> {
        return given == calls.size() ? std::nullopt : std::optional(calls[given++]);
      },
      [&](const reasonembed::remixer::ChatCall& call, reasonembed::remixer::ChatResult result) {
        if (!(call == calls.at(call.id)) || !results.emplace(call.id, std::move(result)).second) {
          throw std::logic_error("call " + std::to_string(call.id) + " ends twice, or as another");
        }
      });
  return results;
}

/// The end of one call.
template <class Model>
reasonembed::remixer::ChatResult run_call(Model& model, const std::string& prompt = "a question") {
  return run_calls(model, {chat_call(0, prompt)}).at(0);
}

/// A model that answers from a function, in windows of `in_flight` calls that end in reverse order; counts its calls.
struct FunctionModel {
  std::function<reasonembed::remixer::ChatResult(const reasonembed::remixer::ChatCall&)> answer;
  std::size_t in_flight = 1;
  std::vector<std::string> asked = {};  ///< prompts, in the order of asking

  [[nodiscard]] std::string identity() const { return "function"; }
  void run(reasonembed::remixer::NextCall next, reasonembed::remixer::CallDone done) {
    std::vector<reasonembed::remixer::ChatCall> window;
    for (bool more = true; more;) {
      while (more && window.size() < in_flight) {
        std::optional<reasonembed::remixer::ChatCall> call = next();
        more = call.has_value();
        if (call) {
          asked.push_back(call->messages.back().content);
          window.push_back(*std::move(call));
        }
      }
      while (!window.empty()) {
        const reasonembed::remixer::ChatCall call = std::move(window.back());
        window.pop_back();
        done(call, answer(call));
      }
    }
  }
};
static_assert(reasonembed::remixer::LanguageModel<FunctionModel>);

}  // namespace test
