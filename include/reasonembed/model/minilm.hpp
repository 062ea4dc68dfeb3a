#pragma once
/// @file The encoder that quick starts begin with, and a stand-in where its weights can't be had.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A pretrained sentence encoder of the BERT family with mean pooling, such as all-MiniLM-L6-v2.
using MiniLm = TextEncoder<BertEncoder<>, backend::Cpu<float>>;

namespace detail {
inline std::filesystem::path environment_path(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Hugging Face's cache: `HF_HUB_CACHE`, else `HF_HOME`/hub, else ~/.cache/huggingface/hub.
inline std::filesystem::path hugging_face_cache() {
  if (const auto hub = environment_path("HF_HUB_CACHE"); !hub.empty()) {
    return hub;
  }
  const auto home = environment_path("HF_HOME");
  return (home.empty() ? environment_path("HOME") / ".cache" / "huggingface" : home) / "hub";
}
}  // namespace detail

/// Looks for all-MiniLM-L6-v2 where it may lie already: `REASONEMBED_MINILM`, ${XDG_CACHE_HOME:-~/.cache}/reasonembed
/// (where `cmake/fetch_minilm.py` puts it), then the local Hugging Face cache.
///
/// @return  a directory that holds config.json and model.safetensors, or nothing
[[nodiscard]] inline std::optional<std::filesystem::path> find_minilm() {
  std::vector<std::filesystem::path> places;
  if (const auto named = detail::environment_path("REASONEMBED_MINILM"); !named.empty()) {
    places.push_back(named);
  }
  const auto cache = detail::environment_path("XDG_CACHE_HOME");
  places.push_back((cache.empty() ? detail::environment_path("HOME") / ".cache" : cache) / "reasonembed" /
                   "all-MiniLM-L6-v2");
  std::error_code ignored;  // a cache that can't be listed holds nothing for us
  const auto snapshots = detail::hugging_face_cache() / "models--sentence-transformers--all-MiniLM-L6-v2" / "snapshots";
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(snapshots, ignored)) {
    found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());  // the order of a directory is the file system's
  places.insert(places.end(), found.begin(), found.end());
  for (const auto& place : places) {
    if (std::filesystem::exists(place / "config.json", ignored) &&
        std::filesystem::exists(place / "model.safetensors", ignored)) {
      return place;
    }
  }
  return std::nullopt;
}

/// A small BERT over bytes with random weights: needs no download, and knows nothing. Its vectors are what an untrained
/// encoder gives.
///
/// @tparam B    a parameter, so that the encoder is compiled where this is called and nowhere else
/// @param seed  the weights are a function of it alone
template <nn::NeuralKernels B = backend::Cpu<float>>
[[nodiscard]] TextEncoder<BertEncoder<>, B> random_byte_encoder(std::uint64_t seed, TextEncoderOptions options = {}) {
  constexpr nn::EncoderConfig kConfig{.vocab = 258,
                                      .dim = 128,
                                      .layers = 2,
                                      .heads = 4,
                                      .kv_heads = 4,
                                      .head_dim = 32,
                                      .mlp_dim = 512,
                                      .max_length = 512,
                                      .qkv_bias = true,
                                      .linear_bias = true};
  const BertEncoder<> encoder(kConfig, {.norm_eps = 1e-12});
  auto weights = random_weights<B>(encoder, seed, 0.02, options.residency);
  return {encoder, std::move(weights), text::ByteTokenizer(), Role{}, Role{}, options};
}

/// The encoder a program starts with: the directory it was given, else all-MiniLM-L6-v2 where it lies already, else
/// random weights; says on stderr which.
///
/// @param directory  a Hugging Face directory, or empty
/// @throws           as TextEncoder::load; a directory that was asked for is never replaced by another model
template <nn::NeuralKernels B = backend::Cpu<float>>
[[nodiscard]] TextEncoder<BertEncoder<>, B> load_or_random_minilm(const std::filesystem::path& directory,
                                                                  TextEncoderOptions options = {}) {
  const std::optional<std::filesystem::path> found = directory.empty() ? find_minilm() : directory;
  if (found) {
    std::fprintf(stderr, "encoder: %s\n", found->c_str());
    return TextEncoder<BertEncoder<>, B>::load(*found, options);
  }
  std::fprintf(stderr,
               "encoder: no weights of all-MiniLM-L6-v2 were found (cmake/fetch_minilm.py fetches them); using a small "
               "RANDOM encoder over bytes, whose scores mean nothing\n");
  return random_byte_encoder<B>(1, options);
}

}  // namespace reasonembed::model
