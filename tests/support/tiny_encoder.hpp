#pragma once
/// @file The tiny encoders of tests/golden, on any backend.
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <support/data.hpp>
#include <support/golden_model.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace test {

/// A tiny encoder of tests/golden on one backend, and what PyTorch makes of its texts in several precisions.
template <class Encoder, class B>
struct TinyEncoder {
  TinyEncoder(const std::string& name,
              reasonembed::model::Residency residency,
              const reasonembed::model::DirectoryOptions& said = {})
      : directory(source_path("tests/golden/tiny_" + name)),
        description(reasonembed::model::read_encoder_description(directory, said)),
        encoder(description.config, description.options),
        weights(reasonembed::model::load_weights<B>(
            encoder, description.family, reasonembed::io::ShardedSafeTensors::open(directory), residency)),
        file(reasonembed::io::SafeTensors::open(source_path("tests/golden/bfloat16/embeddings.safetensors"))),
        prefix(name + "."),
        tokens(read_ints(file, prefix + "tokens")),
        offsets(read_ints(file, prefix + "offsets")) {}

  [[nodiscard]] reasonembed::Matrix<float> read(const std::string& name) const {
    reasonembed::Matrix<float> values(static_cast<reasonembed::Index>(offsets.size()) - 1, encoder.dim());
    file.read(prefix + name, values.view());
    return values;
  }
  [[nodiscard]] reasonembed::Matrix<float> embed(std::span<const std::int32_t> ids,
                                                 std::span<const std::int32_t> ends) const {
    reasonembed::Arena arena;
    reasonembed::nn::Context<B> context{.arena = arena, .batch = {.tokens = ids, .offsets = ends}};
    reasonembed::Matrix<float> got(static_cast<reasonembed::Index>(ends.size()) - 1, encoder.dim());
    reasonembed::nn::Nothing nothing;
    encoder.forward(context, weights, got.view(), nothing);
    return got;
  }

  std::filesystem::path directory;
  reasonembed::model::EncoderDescription description;
  Encoder encoder;
  typename Encoder::template Parameters<reasonembed::nn::WeightLeaf<B>> weights;
  reasonembed::io::SafeTensors file;
  std::string prefix;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> offsets;
};

/// @return  the least cosine of two sets of unit vectors, row by row
inline double least_cosine(const reasonembed::Matrix<float>& a, const reasonembed::Matrix<float>& b) {
  double least = 1.0;
  for (reasonembed::Index row = 0; row < a.rows(); ++row) {
    double cosine = 0.0;
    for (reasonembed::Index d = 0; d < a.cols(); ++d) {
      cosine += double(a(row, d)) * double(b(row, d));
    }
    least = std::min(least, cosine);
  }
  return least;
}

}  // namespace test
