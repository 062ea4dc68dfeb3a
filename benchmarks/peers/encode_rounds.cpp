/// @file One side of benchmarks/peers/compare_encoders.py: loads all-MiniLM-L6-v2 once, then encodes a set of texts
/// each time that a line is written to it, so that peers take turns within one run.
///
///     encode_rounds MODEL_DIR THREADS float32|bfloat16|rounded|int8
///
/// A line of the input is a file of texts (JSON Lines with `text`); the answer is a line with the seconds it took.
/// Texts are cut at 512 tokens.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/data/text_list.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

namespace {

template <class B>
int serve(const char* directory, int threads) {
  using Model = re::model::TextEncoder<re::model::BertEncoder<>, B>;
  const Model model = Model::load(directory, {.threads = threads, .verify = re::model::Verify::kOff});
  const re::model::Role role{.prompt = "", .max_tokens = 512};
  std::map<std::string, std::vector<std::string>> sets;
  for (std::string file; std::getline(std::cin, file);) {
    std::vector<std::string>& texts = sets[file];
    if (texts.empty()) {
      re::io::for_each_json_line(file, [&](const re::io::JsonFields& row) { texts.push_back(row.get_string("text")); });
    }
    re::Matrix<float> out(static_cast<re::Index>(texts.size()), model.dim());
    const auto start = std::chrono::steady_clock::now();
    const re::Index tokens = model.encode(role, texts, out.view());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%.9f %td\n", seconds.count(), tokens);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: encode_rounds MODEL_DIR THREADS float32|bfloat16|rounded|int8\n");
    return 2;
  }
  const std::string_view precision = arguments[3];
  const int threads = std::stoi(arguments[2]);
  if (precision == "float32") {
    return serve<re::backend::Cpu<float>>(arguments[1], threads);
  }
  if (precision == "int8") {
    return serve<re::backend::Cpu<re::int8>>(arguments[1], threads);
  }
  if (precision == "bfloat16") {
    return serve<re::backend::Cpu<re::bf16>>(arguments[1], threads);
  }
  return serve<re::backend::Cpu<re::bf16, re::bf16>>(arguments[1], threads);
}
