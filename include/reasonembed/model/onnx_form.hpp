#pragma once
/// @file The components of an encoder in the operators of ONNX.
#include <reasonembed/config.hpp>
#include <reasonembed/io/onnx_graph.hpp>
#include <reasonembed/model/onnx_encoder_graph.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/embedding.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/identity.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/post_norm_block.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// How a component is written in ONNX. Specialise it for one of your own:
///
///   static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows);
///
/// adds the component's nodes to `to`; `name` is the prefix of its parameters as Encoder::visit gives it; rows and the
/// result are (B T, D). Head transforms take (B, T, heads, head_dim) instead, and "q" or "k". Embeddings take no rows.
/// A pooling gives (B, D).
template <class Component>
struct OnnxForm {
  static_assert(sizeof(Component) == 0,
                "reasonembed::model::OnnxForm: Component must have an ONNX form: "
                "specialise model::OnnxForm for it to export encoders that contain it");
};

template <>
struct OnnxForm<nn::Identity> {
  static OnnxValue forward(OnnxEncoderGraph&, const std::string&, const OnnxValue& rows) { return rows; }
};

template <>
struct OnnxForm<nn::RmsNorm> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    return to.rms_norm(to.parameter(name + ".gain"), rows);
  }
};

template <>
struct OnnxForm<nn::LayerNorm> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    return to.graph.add("LayerNormalization",
                        {rows, to.parameter(name + ".gain"), to.parameter(name + ".bias")},
                        {{"axis", -1}, {"epsilon", static_cast<float>(to.options.norm_eps)}});
  }
};

template <>
struct OnnxForm<nn::TokenEmbedding> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue ids = to.graph.add("Reshape", {to.ids(), to.graph.ints({-1})});
    return to.graph.add("Gather", {to.parameter(name + ".token.weight"), ids});
  }
};

template <>
struct OnnxForm<nn::TokenPositionTypeEmbedding> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name) {
    OnnxValue sum = OnnxForm<nn::TokenEmbedding>::forward(to, name);
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue from_zero = to.graph.add("Reshape", {to.positions(), to.graph.ints({-1})});
    const OnnxValue rows = to.graph.add("Add", {from_zero, to.graph.integer(to.config.position_offset)});
    sum = to.graph.add("Add", {sum, to.graph.add("Gather", {to.parameter(name + ".position.weight"), rows})});
    if (to.config.type_vocab > 0) {  // a text is one segment
      sum = to.graph.add("Add",
                         {sum, to.graph.add("Gather", {to.parameter(name + ".type.weight"), to.graph.integer(0)})});
    }
    return OnnxForm<nn::LayerNorm>::forward(to, name + ".norm", sum);
  }
};

template <>
struct OnnxForm<nn::QkNorm> {
  static OnnxValue forward(OnnxEncoderGraph& to,
                           const std::string& name,
                           const OnnxValue& heads,
                           const std::string& which) {
    return to.rms_norm(to.parameter(name + "." + which + "_norm.gain"), heads);
  }
};

template <>
struct OnnxForm<nn::Rope> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string&, const OnnxValue& heads, const std::string&) {
    const auto [cosine, sine] = to.rotary();
    const std::vector<OnnxValue> half = to.graph.add("Split", std::array{heads}, 2, {{"axis", -1}});
    const auto product = [&](const OnnxValue& a, const OnnxValue& b) { return to.graph.add("Mul", {a, b}); };
    const OnnxValue first = to.graph.add("Sub", {product(half[0], cosine), product(half[1], sine)});
    const OnnxValue second = to.graph.add("Add", {product(half[1], cosine), product(half[0], sine)});
    return to.graph.add("Concat", {first, second}, {{"axis", -1}});
  }
};

