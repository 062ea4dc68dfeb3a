/// @file The products of an encoder's layers in f32, in bf16 pairs and in int8, in one thread, beside what the core can
/// do and beside oneDNN, in turn and in one run: one table in Markdown. docs/performance.md says how to read it.
///
///     gemm_peers [--rounds 7] [--milliseconds 8] [--rows 1,4,16,...] [--types f32,bf16,int8] [--model minilm|qwen3]
///               [--copies N]
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm.hpp>

#include "../dot_peak.hpp"
#include "../fma_peak.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if defined(REASONEMBED_HAS_ONEDNN)
#include "onednn_product.hpp"
#include <unistd.h>
#endif

namespace re = reasonembed;
namespace simd = re::simd;
using re::Index;

namespace {

constexpr Index kFewRows = 64;  // below it a weight is read for little work, and memory may bind

struct Layer {
  const char* model;
  double model_weights;  // in all layers: what is read between two uses of a weight
  Index n;
  Index k;
};
constexpr double kMiniLm = 10.6e6;
constexpr double kQwen3 = 440e6;
constexpr std::array<Layer, 9> kLayers{{{"minilm", kMiniLm, 384, 384},
                                        {"minilm", kMiniLm, 1152, 384},
                                        {"minilm", kMiniLm, 1536, 384},
                                        {"minilm", kMiniLm, 384, 1536},
                                        {"qwen3", kQwen3, 2048, 1024},
                                        {"qwen3", kQwen3, 4096, 1024},
                                        {"qwen3", kQwen3, 1024, 2048},
                                        {"qwen3", kQwen3, 6144, 1024},
                                        {"qwen3", kQwen3, 1024, 3072}}};

struct Options {
  int rounds = 7;
  double slot = 0.008;  // seconds of one system in one round
  std::vector<Index> rows{1, 4, 16, 64, 128, 512, 2048};
  std::set<std::string> types{"f32", "bf16", "int8"};
  Index copies = 0;  // of a weight below kFewRows; 0 as many as the model's layers weigh
  std::string model;
};

/// What is printed of one product in one type.
struct Cell {
  double operations = 0;  // a second
  double share = 0;       // of the lower bound
  bool memory_binds = false;
  double theirs = 0;        // share of oneDNN on operands that are rounded before, 0 without
  double theirs_whole = 0;  // the same from rows in float
  double ratio = 0;
  double ratio_whole = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}
double median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios(a.size());
  std::transform(a.begin(), a.end(), b.begin(), ratios.begin(), std::divides<>());
  return median(std::move(ratios));
}

re::Matrix<float> random_matrix(Index rows, Index cols, float low) {
  re::Matrix<float> matrix(rows, cols);
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(low, 1.0F);
  std::generate(matrix.flat().begin(), matrix.flat().end(), [&] { return uniform(generator); });
  return matrix;
}

/// Seconds of a call, of as many as fit the slot.
double time_of(const std::function<void()>& call, double slot) {
  call();
  const double start = benchmarks::seconds_now();
  int calls = 0;
  double now = start;
  do {
    call();
    ++calls;
    now = benchmarks::seconds_now();
  } while (now - start < slot);
  return (now - start) / calls;
}

/// The first and the last row must point where those of the plain product in double point.
void check(const char* what,
           re::MatrixView<const float> x,
           re::MatrixView<const float> weight,
           re::MatrixView<const float> y) {
  for (const Index row : {Index{0}, x.rows() - 1}) {
    double dot = 0;
    double squares = 0;
    double wanted_squares = 0;
    for (Index n = 0; n < weight.rows(); ++n) {
      double wanted = 0;
      for (Index k = 0; k < weight.cols(); ++k) {
        wanted += double{x(row, k)} * double{weight(n, k)};
      }
      dot += wanted * double{y(row, n)};
      squares += double{y(row, n)} * double{y(row, n)};
      wanted_squares += wanted * wanted;
    }
    const double cosine = dot / std::sqrt(squares * wanted_squares);
    if (!(cosine > 0.999)) {
      throw re::Error(std::string("gemm_peers: ") + what + ": cosine with the plain product is " +
                      std::to_string(cosine) + ", expected above 0.999");
    }
  }
}

