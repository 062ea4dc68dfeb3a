// example-begin search
#include <reasonembed/reasonembed.hpp>

#include <cstdio>

namespace re = reasonembed;

int main() {
  const auto encoder = re::model::load_or_random_minilm("");  // or MiniLm::load("path/to/all-MiniLM-L6-v2")
  const std::vector<std::string> documents = {
      "Osmosis moves water through a membrane towards the side with more solutes.",
      "Cucumbers are grown in rows and harvested in summer.",
      "A falling price raises the quantity that buyers want."};
  const re::retrieval::FlatIndex index(encoder.encode_document(documents));
  const auto hits = index.search(encoder.encode_query({"Why do sliced vegetables get wet when salted?"}), {.top_k = 1});
  for (const re::retrieval::Hit& hit : hits[0]) {
    std::printf("%.2f  %s\n", hit.score, documents[hit.document].c_str());
  }
}
// example-end search