/// Scores are (B, heads, T, T), or (B, kv_heads, heads / kv_heads, T, T) where heads share keys and values, which
/// broadcast then without a copy.
template <nn::Visibility Sight, nn::HeadTransform... Transforms>
struct OnnxForm<nn::Attention<Sight, Transforms...>> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const nn::EncoderConfig& c = to.config;
    const bool grouped = c.heads != c.kv_heads;
    const OnnxValue q = heads_first(to, transformed(to, name, "q", rows, c.heads), c.heads / c.kv_heads, false);
    const OnnxValue k = heads_first(to, transformed(to, name, "k", rows, c.kv_heads), 1, true);
    const OnnxValue v = heads_first(to, to.by_text(to.linear(name + ".v", rows), {c.kv_heads, c.head_dim}), 1, false);

    const auto scale = static_cast<float>(1.0 / std::sqrt(double(c.head_dim)));
    const OnnxValue scores = to.graph.add("Mul", {to.graph.add("MatMul", {q, k}), to.graph.number(scale)});
    const OnnxValue& visible = to.visible(Sight == nn::Visibility::kCausal, grouped ? 2 : 1);
    const OnnxValue lowest = to.graph.number(std::numeric_limits<float>::lowest());  // finite: a row of padding alone
    const OnnxValue seen = to.graph.add("Where", {visible, scores, lowest});         // has weights, and no NaN
    const OnnxValue weights = to.graph.add("Softmax", {seen}, {{"axis", -1}});
    const OnnxValue mixed = to.graph.add("MatMul", {weights, v});
    const std::vector<std::int64_t> order =
        grouped ? std::vector<std::int64_t>{0, 3, 1, 2, 4} : std::vector<std::int64_t>{0, 2, 1, 3};
    const OnnxValue by_token = to.graph.add("Transpose", {mixed}, {{"perm", order}});
    return to.linear(name + ".output", to.by_row(by_token, c.query_dim()));
  }

 private:
  /// @return  (B, T, count, head_dim)
  static OnnxValue transformed(
      OnnxEncoderGraph& to, const std::string& name, const std::string& which, const OnnxValue& rows, int count) {
    OnnxValue heads = to.by_text(to.linear(name + "." + which, rows), {count, to.config.head_dim});
    ((heads = OnnxForm<Transforms>::forward(to, name, heads, which)), ...);
    return heads;
  }
  /// @param heads       (B, T, kv_heads * group, head_dim)
  /// @param transposed  whether head_dim comes before T, as keys need it
  /// @return            (B, kv_heads, T, head_dim), or (B, kv_heads, group, T, head_dim) where heads are grouped
  static OnnxValue heads_first(OnnxEncoderGraph& to, OnnxValue heads, int group, bool transposed) {
    const nn::EncoderConfig& c = to.config;
    std::vector<std::int64_t> order =
        transposed ? std::vector<std::int64_t>{0, 2, 3, 1} : std::vector<std::int64_t>{0, 2, 1, 3};
    if (c.heads != c.kv_heads) {
      heads = to.by_text(heads, {c.kv_heads, group, c.head_dim});
      order = transposed ? std::vector<std::int64_t>{0, 2, 3, 4, 1} : std::vector<std::int64_t>{0, 2, 3, 1, 4};
    }
    return to.graph.add("Transpose", {heads}, {{"perm", order}});
  }
};

template <>
struct OnnxForm<nn::GeluMlp> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue inner = to.linear(name + ".up", rows);
    const OnnxValue scaled = to.graph.add("Div", {inner, to.graph.number(std::numbers::sqrt2_v<float>)});
    const OnnxValue above = to.graph.add("Add", {to.graph.add("Erf", {scaled}), to.graph.number(1.0F)});
    const OnnxValue twice = to.graph.add("Mul", {inner, above});
    return to.linear(name + ".down", to.graph.add("Mul", {twice, to.graph.number(0.5F)}));
  }
};

template <>
struct OnnxForm<nn::SwiGlu> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue gate = to.linear(name + ".gate", rows);
    const OnnxValue silu = to.graph.add("Mul", {gate, to.graph.add("Sigmoid", {gate})});
    return to.linear(name + ".down", to.graph.add("Mul", {silu, to.linear(name + ".up", rows)}));
  }
};

