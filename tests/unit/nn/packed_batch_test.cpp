#include <reasonembed/nn/packed_batch.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace re = reasonembed;
using re::nn::PackedBatch;
using Ids = std::vector<std::int32_t>;

namespace {

void check_refused(const Ids& tokens, const Ids& offsets, const char* message) {
  const PackedBatch batch{.tokens = tokens, .offsets = offsets};
  CHECK_THROWS_WITH_AS(batch.validate(4), message, re::ShapeError);
}

}  // namespace

TEST_SUITE("nn/packed_batch") {
  TEST_CASE("validate: accepts what partitions the tokens, up to the longest length") {
    const Ids tokens = {5, 6, 7, 8, 9};
    const Ids offsets = {0, 1, 5};
    const PackedBatch batch{.tokens = tokens, .offsets = offsets};
    CHECK_NOTHROW(batch.validate(4));
    CHECK(batch.token_count() == 5);
    CHECK(batch.sequence_count() == 2);
  }
  TEST_CASE("validate: accepts a batch without sequences") {
    const Ids offsets = {0};
    const PackedBatch batch{.tokens = {}, .offsets = offsets};
    CHECK_NOTHROW(batch.validate(4));
    CHECK(batch.sequence_count() == 0);
  }
  TEST_CASE("sequence_count: is zero where there are no offsets") {
    CHECK(PackedBatch().sequence_count() == 0);
    CHECK(PackedBatch().token_count() == 0);
    CHECK(PackedBatch().first_sequence == 0);
  }
  TEST_CASE("validate: refuses offsets that are no partition, by name") {
    check_refused({}, {}, "nn::PackedBatch: offsets is empty, expected B + 1 offsets starting at 0");
    check_refused({1}, {1, 1}, "nn::PackedBatch: offsets is not starting at 0, expected B + 1 offsets starting at 0");
    check_refused({1, 2}, {0, 1}, "nn::PackedBatch: offsets.back() is 1, expected 2");
    check_refused({1}, {0, 2}, "nn::PackedBatch: offsets.back() is 2, expected 1");
    check_refused({1}, {0}, "nn::PackedBatch: offsets.back() is 0, expected 1");
  }
  TEST_CASE("validate: refuses an empty, backward or too long sequence, by number") {
    check_refused({1, 2}, {0, 1, 1, 2}, "nn::PackedBatch: length of sequence 1 is 0, expected 1..4");
    check_refused({1, 2}, {0, 2, 1, 2}, "nn::PackedBatch: length of sequence 1 is -1, expected 1..4");
    check_refused(Ids(6, 1), {0, 1, 6}, "nn::PackedBatch: length of sequence 1 is 5, expected 1..4");
  }
  TEST_CASE("validate: refuses offsets whose difference an int can't hold") {
    check_refused(
        {1}, {0, 2147483647, -2147483647}, "nn::PackedBatch: length of sequence 0 is 2147483647, expected 1..4");
  }
}
