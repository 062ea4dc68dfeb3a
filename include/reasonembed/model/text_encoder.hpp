#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/model/adapter_set.hpp>
#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/encode_workspace.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/int8_calibration.hpp>
#include <reasonembed/model/lora.hpp>
#include <reasonembed/model/peft_adapter.hpp>
#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/save.hpp>
#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/text/any_tokenizer.hpp>
#include <reasonembed/text/tokenizer.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// How a text encoder runs.
struct TextEncoderOptions {
  int threads = 0;                          ///< threads in all, the caller included; 0 takes one per hardware thread
  Index chunk_tokens = 512;                 ///< tokens computed together by one thread; never changes a vector
  Residency residency = Residency::kServe;  ///< kTrain keeps what training needs
  Verify verify = Verify::kFast;            ///< how much of a directory's vector contract loading checks
  Index truncate_dim = 0;                   ///< encode gives the first numbers of a vector, unit rows again; 0: all
};

/// A random-access sequence of texts: a vector, span or array of std::string or std::string_view.
template <class Texts>
concept TextRange = requires(const Texts& texts, std::size_t i) {
  { texts.size() } -> std::convertible_to<std::size_t>;
  { texts[i] } -> std::convertible_to<std::string_view>;
};

/// An encoder bound to weights, a tokenizer and the roles texts play: texts in, vectors out.
///
/// Text is encoded only through a role, so a prompt can't be lost. A vector's bits depend on its text, role and weights
/// alone: not on the batch around it, its place in it, or the number of threads.
///
/// @tparam Encoder  nn::Encoder of components
/// @tparam B        backend of weights and activations
/// @note   movable. All const functions are safe from many threads. After the first calls on texts of the usual length,
///         `encode` into a caller's matrix allocates nothing.
template <class Encoder, nn::NeuralKernels B>
class TextEncoder {
 public:
  using Description = Encoder;
  using Backend = B;
  using Scalar = typename B::Scalar;
  using Options = TextEncoderOptions;
  using Weights = typename Encoder::template Parameters<nn::WeightLeaf<B>>;
  /// The same encoder on another backend.
  template <nn::NeuralKernels Other>
  using On = TextEncoder<Encoder, Other>;

  /// Puts an encoder together from its parts, e.g. with `random_weights`.
  ///
  /// @throws ConfigError if the tokenizer has ids the encoder has no row for, or an option is impossible
  TextEncoder(
      Encoder encoder, Weights weights, text::AnyTokenizer tokenizer, Role query, Role document, Options options = {})
      : encoder_(std::move(encoder)),
        weights_(std::move(weights)),
        tokenizer_(std::move(tokenizer)),
        query_(checked_role(std::move(query))),
        document_(checked_role(std::move(document))),
        options_(options),
        pool_(std::make_unique<ThreadPool>(options.threads)),
        workspaces_(std::make_unique<EncodeWorkspaces>(pool_->size())) {
    if (tokenizer_.vocab_size() > encoder_.config().vocab) {
      throw ConfigError::invalid("model::TextEncoder",
                                 "size of the tokenizer's vocabulary",
                                 std::to_string(tokenizer_.vocab_size()),
                                 "at most vocab " + std::to_string(encoder_.config().vocab));
    }
    if (options_.chunk_tokens < 1) {
      throw ConfigError::invalid(
          "model::TextEncoder", "chunk_tokens", std::to_string(options_.chunk_tokens), "at least 1");
    }
    if (options_.truncate_dim < 0 || options_.truncate_dim > encoder_.dim()) {
      throw ConfigError::invalid("model::TextEncoder",
                                 "truncate_dim",
                                 std::to_string(options_.truncate_dim),
                                 "1.." + std::to_string(encoder_.dim()) + ", or 0 for all");
    }
  }

