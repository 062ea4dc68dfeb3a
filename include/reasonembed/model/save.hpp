#pragma once
/// @file Text encoders into a directory that Hugging Face, sentence-transformers and this library open.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/model_card.hpp>
#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/tokenizer_writer.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameter_count.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// How an encoder is saved.
struct SaveOptions {
  bool overwrite = true;  ///< replace a model that was saved there before; false refuses it
  ModelCard card = {};    ///< what README.md says beyond what the model knows of itself
};

namespace detail {

/// What a saved directory may hold.
inline constexpr std::array<std::string_view, 13> kSavedNames = {"1_Pooling",
                                                                 "2_Normalize",
                                                                 "README.md",
                                                                 "config.json",
                                                                 "config_sentence_transformers.json",
                                                                 "model.safetensors",
                                                                 "modules.json",
                                                                 kContractName,
                                                                 "sentence_bert_config.json",
                                                                 "special_tokens_map.json",
                                                                 "tokenizer.json",
                                                                 "tokenizer_config.json",
                                                                 "vocab.txt"};

/// @throws ConfigError if saving to `directory` would take away something that no save has put there
inline void require_replaceable(const std::filesystem::path& directory, const SaveOptions& options) {
  if (!std::filesystem::is_directory(directory)) {
    return;
  }
  const std::string foreign = io::find_foreign_entry(directory, kSavedNames);
  if (!foreign.empty()) {
    throw ConfigError::invalid("model::save_encoder: " + directory.string(),
                               "content",
                               io::in_quotes(foreign) + ", which saving would delete",
                               "no directory yet, an empty one, or a saved model and nothing else");
  }
  if (!options.overwrite && !std::filesystem::is_empty(directory)) {
    throw ConfigError::invalid("model::save_encoder: " + directory.string(),
                               "directory",
                               "a saved model",
                               "none, or SaveOptions{.overwrite = true}");
  }
}

/// Tensors under the names of a family, and those that nobody else holds: zeros, and weights that were packed alone.
template <class Store>
struct CheckpointTensors {
  std::vector<io::NamedTensor> tensors;
  std::vector<Matrix<Store>> owned;
};

/// @throws NonFiniteError naming tensor and element
template <nn::NeuralKernels B, class Encoder, class Store = typename B::Store>
[[nodiscard]] CheckpointTensors<Store> checkpoint_tensors(
    const Encoder& encoder,
    const typename Encoder::template Parameters<nn::WeightLeaf<B>>& weights,
    const Family& family) {
  static_assert(!std::same_as<Store, int8>,
                "reasonembed::model::save_encoder: Backend must store what checkpoints hold: load the model with "
                "backend::Cpu<float> or Cpu<bf16> to save it");
  CheckpointTensors<Store> checkpoint;
  const auto add = [&]<class T>(const std::string& name, MatrixView<const T> values, bool one_dimensional) {
    require_finite<T>("model::save_encoder", name, values);
    checkpoint.tensors.push_back(one_dimensional ? io::NamedTensor::of(name, values.row(0))
                                                 : io::NamedTensor::of(name, values));
  };
  using Packed = nn::PackedSlice<const typename nn::Kernels<B>::Weight>;
  encoder.visit(weights,
                nn::ParameterVisitor{[&]<class T>(const nn::ParameterSlice<const T>& slice) {
                                       add(family.tensor_name(slice.name), slice.values, slice.one_dimensional());
                                     },
                                     [&](const Packed& slice) {
                                       Matrix<Store>& values =
                                           checkpoint.owned.emplace_back(slice.rows, slice.weight.cols());
                                       slice.weight.unpack_rows(slice.first, values.view());
                                       add(family.tensor_name(slice.name), std::as_const(values).view(), false);
                                     }});
  for (const ZeroTensor& zero : family.zero_tensors(encoder.config())) {
    const Matrix<Store>& values = checkpoint.owned.emplace_back(zero.rows, zero.cols);
    checkpoint.tensors.push_back(io::NamedTensor::of(zero.name, values.view()));
  }
  return checkpoint;
}

/// modules.json and the modules' own directories.
inline void write_modules(const std::filesystem::path& directory, std::string_view pooling, Index dim, bool normalize) {
  io::Json modules = io::Json::array();
  const auto add = [&](const std::string& path, const std::string& type) {
    modules.push_back({{"idx", modules.size()},
                       {"name", std::to_string(modules.size())},
                       {"path", path},
                       {"type", "sentence_transformers.models." + type}});
  };
  add("", "Transformer");
  add("1_Pooling", "Pooling");
  std::filesystem::create_directory(directory / "1_Pooling");
  io::write_json(directory / "1_Pooling" / "config.json",
                 {{"word_embedding_dimension", dim},
                  {"pooling_mode_cls_token", pooling == "cls"},
                  {"pooling_mode_mean_tokens", pooling == "mean"},
                  {"pooling_mode_lasttoken", pooling == "lasttoken"},
                  {"include_prompt", true}});
  if (normalize) {
    add("2_Normalize", "Normalize");
    std::filesystem::create_directory(directory / "2_Normalize");
  }
  io::write_json(directory / "modules.json", modules);
}

/// sentence_bert_config.json and config_sentence_transformers.json. sentence-transformers has one limit for all texts:
/// the longer of the two; where they differ, both are kept for this library.
inline void write_roles(const std::filesystem::path& directory, const Role& query, const Role& document) {
  io::write_json(directory / "sentence_bert_config.json",
                 {{"max_seq_length", std::max(query.max_tokens, document.max_tokens)}, {"do_lower_case", false}});
  io::Json settings = {{"model_type", "SentenceTransformer"},
                       {"prompts", {{"query", query.prompt}, {"document", document.prompt}}},
                       {"default_prompt_name", nullptr},
                       {"similarity_fn_name", "cosine"}};
  if (query.max_tokens != document.max_tokens) {
    settings["reasonembed"] = {{"max_seq_length", {{"query", query.max_tokens}, {"document", document.max_tokens}}}};
  }
  io::write_json(directory / "config_sentence_transformers.json", settings);
}

/// @throws ConfigError for a pooling that sentence-transformers has no word for
inline void require_known_pooling(std::string_view pooling) {
  if (pooling != "mean" && pooling != "cls" && pooling != "lasttoken") {
    throw ConfigError::invalid("model::save_encoder", "pooling", pooling, "mean, cls or lasttoken");
  }
}

/// The golden vectors of what was saved, without the rounding of products that an encoder may do on the way.
template <class Model>
[[nodiscard]] io::Json saved_golden_vectors(const std::filesystem::path& directory, const Model& encoder) {
  using B = typename Model::Backend;
  if constexpr (kRoundsActivations<B>) {
    using Exact = typename Model::template On<backend::Cpu<typename B::Store>>;
    const Exact exact = Exact::load(directory, {.threads = encoder.pool().size(), .verify = Verify::kOff});
    return golden_vectors(exact);
  } else {
    return golden_vectors(encoder);
  }
}

}  // namespace detail

