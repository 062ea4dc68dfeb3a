#include <reasonembed/nn/config.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>

namespace re = reasonembed;
using re::nn::EncoderConfig;
using re::nn::EncoderOptions;
using re::nn::kDynamic;

namespace {

constexpr EncoderConfig kSizes{
    .vocab = 100, .dim = 8, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 6, .mlp_dim = 16, .max_length = 32};

/// kSizes with one field changed.
constexpr EncoderConfig with(int EncoderConfig::* field, int value) {
  EncoderConfig config = kSizes;
  config.*field = value;
  return config;
}

void check_refused(const EncoderConfig& config, const EncoderConfig& expected, const std::string& message) {
  CHECK_THROWS_WITH_AS(re::nn::require_config(config, expected), message.c_str(), re::ConfigError);
}
void check_refused(const EncoderOptions& options, const std::string& message) {
  CHECK_THROWS_WITH_AS(re::nn::require_options(options), message.c_str(), re::ConfigError);
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_SUITE("nn/config") {
  TEST_CASE("valid: holds for sizes an encoder can have") {
    static_assert(kSizes.valid());
    static_assert(with(&EncoderConfig::type_vocab, 2).valid());
    static_assert(!kDynamic.valid());
    for (int EncoderConfig::* field : {&EncoderConfig::vocab,
                                       &EncoderConfig::dim,
                                       &EncoderConfig::layers,
                                       &EncoderConfig::heads,
                                       &EncoderConfig::kv_heads,
                                       &EncoderConfig::head_dim,
                                       &EncoderConfig::mlp_dim,
                                       &EncoderConfig::max_length}) {
      CHECK_FALSE(with(field, 0).valid());
      CHECK_FALSE(with(field, -1).valid());
    }
    CHECK_FALSE(with(&EncoderConfig::head_dim, 5).valid());
    CHECK_FALSE(with(&EncoderConfig::kv_heads, 3).valid());
    CHECK_FALSE(with(&EncoderConfig::type_vocab, -1).valid());
    static_assert(with(&EncoderConfig::position_offset, 2).valid());
    CHECK_FALSE(with(&EncoderConfig::position_offset, -1).valid());
  }
  TEST_CASE("query_dim, kv_dim: are widths of all heads, whatever dim is") {
    static_assert(kSizes.query_dim() == 24 && kSizes.kv_dim() == 12);
    CHECK(kSizes.query_dim() != kSizes.dim);
  }
  TEST_CASE("require_config: accepts any possible sizes where they are dynamic, and equal ones where not") {
    CHECK_NOTHROW(re::nn::require_config(kSizes, kDynamic));
    CHECK_NOTHROW(re::nn::require_config(kSizes, kSizes));
    CHECK_NOTHROW(re::nn::require_config(with(&EncoderConfig::type_vocab, 7), kDynamic));
  }
  TEST_CASE("require_config: names the first field that differs from the static sizes") {
    check_refused(with(&EncoderConfig::vocab, 99), kSizes, "nn::Encoder: vocab is 99, expected 100");
    check_refused(with(&EncoderConfig::dim, 16), kSizes, "nn::Encoder: dim is 16, expected 8");
    check_refused(with(&EncoderConfig::layers, 3), kSizes, "nn::Encoder: layers is 3, expected 2");
    check_refused(with(&EncoderConfig::heads, 2), kSizes, "nn::Encoder: heads is 2, expected 4");
    check_refused(with(&EncoderConfig::kv_heads, 4), kSizes, "nn::Encoder: kv_heads is 4, expected 2");
    check_refused(with(&EncoderConfig::head_dim, 4), kSizes, "nn::Encoder: head_dim is 4, expected 6");
    check_refused(with(&EncoderConfig::mlp_dim, 17), kSizes, "nn::Encoder: mlp_dim is 17, expected 16");
    check_refused(with(&EncoderConfig::max_length, 31), kSizes, "nn::Encoder: max_length is 31, expected 32");
    check_refused(with(&EncoderConfig::type_vocab, 2), kSizes, "nn::Encoder: type_vocab is 2, expected 0");
    check_refused(with(&EncoderConfig::position_offset, 2), kSizes, "nn::Encoder: position_offset is 2, expected 0");
    EncoderConfig biased = kSizes;
    biased.qkv_bias = true;
    check_refused(biased, kSizes, "nn::Encoder: qkv_bias is 1, expected 0");
    biased = kSizes;
    biased.linear_bias = true;
    check_refused(biased, kSizes, "nn::Encoder: linear_bias is 1, expected 0");
  }
  TEST_CASE("require_config: names what no encoder can have") {
    check_refused(kDynamic, kDynamic, "nn::Encoder: vocab is 0, expected a positive number");
    check_refused(
        with(&EncoderConfig::max_length, 0), kDynamic, "nn::Encoder: max_length is 0, expected a positive number");
    check_refused(with(&EncoderConfig::layers, -2), kDynamic, "nn::Encoder: layers is -2, expected a positive number");
    check_refused(
        with(&EncoderConfig::type_vocab, -1), kDynamic, "nn::Encoder: type_vocab is -1, expected a positive number");
    check_refused(
        with(&EncoderConfig::kv_heads, 3), kDynamic, "nn::Encoder: heads is 4, expected a multiple of kv_heads 3");
    check_refused(with(&EncoderConfig::head_dim, 7), kDynamic, "nn::Encoder: head_dim is 7, expected an even number");
  }
  TEST_CASE("require_options: accepts the defaults and the ends of the ranges") {
    CHECK_NOTHROW(re::nn::require_options({}));
    CHECK_NOTHROW(re::nn::require_options({.norm_eps = 0.0, .rope_theta = 1e-3, .dropout = 0.999}));
    CHECK(EncoderOptions().normalize);
    CHECK(EncoderOptions().dropout == 0.0);
  }
  TEST_CASE("require_options: names what is impossible") {
    check_refused({.norm_eps = -1.0}, "nn::Encoder: norm_eps is -1.000000, expected a number >= 0");
    check_refused({.norm_eps = kInfinity}, "nn::Encoder: norm_eps is inf, expected a number >= 0");
    check_refused({.rope_theta = 0.0}, "nn::Encoder: rope_theta is 0.000000, expected a number > 0");
    check_refused({.rope_theta = kNan}, "nn::Encoder: rope_theta is nan, expected a number > 0");
    check_refused({.dropout = 1.0}, "nn::Encoder: dropout is 1.000000, expected 0 <= dropout < 1");
    check_refused({.dropout = -0.5}, "nn::Encoder: dropout is -0.500000, expected 0 <= dropout < 1");
    check_refused({.dropout = kNan}, "nn::Encoder: dropout is nan, expected 0 <= dropout < 1");
  }
  TEST_CASE("RopeScaling: is off until it has an original length") {
    static_assert(!re::nn::RopeScaling{}.enabled());
    static_assert(re::nn::RopeScaling{.original_max_length = 1}.enabled());
    CHECK(EncoderOptions().rope_scaling == re::nn::RopeScaling());
    re::nn::RopeScaling copy = {.factor = 2.0, .original_max_length = 7};
    const re::nn::RopeScaling moved = std::move(copy);
    CHECK(moved == re::nn::RopeScaling{.factor = 2.0, .original_max_length = 7});
  }
  TEST_CASE("require_options: names what no scaling can have, where there is one") {
    const auto refused = [](re::nn::RopeScaling scaling, const std::string& message) {
      CHECK_NOTHROW(re::nn::require_options({.rope_scaling = scaling}));  // off: nobody reads it
      scaling.original_max_length = 64;
      check_refused({.rope_scaling = scaling}, "nn::Encoder: rope_scaling." + message);
    };
    refused({.factor = 0.5}, "factor is 0.500000, expected a number >= 1");
    refused({.factor = kInfinity}, "factor is inf, expected a number >= 1");
    refused({.factor = kNan}, "factor is nan, expected a number >= 1");
    refused({.low_freq_factor = 0.0}, "low_freq_factor is 0.000000, expected a number > 0");
    refused({.low_freq_factor = 4.0}, "high_freq_factor is 4.000000, expected a number > low_freq_factor");
    refused({.high_freq_factor = kNan}, "high_freq_factor is nan, expected a number > low_freq_factor");
    CHECK_NOTHROW(re::nn::require_options({.rope_scaling = {.factor = 1.0, .original_max_length = 1}}));
  }
}
