#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Any language model behind one type, for programs that learn from a file which one it is.
///
/// Models: LanguageModel.
///
/// @note  movable; one virtual call a run, none a question
class AnyLanguageModel {
 public:
  /// @param model   models LanguageModel
  /// @param keeper  kept as long as the model, for what it must not outlive, such as a journal
  template <LanguageModel M>
    requires(!std::same_as<M, AnyLanguageModel>)
  // NOLINTNEXTLINE(google-explicit-constructor): holding any model is the point of the class
  AnyLanguageModel(M model, std::shared_ptr<void> keeper = nullptr)
      : keeper_(std::move(keeper)), held_(std::make_unique<Holds<M>>(std::move(model))) {}

  [[nodiscard]] std::string identity() const { return held_->identity(); }
  void run(NextCall next, CallDone done) { held_->run(next, done); }

 private:
  struct Held {
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Held(Held&&) = delete;
    Held& operator=(Held&&) = delete;
    virtual ~Held() = default;
    [[nodiscard]] virtual std::string identity() const = 0;
    virtual void run(NextCall next, CallDone done) = 0;
  };
  template <class M>
  struct Holds final : Held {
    explicit Holds(M given) : model(std::move(given)) {}
    [[nodiscard]] std::string identity() const override { return model.identity(); }
    void run(NextCall next, CallDone done) override { model.run(next, done); }
    M model;
  };

  std::shared_ptr<void> keeper_;  // before the model, which is then destroyed first
  std::unique_ptr<Held> held_;
};
static_assert(LanguageModel<AnyLanguageModel>);

}  // namespace reasonembed::remixer
