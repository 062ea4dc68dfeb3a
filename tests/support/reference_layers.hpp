#pragma once
/// @file The equations of the layers as plain loops in double.
#include <reasonembed/core/aligned_buffer.hpp>

#include <support/layer_run.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace test::reference {

using Mat = re::Matrix<double>;

inline Mat columns(const Mat& x, re::Index first, re::Index count) {
  return widen(x.view().col_block(first, count));
}
inline Mat sum(const Mat& a, const Mat& b) {
  Mat y = widen(a.view());
  for (std::size_t i = 0; i < y.flat().size(); ++i) {
    y.flat()[i] += b.flat()[i];
  }
  return y;
}

/// y = x W^T + b; `bias` (1, N) or nullptr
inline Mat linear(const Mat& x, const Mat& weight, const Mat* bias) {
  Mat y(x.rows(), weight.rows());
  for (re::Index t = 0; t < x.rows(); ++t) {
    for (re::Index n = 0; n < weight.rows(); ++n) {
      double value = bias == nullptr ? 0.0 : (*bias)(0, n);
      for (re::Index k = 0; k < x.cols(); ++k) {
        value += x(t, k) * weight(n, k);
      }
      y(t, n) = value;
    }
  }
  return y;
}
/// The projection called `name`: `name.weight`, and `name.bias` where there is one.
inline Mat linear(const Mat& x, const Tensors& w, const std::string& name) {
  const auto bias = w.find(name + ".bias");
  return linear(x, w.at(name + ".weight"), bias == w.end() ? nullptr : &bias->second);
}

inline Mat layer_norm(const Mat& x, const Tensors& w, const std::string& name, double eps) {
  Mat y(x.rows(), x.cols());
  const auto width = double(x.cols());
  for (re::Index t = 0; t < x.rows(); ++t) {
    double mean = 0.0;
    double variance = 0.0;
    for (re::Index d = 0; d < x.cols(); ++d) {
      mean += x(t, d) / width;
    }
    for (re::Index d = 0; d < x.cols(); ++d) {
      variance += (x(t, d) - mean) * (x(t, d) - mean) / width;
    }
    for (re::Index d = 0; d < x.cols(); ++d) {
      y(t, d) = w.at(name + ".gain")(0, d) * (x(t, d) - mean) / std::sqrt(variance + eps) + w.at(name + ".bias")(0, d);
    }
  }
  return y;
}

inline Mat rms_norm(const Mat& x, const Mat& gain, double eps) {
  Mat y(x.rows(), x.cols());
  for (re::Index t = 0; t < x.rows(); ++t) {
    double square = 0.0;
    for (re::Index d = 0; d < x.cols(); ++d) {
      square += x(t, d) * x(t, d) / double(x.cols());
    }
    for (re::Index d = 0; d < x.cols(); ++d) {
      y(t, d) = gain(0, d) * x(t, d) / std::sqrt(square + eps);
    }
  }
  return y;
}

inline Mat gelu_mlp(const Mat& x, const Tensors& w, const std::string& name) {
  Mat inner = linear(x, w, name + ".up");
  for (double& z : inner.flat()) {
    z *= 0.5 * (1.0 + std::erf(z / std::sqrt(2.0)));
  }
  return linear(inner, w, name + ".down");
}
inline Mat swiglu(const Mat& x, const Tensors& w, const std::string& name) {
  const Mat gate = linear(x, w, name + ".gate");
  Mat inner = linear(x, w, name + ".up");
  for (std::size_t i = 0; i < inner.flat().size(); ++i) {
    inner.flat()[i] *= gate.flat()[i] / (1.0 + std::exp(-gate.flat()[i]));
  }
  return linear(inner, w, name + ".down");
}

/// Every head of `x` (T, heads * head_dim) normalised by itself.
inline Mat head_norm(const Mat& x, const Mat& gain, double eps) {
  Mat y(x.rows(), x.cols());
  for (re::Index first = 0; first < x.cols(); first += gain.cols()) {
    const Mat head = rms_norm(columns(x, first, gain.cols()), gain, eps);
    for (re::Index t = 0; t < x.rows(); ++t) {
      std::copy(head.view().row(t).begin(), head.view().row(t).end(), y.view().row(t).begin() + first);
    }
  }
  return y;
}

