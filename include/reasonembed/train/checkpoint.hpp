#pragma once
/// @file What a run needs to go on after a kill as if nothing had happened.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/sampler.hpp>
#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/train/option_names.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Where a run stands, apart from weights and moments. All chance is a function of seed and position, so there is no
/// further random state; the loss counts its warm-up by `step`.
struct RunState {
  std::int64_t step = 0;              ///< optimiser steps taken, skipped ones included
  std::int64_t skipped_steps = 0;     ///< whose loss or gradient were no numbers
  std::int64_t skipped_in_a_row = 0;  ///< of these, the last ones
  Index tokens = 0;                   ///< seen so far
  Index missing_reasoning = 0;        ///< times that a query was given intensity 1 for want of a reasoning query
  bool finished = false;              ///< the run has come to its end, or a callback has stopped it
  data::SamplerState sampler = {};    ///< of the batch that comes next

  friend bool operator==(const RunState&, const RunState&) = default;
};

namespace detail {

inline constexpr std::array<std::string_view, 3> kCheckpointNames = {
    "optimizer.safetensors", "state.json", "weights.safetensors"};
inline constexpr std::int64_t kCheckpointFormat = 1;

/// @throws ConfigError if a checkpoint in `directory` would take away something that is none
inline void require_checkpoint_place(const std::filesystem::path& directory) {
  const std::string foreign = io::find_foreign_entry(directory, kCheckpointNames);
  if (!foreign.empty()) {
    throw ConfigError::invalid("train::Checkpoint: " + directory.string(),
                               "content",
                               io::in_quotes(foreign) + ", which a checkpoint would delete",
                               "no directory yet, an empty one, or a checkpoint and nothing else");
  }
}

template <class T>
void add_tensors(const std::vector<nn::ParameterSlice<T>>& slices, std::vector<io::NamedTensor>& tensors) {
  for (const nn::ParameterSlice<T>& slice : slices) {
    tensors.push_back(io::NamedTensor::of(slice.name, MatrixView<const T>(slice.values)));
  }
}

/// @throws DataError if the file has not exactly the tensors that were read
inline void require_tensor_count(const io::SafeTensors& file, std::size_t want) {
  if (const std::size_t got = file.names().size(); got != want) {
    throw DataError::invalid(file.where(), "number of tensors", std::to_string(got), std::to_string(want));
  }
}

}  // namespace detail

/// @return  whether a checkpoint lies in `directory`
[[nodiscard]] inline bool checkpoint_exists(const std::filesystem::path& directory) {
  std::error_code error;
  return std::filesystem::exists(directory / "state.json", error);
}

/// Writes a checkpoint in one step: whoever looks sees the old one or the new one (see io::write_directory_atomically).
///
/// @param options     what the run that goes on must agree with, see require_same_options
/// @param parameters  of the model, by name
/// @param optimizer   state of an optim::Optimizer
/// @throws            IoError if the disk is full or may not be written, ConfigError if the directory holds other
/// files;
///                    the directory is then as it was, which the message says
template <class T, class OptimizerState>
void write_checkpoint(const std::filesystem::path& directory,
                      const RunState& state,
                      const io::Json& options,
                      const std::vector<nn::ParameterSlice<T>>& parameters,
                      const OptimizerState& optimizer) {
  detail::require_checkpoint_place(directory);
  std::vector<io::NamedTensor> weights;
  detail::add_tensors(parameters, weights);
  std::vector<io::NamedTensor> moments;
  optimizer.visit([&](const char* name, std::span<const T> values) {
    moments.push_back(io::NamedTensor::of(std::string(name), values));
  });
  const io::Json json = {
      {"format", detail::kCheckpointFormat},
      {"level", simd::name_of(simd::best_level())},
      {"step", state.step},
      {"skipped_steps", state.skipped_steps},
      {"skipped_in_a_row", state.skipped_in_a_row},
      {"tokens", state.tokens},
      {"missing_reasoning", state.missing_reasoning},
      {"finished", state.finished},
      {"optimizer_steps", std::int64_t{optimizer.steps}},
      {"sampler",
       {{"epoch", state.sampler.epoch}, {"batch", state.sampler.batch}, {"fingerprint", state.sampler.fingerprint}}},
      {"options", options}};
  io::write_directory_atomically(directory, [&](const std::filesystem::path& place) {
    io::write_safetensors(place / "weights.safetensors", weights);
    io::write_safetensors(place / "optimizer.safetensors", moments);
    io::write_json(place / "state.json", json);
  });
}

/// Reads a checkpoint into the parameters and the state of a run that is like the one that wrote it.
///
/// @param options     of this run
/// @param parameters  overwritten
/// @param optimizer   overwritten; of Optimizer::init for the same parameters
/// @param notes       a sentence is added if the checkpoint is of another instruction-set level: the run goes on, with
///                    other roundings than it began with
/// @throws            IoError if a file is missing or cut off; DataError for one that is malformed; ConfigError naming
///                    the first option that differs; ShapeError for a tensor of another shape. What was overwritten by
///                    then is of no use
template <class T, class OptimizerState>
[[nodiscard]] RunState read_checkpoint(const std::filesystem::path& directory,
                                       const io::Json& options,
                                       const std::vector<nn::ParameterSlice<T>>& parameters,
                                       OptimizerState& optimizer,
                                       std::vector<std::string>& notes) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::filesystem::path path = directory / "state.json";
  const io::Json json = io::read_json(path);
  const io::JsonFields fields(json, path.string());
  (void)fields.get_int("format", detail::kCheckpointFormat, detail::kCheckpointFormat);
  require_same_options(path.string() + ": a run with other options", options, fields.get_object("options").json());
  const io::JsonFields sampler = fields.get_object("sampler");
  RunState state{.step = fields.get_int("step", 0, kMost),
                 .skipped_steps = fields.get_int("skipped_steps", 0, kMost),
                 .skipped_in_a_row = fields.get_int("skipped_in_a_row", 0, kMost),
                 .tokens = static_cast<Index>(fields.get_int("tokens", 0, kMost)),
                 .missing_reasoning = static_cast<Index>(fields.get_int("missing_reasoning", 0, kMost)),
                 .finished = fields.get_bool("finished"),
                 .sampler = {.epoch = static_cast<Index>(sampler.get_int("epoch", 0, kMost)),
                             .batch = static_cast<Index>(sampler.get_int("batch", 0, kMost)),
                             .fingerprint = sampler.get_int("fingerprint", 0, kMost)}};
  const auto weights = io::SafeTensors::open(directory / "weights.safetensors");
  const auto moments = io::SafeTensors::open(directory / "optimizer.safetensors");
  detail::require_tensor_count(weights, parameters.size());
  for (const nn::ParameterSlice<T>& slice : parameters) {
    weights.read(slice.name, slice.values);
  }
  optimizer.visit([&](const char* name, std::span<T> values) { moments.read(name, values); });
  optimizer.steps = fields.get_int("optimizer_steps", 0, kMost);
  const std::string level(simd::name_of(simd::best_level()));
  if (const std::string& before = fields.get_string("level"); before != level) {
    notes.push_back(directory.string() + ": written at instruction-set level " + before + ", this is " + level +
                    ": the run goes on with other roundings than it began with");
  }
  return state;
}

}  // namespace reasonembed::train
