#include <reasonembed/remixer/document_stream.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>

namespace re = reasonembed;
using re::remixer::document_stream;

TEST_SUITE("remixer/document_stream") {
  TEST_CASE("document_stream: is a function of seed, purpose and text") {
    const std::uint64_t first = document_stream(42, "conditions", "a text").next_u64();
    CHECK(document_stream(42, "conditions", "a text").next_u64() == first);
    CHECK(document_stream(43, "conditions", "a text").next_u64() != first);
    CHECK(document_stream(42, "sample", "a text").next_u64() != first);
    CHECK(document_stream(42, "conditions", "a texu").next_u64() != first);
  }

  TEST_CASE("document_stream: the stream is the head of SHA-256(purpose, NUL, text)") {
    // printf 'conditions\0a text' | sha256sum
    CHECK(document_stream(42, "conditions", "a text").stream() == 0x1ae82450f271a358ULL);
    CHECK(document_stream(42, "conditions", "a text").seed() == 42);
    CHECK(document_stream(42, "conditions", "a text").position() == 0);
  }

  TEST_CASE("document_stream: purpose and text are told apart") {
    CHECK(document_stream(1, "a", "bc").stream() != document_stream(1, "ab", "c").stream());
    CHECK(document_stream(1, "", "").stream() != document_stream(1, "", std::string(1, '\0')).stream());
  }

  TEST_CASE("document_stream: ten thousand texts have as many streams") {
    std::set<std::uint64_t> streams;
    for (int i = 0; i < 10000; ++i) {
      streams.insert(document_stream(42, "conditions", std::to_string(i)).stream());
    }
    CHECK(streams.size() == 10000);
  }
}