/// Every head of `x` turned by the angles of its token's position, which are rounded to float as published models do.
inline Mat rope(const Mat& x, std::span<const std::int32_t> offsets, re::Index head_dim, double theta) {
  Mat y(x.rows(), x.cols());
  const re::Index half = head_dim / 2;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (re::Index t = offsets[b]; t < offsets[b + 1]; ++t) {
      for (re::Index first = 0; first < x.cols(); first += head_dim) {
        for (re::Index i = 0; i < half; ++i) {
          const auto power = static_cast<float>(std::pow(theta, double(float(2 * i) / float(head_dim))));
          const float frequency = 1.0F / power;
          const auto angle = double(static_cast<float>(t - offsets[b]) * frequency);
          const double a = x(t, first + i);
          const double c = x(t, first + half + i);
          y(t, first + i) = a * std::cos(angle) - c * std::sin(angle);
          y(t, first + half + i) = c * std::cos(angle) + a * std::sin(angle);
        }
      }
    }
  }
  return y;
}

/// softmax(q k^T / sqrt(head_dim)) v for every head of every sequence.
inline Mat attend(const Mat& q,
                  const Mat& k,
                  const Mat& v,
                  std::span<const std::int32_t> offsets,
                  const re::nn::EncoderConfig& config,
                  bool causal) {
  Mat y(q.rows(), q.cols());
  const re::Index width = config.head_dim;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (re::Index t = offsets[b]; t < offsets[b + 1]; ++t) {
      const re::Index last = causal ? t + 1 : offsets[b + 1];
      for (re::Index h = 0; h < config.heads; ++h) {
        const re::Index own = h * width;
        const re::Index shared = h / (config.heads / config.kv_heads) * width;
        std::vector<double> weights;
        double total = 0.0;
        for (re::Index s = offsets[b]; s < last; ++s) {
          double score = 0.0;
          for (re::Index d = 0; d < width; ++d) {
            score += q(t, own + d) * k(s, shared + d);
          }
          weights.push_back(std::exp(score / std::sqrt(double(width))));
          total += weights.back();
        }
        for (re::Index d = 0; d < width; ++d) {
          double value = 0.0;
          for (re::Index s = offsets[b]; s < last; ++s) {
            value += weights[static_cast<std::size_t>(s - offsets[b])] / total * v(s, shared + d);
          }
          y(t, own + d) = value;
        }
      }
    }
  }
  return y;
}

/// What BERT's and Qwen3's attention do to queries and keys.
struct AttentionKind {
  bool causal = false;
  bool qk_norm = false;
  bool rope = false;
};
inline Mat attention(const Mat& x,
                     const Tensors& w,
                     const std::string& name,
                     std::span<const std::int32_t> offsets,
                     const re::nn::EncoderConfig& config,
                     const re::nn::EncoderOptions& options,
                     AttentionKind kind) {
  Mat q = linear(x, w, name + ".q");
  Mat k = linear(x, w, name + ".k");
  if (kind.qk_norm) {
    q = head_norm(q, w.at(name + ".q_norm.gain"), options.norm_eps);
    k = head_norm(k, w.at(name + ".k_norm.gain"), options.norm_eps);
  }
  if (kind.rope) {
    q = rope(q, offsets, config.head_dim, options.rope_theta);
    k = rope(k, offsets, config.head_dim, options.rope_theta);
  }
  return linear(attend(q, k, linear(x, w, name + ".v"), offsets, config, kind.causal), w, name + ".output");
}

/// BERT's block.
inline Mat bert_block(const Mat& x,
                      const Tensors& w,
                      const std::string& name,
                      std::span<const std::int32_t> offsets,
                      const re::nn::EncoderConfig& config,
                      const re::nn::EncoderOptions& options) {
  const Mat mixed = attention(x, w, name + ".attention", offsets, config, options, {});
  const Mat h = layer_norm(sum(x, mixed), w, name + ".attention_norm", options.norm_eps);
  return layer_norm(sum(h, gelu_mlp(h, w, name + ".mlp")), w, name + ".mlp_norm", options.norm_eps);
}
/// Qwen3's block.
inline Mat qwen3_block(const Mat& x,
                       const Tensors& w,
                       const std::string& name,
                       std::span<const std::int32_t> offsets,
                       const re::nn::EncoderConfig& config,
                       const re::nn::EncoderOptions& options) {
  const Mat normed = rms_norm(x, w.at(name + ".attention_norm.gain"), options.norm_eps);
  const Mat h = sum(
      x,
      attention(
          normed, w, name + ".attention", offsets, config, options, {.causal = true, .qk_norm = true, .rope = true}));
  return sum(h, swiglu(rms_norm(h, w.at(name + ".mlp_norm.gain"), options.norm_eps), w, name + ".mlp"));
}

}  // namespace test::reference
