#pragma once
/// @file What training asks of the component that puts rows into batches.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/data/training_rows.hpp>

#include <concepts>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Where a sampler stands. A checkpoint stores it, and seek() goes on from there.
struct SamplerState {
  Index epoch = 0;
  Index batch = 0;               ///< batches of the epoch that have been given out
  std::int64_t fingerprint = 0;  ///< of the rows and options that the position belongs to; 0: not known, not checked

  friend bool operator==(const SamplerState&, const SamplerState&) = default;
};

/// Puts training rows into batches, epoch after epoch without end.
///
/// Valid expressions, for `S s`, `const S k`, `typename S::Options options`, `const TrainingRows& rows`,
/// `TrainingBatch& batch`, `SamplerState state`:
///
/// | expression          | result        | meaning |
/// |---------------------|---------------|---------|
/// | `S(rows, options)`  |               | keeps a reference: `rows` outlive the sampler and don't change;        |
/// |                     |               | ConfigError or DataError if not a single batch can be made             |
/// | `options.seed`      | std::uint64_t | what all chance comes from                                             |
/// | `k.epoch_batches()` | Index         | batches of an epoch, >= 1, the same for every epoch                    |
/// | `s.next(batch)`     | void          | fills `batch`, whatever it held, and moves on by one; B >= 1, G >= 1,  |
/// |                     |               | and the parts of the batch have the shapes that TrainingBatch states   |
/// | `k.state()`         | SamplerState  | the position of the batch that comes next; batch < epoch_batches()     |
/// | `s.seek(state)`     | void          | moves to a position; ConfigError if it is none of this sampler         |
///
/// Semantics: the batch at a position is a function of rows, options and position alone. Whoever seeks to a state gets,
/// bit for bit, what an uninterrupted sampler would have given.
template <class S>
concept Sampler =
    std::constructible_from<S, const TrainingRows&, typename S::Options> &&
    requires(S& s, const S& k, typename S::Options& options, TrainingBatch& batch, const SamplerState& state) {
      { options.seed } -> std::same_as<std::uint64_t&>;
      { k.epoch_batches() } -> std::same_as<Index>;
      { k.state() } -> std::same_as<SamplerState>;
      { s.seek(state) } -> std::same_as<void>;
      { s.next(batch) } -> std::same_as<void>;
    };

}  // namespace reasonembed::data
