// expected-error: reasonembed::model::TextEncoder: Backend must not quantise what is trained
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/text_encoder.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Backend = re::backend::Cpu<re::int8>;
#else
using Backend = re::backend::Cpu<float, re::bf16>;
#endif

int main() {
  auto model = re::model::random_byte_encoder<Backend>(1, {.threads = 1});
  model.make_trainable();
  return static_cast<int>(model.dim()) - 128;
}
