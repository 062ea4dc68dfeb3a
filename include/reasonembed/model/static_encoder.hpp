#pragma once
/// @file The smallest encoder: no transformer, the mean of one row for each token.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/static_embeddings.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/tokenizer_files.hpp>
#include <reasonembed/text/any_tokenizer.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
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

/// How a static encoder runs, and what its directory does not say.
struct StaticEncoderOptions {
  int threads = 0;                  ///< threads in all, the caller included; 0 takes one per hardware thread
  std::optional<bool> normalize{};  ///< whether vectors get unit length; must agree with a directory that says it
  Index max_tokens = 0;             ///< longest input; 0: 512 for model2vec, as there; none for sentence-transformers
  std::optional<std::string> query_prompt{};     ///< written before queries; must agree with a directory that has one
  std::optional<std::string> document_prompt{};  ///< the same for documents
  Index truncate_dim = 0;  ///< encode gives the first numbers of a vector, unit rows again; 0: all
};

/// What a directory says of a static encoder.
struct StaticDescription {
  std::filesystem::path place;      ///< where weights and tokenizer lie
  std::optional<bool> normalize{};  ///< nothing where the directory does not say
  bool model2vec = false;           ///< unknown tokens are left out, and long texts are cut
  std::string query_prompt{};       ///< empty where there is none
  std::string document_prompt{};    ///< the same
};

namespace detail {

/// modules.json of a static embedding model. @throws ConfigError for a module the library lacks, or no StaticEmbedding
inline void read_static_modules(const std::filesystem::path& directory, StaticDescription& description) {
  const std::filesystem::path path = directory / "modules.json";
  const io::Json json = io::read_json(path);
  if (!json.is_array()) {
    throw DataError::invalid(path.string(), "JSON value", json.type_name(), "an array of modules");
  }
  description.normalize = false;
  bool found = false;
  for (const io::Json& module : json) {
    const io::JsonFields fields(module, path.string());
    const std::string& type = fields.get_string("type");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "StaticEmbedding") {
      found = true;
      const std::string folder = fields.find_string("path").value_or("");
      description.place = folder.empty() || folder == "." ? directory : directory / folder;
    } else if (kind == "Normalize") {
      description.normalize = true;
    } else {
      throw ConfigError::invalid(path.string(), "type", type, "StaticEmbedding or Normalize");
    }
  }
  if (!found) {
    throw ConfigError::invalid(path.string(), "modules", "no StaticEmbedding", "one");
  }
}

/// @throws ConfigError if two of those who may say whether vectors are normalised disagree
inline void agree_on_normalize(const std::string& where, std::optional<bool> got, std::optional<bool>& known) {
  if (got && known && *got != *known) {
    throw ConfigError::invalid(where, "normalize", *got ? "true" : "false", *known ? "true" : "false");
  }
  known = got ? got : known;
}

}  // namespace detail

/// @return  whether a directory says that it holds static embeddings, which read_static_description reads
/// @throws  IoError or DataError for a file that can't be read
[[nodiscard]] inline bool is_static_directory(const std::filesystem::path& directory) {
  if (const auto path = directory / "modules.json"; std::filesystem::exists(path)) {
    const io::Json modules = io::read_json(path);
    return modules.is_array() && std::any_of(modules.begin(), modules.end(), [](const io::Json& module) {
             const std::string type = module.is_object() ? module.value("type", io::Json()).dump() : "";
             return type.ends_with(".StaticEmbedding\"") || type == "\"StaticEmbedding\"";
           });
  }
  if (const auto path = directory / "config.json"; std::filesystem::exists(path)) {
    const io::Json config = io::read_json(path);
    return config.is_object() && config.value("model_type", io::Json()) == "model2vec";
  }
  return false;
}