/// @return  operations of a slice of the loop that nothing but multiplies
template <class W>
double peak_slice() {
  constexpr std::int64_t kSteps = 20000;
  if constexpr (std::same_as<W, float>) {
    alignas(64) static float floats[64];
    benchmarks::fma_steps_512(kSteps, floats);
    return static_cast<double>(kSteps) * 24 * 16 * 2;
  } else if constexpr (std::same_as<W, simd::Bf16Pair>) {
    benchmarks::dot_steps_bf16(kSteps);
    return static_cast<double>(kSteps) * benchmarks::kBf16StepOperations;
  } else {
    benchmarks::dot_steps_int8(kSteps);
    return static_cast<double>(kSteps) * benchmarks::kInt8StepOperations;
  }
}

template <class W>
constexpr double kBytes = std::same_as<W, float>      ? 4
                          : std::same_as<W, re::int8> ? 1
                                                      : 2;

/// The weight of a layer, as often as a model's other weights come between two of its uses.
template <class W>
std::vector<simd::PackedMatrix<W>> pack_copies(re::MatrixView<const float> weight, Index copies) {
  using T = typename simd::PackedMatrix<W>::T;
  re::Matrix<T> stored(weight.rows(), weight.cols());
  std::transform(weight.data(), weight.data() + weight.size(), stored.flat().begin(), [](float x) { return T(x); });
  std::vector<simd::PackedMatrix<W>> packed;
  for (Index i = 0; i < copies; ++i) {
    packed.emplace_back(re::MatrixView<const T>(stored.view()));
  }
  return packed;
}

template <class W>
Index copies_of(const Layer& layer) {
  constexpr double kMost = 256e6;  // bytes: eight times a third-level cache
  const double bytes = kBytes<W> * static_cast<double>(layer.n * layer.k);
  return static_cast<Index>(std::ceil(std::min(kBytes<W> * layer.model_weights, kMost) / bytes));
}

#if defined(REASONEMBED_HAS_ONEDNN)
template <class W>
constexpr benchmarks::Numbers kNumbers = std::same_as<W, float>      ? benchmarks::Numbers::kF32
                                         : std::same_as<W, re::int8> ? benchmarks::Numbers::kInt8
                                                                     : benchmarks::Numbers::kBf16;
#endif

/// One product in one type: every system once a round.
template <class W>
Cell measure(const Options& options,
             Index m,
             re::MatrixView<const float> weight,
             const std::vector<simd::PackedMatrix<W>>& packed) {
  const Index copies = m < kFewRows ? static_cast<Index>(packed.size()) : 1;
  const re::Matrix<float> x = random_matrix(m, weight.cols(), 0.0F);
  re::Matrix<float> y(m, weight.rows());
  re::Arena scratch;
  Index turn = 0;
  const auto next = [&] { return turn = (turn + 1) % copies; };
  std::map<std::string, std::function<void()>> systems;
  systems["ours"] = [&] {
    simd::gemm(x.view(), packed[static_cast<std::size_t>(next())].view(), y.view(), simd::Store::kOverwrite, scratch);
  };
  systems["ours"]();
  check("ours", x.view(), weight, y.view());
  systems["peak"] = [] { peak_slice<W>(); };
  if (m < kFewRows) {
    systems["read"] = [&] {
      const auto& one = packed[static_cast<std::size_t>(next())];
      [[maybe_unused]] static volatile std::int64_t sink;
      sink = benchmarks::read_lines(one.view().data(), static_cast<std::int64_t>(one.bytes()) / 64);
    };
  }
#if defined(REASONEMBED_HAS_ONEDNN)
  benchmarks::OneDnnProduct product(kNumbers<W>, x.view(), weight, copies);
  product.run(0);
  check("oneDNN", x.view(), weight, product.out());
  systems["oneDNN"] = [&] { product.run(next()); };
  if (!std::same_as<W, float>) {
    systems["oneDNN whole"] = [&] {
      product.convert_rows();
      product.run(next());
    };
  }
#endif
  std::map<std::string, std::vector<double>> seconds;
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& [name, call] : systems) {
      seconds[name].push_back(time_of(call, name == "peak" ? options.slot / 4 : options.slot));
    }
  }
  const double operations = 2.0 * static_cast<double>(m) * static_cast<double>(weight.size());
  const double computing = operations / peak_slice<W>() * median(seconds["peak"]);
  const double reading = m < kFewRows ? median(seconds["read"]) : 0;
  const double bound = std::max(computing, reading);
  const double ours = median(seconds["ours"]);
  Cell cell{.operations = operations / ours, .share = bound / ours, .memory_binds = reading > computing};
  if (seconds.contains("oneDNN")) {
    const std::vector<double>& given = seconds["oneDNN"];
    const std::vector<double>& whole = seconds.contains("oneDNN whole") ? seconds["oneDNN whole"] : given;
    cell.theirs = bound / median(given);
    cell.theirs_whole = bound / median(whole);
    cell.ratio = median_ratio(given, seconds["ours"]);
    cell.ratio_whole = median_ratio(whole, seconds["ours"]);
  }
  return cell;
}

