#pragma once
/// @file From what a directory says to the type of its encoder.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/pooling.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// Types of encoders to choose from.
template <class... Encoders>
struct EncoderList {};

/// Llama's composition is Qwen2's too.
template <nn::Pooling Pool, class... More>
using DecodersWithPooling = EncoderList<Qwen3Encoder<nn::kDynamic, Pool>,
                                        BidirectionalQwen3Encoder<nn::kDynamic, Pool>,
                                        LlamaEncoder<nn::kDynamic, Pool>,
                                        BidirectionalLlamaEncoder<nn::kDynamic, Pool>,
                                        More...>;

/// @return  whether one of the list has the architecture, and `f` was called with it
template <class F, class... Encoders>
bool call_with_encoder(const std::string& architecture, EncoderList<Encoders...>, F& f) {
  const auto call = [&]<class Encoder>(EncoderList<Encoder>) {
    if (Encoder::architecture() != architecture) {
      return false;
    }
    f.template operator()<Encoder>();
    return true;
  };
  return (call(EncoderList<Encoders>()) || ...);
}

}  // namespace detail

/// Calls `f.template operator()<Encoder>()` with the encoder that a directory describes: one of the ten that published
/// models are, so `f` is compiled ten times.
///
/// @param directory    for messages
/// @param description  of the directory
/// @param pooling      mean, cls or lasttoken, for a directory that does not say it; what both say must agree
/// @throws             ConfigError if nobody says the pooling, or it is none that published models of the family have
template <class F>
void with_encoder_type(const std::filesystem::path& directory,
                       const EncoderDescription& description,
                       std::string_view pooling,
                       F&& f) {
  if (!pooling.empty() && !description.pooling.empty() && pooling != description.pooling) {
    throw ConfigError::invalid(directory.string(), "pooling", description.pooling, std::string(pooling));
  }
  const std::string chosen(description.pooling.empty() ? pooling : std::string_view(description.pooling));
  const std::string& architecture = description.family.architecture;
  bool called = false;
  if (chosen == nn::Mean::name) {
    called = detail::call_with_encoder(
        architecture, detail::DecodersWithPooling<nn::Mean, BertEncoder<nn::kDynamic, nn::Mean>>(), f);
  } else if (chosen == nn::Cls::name) {
    called = detail::call_with_encoder(architecture, detail::EncoderList<BertEncoder<nn::kDynamic, nn::Cls>>(), f);
  } else if (chosen == nn::LastToken::name) {
    called = detail::call_with_encoder(architecture, detail::DecodersWithPooling<nn::LastToken>(), f);
  } else {
    throw ConfigError::invalid(
        directory.string(), "pooling", chosen.empty() ? "said by nobody" : chosen, "mean, cls or lasttoken");
  }
  if (!called) {
    throw ConfigError::invalid(directory.string(),
                               "pooling",
                               chosen + " of a " + std::string(description.family.model_type),
                               "mean; cls of the BERT family, lasttoken of decoders");
  }
}

}  // namespace reasonembed::model
