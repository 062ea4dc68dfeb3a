#include <reasonembed/core/random.hpp>
#include <reasonembed/io/text_spool.hpp>

#include <doctest/doctest.h>

#include "support/file_size_limit.hpp"
#include "support/scratch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::io::TextSpool;

namespace {

/// A text that tells its number and has every byte in it.
std::string text_of(std::size_t number, std::size_t size) {
  std::string text = std::to_string(number) + ":";
  while (text.size() < size) {
    text += static_cast<char>(text.size() * 7 + number);
  }
  return text;
}

/// Sizes around pages and pieces, and a text larger than several of them.
const std::vector<std::size_t> kSizes = {1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 3, 300000};

void check_keeps(TextSpool& spool) {
  std::vector<std::string_view> views;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    views.push_back(spool.add(text_of(i, kSizes[i])));
    bytes += views.back().size();
  }
  for (std::size_t i = 0; i < 20000; ++i) {
    views.push_back(spool.add(text_of(i, 40)));
    bytes += views.back().size();
  }
  CHECK(spool.bytes() == bytes);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < kSizes.size(); ++i) {
      CHECK(views[i] == text_of(i, kSizes[i]));
    }
    bool all = true;
    for (std::size_t i = 0; i < 20000; ++i) {
      all = all && views[kSizes.size() + i] == text_of(i, 40);
    }
    CHECK(all);
    spool.release();  // what was read is read again
  }
}

/// @return  bytes of files and of shared memory that this process has mapped and in memory; 0 where the system has no
/// /proc
std::size_t resident_file_bytes() {
  std::size_t total = 0;
  std::FILE* file = std::fopen("/proc/self/status", "rb");
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    const std::string_view text = line;
    if (text.starts_with("RssFile:") || text.starts_with("RssShmem:")) {
      total += 1024 * static_cast<std::size_t>(std::atoll(line + text.find(':') + 1));
    }
  }
  if (file != nullptr) {
    (void)std::fclose(file);
  }
  return total;
}

static_assert(!std::is_copy_constructible_v<TextSpool> && !std::is_move_constructible_v<TextSpool>);

}  // namespace

TEST_SUITE("io/text_spool") {
  TEST_CASE("add: texts of every size stay where they are, in memory and on the disk") {
    const test::Scratch scratch;
    TextSpool on_disk(scratch.path());
    CHECK(on_disk.on_disk());
    check_keeps(on_disk);
    TextSpool in_memory;
    CHECK(!in_memory.on_disk());
    check_keeps(in_memory);
  }

  TEST_CASE("add: the empty text takes no place") {
    const test::Scratch scratch;
    TextSpool spool(scratch.path());
    CHECK(spool.add("").empty());
    CHECK(spool.bytes() == 0);
    CHECK(spool.add("a") == "a");
    CHECK(spool.add("").empty());
    CHECK(spool.bytes() == 1);
    spool.release();
  }

  TEST_CASE("add: what is being read is not moved by what comes later") {
    const test::Scratch scratch;
    TextSpool spool(scratch.path());
    const std::string_view first = spool.add("first");
    const char* place = first.data();
    re::RandomStream random(3);
    for (int i = 0; i < 300; ++i) {
      (void)spool.add(std::string(1 + random.below(9000), 'x'));
    }
    CHECK(first == "first");
    CHECK(first.data() == place);
  }

  TEST_CASE("TextSpool: leaves nothing in its directory, not even while it lives") {
    const test::Scratch scratch;
    {
      TextSpool spool(scratch.path());
      (void)spool.add("text");
      CHECK(scratch.count() == 0);
    }
    CHECK(scratch.count() == 0);
  }

  TEST_CASE("looked_at: readers who tell what they look at keep little of a large spool in memory") {
    const test::Scratch scratch;
    TextSpool spool(scratch.path());
    std::vector<std::string_view> texts;
    const std::string block(30000, 'x');
    for (std::size_t i = 0; i < 10000; ++i) {  // 300 MB
      texts.push_back(spool.add(block));
    }
    const std::size_t before = resident_file_bytes();
    std::size_t most = 0;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      spool.looked_at(texts[i]);
      for (std::size_t j = 0; j < texts[i].size(); j += 4096) {
        sum += texts[i][j] == 'x' ? 1 : 0;
      }
      most = i % 100 == 0 ? std::max(most, resident_file_bytes()) : most;
    }
    CHECK(sum == texts.size() * 8);
    CHECK(most < before + 64'000'000);
    spool.release();
    CHECK(resident_file_bytes() < before + 1'000'000);
    CHECK(texts[9999] == block);
    const TextSpool in_memory;
    in_memory.looked_at("anything");
    spool.looked_at("");
  }

  TEST_CASE("TextSpool: names a directory that is missing or is none") {
    const test::Scratch scratch;
    const std::string missing = (scratch / "missing").string();
    CHECK_THROWS_WITH_AS(TextSpool{missing},
                         (missing + ": directory for texts is missing, expected a writable directory").c_str(),
                         re::IoError);
    CHECK_THROWS_AS(TextSpool{scratch.write("file", "x")}, re::IoError);
  }

  TEST_CASE("add: a full disk is an error, and what was there stays") {
    const test::Scratch scratch;
    TextSpool spool(scratch.path());
    const std::string_view text = spool.add("before");
    {
      const test::FileSizeLimit limit(100000);
      CHECK_THROWS_AS((void)spool.add(std::string(200000, 'x')), re::IoError);
      CHECK(spool.add("small") == "small");
    }
    CHECK(text == "before");
    CHECK(spool.bytes() == 11);
    CHECK(spool.add(std::string(200000, 'y')) == std::string(200000, 'y'));
  }
}