  /// Loads a Hugging Face or sentence-transformers directory.
  ///
  /// @param said  what the directory does not say: normalisation, prompts, limits, families of the caller's own
  /// @throws IoError for a missing file, DataError for a malformed one, ConfigError if the directory describes another
  ///         architecture, pooling or size than `Encoder`, NonFiniteError for weights that are no numbers;
  ///         ContractError naming what is not as the directory's vector contract says (see Options::verify)
  [[nodiscard]] static TextEncoder load(const std::filesystem::path& directory,
                                        Options options = {},
                                        const DirectoryOptions& said = {}) {
    const std::optional<Contract> contract = Contract::find(directory, options.verify);
    if (contract) {
      contract->require_files();
    }
    const EncoderDescription description = read_encoder_description(directory, said);
    const std::string where = (directory / "config.json").string();
    if (description.family.architecture != Encoder::architecture()) {
      throw ConfigError::invalid(where,
                                 "architecture of model_type " + std::string(description.family.model_type),
                                 description.family.architecture,
                                 Encoder::architecture());
    }
    if (!description.pooling.empty() && description.pooling != Encoder::Pooling::name) {
      throw ConfigError::invalid(directory.string(), "pooling", description.pooling, Encoder::Pooling::name);
    }
    Encoder encoder(description.config, description.options);
    const auto file = io::ShardedSafeTensors::open(directory);
    Weights weights = load_weights<B>(
        encoder, description.family, file, options.residency, projections_in_bf16<B>(directory, options.verify));
    TextEncoder model(std::move(encoder),
                      std::move(weights),
                      read_tokenizer(directory),
                      description.query,
                      description.document,
                      options);
    if (contract) {
      contract->require_model(model);
    }
    model.source_ = directory.string();
    return model;
  }

  /// Writes the model in the layout of Hugging Face and sentence-transformers; see save_encoder.
  void save(const std::filesystem::path& directory, const SaveOptions& options = {}) const {
    save_encoder(directory, *this, options);
  }

  /// Keeps from now on what gradients need, whatever the residency was; see nn::CpuWeight::make_differentiable.
  void make_trainable() {
    static_assert(!std::same_as<typename B::Store, int8>,
                  "reasonembed::model::TextEncoder: Backend must not quantise what is trained: train with "
                  "backend::Cpu<float> or Cpu<float, bf16>, save, and load the saved model with Cpu<int8>");
    encoder_.visit_weights(weights_, [](auto& weight) { weight.make_differentiable(); });
  }
  /// Makes the model trainable, calls `change(Weights&)`, and packs every projection again.
  ///
  /// @note  not while another thread encodes; one pass over the projections, shared by the pool's threads
  template <class Change>
  void update_weights(Change&& change) {
    make_trainable();
    encoder_.visit_weights(weights_, [](auto& weight) { weight.restore_values(); });
    change(weights_);
    projections_.clear();
    encoder_.visit_weights(weights_, [&](auto& weight) { projections_.push_back(&weight); });
    pool_->for_each(static_cast<Index>(projections_.size()),
                    [&](Index i, int) { projections_[static_cast<std::size_t>(i)]->pack(); });
  }

  /// Puts a LoRA adapter that PEFT or this library has saved beside the weights; see read_peft_adapter. It takes effect
  /// where a role names it (Role::adapter, use_adapter).
  void load_adapter(std::string name, const std::filesystem::path& directory) {
    adapters_.add(std::move(name), read_peft_adapter<B>(directory, family(), nn::adapter_targets(encoder_, weights_)));
  }
  /// A fresh adapter, which changes nothing before it is trained.
  /// @throws ConfigError for a name that is taken, an impossible option, or a target module that there is none of
  void add_adapter(std::string name, const LoraOptions& options = {}, std::uint64_t seed = 42) {
    nn::Adapter<B> adapter(lora_shapes(family(), nn::adapter_targets(encoder_, weights_), options),
                           {.dropout = options.dropout, .rank_stabilized = options.rank_stabilized});
    adapter.initialize(seed);
    adapters_.add(std::move(name), std::move(adapter));
  }
  /// Both roles encode with this adapter from now on; an empty name: with the weights alone.
  /// @throws ConfigError listing the adapters there are
  void use_adapter(std::string_view name) {
    if (!name.empty()) {
      (void)adapters_.get(name);
    }
    query_.adapter = name;
    document_.adapter = name;
  }
  /// Writes an adapter in the layout of PEFT; see write_peft_adapter.
  void save_adapter(std::string_view name, const std::filesystem::path& directory) const {
    write_peft_adapter(directory, adapters_.get(name), family(), source_);
  }
  /// Adds an adapter to the weights for good, and removes it: what was encoded with it is now encoded without a name.
  void merge_adapter(std::string_view name) {
    model::merge_adapter<B>(encoder_, weights_, adapters_.get(name));
    remove_adapter(std::string(name));
  }
  /// Roles that name it encode without it from now on.
  void remove_adapter(const std::string& name) {
    adapters_.remove(name);
    for (Role* role : {&query_, &document_}) {
      role->adapter = role->adapter == name ? "" : role->adapter;
    }
  }
  /// Calls `change(Adapter&)`, and makes encoding use it. @note not while another thread encodes
  template <class Change>
  void update_adapter(std::string_view name, Change&& change) {
    nn::Adapter<B>& adapter = adapters_.get(name);
    change(adapter);
    adapter.pack();
  }
  /// @throws ConfigError listing the adapters there are
  [[nodiscard]] const nn::Adapter<B>& adapter(std::string_view name) const { return adapters_.get(name); }
  [[nodiscard]] std::vector<std::string> adapter_names() const { return adapters_.names(); }

