#pragma once
/// @file The vector contract: what a model directory promises about its vectors, and the check that it still holds.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/shortest_number.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/contract_files.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/nn/config.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// How much of a contract loading checks. A directory without one is a foreign model, which loads with kOff and kFast.
enum class Verify {
  kOff,   ///< nothing
  kFast,  ///< every field, every file's hash, and a checksum of the weights
  kFull,  ///< SHA-256 of the weights too, and the golden vectors, encoded again
};

/// A model is not what its contract says. Names the field, what was found, and what the contract expects.
class ContractError : public Error {
 public:
  using Error::Error;
  [[nodiscard]] static ContractError mismatch(std::string_view where,
                                              std::string_view what,
                                              std::string_view got,
                                              std::string_view want) {
    return ContractError(reasonembed::detail::error_text(where, what, got, want));
  }
};

/// The manifest's name in a model directory.
inline constexpr std::string_view kContractName = "reasonembed_contract.json";
inline constexpr int kContractFormat = 1;

/// Texts whose vectors a contract holds. At most 14 bytes, so that bytes and two special tokens are at most 16 tokens
/// without a prompt; upper case, an accent, digits and a sign between them, for tokenizers to differ on.
inline constexpr std::array<std::string_view, 3> kGoldenTexts = {"salt and water", "Z\xC3\xBCrich, 3.14?", "x"};

/// How far two right computations of one vector may lie apart, in units of its largest number.
///
///   8 (L + 1) sqrt(max(D, F)) eps
///
/// A sum of K products is off by about sqrt(K) eps of its size [Higham & Mary 2019, sec. 2]; the L layers and what
/// follows them add their errors to the residual stream: the unit (L + 1) sqrt(K) eps. Two computations are off by
/// twice that, and 4 is left for what norms and attention amplify: the largest error against double in 250 random
/// models is 0.6 units, and 2.9 where attention is saturated. eps is that of the sums: 2^-23 for float32, and for
/// bfloat16 too, whose weights are exact in float; 2^-52 for float64. For all-MiniLM-L6-v2 this is 2.6e-4 of the
/// largest number, about 5e-5.
template <std::floating_point S>
[[nodiscard]] double golden_tolerance(const nn::EncoderConfig& config) {
  return 8.0 * (config.layers + 1) * std::sqrt(static_cast<double>(std::max(config.dim, config.mlp_dim))) *
         static_cast<double>(std::numeric_limits<S>::epsilon());
}

/// Whether a backend stores weights in what no checkpoint does: a contract's dtype says nothing about it.
template <class B>
inline constexpr bool kQuantizesWeights = std::same_as<typename B::Store, int8>;

/// Whether a backend rounds activations: its vectors are not exact enough to hold others to.
template <class B>
inline constexpr bool kRoundsActivations =
    kQuantizesWeights<B> || requires { requires std::same_as<typename B::Factor, bf16>; };

/// golden_tolerance of a backend, in units of the vector's largest number. Vectors of rounded activations are told from
/// those of another pooling or prompt, no more: the cosine with exact ones is 0.9998 in the tiny models.
template <class B>
[[nodiscard]] double backend_tolerance(const nn::EncoderConfig& config) {
  return kRoundsActivations<B> ? 0x1p-4 : golden_tolerance<typename B::Scalar>(config);
}

/// @return  SHA-256 of the manifest without its own field "sha256": of one line, keys sorted, the fewest digits
[[nodiscard]] inline std::string contract_sha256(io::Json manifest) {
  manifest.erase("sha256");
  return sha256(io::dump_json(manifest, -1));
}

/// What weights are stored in, as config.json and contracts spell it. Sums are formed in double for float64, else in
/// float.
template <class Store>
[[nodiscard]] constexpr const char* dtype_word() {
  return std::same_as<Store, double>  ? "float64"
         : std::same_as<Store, float> ? "float32"
         : std::same_as<Store, int8>  ? "int8"
                                      : "bfloat16";
}

