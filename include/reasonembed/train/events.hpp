#pragma once
/// @file What a run tells those who watch it.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// A run begins, or goes on.
struct RunStart {
  std::int64_t first_step = 0;   ///< steps taken before: not 0 if the run goes on from a checkpoint
  std::int64_t total_steps = 0;  ///< of the whole run
  std::int64_t epoch_steps = 0;  ///< batches of an epoch
  Index rows = 0;                ///< to learn from
  Index parameters = 0;
  /// Sentences on what is unusual but no error: rows left out, rows without reasoning, another instruction-set level.
  std::vector<std::string> notes = {};
  io::Json options = {};  ///< all options by name
};

/// A step was taken. Spans live during the call.
struct StepReport {
  std::int64_t step = 0;                     ///< steps taken so far, this one included: >= 1
  std::int64_t total_steps = 0;              ///< of the whole run
  double epoch = 0.0;                        ///< share of the rows visited so far, 1 after the first visit
  double loss = 0.0;                         ///< nats
  bool measured = false;                     ///< whether intensities were measured: reasoning queries were encoded
  double mean_intensity = 1.0;               ///< over the batch
  double lr = 0.0;                           ///< learning rate of this step
  double gradient_norm = 0.0;                ///< before clipping
  bool skipped = false;                      ///< loss or gradient were no numbers, and the weights stayed as they were
  Index queries = 0;                         ///< B
  Index documents = 0;                       ///< B G
  Index false_negatives = 0;                 ///< documents of the batch that answer a query whose negatives they are
  Index missing_reasoning = 0;               ///< queries given intensity 1 because they have no reasoning query
  Index truncated = 0;                       ///< texts whose end had no place
  Index tokens = 0;                          ///< of all texts; nothing is padded
  double seconds = 0.0;                      ///< wall time of the step
  std::span<const double> losses = {};       ///< (B) nats
  std::span<const double> intensities = {};  ///< (B)
  std::span<const double> weights = {};      ///< (B)
};

/// A checkpoint has reached the disk.
struct CheckpointSaved {
  std::int64_t step = 0;  ///< steps taken so far
  std::string directory = {};
};

/// A run has ended.
struct RunEnd {
  std::int64_t steps = 0;          ///< taken so far, by earlier parts of a resumed run too
  std::int64_t total_steps = 0;    ///< more than `steps` if a callback has stopped the run
  std::int64_t skipped_steps = 0;  ///< whose loss or gradient were no numbers
  Index tokens = 0;                ///< seen in all steps
  Index missing_reasoning = 0;     ///< times that a query was given intensity 1 for want of a reasoning query
  double loss = 0.0;               ///< of the last step, nats; 0 if none was taken now
  double seconds = 0.0;            ///< wall time of this part
};

/// What a callback may answer to a StepReport: kStop ends the run after this step.
enum class Flow : bool { kContinue, kStop };

/// Watches a run: a function object, called with each event it takes.
///
/// Valid expressions, for `C c`, at least one of:
///
/// | expression                          | result       | when                                                   |
/// |-------------------------------------|--------------|--------------------------------------------------------|
/// | `c(const RunStart&)`                |              | before the first step                                  |
/// | `c(const StepReport&)`              | void or Flow | after each step; the model is in a usable state        |
/// | `c(const CheckpointSaved&)`         |              | after a checkpoint                                     |
/// | `c(const RunEnd&)`                  |              | after the last step and checkpoint                     |
///
/// Semantics: called in the order of the arguments of `fit`, on its thread; what it throws ends the run.
template <class C>
concept Callback = std::invocable<C&, const RunStart&> || std::invocable<C&, const StepReport&> ||
                   std::invocable<C&, const CheckpointSaved&> || std::invocable<C&, const RunEnd&>;

namespace detail {

/// Calls `callback` if it takes this event. @return whether it wants to stop
template <class C, class Event>
bool notify(C& callback, const Event& event) {
  if constexpr (std::is_invocable_r_v<Flow, C&, const Event&>) {
    return callback(event) == Flow::kStop;
  } else if constexpr (std::invocable<C&, const Event&>) {
    callback(event);
  }
  return false;
}

/// Calls all of them. @return whether one wants to stop
template <class Event, class... Cs>
bool notify_all(const Event& event, Cs&... callbacks) {
  bool stop = false;
  ((stop = notify(callbacks, event) || stop), ...);
  return stop;
}

}  // namespace detail

}  // namespace reasonembed::train
