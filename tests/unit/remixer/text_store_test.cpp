#include <reasonembed/core/random.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/remixer/text_store.hpp>

#include <doctest/doctest.h>

#include "support/file_size_limit.hpp"
#include "support/scratch.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::SharedText;
using re::remixer::TextStore;

namespace {

/// The same calls as to a StringIndex, with the same answers.
void check_numbers(TextStore& store) {
  re::StringIndex reference;
  re::RandomStream random(11);
  for (int i = 0; i < 20000; ++i) {
    std::string text = std::to_string(random.below(9000));
    text.resize(text.size() + random.below(50), 'x');
    const auto expected = reference.add(text);
    const auto got = store.add(text);
    if (got != expected) {
      REQUIRE(got == expected);
    }
    if (i % 1000 == 0) {
      CHECK(store.find("absent " + text) == TextStore::kAbsent);
      CHECK(store.contains(text));
    }
  }
  CHECK(store.size() == reference.size());
  store.release();
  std::size_t bytes = 0;
  bool same = true;
  for (Index i = 0; i < store.size(); ++i) {
    same = same && store[i] == reference[i] && store.find(reference[i]) == i;
    bytes += reference[i].size();
  }
  CHECK(same);
  CHECK(store.bytes() == bytes);
}

}  // namespace

TEST_SUITE("remixer/text_store") {
  TEST_CASE("add: numbers distinct texts in the order they came, in memory and on the disk") {
    TextStore in_memory;
    check_numbers(in_memory);
    const test::Scratch scratch;
    TextStore on_disk(scratch.path());
    CHECK(on_disk.on_disk());
    check_numbers(on_disk);
    CHECK(scratch.count() == 0);
  }

  TEST_CASE("find: nothing in an empty store; the empty text is a text; bytes decide") {
    TextStore store;
    CHECK(store.find("") == TextStore::kAbsent);
    CHECK(store.add("") == std::pair<Index, bool>(0, true));
    CHECK(store.find("") == 0);
    CHECK(store.add(std::string("a\0b", 3)).second);
    CHECK(store.add("a").second);
    CHECK(!store.add(std::string("a\0b", 3)).second);
    CHECK(store.find("a\xff") == TextStore::kAbsent);
    CHECK(store.add("a\xff").second);  // not UTF-8: bytes like any others
    CHECK(store.size() == 4);
  }

  TEST_CASE("share: a text keeps its store, and others come without moving it") {
    const test::Scratch scratch;
    auto store = std::make_shared<TextStore>(scratch.path());
    const std::weak_ptr<TextStore> watch = store;
    std::vector<SharedText> texts;
    for (int i = 0; i < 5000; ++i) {
      texts.push_back(TextStore::share(store, store->add("text " + std::to_string(i)).first));
    }
    CHECK(texts[17].view().data() == (*store)[17].data());
    store.reset();
    CHECK(!watch.expired());
    for (int i = 0; i < 5000; i += 500) {
      CHECK(texts[static_cast<std::size_t>(i)].view() == "text " + std::to_string(i));
    }
    texts.clear();
    CHECK(watch.expired());
  }

  TEST_CASE("add: after a full disk the store is as it was") {
    const test::Scratch scratch;
    TextStore store(scratch.path());
    (void)store.add("before");
    const std::string large(200000, 'x');
    {
      const test::FileSizeLimit limit(100000);
      CHECK_THROWS_AS((void)store.add(large), re::IoError);
      CHECK(store.find(large) == TextStore::kAbsent);
      CHECK(store.add("small") == std::pair<Index, bool>(1, true));
    }
    CHECK(store.add(large) == std::pair<Index, bool>(2, true));
    CHECK(store.find("before") == 0);
    CHECK(store[2] == large);
  }
}