namespace detail {

inline constexpr std::array<std::string_view, 12> kContractFields = {"architecture",
                                                                     "config_sha256",
                                                                     "dtype",
                                                                     "files",
                                                                     "format",
                                                                     "golden",
                                                                     "normalize",
                                                                     "numbers",
                                                                     "pooling",
                                                                     "roles",
                                                                     "sizes",
                                                                     "weights"};

/// What the encoder itself says: every field but those of files and vectors.
template <class Model>
io::Json contract_fields(const nn::EncoderConfig& config,
                         const nn::EncoderOptions& options,
                         const Role& query,
                         const Role& document) {
  using Encoder = typename Model::Description;
  io::Json fields = {{"format", kContractFormat},
                     {"architecture", Encoder::architecture()},
                     {"pooling", Encoder::Pooling::name},
                     {"normalize", options.normalize},
                     {"dtype", dtype_word<typename Model::Backend::Store>()}};
  fields["sizes"] = {{"vocab", config.vocab},
                     {"dim", config.dim},
                     {"layers", config.layers},
                     {"heads", config.heads},
                     {"kv_heads", config.kv_heads},
                     {"head_dim", config.head_dim},
                     {"mlp_dim", config.mlp_dim},
                     {"max_length", config.max_length},
                     {"type_vocab", config.type_vocab},
                     {"qkv_bias", config.qkv_bias},
                     {"linear_bias", config.linear_bias},
                     {"position_offset", config.position_offset}};
  const nn::RopeScaling& scaling = options.rope_scaling;
  fields["numbers"] = {{"norm_eps", options.norm_eps},
                       {"rope_theta", options.rope_theta},
                       {"rope_factor", scaling.factor},
                       {"rope_low_freq_factor", scaling.low_freq_factor},
                       {"rope_high_freq_factor", scaling.high_freq_factor},
                       {"rope_original_max_length", scaling.original_max_length}};
  fields["config_sha256"] = sha256(io::dump_json({{"numbers", fields["numbers"]}, {"sizes", fields["sizes"]}}, -1));
  const auto role = [](const Role& r) -> io::Json { return {{"prompt", r.prompt}, {"max_tokens", r.max_tokens}}; };
  fields["roles"] = {{"query", role(query)}, {"document", role(document)}};
  return fields;
}

/// @return  (N, D) vectors of whole width, whatever the model's truncate_dim
template <class Model, class Texts>
Matrix<typename Model::Scalar> whole_vectors(const Model& encoder, const Role& role, const Texts& texts) {
  Matrix<typename Model::Scalar> vectors(static_cast<Index>(texts.size()), encoder.encoder().dim());
  encoder.encode(role, texts, vectors.view());
  return vectors;
}

/// [{"text", "query": [D numbers], "document": [D numbers]}, ...]
template <class Model>
io::Json golden_vectors(const Model& encoder) {
  static_assert(!kRoundsActivations<typename Model::Backend>,
                "reasonembed::model::save_encoder: Backend must not round activations: load the model with "
                "backend::Cpu<float> or Cpu<bf16> to save it or to give it a contract");
  io::Json golden = io::Json::array();
  for (const std::string_view text : kGoldenTexts) {
    golden.push_back({{"text", text}});
  }
  const auto add = [&](const char* name, const Role& role) {
    const auto vectors = whole_vectors(encoder, role, kGoldenTexts);
    for (Index n = 0; n < vectors.rows(); ++n) {
      io::Json& numbers = golden[static_cast<std::size_t>(n)][name] = io::Json::array();
      for (const auto value : vectors.row(n)) {
        numbers.push_back(io::shortest_number(value));
      }
    }
  };
  add("query", encoder.query_role());
  add("document", encoder.document_role());
  return golden;
}

/// Joins the parts of a manifest, and writes it.
inline void write_manifest(const std::filesystem::path& directory, io::Json fields, io::Json golden) {
  fields["golden"] = std::move(golden);
  fields["files"] = hash_vector_files(directory);
  fields["weights"] = hash_weights(directory, WeightHash::kSha256);
  fields["sha256"] = contract_sha256(fields);
  io::write_json(directory / kContractName, fields);
}

/// A value for an error, on one line.
inline std::string shown(const io::Json& value) {
  return value.is_string() ? io::in_quotes(value.get_ref<const std::string&>(), 120) : io::dump_json(value, -1);
}

/// @throws ContractError naming the first field below `path` that differs, is missing or was added
inline void require_same(const std::string& where,
                         const std::string& path,
                         const io::Json& found,
                         const io::Json& stated) {
  if (!found.is_object() || !stated.is_object()) {
    if (found != stated) {
      throw ContractError::mismatch(where, path, shown(found), shown(stated));
    }
    return;
  }
  for (const auto& [name, value] : stated.items()) {
    if (!found.contains(name)) {
      throw ContractError::mismatch(where, path + "." + name, "missing", shown(value));
    }
    require_same(where, path + "." + name, found.at(name), value);
  }
  for (const auto& [name, value] : found.items()) {
    if (!stated.contains(name)) {
      throw ContractError::mismatch(where, path + "." + name, shown(value), "none, for the contract has none");
    }
  }
}

}  // namespace detail

