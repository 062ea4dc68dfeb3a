// Loads a Qwen3 directory, encodes texts of 512 tokens, and prints what that took, as one line of JSON.
// usage: memory_check MODEL float32|bfloat16 TEXTS THREADS
//
// Memory is that of the whole process, as the kernel counts it (VmHWM of /proc/self/status): its own pages and those of
// mapped files.
#include <reasonembed/model/memory_plan.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <support/process_memory.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace re = reasonembed;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class B>
void check(const std::string& directory, int texts, int threads) {
  using Encoder = re::model::Qwen3Encoder<>;
  const double before = test::status_bytes("VmHWM");
  auto start = std::chrono::steady_clock::now();
  const auto model = re::model::TextEncoder<Encoder, B>::load(directory, {.threads = threads});
  const double load_seconds = seconds_since(start);
  const double load_peak = test::status_bytes("VmHWM");
  const std::vector<std::string> long_texts(static_cast<std::size_t>(texts), std::string(511, 'x'));  // and an end
  start = std::chrono::steady_clock::now();
  const auto vectors = model.encode_document(long_texts);
  const double encode_seconds = seconds_since(start);
  const double peak = test::status_bytes("VmHWM");
  const double anonymous = test::status_bytes("RssAnon");
  const double file = test::status_bytes("RssFile");
  const auto plan = re::model::plan_memory<B>(model.encoder(), threads, 512);
  std::printf(
      "{\"load_seconds\": %.2f, \"encode_seconds\": %.2f, \"tokens_per_second\": %.1f, "
      "\"before\": %.0f, \"load_peak\": %.0f, \"peak\": %.0f, \"anonymous\": %.0f, \"file\": %.0f, "
      "\"planned_weights\": %zu, \"planned_activations\": %zu, \"dim\": %td}\n",
      load_seconds,
      encode_seconds,
      512.0 * texts / encode_seconds,
      before,
      load_peak,
      peak,
      anonymous,
      file,
      plan.weights,
      plan.activations,
      vectors.cols());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: memory_check MODEL float32|bfloat16 TEXTS THREADS\n");
    return 2;
  }
  const int texts = std::atoi(argv[3]);
  const int threads = std::atoi(argv[4]);
  if (std::string(argv[2]) == "bfloat16") {
    check<re::backend::Cpu<re::bf16>>(argv[1], texts, threads);
  } else {
    check<re::backend::Cpu<float>>(argv[1], texts, threads);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
