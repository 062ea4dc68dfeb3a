// expected-error: reasonembed::model::OnnxForm: Component must have an ONNX form
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/onnx_form.hpp>

namespace re = reasonembed;

/// A pooling of one's own, without a form in ONNX.
struct HalfMean : re::nn::Mean {};

#if MUST_FAIL
using Pool = HalfMean;
#else
using Pool = re::nn::Mean;
#endif

int main() {
  const re::nn::EncoderConfig config;
  const re::nn::EncoderOptions options;
  re::model::OnnxEncoderGraph graph(config, options);
  return re::model::OnnxForm<re::model::BertEncoder<re::nn::kDynamic, Pool>>::forward(graph).pooled.empty() ? 1 : 0;
}
