#pragma once
/// @file Which projections of a model bear int8, found on texts and kept beside the weights.
#include <reasonembed/backend/calibrating.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/contract_files.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/nn/calibrating_kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The calibration's name in a model directory.
inline constexpr std::string_view kInt8CalibrationName = "reasonembed_int8.json";

/// Relative error of a projection's results, |y_int8 - y| / |y|, beyond which it stays in bf16. Projections whose
/// inputs and weights are about normal have 0.01 to 0.03; a few numbers hundreds of times larger than the rest, as some
/// channels of large decoders are, raise it beyond 0.1.
inline constexpr double kInt8ErrorLimit = 0.05;

/// What int8 costs each projection of a model.
struct Int8Calibration {
  double limit = kInt8ErrorLimit;
  Index texts = 0;  ///< on which it was measured
  std::map<std::string, double>
      errors{};  ///< by the library's name of a projection, e.g. "blocks.3.attention.q.weight"

  /// @return  the projections that int8 would spoil; one that nobody measured is none
  [[nodiscard]] std::set<std::string> in_bf16() const {
    std::set<std::string> names;
    for (const auto& [name, error] : errors) {
      if (!(error <= limit)) {
        names.insert(name);
      }
    }
    return names;
  }

  /// Writes the calibration beside the weights it holds for.
  ///
  /// @throws IoError if a file can't be read or written
  void write(const std::filesystem::path& directory) const {
    io::Json json = {{"format", 1},
                     {"limit", limit},
                     {"texts", texts},
                     {"weights", hash_weights(directory, WeightHash::kChecksum)},
                     {"projections", io::Json::object()}};
    for (const auto& [name, error] : errors) {
      json["projections"][name] = error;
    }
    io::write_json(directory / kInt8CalibrationName, json);
  }

  /// @return  the calibration of a directory, or nothing where there is none
  /// @throws  DataError for a malformed file; ConfigError if the weights are others than those it was made for, unless
  ///          nothing is to be verified
  [[nodiscard]] static std::optional<Int8Calibration> find(const std::filesystem::path& directory, Verify verify) {
    const std::filesystem::path path = directory / kInt8CalibrationName;
    if (!std::filesystem::exists(path)) {
      return std::nullopt;
    }
    const io::Json json = io::read_json(path);
    const io::JsonFields fields(json, path.string());
    (void)fields.get_int("format", 1, 1);
    Int8Calibration calibration{.limit = fields.get_double("limit", 0.0),
                                .texts = static_cast<Index>(fields.get_int("texts", 1))};
    if (verify != Verify::kOff && hash_weights(directory, WeightHash::kChecksum) != json.value("weights", io::Json())) {
      throw ConfigError::invalid(
          path.string(), "weights", "others than those beside it", "these: calibrate again, or remove the file");
    }
    const io::JsonFields projections = fields.get_object("projections");
    for (const auto& [name, error] : projections.json().items()) {
      calibration.errors.emplace(name, projections.get_double(name, 0.0));
    }
    return calibration;
  }
};

/// @return  the projections of a directory that B stores in bf16, where it stores the others in int8
/// @throws  as Int8Calibration::find
template <class B>
[[nodiscard]] std::set<std::string> projections_in_bf16([[maybe_unused]] const std::filesystem::path& directory,
                                                        [[maybe_unused]] Verify verify) {
  if constexpr (kQuantizesWeights<B>) {
    const auto calibration = Int8Calibration::find(directory, verify);
    return calibration ? calibration->in_bf16() : std::set<std::string>();
  } else {
    return {};
  }
}

/// Measures what int8 costs each projection, on texts as the model will see them.
///
/// Every projection gets the exact input, so that its own error is measured and not what went before it.
///
/// @tparam Model  TextEncoder<Encoder, backend::Calibrating>
/// @param  model  loaded with one thread
/// @param  texts  N, of all kinds and lengths that the model will see; a hundred are enough
/// @throws ConfigError if the model has several threads, or there is no text; as TextEncoder::encode
template <class Model, class Texts>
[[nodiscard]] Int8Calibration calibrate_int8(const Model& model,
                                             const Role& role,
                                             const Texts& texts,
                                             double limit = kInt8ErrorLimit) {
  using Weight = nn::CalibratedWeight;
  if (model.pool().size() != 1) {
    throw ConfigError::invalid("model::calibrate_int8", "threads", std::to_string(model.pool().size()), "1");
  }
  if (texts.empty()) {
    throw ConfigError::invalid("model::calibrate_int8", "texts", "none", "at least one");
  }
  Matrix<float> vectors(static_cast<Index>(texts.size()), model.dim());
  model.encode(role, texts, vectors.view());
  Int8Calibration calibration{.limit = limit, .texts = static_cast<Index>(texts.size())};
  model.encoder().visit(model.weights(),
                        nn::ParameterVisitor{[](const auto&) {},
                                             [&](const nn::PackedSlice<const Weight>& slice) {
                                               calibration.errors.emplace(slice.name, slice.weight.relative_error());
                                             }});
  return calibration;
}

}  // namespace reasonembed::model
