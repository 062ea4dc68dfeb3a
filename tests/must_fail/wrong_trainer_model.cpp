// expected-error: does not satisfy 'Trainable'|satisfaction of .Trainable<.*Model = Frozen
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/train/trainer.hpp>

namespace re = reasonembed;

using Encoder = re::model::MiniLm;

/// Encodes like any other, but its weights can't be changed.
struct Frozen : Encoder {
  using Encoder::TextEncoder;
  void make_trainable() = delete;
};

#if MUST_FAIL
using Chosen = Frozen;
#else
using Chosen = Encoder;
#endif

using Trainer = re::train::Trainer<Chosen, re::loss::Contrastive<>>;

int main() {
  return Trainer::Options().epochs == 1 ? 0 : 1;
}