/// Reads what a directory of model2vec (config.json of model_type "model2vec") or of sentence-transformers
/// (modules.json with a StaticEmbedding, or config_sentence_transformers.json) says.
///
/// @throws ConfigError if two files contradict each other or ask for what the library lacks; DataError for a broken one
[[nodiscard]] inline StaticDescription read_static_description(const std::filesystem::path& directory) {
  StaticDescription description{.place = directory};
  if (std::filesystem::exists(directory / "modules.json")) {
    detail::read_static_modules(directory, description);
  }
  if (const auto path = directory / "config.json"; std::filesystem::exists(path)) {
    const io::Json json = io::read_json(path);
    const io::JsonFields fields(json, path.string());
    if (const std::string type = fields.find_string("model_type").value_or("missing"); type != "model2vec") {
      throw ConfigError::invalid(path.string(), "model_type", type, "model2vec");
    }
    description.model2vec = true;
    detail::agree_on_normalize(path.string(), fields.find_bool("normalize"), description.normalize);
  }
  if (const auto path = directory / "config_sentence_transformers.json"; std::filesystem::exists(path)) {
    const io::Json json = io::read_json(path);
    const io::JsonFields fields(json, path.string());
    detail::agree_on_normalize(path.string(), fields.find_bool("normalize"), description.normalize);
    EncoderDescription roles;
    detail::read_prompts(fields, roles);
    description.query_prompt = roles.query.prompt;
    description.document_prompt = roles.document.prompt;
  }
  if (description.model2vec && !description.normalize) {
    description.normalize = false;  // model2vec's own default
  }
  return description;
}

/// An encoder without context: the mean of the rows of a text's tokens.
///
/// Vectors are those of model2vec for its directories: a text is cut at max_tokens times the median length of a token
/// in characters, unknown tokens are left out, then at most max_tokens are taken; a text of none has the vector zero.
/// Those of sentence-transformers for its own: every token counts, and no text is cut.
///
/// @note  movable. All const functions are safe from many threads; a vector's bits depend on its text alone.
class StaticEncoder {
 public:
  using Scalar = float;
  using Options = StaticEncoderOptions;

  /// @throws ConfigError if the tokenizer has ids the table has no row for, or an option is impossible
  StaticEncoder(StaticEmbeddings table, text::AnyTokenizer tokenizer, bool drop_unknown, const Options& options = {})
      : table_(std::move(table)),
        tokenizer_(std::move(tokenizer)),
        special_(tokenizer_.special_ids()),
        drop_unknown_(drop_unknown),
        normalize_(options.normalize.value_or(true)),
        query_{options.query_prompt.value_or(""), options.max_tokens},
        document_{options.document_prompt.value_or(""), options.max_tokens},
        truncate_dim_(options.truncate_dim),
        token_length_(median_token_length(tokenizer_)),
        pool_(std::make_unique<ThreadPool>(options.threads)) {
    if (tokenizer_.vocab_size() > table_.vocab_size()) {
      throw ConfigError::invalid("model::StaticEncoder",
                                 "size of the tokenizer's vocabulary",
                                 std::to_string(tokenizer_.vocab_size()),
                                 "at most the table's " + std::to_string(table_.vocab_size()));
    }
    if (options.max_tokens < 0) {
      throw ConfigError::invalid(
          "model::StaticEncoder", "max_tokens", std::to_string(options.max_tokens), "at least 0");
    }
    if (truncate_dim_ < 0 || truncate_dim_ > table_.dim()) {
      throw ConfigError::invalid("model::StaticEncoder",
                                 "truncate_dim",
                                 std::to_string(truncate_dim_),
                                 "1.." + std::to_string(table_.dim()) + ", or 0 for all");
    }
  }

