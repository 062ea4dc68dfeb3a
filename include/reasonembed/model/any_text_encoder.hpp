#pragma once
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/encoder_choice.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/static_encoder.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/pooling.hpp>

#include <concepts>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A text encoder of any published family and pooling, or of static embeddings, chosen by what its directory says: for
/// programs whose user brings the model. Whoever knows the model writes its TextEncoder type, which also trains and
/// saves.
///
/// Models: retrieval::TextEmbedder for Cpu<float>.
///
/// @tparam B  backend; the ten encoders are compiled where `load` is called, and nowhere else
/// @note  movable; const functions are safe from many threads; the vectors are those of the TextEncoder or
///        StaticEncoder, to the bit
template <nn::NeuralKernels B = backend::Cpu<float>>
class AnyTextEncoder {
 public:
  using Scalar = typename B::Scalar;

  /// @param directory  of Hugging Face or sentence-transformers
  /// @param options    how the encoder runs
  /// @param said       what the directory does not say; its families are for transformers alone
  /// @param pooling    mean, cls or lasttoken, for a directory that does not say it; what both say must agree
  /// @throws           as TextEncoder::load; ConfigError if nobody says the pooling, or it is none that published
  ///                   models of the family have
  [[nodiscard]] static AnyTextEncoder load(const std::filesystem::path& directory,
                                           const TextEncoderOptions& options = {},
                                           const DirectoryOptions& said = {},
                                           std::string_view pooling = "") {
    AnyTextEncoder encoder;
    if (is_static_directory(directory)) {
      encoder.held_ = hold_static(directory, options, said, pooling);
      return encoder;
    }
    const EncoderDescription description = read_encoder_description(directory, said);
    with_encoder_type(directory, description, pooling, [&]<class Encoder>() {
      encoder.held_ =
          std::make_unique<Holds<TextEncoder<Encoder, B>>>(TextEncoder<Encoder, B>::load(directory, options, said));
    });
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
  /// @tparam Model  TextEncoder or StaticEncoder
  template <class Model>
  struct Holds final : Held {
    explicit Holds(Model given) : model(std::move(given)) {}
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
    Model model;
  };

  AnyTextEncoder() = default;

  static std::unique_ptr<Held> hold_static(const std::filesystem::path& directory,
                                           const TextEncoderOptions& options,
                                           const DirectoryOptions& said,
                                           std::string_view pooling) {
    if constexpr (std::same_as<Scalar, float>) {
      if (!pooling.empty() && pooling != nn::Mean::name) {
        throw ConfigError::invalid(
            directory.string(), "pooling", std::string(pooling), "mean, the only one of static embeddings");
      }
      if (said.query_max_tokens != said.document_max_tokens) {
        throw ConfigError::invalid(directory.string(),
                                   "query_max_tokens",
                                   std::to_string(said.query_max_tokens),
                                   "document_max_tokens " + std::to_string(said.document_max_tokens) +
                                       ": static embeddings have one limit for both");
      }
      (void)Contract::find(directory, options.verify);  // they have none, which Verify::kFull refuses
      return std::make_unique<Holds<StaticEncoder>>(StaticEncoder::load(directory,
                                                                        {.threads = options.threads,
                                                                         .normalize = said.normalize,
                                                                         .max_tokens = said.query_max_tokens,
                                                                         .query_prompt = said.query_prompt,
                                                                         .document_prompt = said.document_prompt,
                                                                         .truncate_dim = options.truncate_dim}));
    } else {
      throw ConfigError::invalid(directory.string(), "backend", "not of float32", "Cpu<float> for static embeddings");
    }
  }

  Matrix<Scalar> encode_all(const Role& role, std::span<const std::string_view> texts, Progress* progress) const {
    Matrix<Scalar> out(static_cast<Index>(texts.size()), dim());
    encode(role, texts, out.view(), progress);
    return out;
  }

  std::unique_ptr<Held> held_;
};

}  // namespace reasonembed::model