struct TypeCells {
  const char* type;
  std::map<std::pair<std::size_t, Index>, Cell> cells;  // by layer and rows
};
using Table = std::vector<TypeCells>;

template <class W>
void measure_type(const Options& options, const char* type, Table& table) {
  if (!options.types.contains(type)) {
    return;
  }
  TypeCells& done = table.emplace_back(TypeCells{type, {}});
  for (std::size_t i = 0; i < kLayers.size(); ++i) {
    const Layer& layer = kLayers[i];
    if (!options.model.empty() && options.model != layer.model) {
      continue;
    }
    std::fprintf(stderr, "%s %td x %td\n", type, layer.n, layer.k);
    const re::Matrix<float> weight = random_matrix(layer.n, layer.k, -1.0F);
    const bool few = *std::min_element(options.rows.begin(), options.rows.end()) < kFewRows;
    const auto packed = pack_copies<W>(weight.view(),
                                       !few                 ? 1
                                       : options.copies > 0 ? options.copies
                                                            : copies_of<W>(layer));
    for (const Index m : options.rows) {
      done.cells[{i, m}] = measure<W>(options, m, weight.view(), packed);
    }
  }
}

void print_cell(const Cell& cell, bool rounds_rows) {
  std::printf(" %.0f (%.0f%%%s) |", cell.operations * 1e-9, 100 * cell.share, cell.memory_binds ? " m" : "");
  if (cell.theirs == 0) {
    return;
  }
  if (rounds_rows) {
    std::printf(
        " %.0f%%, %.0f%% | %.2f, %.2f |", 100 * cell.theirs, 100 * cell.theirs_whole, cell.ratio, cell.ratio_whole);
  } else {
    std::printf(" %.0f%% | %.2f |", 100 * cell.theirs, cell.ratio);
  }
}

void print_table(const Table& table) {
  bool peers = false;
  std::printf("\n| M x N x K |");
  for (const auto& [type, cells] : table) {
    peers = cells.begin()->second.theirs > 0;
    std::printf(" %s: ours |%s", type, peers ? " oneDNN | ratio |" : "");
  }
  std::printf("\n|---|");
  for (std::size_t i = 0; i < table.size() * (peers ? 3 : 1); ++i) {
    std::printf("---|");
  }
  for (const auto& [key, unused] : table.front().cells) {
    const Layer& layer = kLayers[key.first];
    std::printf("\n| %td x %td x %td |", key.second, layer.n, layer.k);
    for (const auto& [type, cells] : table) {
      print_cell(cells.at(key), std::string_view(type) != "f32");
    }
  }
  std::printf("\n\n");
}