/// The contract of a model directory, to check a model against.
class Contract {
 public:
  /// @return  the contract of `directory`; nothing where there is none, or nothing is to be verified
  /// @throws  ContractError if there is none and `verify` is kFull, or it lacks a field or has an unknown one;
  ///          DataError if it is no JSON object
  [[nodiscard]] static std::optional<Contract> find(const std::filesystem::path& directory, Verify verify) {
    const std::filesystem::path path = directory / kContractName;
    if (verify == Verify::kOff) {
      return std::nullopt;
    }
    if (!std::filesystem::exists(path)) {
      if (verify == Verify::kFull) {
        throw ContractError::mismatch(
            directory.string(), kContractName, "missing", "a contract, which Verify::kFull checks");
      }
      return std::nullopt;
    }
    return Contract(path, verify);
  }

  /// Compares the directory's files with the contract: before they are read, so that a damaged file is named as such.
  ///
  /// @throws ContractError naming the file
  /// @note   reads every byte of the weights once, see WeightHash
  void require_files() const {
    const std::filesystem::path directory = std::filesystem::path(where_).parent_path();
    require("format", kContractFormat);
    require("files", hash_vector_files(directory));
    const bool full = verify_ == Verify::kFull;
    io::Json weights = hash_weights(directory, full ? WeightHash::kSha256 : WeightHash::kChecksum);
    const io::Json& stated = stated_.at("weights");
    for (auto entry = weights.begin(); entry != weights.end() && !full; ++entry) {
      if (stated.contains(entry.key()) && stated.at(entry.key()).contains("sha256")) {
        entry.value()["sha256"] = stated.at(entry.key()).at("sha256");  // not computed, so not compared
      }
    }
    require("weights", weights);
  }

  /// Compares a loaded model with the contract: field by field, with kFull vector by vector, and last of all the
  /// manifest with its own hash, so that what can be named is named.
  ///
  /// @throws ContractError naming the field; DataError for a golden entry without text or vectors
  template <class Model>
  void require_model(const Model& encoder) const {
    const io::Json found = detail::contract_fields<Model>(
        encoder.encoder().config(), encoder.encoder().options(), encoder.query_role(), encoder.document_role());
    for (const char* field :
         {"architecture", "sizes", "numbers", "config_sha256", "pooling", "normalize", "dtype", "roles"}) {
      if (kQuantizesWeights<typename Model::Backend> && std::string_view(field) == "dtype") {
        continue;
      }
      require(field, found.at(field));
    }
    if (verify_ == Verify::kFull) {
      require_vectors(encoder);
    }
    require("sha256", contract_sha256(stated_));
  }