  [[nodiscard]] const Encoder& encoder() const { return encoder_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] const text::AnyTokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const Role& query_role() const { return query_; }
  [[nodiscard]] const Role& document_role() const { return document_; }
  [[nodiscard]] const ThreadPool& pool() const { return *pool_; }
  /// @return  D, the width of a vector: Options::truncate_dim, or all that the encoder has
  [[nodiscard]] Index dim() const { return options_.truncate_dim > 0 ? options_.truncate_dim : encoder_.dim(); }

  /// Appends the ids of one text to `block.ids` as encode() sees them: after the role's prompt, cut at its limit.
  ///
  /// @return  tokens, and how many of the text's end had no place
  /// @throws  DataError if the text is not UTF-8, or has no token
  text::Encoding tokenize(const Role& role, std::string_view text, TokenBlock& block) const {
    if (!role.prompt.empty()) {
      block.prompted.assign(role.prompt).append(text);
      text = block.prompted;
    }
    const text::Encoding encoding = tokenizer_.encode(text, role.max_tokens, block.scratch, block.ids);
    if (encoding.tokens == 0) {
      throw DataError::invalid("model::TextEncoder::tokenize", "text", "empty", "a token");
    }
    return encoding;
  }

  /// @param texts     N texts, UTF-8
  /// @param progress  advanced by the number of texts finished
  /// @return          (N, D), unit rows unless the model says otherwise
  /// @throws          DataError naming the text that is not UTF-8, NonFiniteError naming a text whose vector is no
  /// number
  template <TextRange Texts>
  [[nodiscard]] Matrix<Scalar> encode_query(const Texts& texts, Progress* progress = nullptr) const {
    return encode_all(query_, texts, progress);
  }
  template <TextRange Texts>
  [[nodiscard]] Matrix<Scalar> encode_document(const Texts& texts, Progress* progress = nullptr) const {
    return encode_all(document_, texts, progress);
  }
  [[nodiscard]] Matrix<Scalar> encode_query(std::initializer_list<std::string_view> texts) const {
    return encode_all(query_, std::span(texts.begin(), texts.size()), nullptr);
  }
  [[nodiscard]] Matrix<Scalar> encode_document(std::initializer_list<std::string_view> texts) const {
    return encode_all(document_, std::span(texts.begin(), texts.size()), nullptr);
  }

  /// Encodes into memory of the caller: nothing is allocated once the workspaces have grown to the texts' lengths.
  ///
  /// @param role  query_role(), document_role() or a role of the caller's, with or without an adapter
  /// @param out   (N, D), overwritten; or (N, encoder().dim()), which takes whole vectors whatever truncate_dim is
  /// @return      tokens of all texts, special tokens included; nothing is padded
  template <TextRange Texts>
  Index encode(const Role& role, const Texts& texts, MatrixView<Scalar> out, Progress* progress = nullptr) const {
    const auto count = static_cast<Index>(texts.size());
    require_extent("model::TextEncoder::encode", "out.rows()", out.rows(), count);
    if (out.cols() != encoder_.dim()) {
      require_extent("model::TextEncoder::encode", "out.cols()", out.cols(), dim());
    }
    const nn::Adapter<B>* const adapter = role.adapter.empty() ? nullptr : &adapters_.get(role.adapter);
    const EncodeWorkspaces::Lease workspace = workspaces_->lease();
    Index tokens = 0;
    for (Index first = 0; first < count; first += kWindow) {
      const Index window = std::min(kWindow, count - first);
      tokenize_window(role, texts, first, window, *workspace);
      workspace->cut_chunks(window, options_.chunk_tokens, pool_->size());
      tokens += workspace->token_count(window);
      pool_->for_each(workspace->chunk_count(), [&](Index chunk, int worker) {
        const Index done = encode_chunk(*workspace, chunk, worker, adapter, out.row_block(first, window));
        if (progress != nullptr) {
          progress->advance(done);
        }
      });
      require_finite(out.row_block(first, window), first);
    }
    workspace->level_arenas();
    return tokens;
  }

