#pragma once
/// @file What an encoder takes of memory, before it is loaded.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/backend/planned.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/planned_kernels.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// Bytes that an encoder takes while it serves; what its program, tokenizer and results take comes on top.
struct MemoryPlan {
  std::size_t weights = 0;      ///< packed projections, tables, gains and biases
  std::size_t activations = 0;  ///< of one chunk in every thread

  [[nodiscard]] std::size_t total() const { return weights + activations; }
};

/// Plans by running the encoder's own code on a backend that computes nothing.
///
/// @tparam B            Cpu<float>, Cpu<bf16> or Cpu<double>
/// @param threads       at least 1
/// @param chunk_tokens  TextEncoderOptions::chunk_tokens: as many tokens as one thread computes together, in texts of
///                      the greatest length; a single longer text takes more
/// @throws ConfigError if there is no thread or no token; std::bad_alloc if a chunk's activations have no place in the
///         address space
/// @note   takes memory neither for weights nor for activations, but for those of one head of attention
template <class B, class Encoder>
[[nodiscard]] MemoryPlan plan_memory(const Encoder& encoder, int threads, Index chunk_tokens) {
  if (threads < 1 || chunk_tokens < 1) {
    throw ConfigError::invalid("model::plan_memory",
                               threads < 1 ? "threads" : "chunk_tokens",
                               std::to_string(threads < 1 ? threads : chunk_tokens),
                               "at least 1");
  }
  using Planned = backend::Planned<B>;
  nn::PlanningAllocator<B> allocator;
  const auto parameters = encoder.allocate(allocator);
  Arena arena;
  {
    const ArenaScope scope(arena);
    const Index longest = std::min<Index>(chunk_tokens, encoder.config().max_length);
    const Index texts = (chunk_tokens + longest - 1) / longest;
    const std::span<std::int32_t> tokens = arena.allocate<std::int32_t>(chunk_tokens);
    const std::span<std::int32_t> offsets = arena.allocate<std::int32_t>(texts + 1);
    std::fill(tokens.begin(), tokens.end(), 0);
    for (Index text = 0; text <= texts; ++text) {
      offsets[static_cast<std::size_t>(text)] = static_cast<std::int32_t>(std::min(text * longest, chunk_tokens));
    }
    nn::Context<Planned> context{.arena = arena, .batch = {.tokens = tokens, .offsets = offsets}};
    Matrix<typename B::Scalar> embeddings(texts, encoder.dim());
    nn::Nothing nothing;
    encoder.forward(context, parameters, embeddings.view(), nothing);
  }
  return {allocator.bytes(), arena.peak() * static_cast<std::size_t>(threads)};
}

/// Plans for what a model directory describes.
///
/// @return  nothing for an architecture that no published family has
template <class B = backend::Cpu<float>>
[[nodiscard]] std::optional<MemoryPlan> plan_memory(const EncoderDescription& description,
                                                    int threads,
                                                    Index chunk_tokens) {
  std::optional<MemoryPlan> plan;
  const auto try_encoder = [&]<class Encoder>(std::type_identity<Encoder>) {
    if (!plan && Encoder::architecture() == description.family.architecture) {
      plan = plan_memory<B>(Encoder(description.config, description.options), threads, chunk_tokens);
    }
  };
  try_encoder(std::type_identity<BertEncoder<>>());
  try_encoder(std::type_identity<Qwen3Encoder<>>());
  try_encoder(std::type_identity<BidirectionalQwen3Encoder<>>());
  try_encoder(std::type_identity<LlamaEncoder<>>());
  try_encoder(std::type_identity<BidirectionalLlamaEncoder<>>());
  return plan;
}

}  // namespace reasonembed::model