 private:
  Contract(const std::filesystem::path& path, Verify verify)
      : where_(path.string()), verify_(verify), stated_(io::read_json(path)) {
    (void)io::JsonFields(stated_, where_);
    for (const std::string_view field : detail::kContractFields) {
      if (!stated_.contains(field)) {
        throw ContractError::mismatch(where_, field, "missing", "a field of every contract");
      }
    }
    for (const auto& [name, value] : stated_.items()) {
      const auto& known = detail::kContractFields;
      if (name != "sha256" && std::find(known.begin(), known.end(), name) == known.end()) {
        throw ContractError::mismatch(where_, name, "present", "no field of this name in a contract");
      }
    }
  }

  void require(const std::string& field, const io::Json& found) const {
    const auto stated = stated_.find(field);
    if (stated == stated_.end()) {
      throw ContractError::mismatch(where_, field, "missing", "a field of every contract");
    }
    detail::require_same(where_, field, found, *stated);
  }

  template <class Model>
  void require_vectors(const Model& encoder) const {
    const io::Json& golden = io::JsonFields(stated_, where_).get_array("golden");
    if (golden.size() != kGoldenTexts.size()) {
      throw ContractError::mismatch(
          where_, "golden", std::to_string(golden.size()) + " texts", std::to_string(kGoldenTexts.size()));
    }
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const std::string name = "golden[" + std::to_string(i) + "]";
      const io::JsonFields entry(golden[i], where_ + ": " + name);
      const io::Json& query = entry.get_array("query");
      const io::Json& document = entry.get_array("document");
      detail::require_same(
          where_, name, {{"text", kGoldenTexts[i]}, {"query", query}, {"document", document}}, golden[i]);
      require_golden(encoder, encoder.query_role(), kGoldenTexts[i], name + ".query", query);
      require_golden(encoder, encoder.document_role(), kGoldenTexts[i], name + ".document", document);
    }
  }

  template <class Model>
  void require_golden(const Model& encoder,
                      const Role& role,
                      std::string_view text,
                      const std::string& name,
                      const io::Json& stated) const {
    const auto found = detail::whole_vectors(encoder, role, std::span(&text, 1));  // (1, D)
    if (static_cast<Index>(stated.size()) != found.cols()) {
      throw ContractError::mismatch(
          where_, name, std::to_string(found.cols()) + " numbers", std::to_string(stated.size()));
    }
    double largest = 0.0;
    for (const auto value : found.row(0)) {
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    const double tolerance = backend_tolerance<typename Model::Backend>(encoder.encoder().config()) * largest;
    for (std::size_t d = 0; d < stated.size(); ++d) {
      const auto got = found.row(0)[d];
      const bool near =
          stated[d].is_number() && std::abs(static_cast<double>(got) - stated[d].template get<double>()) <= tolerance;
      if (!near) {
        throw ContractError::mismatch(where_,
                                      name + "[" + std::to_string(d) + "] for " + io::in_quotes(text),
                                      io::dump_json(io::shortest_number(got), -1),
                                      detail::shown(stated[d]) + " within " + io::dump_json(tolerance, -1));
      }
    }
  }

  std::string where_;
  Verify verify_;
  io::Json stated_;
};

/// Gives a model directory a contract, or another one in place of the old: for models that were not saved by this
/// library. Whatever the caller said when loading (a prompt, a limit) becomes part of it, and is demanded from then on.
///
/// @param directory  where `encoder` was loaded from
/// @throws           IoError if a file can't be read or written
/// @note             reads the weights once, at 0.3 GB a second
template <class Model>
void write_contract(const std::filesystem::path& directory, const Model& encoder) {
  detail::write_manifest(
      directory,
      detail::contract_fields<Model>(
          encoder.encoder().config(), encoder.encoder().options(), encoder.query_role(), encoder.document_role()),
      detail::golden_vectors(encoder));
}

}  // namespace reasonembed::model
