#pragma once
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/pooling.hpp>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

}  // namespace detail

/// A text encoder of any published family and pooling, chosen by what its directory says: for programs whose user
/// brings the model. Whoever knows the model writes its TextEncoder type, which also trains and saves.
///
/// Models: retrieval::TextEmbedder for Cpu<float>.
///
/// @tparam B  backend; the ten encoders are compiled where `load` is called, and nowhere else
/// @note  movable; const functions are safe from many threads; the vectors are those of the TextEncoder, to the bit
template <nn::NeuralKernels B = backend::Cpu<float>>
class AnyTextEncoder {
 public:
  using Scalar = typename B::Scalar;

  /// @param directory  of Hugging Face or sentence-transformers
  /// @param options    how the encoder runs
  /// @param said       what the directory does not say
  /// @param pooling    mean, cls or lasttoken, for a directory that does not say it; what both say must agree
  /// @throws           as TextEncoder::load; ConfigError if nobody says the pooling, or it is none that published
  ///                   models of the family have
  [[nodiscard]] static AnyTextEncoder load(const std::filesystem::path& directory,
                                           const TextEncoderOptions& options = {},
                                           const DirectoryOptions& said = {},
                                           std::string_view pooling = "") {
    const EncoderDescription description = read_encoder_description(directory, said);
    if (!pooling.empty() && !description.pooling.empty() && pooling != description.pooling) {
      throw ConfigError::invalid(directory.string(), "pooling", description.pooling, std::string(pooling));
    }
    const std::string chosen(description.pooling.empty() ? pooling : std::string_view(description.pooling));
    AnyTextEncoder encoder;
    const Request request{directory, options, said, description.family.architecture};
    if (chosen == nn::Mean::name) {
      encoder.choose(request, detail::DecodersWithPooling<nn::Mean, BertEncoder<nn::kDynamic, nn::Mean>>());
    } else if (chosen == nn::Cls::name) {
      encoder.choose(request, detail::EncoderList<BertEncoder<nn::kDynamic, nn::Cls>>());
    } else if (chosen == nn::LastToken::name) {
      encoder.choose(request, detail::DecodersWithPooling<nn::LastToken>());
    } else {
      throw ConfigError::invalid(
          directory.string(), "pooling", chosen.empty() ? "said by nobody" : chosen, "mean, cls or lasttoken");
    }
    if (encoder.held_ == nullptr) {
      throw ConfigError::invalid(directory.string(),
                                 "pooling",
                                 chosen + " of a " + std::string(description.family.model_type),
                                 "mean; cls of the BERT family, lasttoken of decoders");
    }
    return encoder;
  }

  /// @return  D, the width of a vector
  [[nodiscard]] Index dim() const { return held_->dim(); }
  [[nodiscard]] const Role& query_role() const { return held_->query_role(); }
  [[nodiscard]] const Role& document_role() const { return held_->document_role(); }
  [[nodiscard]] const ThreadPool& pool() const { return held_->pool(); }

  /// See TextEncoder::encode.
  Index encode(const Role& role,
               std::span<const std::string_view> texts,
               MatrixView<Scalar> out,
               Progress* progress = nullptr) const {
    return held_->encode(role, texts, out, progress);
  }
  /// @return  (B, D)
  [[nodiscard]] Matrix<Scalar> encode_query(std::span<const std::string_view> texts,
                                            Progress* progress = nullptr) const {
    return encode_all(query_role(), texts, progress);
  }
  /// @return  (N, D)
  [[nodiscard]] Matrix<Scalar> encode_document(std::span<const std::string> texts, Progress* progress = nullptr) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return encode_all(document_role(), views, progress);
  }

 private:
  struct Request {
    const std::filesystem::path& directory;
    const TextEncoderOptions& options;
    const DirectoryOptions& said;
    const std::string& architecture;
  };
  /// What is called once for a batch of texts, never within a computation.
  struct Held {
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Held(Held&&) = delete;
    Held& operator=(Held&&) = delete;
    virtual ~Held() = default;
    [[nodiscard]] virtual Index dim() const = 0;
    [[nodiscard]] virtual const Role& query_role() const = 0;
    [[nodiscard]] virtual const Role& document_role() const = 0;
    [[nodiscard]] virtual const ThreadPool& pool() const = 0;
    virtual Index encode(const Role& role,
                         std::span<const std::string_view> texts,
                         MatrixView<Scalar> out,
                         Progress* progress) const = 0;
  };
  template <class Encoder>
  struct Holds final : Held {
    explicit Holds(TextEncoder<Encoder, B> given) : model(std::move(given)) {}
    [[nodiscard]] Index dim() const override { return model.dim(); }
    [[nodiscard]] const Role& query_role() const override { return model.query_role(); }
    [[nodiscard]] const Role& document_role() const override { return model.document_role(); }
    [[nodiscard]] const ThreadPool& pool() const override { return model.pool(); }
    Index encode(const Role& role,
                 std::span<const std::string_view> texts,
                 MatrixView<Scalar> out,
                 Progress* progress) const override {
      return model.encode(role, texts, out, progress);
    }
    TextEncoder<Encoder, B> model;
  };

  AnyTextEncoder() = default;

  template <class... Encoders>
  void choose(const Request& request, detail::EncoderList<Encoders...>) {
    (void)(load_if_fits<Encoders>(request) || ...);
  }
  template <class Encoder>
  bool load_if_fits(const Request& request) {
    if (Encoder::architecture() != request.architecture) {
      return false;
    }
    held_ = std::make_unique<Holds<Encoder>>(
        TextEncoder<Encoder, B>::load(request.directory, request.options, request.said));
    return true;
  }

  Matrix<Scalar> encode_all(const Role& role, std::span<const std::string_view> texts, Progress* progress) const {
    Matrix<Scalar> out(static_cast<Index>(texts.size()), dim());
    encode(role, texts, out.view(), progress);
    return out;
  }

  std::unique_ptr<Held> held_;
};

}  // namespace reasonembed::model