 private:
  static constexpr Index kWindow = 4096;  // texts tokenized ahead: bounds the ids held for a corpus of any size

  [[nodiscard]] Family family() const {
    return find_family_of("model::TextEncoder", Encoder::architecture(), encoder_.config());
  }
  [[nodiscard]] Role checked_role(Role role) const {
    const Index longest = encoder_.config().max_length;
    role.max_tokens = role.max_tokens == 0 ? longest : role.max_tokens;
    if (role.max_tokens < 1 || role.max_tokens > longest) {
      throw ConfigError::invalid(
          "model::TextEncoder", "Role::max_tokens", std::to_string(role.max_tokens), "1.." + std::to_string(longest));
    }
    return role;
  }

  template <TextRange Texts>
  Matrix<Scalar> encode_all(const Role& role, const Texts& texts, Progress* progress) const {
    Matrix<Scalar> out(static_cast<Index>(texts.size()), dim());
    encode(role, texts, out.view(), progress);
    return out;
  }

  template <TextRange Texts>
  void tokenize_window(
      const Role& role, const Texts& texts, Index first, Index count, EncodeWorkspace& workspace) const {
    workspace.begin_window(count);
    pool_->for_each_block(count, EncodeWorkspace::kTokenBlocks, [&](Index begin, Index end, Index number) {
      TokenBlock& block = workspace.block(number);
      for (Index i = begin; i < end; ++i) {
        const auto start = static_cast<Index>(block.ids.size());
        tokenize_one(role, texts[static_cast<std::size_t>(first + i)], first + i, block);
        workspace.place(i, number, start, static_cast<Index>(block.ids.size()) - start);
      }
    });
  }

  void tokenize_one(const Role& role, std::string_view text, Index number, TokenBlock& block) const {
    try {
      (void)tokenize(role, text, block);
    } catch (const DataError& error) {
      throw DataError("model::TextEncoder::encode: text " + std::to_string(number) + ": " + error.what());
    }
  }

  /// @return  number of texts encoded
  Index encode_chunk(EncodeWorkspace& workspace,
                     Index chunk,
                     int worker,
                     const nn::Adapter<B>* adapter,
                     MatrixView<Scalar> out) const {
    const EncodeChunk texts = workspace.chunk(chunk);
    Arena& arena = workspace.arena(worker);
    const ArenaScope scope(arena);
    nn::Context<B> context{.arena = arena, .batch = workspace.pack(texts, arena), .adapter = adapter};
    nn::Nothing nothing;
    const MatrixView<Scalar> rows = out.row_block(texts.first, texts.count);
    if (rows.cols() == encoder_.dim()) {
      encoder_.forward(context, weights_, rows, nothing);
      return texts.count;
    }
    const MatrixView<Scalar> whole = arena.matrix<Scalar>(texts.count, encoder_.dim());
    encoder_.forward(context, weights_, whole, nothing);
    for (Index row = 0; row < rows.rows(); ++row) {
      std::copy_n(whole.row(row).begin(), rows.cols(), rows.row(row).begin());
    }
    if (encoder_.options().normalize) {
      nn::Kernels<B>::l2_normalize(rows, rows, {});
    }
    return texts.count;
  }

  void require_finite(MatrixView<const Scalar> out, Index first) const {
    for (Index row = 0; row < out.rows(); ++row) {
      if (const Index bad = simd::first_non_finite(out.row(row)); bad >= 0) {
        throw NonFiniteError::found("model::TextEncoder::encode",
                                    "vector of text " + std::to_string(first + row),
                                    static_cast<std::size_t>(bad),
                                    double(out(row, bad)));
      }
    }
  }

  Encoder encoder_;
  Weights weights_;
  AdapterSet<B> adapters_;
  std::string source_;  // directory it was loaded from
  text::AnyTokenizer tokenizer_;
  Role query_;
  Role document_;
  Options options_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<EncodeWorkspaces> workspaces_;
  std::vector<typename nn::Kernels<B>::Weight*> projections_;  // of the last update_weights, for its memory
};

}  // namespace reasonembed::model
