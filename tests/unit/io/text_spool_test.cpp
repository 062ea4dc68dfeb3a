#include <reasonembed/core/random.hpp>
#include <reasonembed/io/text_spool.hpp>

#include <doctest/doctest.h>

#include "support/file_size_limit.hpp"
#include "support/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
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

static_assert(!std::is_copy_constructible_v<TextSpool>);
static_assert(std::is_nothrow_move_constructible_v<TextSpool> && std::is_nothrow_move_assignable_v<TextSpool>);

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

  TEST_CASE("TextSpool: moves with its texts") {
    const test::Scratch scratch;
    TextSpool first(scratch.path());
    const std::string_view text = first.add("text");
    TextSpool second(std::move(first));
    CHECK(text == "text");
    CHECK(second.add("more") == "more");
    TextSpool third;
    (void)third.add("gone");
    third = std::move(second);
    CHECK(text == "text");
    CHECK(third.bytes() == 8);
    CHECK(third.on_disk());
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
