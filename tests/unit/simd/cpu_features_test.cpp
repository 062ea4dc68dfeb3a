#include <reasonembed/simd/cpu_features.hpp>

#include <doctest/doctest.h>

#include <support/levels.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
namespace simd = re::simd;
namespace detail = re::simd::detail;
using simd::Level;

namespace {

constexpr unsigned kAll = (1U << detail::kMissingFeature.size()) - 1;

#if defined(__aarch64__)
constexpr const char* kFlags = "Features";
#else
constexpr const char* kFlags = "flags";
#endif

/// The flags that the kernel lists for the first processor; empty where there is no such list.
std::vector<std::string> kernel_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(kFlags, 0) == 0) {
      std::istringstream words(line.substr(line.find(':') + 1));
      std::vector<std::string> flags;
      for (std::string word; words >> word;) {
        flags.push_back(word);
      }
      return flags;
    }
  }
  return {};
}

/// The extension that a message of missing_feature is about: the word between "level: " and " is".
std::string extension_of(const std::string& message) {
  const std::size_t begin = message.find(": ") + 2;
  return message.substr(begin, message.find(" is absent") - begin);
}

}  // namespace

TEST_SUITE("simd/cpu_features") {
  TEST_CASE("name_of: every level has its own name") {
    CHECK(std::string(name_of(Level::kPortable)) == "portable");
    CHECK(std::string(name_of(Level::kNeon)) == "neon");
    CHECK(std::string(name_of(Level::kNeonDot)) == "neon_dot");
    CHECK(std::string(name_of(Level::kAvx2)) == "avx2");
    CHECK(std::string(name_of(Level::kAvx512)) == "avx512");
    CHECK(std::string(name_of(Level::kAvx512Bf16)) == "avx512_bf16");
    static_assert(Level::kPortable < Level::kNeon && Level::kNeon < Level::kNeonDot);
    static_assert(Level::kPortable < Level::kAvx2 && Level::kAvx2 < Level::kAvx512 &&
                  Level::kAvx512 < Level::kAvx512Bf16);
  }

  TEST_CASE("level_of: a level needs all of its extensions") {
    CHECK(detail::level_of(0) == Level::kPortable);
    CHECK(detail::level_of(detail::kAvxBit | detail::kAvx2Bit) == Level::kPortable);
    CHECK(detail::level_of(detail::kAvxBit | detail::kFmaBit) == Level::kPortable);
    CHECK(detail::level_of(detail::kAvx2Bit | detail::kFmaBit) == Level::kAvx2);
    CHECK(detail::level_of(detail::kAvx512fBit) == Level::kPortable);
    CHECK(detail::level_of(detail::kAvx512fBit | detail::kAvx2Bit) == Level::kPortable);
    CHECK(detail::level_of(detail::kAvx512fBit | detail::kAvx2Bit | detail::kFmaBit) == Level::kAvx512);
    CHECK(detail::level_of(kAll & ~detail::kAvx512fBit) == Level::kAvx2);
    CHECK(detail::level_of(kAll & ~detail::kAvx512bf16Bit) == Level::kAvx512);
    CHECK(detail::level_of(kAll & ~detail::kAvx512bwBit) == Level::kAvx512);
    CHECK(detail::level_of(kAll) == Level::kAvx512Bf16);
    CHECK(detail::level_of(detail::kNeonBit) == Level::kNeon);
    CHECK(detail::level_of(detail::kNeonDotBit) == Level::kPortable);
    CHECK(detail::level_of(detail::kNeonBit | detail::kNeonDotBit) == Level::kNeonDot);
  }

  TEST_CASE("includes: a level has those below it in its own family, and the portable one") {
    const auto included = [](Level best) {
      std::string levels;
      for (const Level level : test::kLevels) {
        levels += detail::includes(best, level) ? std::string(" ") + name_of(level) : "";
      }
      return levels;
    };
    CHECK(included(Level::kPortable) == " portable");
    CHECK(included(Level::kNeon) == " portable neon");
    CHECK(included(Level::kNeonDot) == " portable neon neon_dot");
    CHECK(included(Level::kAvx2) == " portable avx2");
    CHECK(included(Level::kAvx512) == " portable avx2 avx512");
    CHECK(included(Level::kAvx512Bf16) == " portable avx2 avx512 avx512_bf16");
  }

  TEST_CASE("best_level: is the level of the detected extensions, in every thread") {
    const Level expected = detail::level_of(detail::detected_features());
    CHECK(simd::best_level() == expected);
    std::vector<Level> seen(4);
    std::vector<std::thread> threads;
    for (Level& level : seen) {
      threads.emplace_back([&level] { level = simd::best_level(); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(std::all_of(seen.begin(), seen.end(), [&](Level level) { return level == expected; }));
  }

  TEST_CASE("detected_features: agrees with what the kernel says") {
    const std::vector<std::string> flags = kernel_flags();
    if (flags.empty()) {
      MESSAGE("skipped: no flags in /proc/cpuinfo");
      return;
    }
    const unsigned detected = detail::detected_features();
    for (std::size_t bit = 0; bit < detail::kMissingFeature.size(); ++bit) {
      std::string name = extension_of(detail::kMissingFeature[bit]);
      if (name == "avx512vnni" || name == "avx512bf16") {
        name.insert(6, "_");  // as the kernel spells them
      }
      CAPTURE(name);
      CHECK((detected >> bit & 1U) == (std::find(flags.begin(), flags.end(), name) != flags.end() ? 1U : 0U));
    }
  }

  TEST_CASE("missing_feature: nothing is missing where everything compiled is detected") {
    CHECK(detail::missing_feature(0, 0) == nullptr);
    CHECK(detail::missing_feature(0, kAll) == nullptr);
    CHECK(detail::missing_feature(kAll, kAll) == nullptr);
    CHECK(detail::missing_feature(detail::kAvx2Bit, detail::kAvx2Bit | detail::kFmaBit) == nullptr);
  }

  TEST_CASE("missing_feature: every extension has its sentence, the lowest comes first") {
    std::vector<std::string> names;
    for (std::size_t bit = 0; bit < detail::kMissingFeature.size(); ++bit) {
      const char* message = detail::missing_feature(kAll, kAll & ~(1U << bit));
      REQUIRE(message != nullptr);
      CHECK(message == detail::kMissingFeature[bit]);
      names.push_back(extension_of(message));
    }
    CHECK(names == std::vector<std::string>{"avx",
                                            "avx2",
                                            "fma",
                                            "bmi2",
                                            "avx512f",
                                            "avx512bw",
                                            "avx512cd",
                                            "avx512dq",
                                            "avx512vl",
                                            "avx512vnni",
                                            "avx512bf16",
                                            "asimd",
                                            "asimddp"});
    CHECK(detail::missing_feature(kAll, 0) == detail::kMissingFeature[0]);
    CHECK(detail::missing_feature(detail::kAvx512vlBit | detail::kFmaBit, detail::kAvx512vlBit) ==
          detail::kMissingFeature[2]);
  }

  TEST_CASE("require_compiled_level: accepts the processor that runs this test") {
    CHECK_NOTHROW(simd::require_compiled_level());
    CHECK_NOTHROW(simd::require_compiled_level<0>());
  }

  TEST_CASE("require_compiled_level: names what the processor lacks") {
    // compiled for everything: refused by every processor that lacks anything
    const char* missing = detail::missing_feature(kAll, detail::detected_features());
    if (missing == nullptr) {
      CHECK_NOTHROW(simd::require_compiled_level<kAll>());
    } else {
      CHECK_THROWS_WITH_AS(simd::require_compiled_level<kAll>(), missing, re::ConfigError);
    }
    CHECK(std::string(detail::missing_feature(detail::kAvx512fBit, detail::kAvx2Bit)) ==
          "simd::require_compiled_level: avx512f is absent, expected present: this program was compiled to use it");
  }

  TEST_CASE("require_compiled_level: what a unit was compiled for is part of the symbol") {
    void (*const for_nothing)() = &simd::require_compiled_level<0>;
    void (*const for_everything)() = &simd::require_compiled_level<kAll>;
    CHECK((for_nothing != for_everything));
#if defined(__AVX512F__)
    static_assert((detail::kCompiledFeatures & detail::kAvx512fBit) != 0);
#elif !defined(__AVX2__)
    static_assert((detail::kCompiledFeatures & detail::kAvx2Bit) == 0);
#endif
    CHECK((detail::kCompiledFeatures & ~kAll) == 0);
  }

  TEST_CASE("require_level: levels of this processor are accepted, others are named") {
    for (const Level level : test::kLevels) {
      CAPTURE(name_of(level));
      if (simd::supports(level)) {
        CHECK_NOTHROW(simd::require_level("simd::test", level));
      } else {
        const std::string message = std::string("simd::test: level is ") + name_of(level) + ", expected " +
                                    (level > simd::best_level() ? "" : "one of this processor, ") + "at most " +
                                    name_of(simd::best_level());
        CHECK_THROWS_WITH_AS(simd::require_level("simd::test", level), message.c_str(), re::ConfigError);
      }
    }
    const auto beyond = static_cast<Level>(99);  // above every processor: the refusal is tested everywhere
    CHECK_THROWS_AS(simd::require_level("simd::test", beyond), re::ConfigError);
  }
}