/// The least and the median share, for the sizes whose targets differ.
void print_summary(const Table& table) {
  for (const auto& [type, cells] : table) {
    for (const bool few : {true, false}) {
      std::vector<double> shares;
      std::vector<double> ratios;
      std::vector<double> ratios_whole;
      for (const auto& [key, cell] : cells) {
        if ((key.second < kFewRows) == few) {
          shares.push_back(100 * cell.share);
          ratios.push_back(cell.ratio);
          ratios_whole.push_back(cell.ratio_whole);
        }
      }
      if (shares.empty()) {
        continue;
      }
      const auto least = [](const std::vector<double>& values) {
        return *std::min_element(values.begin(), values.end());
      };
      std::printf("%s, %s %td rows: least %.0f%%, median %.0f%%",
                  type,
                  few ? "below" : "from",
                  kFewRows,
                  least(shares),
                  median(shares));
      if (ratios[0] > 0) {
        std::printf("; times oneDNN: least %.2f, median %.2f; from rows in float: least %.2f, median %.2f",
                    least(ratios),
                    median(ratios),
                    least(ratios_whole),
                    median(ratios_whole));
      }
      std::printf("\n");
    }
  }
}

#if defined(REASONEMBED_HAS_ONEDNN)
/// oneDNN asks OpenMP, whichever it was linked to, and that reads its variable as the program is loaded.
void restart_on_one_thread(char** arguments) {
  const char* threads = std::getenv("OMP_NUM_THREADS");
  if (threads != nullptr && std::string_view(threads) == "1") {
    return;
  }
  ::setenv("OMP_NUM_THREADS", "1", 1);
  ::execv("/proc/self/exe", arguments);
  throw re::Error("gemm_peers: can not restart itself, set OMP_NUM_THREADS=1");
}
#endif

constexpr const char* kUsage =
    "usage: gemm_peers [--rounds 7] [--milliseconds 8] [--rows 1,4,16,64,128,512,2048] [--types f32,bf16,int8]\n"
    "                  [--model minilm|qwen3] [--copies N]\n\n"
    "Products with packed weights in one thread, beside oneDNN and beside what the core can do in the same round. A "
    "cell\n"
    "is GFLOP/s and the part of the lower bound: the instruction's peak, or (m) reading the weight, where fewer than "
    "64\n"
    "rows use in turn N copies of it: as many as the model's layers weigh, 256 MB at most. Ours takes rows in float, "
    "and\n"
    "rounds or quantises them; oneDNN is given twice: on rows that are rounded before, and from rows in float by its "
    "own\n"
    "reorder. Medians of the rounds; a ratio is taken round by round.\n";

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts(1);
  for (const char letter : list) {
    if (letter == ',') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

/// @return  false where the usage is to be printed
bool parse(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = arguments[i];
    if (i + 1 == count) {
      return false;
    }
    const std::string value = arguments[i + 1];
    if (name == "--rounds") {
      options.rounds = std::stoi(value);
    } else if (name == "--milliseconds") {
      options.slot = std::stod(value) * 1e-3;
    } else if (name == "--rows") {
      options.rows.clear();
      for (const std::string& rows : split(value)) {
        options.rows.push_back(std::stoi(rows));
      }
    } else if (name == "--types") {
      const std::vector<std::string> types = split(value);
      options.types = {types.begin(), types.end()};
    } else if (name == "--copies") {
      options.copies = std::stoi(value);
    } else if (name == "--model") {
      options.model = value;
    } else {
      return false;
    }
  }
  return options.rounds > 0;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (count == 2 && std::string_view(arguments[1]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (!parse(count, arguments, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  simd::require_compiled_level();
  simd::require_level("gemm_peers", simd::Level::kAvx512Bf16);
#if defined(REASONEMBED_HAS_ONEDNN)
  restart_on_one_thread(arguments);
  const dnnl_version_t* version = dnnl_version();
  std::printf("oneDNN %d.%d.%d, ", version->major, version->minor, version->patch);
#else
  std::printf("without oneDNN, ");
#endif
  std::printf("one thread, medians of %d rounds of %.0f ms\n", options.rounds, options.slot * 1e3);
  Table table;
  measure_type<float>(options, "f32", table);
  measure_type<simd::Bf16Pair>(options, "bf16", table);
  measure_type<re::int8>(options, "int8", table);
  print_table(table);
  print_summary(table);
  return 0;
}