/// Writes a text encoder in the layout of Hugging Face and sentence-transformers: config.json, model.safetensors, the
/// tokenizer's files, modules.json, 1_Pooling, 2_Normalize where vectors are normalised, sentence_bert_config.json, and
/// config_sentence_transformers.json with the prompts of both roles, README.md (see model_card.hpp), and the vector
/// contract (see contract.hpp).
///
/// `TextEncoder::load` gives back the same vectors to the bit. sentence-transformers (5 or later; older versions strip
/// white space from texts) gives the same up to rounding, for `encode_query` and `encode_document`.
///
/// All or nothing: a reader sees the old model or the new one (see io::write_directory_atomically).
///
/// @tparam Model     TextEncoder
/// @param directory  made, or replaced if it holds a saved model and nothing else
/// @param encoder    of any residency and precision: bf16 weights are written as BF16, gains and biases as F32
/// @throws           ConfigError if a role encodes with an adapter, no published family has this architecture or these
///                   sizes, the directory holds other files, or the card is impossible; DataError for a card that is
///                   not UTF-8; NonFiniteError naming a weight or score that is no number; IoError if the disk is full
///                   or may not be written. The directory is then as it was.
/// @note  not safe while another thread changes the weights; one pass over them and one over the file, to hash it at
///        0.3 GB a second; no copy but of weights that are packed alone; two saves of one encoder write the same bytes.
///        An encoder that rounds products is loaded once more without: the contract's vectors are the exact ones
template <class Model>
void save_encoder(const std::filesystem::path& directory, const Model& encoder, const SaveOptions& options = {}) {
  using Encoder = typename Model::Description;
  using B = typename Model::Backend;
  for (const Role* role : {&encoder.query_role(), &encoder.document_role()}) {
    if (!role->adapter.empty()) {
      throw ConfigError::invalid("model::save_encoder",
                                 "adapter of a role",
                                 io::in_quotes(role->adapter) + ", which the weights to be saved lack",
                                 "none: merge_adapter, or save_adapter and use_adapter(\"\")");
    }
  }
  const Family family = find_family_of("model::save_encoder", Encoder::architecture(), encoder.encoder().config());
  const nn::EncoderOptions& numbers = encoder.encoder().options();
  detail::require_known_pooling(Encoder::Pooling::name);
  detail::require_card(options.card);
  io::Json config = family.write_config(encoder.encoder().config(), numbers);
  config["torch_dtype"] = dtype_word<typename B::Store>();
  const auto checkpoint = detail::checkpoint_tensors<B>(encoder.encoder(), encoder.weights(), family);
  detail::require_replaceable(directory, options);
  const Index longest = std::max(encoder.query_role().max_tokens, encoder.document_role().max_tokens);
  io::write_directory_atomically(directory, [&](const std::filesystem::path& place) {
    io::write_json(place / "config.json", config);
    io::write_safetensors(place / "model.safetensors", checkpoint.tensors, {{"format", "pt"}});
    write_tokenizer(place, encoder.tokenizer(), longest);
    detail::write_modules(place, Encoder::Pooling::name, encoder.encoder().dim(), numbers.normalize);
    detail::write_roles(place, encoder.query_role(), encoder.document_role());
    const EncoderDescription loaded = read_encoder_description(place);  // the layout has fields that the encoder lacks
    io::write_file_atomically(place / "README.md",
                              model_card_text(loaded, nn::parameter_count(encoder.encoder()), options.card));
    detail::write_manifest(place,
                           detail::contract_fields<Model>(loaded.config, loaded.options, loaded.query, loaded.document),
                           detail::saved_golden_vectors(place, encoder));
  });
}

}  // namespace reasonembed::model
