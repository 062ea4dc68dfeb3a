// expected-error: reasonembed::model::TextEncoder: Backend must store weights in what it computes in to be trained
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/text_encoder.hpp>

namespace re = reasonembed;

#if MUST_FAIL
using Store = re::bf16;
#else
using Store = float;
#endif

int main() {
  auto model = re::model::random_byte_encoder<re::backend::Cpu<Store>>(1, {.threads = 1});
  model.make_trainable();
  return static_cast<int>(model.dim()) - 128;
}