template <nn::Normalization Norm, nn::TokenMixer Mixer, nn::SubLayer Mlp>
struct OnnxForm<nn::PreNormBlock<Norm, Mixer, Mlp>> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue normed = OnnxForm<Norm>::forward(to, name + ".attention_norm", rows);
    const OnnxValue h = to.graph.add("Add", {rows, OnnxForm<Mixer>::forward(to, name + ".attention", normed)});
    const OnnxValue normed_h = OnnxForm<Norm>::forward(to, name + ".mlp_norm", h);
    return to.graph.add("Add", {h, OnnxForm<Mlp>::forward(to, name + ".mlp", normed_h)});
  }
};

template <nn::Normalization Norm, nn::TokenMixer Mixer, nn::SubLayer Mlp>
struct OnnxForm<nn::PostNormBlock<Norm, Mixer, Mlp>> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue mixed = to.graph.add("Add", {rows, OnnxForm<Mixer>::forward(to, name + ".attention", rows)});
    const OnnxValue h = OnnxForm<Norm>::forward(to, name + ".attention_norm", mixed);
    const OnnxValue fed = to.graph.add("Add", {h, OnnxForm<Mlp>::forward(to, name + ".mlp", h)});
    return OnnxForm<Norm>::forward(to, name + ".mlp_norm", fed);
  }
};

template <>
struct OnnxForm<nn::Mean> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    const OnnxValue real = to.graph.add("Cast", {to.mask()}, {{"to", OnnxEncoderGraph::kOnnxFloat}});
    const OnnxValue column = to.graph.add("Unsqueeze", {real, to.graph.ints({2})});  // (B, T, 1)
    const OnnxValue states = to.graph.add("Mul", {to.by_text(rows, {to.config.dim}), column});
    const auto sum = [&](const OnnxValue& x) {
      return to.graph.add("ReduceSum", {x, to.graph.ints({1})}, {{"keepdims", 0}});
    };
    const OnnxValue count = to.graph.add("Max", {sum(column), to.graph.number(1.0F)});  // a text of padding alone
    return to.graph.add("Div", {sum(states), count});
  }
};

template <bool First>
struct OnnxForm<nn::OneToken<First>> {
  static OnnxValue forward(OnnxEncoderGraph& to, const std::string& name, const OnnxValue& rows) {
    const io::OnnxScope scope(to.graph, name);
    // The first place of the largest: of the mask, it is the first token; of the tokens counted so far, the last one.
    const OnnxValue place =
        to.graph.add("ArgMax", {First ? to.mask() : to.numbers()}, {{"axis", 1}, {"keepdims", 0}});  // (B)
    const OnnxValue texts = to.graph.add("Gather", {to.shape(), to.graph.integer(0)});
    const OnnxValue length = to.graph.add("Gather", {to.shape(), to.graph.integer(1)});
    const OnnxValue text = to.graph.add("Range", {to.graph.integer(0), texts, to.graph.integer(1)});
    return to.graph.add("Gather", {rows, to.graph.add("Add", {to.graph.add("Mul", {text, length}), place})});
  }
};

/// Hidden states and pooled vectors.
struct OnnxOutputs {
  OnnxValue rows;    ///< (B T, D)
  OnnxValue pooled;  ///< (B, D), of unit length if the encoder normalises
};

template <nn::EncoderConfig Config, nn::TransformerBlock Block, nn::Pooling Pool, nn::TokenEmbedder Embedding>
struct OnnxForm<nn::Encoder<Config, Block, Pool, Embedding>> {
  static OnnxOutputs forward(OnnxEncoderGraph& to) {
    OnnxValue rows = OnnxForm<Embedding>::forward(to, "embedding");
    for (int layer = 0; layer < to.config.layers; ++layer) {
      rows = OnnxForm<Block>::forward(to, "blocks." + std::to_string(layer), rows);
    }
    rows = OnnxForm<typename Block::FinalNorm>::forward(to, "final_norm", rows);
    const OnnxValue pooled = OnnxForm<Pool>::forward(to, "pooling", rows);
    return {rows, to.options.normalize ? to.unit_length(pooled) : pooled};
  }
};

}  // namespace reasonembed::model
