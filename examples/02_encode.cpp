// Encodes texts through the roles they play, into memory of the caller, and shows that a vector is the same alone and
// in a batch, whatever its place. Prints
//   384 numbers a text
//   alone and in a batch: the same bits
// (128 numbers without pretrained weights)
#include <reasonembed/reasonembed.hpp>

#include <algorithm>
#include <cstdio>

namespace re = reasonembed;

int main() {  // NOLINT(bugprone-exception-escape): an error ends an example with its message
  // example-begin encode
  const auto encoder = re::model::load_or_random_minilm("", {.threads = 2});
  const std::vector<std::string> texts = {"a short text", "another one, which is a little longer", "why?"};

  const re::Matrix<float> alone = encoder.encode_document({texts[1]});
  re::Matrix<float> batch(3, encoder.dim());
  encoder.encode(encoder.document_role(), texts, batch.view());  // a warm encoder allocates nothing here
  const bool same = std::ranges::equal(alone.row(0), batch.row(1));
  // example-end encode
  std::printf(
      "%td numbers a text\nalone and in a batch: %s\n", encoder.dim(), same ? "the same bits" : "DIFFERENT BITS");
  return same ? 0 : 1;
}