  /// Loads a directory of model2vec or a static embedding model of sentence-transformers.
  ///
  /// @throws IoError for a missing file; DataError, ShapeError or NonFiniteError for broken ones; ConfigError for a
  ///         tokenizer or module the library lacks, and for a normalisation that nobody says or two say differently
  [[nodiscard]] static StaticEncoder load(const std::filesystem::path& directory, Options options = {}) {
    StaticDescription description = read_static_description(directory);
    detail::agree_on_normalize(directory.string() + ": the caller", options.normalize, description.normalize);
    if (!description.normalize) {
      throw ConfigError::invalid(directory.string(),
                                 "normalize",
                                 "missing",
                                 "it in modules.json or config_sentence_transformers.json, or "
                                 "StaticEncoderOptions::normalize");
    }
    options.normalize = description.normalize;
    detail::agree_on_prompt(directory, "query_prompt", options.query_prompt, description.query_prompt);
    detail::agree_on_prompt(directory, "document_prompt", options.document_prompt, description.document_prompt);
    options.query_prompt = description.query_prompt;
    options.document_prompt = description.document_prompt;
    if (description.model2vec && options.max_tokens == 0) {
      options.max_tokens = 512;
    }
    return StaticEncoder(StaticEmbeddings::read(io::SafeTensors::open(description.place / "model.safetensors")),
                         read_tokenizer(description.place),
                         description.model2vec,
                         options);
  }

  [[nodiscard]] const StaticEmbeddings& table() const { return table_; }
  [[nodiscard]] const text::AnyTokenizer& tokenizer() const { return tokenizer_; }
  /// Prompt and limit of a text; the limit is 0 where there is none.
  [[nodiscard]] const Role& query_role() const { return query_; }
  [[nodiscard]] const Role& document_role() const { return document_; }
  [[nodiscard]] const ThreadPool& pool() const { return *pool_; }
  /// @return  D, the width of a vector: Options::truncate_dim, or all that the table has
  [[nodiscard]] Index dim() const { return truncate_dim_ > 0 ? truncate_dim_ : table_.dim(); }

  /// Queries and documents differ by their prompts alone, and few static models have any.
  ///
  /// @param texts     N texts, UTF-8
  /// @param progress  advanced by the number of texts finished
  /// @return          (N, D)
  /// @throws          DataError naming the text that is not UTF-8
  template <TextRange Texts>
  [[nodiscard]] Matrix<float> encode_query(const Texts& texts, Progress* progress = nullptr) const {
    return encode_all(query_, texts, progress);
  }
  template <TextRange Texts>
  [[nodiscard]] Matrix<float> encode_document(const Texts& texts, Progress* progress = nullptr) const {
    return encode_all(document_, texts, progress);
  }
  [[nodiscard]] Matrix<float> encode_query(std::initializer_list<std::string_view> texts) const {
    return encode_all(query_, std::span(texts.begin(), texts.size()), nullptr);
  }
  [[nodiscard]] Matrix<float> encode_document(std::initializer_list<std::string_view> texts) const {
    return encode_all(document_, std::span(texts.begin(), texts.size()), nullptr);
  }

  /// Encodes into memory of the caller.
  ///
  /// @param role  query_role(), document_role() or a role of the caller's; max_tokens 0 cuts nothing
  /// @param out   (N, D), overwritten
  /// @return      tokens whose rows were taken
  template <TextRange Texts>
  Index encode(const Role& role, const Texts& texts, MatrixView<float> out, Progress* progress = nullptr) const {
    const auto count = static_cast<Index>(texts.size());
    require_extent("model::StaticEncoder::encode", "out.rows()", out.rows(), count);
    require_extent("model::StaticEncoder::encode", "out.cols()", out.cols(), dim());
    std::atomic<Index> tokens{0};
    pool_->for_each_block(count, kBlocks, [&](Index begin, Index end, Index) {
      std::vector<float> whole(static_cast<std::size_t>(table_.dim()));
      Index taken = 0;
      for (Index i = begin; i < end; ++i) {
        taken += encode_one(role, texts[static_cast<std::size_t>(i)], i, whole);
        std::copy_n(whole.begin(), dim(), out.row(i).begin());
        if (normalize_) {
          scale_to_unit_length(out.row(i));
        }
      }
      tokens += taken;
      if (progress != nullptr) {
        progress->advance(end - begin);
      }
    });
    return tokens;
  }

