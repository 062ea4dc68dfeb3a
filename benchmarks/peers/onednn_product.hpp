#pragma once
/// @file The product of a layer as oneDNN computes it, at its best: weights reordered once to the layout it asks for,
/// and the quicker of its two primitives, inner_product and matmul. In the threads that OpenMP has been given.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace benchmarks {

namespace re = reasonembed;

/// What operands are stored in.
enum class Numbers { kF32, kBf16, kInt8 };

/// y = x weight^T with x in [0, 1], from f32, bf16 or u8 rows and f32, bf16 or s8 weights, into f32.
class OneDnnProduct {
 public:
  /// @param x       (M, K), in [0, 1]
  /// @param weight  (N, K), in [-1, 1]
  /// @param copies  of the weight that calls use in turn
  OneDnnProduct(Numbers numbers, re::MatrixView<const float> x, re::MatrixView<const float> weight, re::Index copies)
      : numbers_(numbers), m_(x.rows()), n_(weight.rows()), k_(weight.cols()) {
    float_rows_ = place({{m_, k_}, Type::f32, Tag::ab});
    std::copy_n(x.data(), m_ * k_, static_cast<float*>(float_rows_.get_data_handle()));
    rows_ = place({{m_, k_}, row_type(), Tag::ab});
    out_ = place({{m_, n_}, Type::f32, Tag::ab});
    dnnl::primitive_attr scaled;
    scaled.set_output_scales(0, {numbers == Numbers::kInt8 ? kRowSteps : 1.0F});
    convert_ = dnnl::reorder(
        dnnl::reorder::primitive_desc(engine_, float_rows_.get_desc(), engine_, rows_.get_desc(), scaled));
    convert_rows();
    const dnnl::memory stored = stored_weight(weight);
    double best = std::numeric_limits<double>::infinity();
    for (const bool inner : {true, false}) {
      Candidate candidate = inner ? inner_product(stored) : matmul(stored);
      candidate.weights.push_back(reordered(stored, candidate, inner));
      const double seconds = trial(candidate);
      if (seconds < best) {
        best = seconds;
        chosen_ = std::move(candidate);
        inner_ = inner;
      }
    }
    while (static_cast<re::Index>(chosen_.weights.size()) < copies) {
      chosen_.weights.push_back(reordered(stored, chosen_, inner_));
    }
  }
  OneDnnProduct(const OneDnnProduct&) = delete;
  OneDnnProduct& operator=(const OneDnnProduct&) = delete;

  /// Rounds or quantises the rows, which run() alone takes as they are; in f32 nothing is to be done.
  void convert_rows() {
    convert_.execute(stream_, float_rows_, rows_);
    stream_.wait();
  }
  void run(re::Index copy) { execute(chosen_, static_cast<std::size_t>(copy)); }
  /// @return  (M, N)
  [[nodiscard]] re::MatrixView<const float> out() const {
    return {static_cast<const float*>(out_.get_data_handle()), m_, n_};
  }
  [[nodiscard]] const char* primitive() const { return inner_ ? "inner_product" : "matmul"; }

 private:
  using Type = dnnl::memory::data_type;
  using Tag = dnnl::memory::format_tag;
  struct Candidate {
    dnnl::primitive primitive;
    dnnl::memory::desc layout;
    std::vector<dnnl::memory> weights;
  };
  static constexpr float kRowSteps = 255.0F;     // of [0, 1]
  static constexpr float kWeightSteps = 127.0F;  // of [0, 1]

  [[nodiscard]] Type row_type() const {
    return numbers_ == Numbers::kF32 ? Type::f32 : numbers_ == Numbers::kBf16 ? Type::bf16 : Type::u8;
  }
  [[nodiscard]] Type weight_type() const { return numbers_ == Numbers::kInt8 ? Type::s8 : row_type(); }

  /// Memory with huge pages, as ours has.
  dnnl::memory place(const dnnl::memory::desc& layout) {
    memory_.emplace_back(static_cast<re::Index>((layout.get_size() + sizeof(float) - 1) / sizeof(float)));
    return {layout, engine_, memory_.back().data()};
  }
  dnnl::memory stored_weight(re::MatrixView<const float> weight) {
    const dnnl::memory plain({{n_, k_}, Type::f32, Tag::ab}, engine_, const_cast<float*>(weight.data()));
    dnnl::memory stored = place({{n_, k_}, weight_type(), Tag::ab});
    dnnl::primitive_attr scaled;
    scaled.set_output_scales(0, {numbers_ == Numbers::kInt8 ? kWeightSteps : 1.0F});
    dnnl::reorder(dnnl::reorder::primitive_desc(engine_, plain.get_desc(), engine_, stored.get_desc(), scaled))
        .execute(stream_, const_cast<dnnl::memory&>(plain), stored);
    stream_.wait();
    return stored;
  }
  /// A step for each output, as ours has.
  [[nodiscard]] dnnl::primitive_attr attributes() const {
    dnnl::primitive_attr result;
    if (numbers_ == Numbers::kInt8) {
      result.set_output_scales(1 << 1,
                               std::vector<float>(static_cast<std::size_t>(n_), 1 / (kRowSteps * kWeightSteps)));
    }
    return result;
  }
  Candidate inner_product(const dnnl::memory& /*stored*/) const {
    const dnnl::inner_product_forward::desc description(
        dnnl::prop_kind::forward_inference, rows_.get_desc(), {{n_, k_}, weight_type(), Tag::any}, out_.get_desc());
    const dnnl::inner_product_forward::primitive_desc primitive(description, attributes(), engine_);
    return {dnnl::inner_product_forward(primitive), primitive.weights_desc(), {}};
  }
  Candidate matmul(const dnnl::memory& /*stored*/) const {
    const dnnl::matmul::desc description(rows_.get_desc(), {{k_, n_}, weight_type(), Tag::any}, out_.get_desc());
    const dnnl::matmul::primitive_desc primitive(description, attributes(), engine_);
    return {dnnl::matmul(primitive), primitive.weights_desc(), {}};
  }
  dnnl::memory reordered(const dnnl::memory& stored, const Candidate& candidate, bool inner) {
    dnnl::memory from =
        inner ? stored : dnnl::memory({{k_, n_}, weight_type(), Tag::ba}, engine_, stored.get_data_handle());
    dnnl::memory to = place(candidate.layout);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }
  void execute(const Candidate& candidate, std::size_t copy) {
    candidate.primitive.execute(
        stream_, {{DNNL_ARG_SRC, rows_}, {DNNL_ARG_WEIGHTS, candidate.weights[copy]}, {DNNL_ARG_DST, out_}});
    stream_.wait();
  }
  double trial(const Candidate& candidate) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 5; ++i) {
      const auto start = std::chrono::steady_clock::now();
      execute(candidate, 0);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
  }

  Numbers numbers_;
  re::Index m_;
  re::Index n_;
  re::Index k_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<re::AlignedBuffer<float>> memory_;
  dnnl::memory float_rows_;
  dnnl::memory rows_;
  dnnl::memory out_;
  dnnl::reorder convert_;
  Candidate chosen_;
  bool inner_ = true;
};

}  // namespace benchmarks
