#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/call_key.hpp>
#include <reasonembed/remixer/cost_ledger.hpp>
#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Whether the answers of a journal are taken for the model's.
enum class JournalUse : bool {
  kAnswers,  ///< what the journal has is not asked again
  kRecords,  ///< the model is always asked, and its answers replace the journal's: for models that cost nothing
};

/// A language model whose calls are journalled: what the journal has answered is not asked again.
///
/// A call that the journal knows is answered from it, without the model. Every other one goes to the model; how it
/// ended is committed before `done` hears of it, so nothing is acted upon that a kill could take back. What a kill can
/// cost is the calls in flight. Two calls with one key are one: the second waits for the first one's answer.
///
/// Failures are journalled for status, and asked again by the next run.
///
/// Answers that come together are committed together: the model asks for its next call as soon as one is done, and that
/// is when the answers since the last question are committed.
///
/// Models: LanguageModel.
///
/// @tparam M  the model asked; if it has prices(), answers are journalled with what they cost
/// @note      memory: the calls in flight. The journal must outlive this object; several models may share one.
template <LanguageModel M>
class Journaled {
 public:
  Journaled(M model, Journal& journal, JournalUse use = JournalUse::kAnswers)
      : model_(std::move(model)), journal_(&journal), use_(use) {}

  [[nodiscard]] std::string identity() const { return model_.identity(); }
  [[nodiscard]] M& model() { return model_; }
  [[nodiscard]] const M& model() const { return model_; }
  /// @return  calls answered from the journal so far
  [[nodiscard]] std::int64_t found() const { return found_; }

  /// @throws  IoError or DataError of the journal; what `next`, `done` and the model throw
  void run(NextCall next, CallDone done) {
    Run run(*this, next, done);
    model_.run([&] { return run.next(); },
               [&](const ChatCall& call, ChatResult result) { run.done(call, std::move(result)); });
    run.deliver();
  }

 private:
  /// One call of run(): what is in flight, and what has ended and is not committed.
  class Run {
   public:
    Run(Journaled& owner, NextCall next, CallDone done)
        : owner_(owner), journal_(*owner.journal_), identity_(owner.identity()), next_(next), done_(done) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    Run(Run&&) = delete;
    Run& operator=(Run&&) = delete;
    ~Run() {
      try {
        journal_.commit();  // an exception leaves: what was answered before it has been paid
      } catch (...) {
        ended_.clear();  // the exception under way says why
      }
    }

    std::optional<ChatCall> next() {
      deliver();
      while (!exhausted_) {
        std::optional<ChatCall> call = next_();
        if (!call) {
          exhausted_ = true;  // no further question will come, so each answer is committed alone
          break;
        }
        const CallKey key = call_key(identity_, *call);
        std::optional<ChatAnswer> answer;
        if (owner_.use_ == JournalUse::kAnswers && (answer = journal_.take(key, *call))) {
          ++owner_.found_;
          done_(*call, std::move(*answer));
          continue;
        }
        const auto [asked, first] = in_flight_.try_emplace(key);
        if (!first) {
          asked->second.others.push_back(std::move(*call));
          continue;
        }
        asked->second.begun = unix_milliseconds();
        return call;
      }
      return std::nullopt;
    }
    void done(const ChatCall& call, ChatResult result) {
      const CallKey key = call_key(identity_, call);
      const auto asked = in_flight_.find(key);
      REASONEMBED_ASSERT(asked != in_flight_.end());
      const Replace replace = owner_.use_ == JournalUse::kAnswers ? Replace::kFailures : Replace::kAnswers;
      journal_.store(key, identity_, call, result, asked->second.begun, money(result), replace);
      ended_.push_back({call, std::move(result), std::move(asked->second.others)});
      in_flight_.erase(asked);
      if (exhausted_) {
        deliver();
      }
    }
    /// Commits what has ended, and only then tells of it.
    void deliver() {
      journal_.commit();
      const std::vector<Ended> ended = std::exchange(ended_, {});  // `done` may lead here again
      for (const Ended& end : ended) {
        done_(end.call, end.result);
        for (const ChatCall& other : end.others) {
          done_(other, end.result);
        }
      }
    }

   private:
    struct Asked {
      std::int64_t begun = 0;
      std::vector<ChatCall> others = {};  // with the same key
    };
    struct Ended {
      ChatCall call;
      ChatResult result;
      std::vector<ChatCall> others;
    };

    [[nodiscard]] double money(const ChatResult& result) const {
      if constexpr (requires(const M& m) { Prices(m.prices()); }) {
        return result ? owner_.model_.prices().of(result->prompt_tokens, result->completion_tokens) : 0.0;
      }
      return 0.0;
    }

    Journaled& owner_;
    Journal& journal_;
    std::string identity_;
    NextCall next_;
    CallDone done_;
    std::unordered_map<CallKey, Asked, CallKeyHash> in_flight_;
    std::vector<Ended> ended_;
    bool exhausted_ = false;
  };

  M model_;
  Journal* journal_;
  JournalUse use_;
  std::int64_t found_ = 0;
};

}  // namespace reasonembed::remixer