  /// @return  the ids whose rows a text's vector is the mean of
  [[nodiscard]] std::vector<std::int32_t> tokens(std::string_view text) const {
    return tokens(text, document_.max_tokens);
  }

 private:
  static constexpr Index kBlocks = 64;

  [[nodiscard]] std::vector<std::int32_t> tokens(std::string_view text, Index max_tokens) const {
    text::require_utf8("model::StaticEncoder::tokens", text);
    std::vector<std::int32_t> ids =
        tokenizer_.encode(drop_unknown_ && max_tokens > 0 ? beginning(text, max_tokens * token_length_) : text);
    if (special_.end != text::SpecialIds::kNone && !ids.empty() && ids.back() == special_.end) {
      ids.pop_back();
    }
    if (special_.begin != text::SpecialIds::kNone && !ids.empty() && ids.front() == special_.begin) {
      ids.erase(ids.begin());
    }
    if (drop_unknown_ && special_.unknown != text::SpecialIds::kNone) {
      ids.erase(std::remove(ids.begin(), ids.end(), special_.unknown), ids.end());
    }
    if (max_tokens > 0 && static_cast<Index>(ids.size()) > max_tokens) {
      ids.resize(static_cast<std::size_t>(max_tokens));
    }
    return ids;
  }

  /// The median length of all tokens in characters, cut to an integer.
  static Index median_token_length(const text::AnyTokenizer& tokenizer) {
    std::vector<std::size_t> lengths;
    lengths.reserve(static_cast<std::size_t>(tokenizer.vocab_size()));
    for (Index id = 0; id < tokenizer.vocab_size(); ++id) {
      lengths.push_back(text::count_characters(tokenizer.token(static_cast<std::int32_t>(id))));
    }
    std::sort(lengths.begin(), lengths.end());
    const std::size_t half = lengths.size() / 2;
    if (lengths.empty()) {
      return 0;
    }
    return static_cast<Index>(lengths.size() % 2 == 1 ? lengths[half] : (lengths[half - 1] + lengths[half]) / 2);
  }

  /// The first characters of a text.
  [[nodiscard]] static std::string_view beginning(std::string_view text, Index max_characters) {
    if (static_cast<Index>(text.size()) <= max_characters) {
      return text;
    }
    Index characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      characters += (static_cast<unsigned char>(text[i]) >> 6) != 2 ? 1 : 0;
      if (characters > max_characters) {
        return text.substr(0, i);
      }
    }
    return text;
  }

  template <TextRange Texts>
  Matrix<float> encode_all(const Role& role, const Texts& texts, Progress* progress) const {
    Matrix<float> vectors(static_cast<Index>(texts.size()), dim());
    encode(role, texts, vectors.view(), progress);
    return vectors;
  }

  /// @return  tokens whose mean was taken
  Index encode_one(const Role& role, std::string_view text, Index number, std::span<float> out) const {
    std::string prompted;
    if (!role.prompt.empty()) {
      prompted.assign(role.prompt).append(text);
      text = prompted;
    }
    try {
      const std::vector<std::int32_t> ids = tokens(text, role.max_tokens);
      table_.mean(ids, out);
      return static_cast<Index>(ids.size());
    } catch (const DataError& error) {
      throw DataError("model::StaticEncoder: text " + std::to_string(number) + ": " + error.what());
    }
  }

  static void scale_to_unit_length(std::span<float> vector) {
    double square = 0.0;
    for (const float value : vector) {
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    if (square > 0.0) {
      const double scale = 1.0 / std::sqrt(square);
      std::transform(vector.begin(), vector.end(), vector.begin(), [&](float v) {
        return static_cast<float>(static_cast<double>(v) * scale);
      });
    }
  }

  StaticEmbeddings table_;
  text::AnyTokenizer tokenizer_;
  text::SpecialIds special_;
  bool drop_unknown_;
  bool normalize_;
  Role query_;
  Role document_;
  Index truncate_dim_;
  Index token_length_;  // median, in characters
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace reasonembed::model
