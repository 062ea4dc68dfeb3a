#include <reasonembed/io/protobuf_message.hpp>

#include <doctest/doctest.h>

#include <support/protobuf.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using reasonembed::io::ProtobufMessage;
using test::Protobuf;

namespace {

std::string bytes_of(const ProtobufMessage& message) {
  std::string bytes;
  message.write([&](std::string_view piece) { bytes.append(piece); });
  CHECK(bytes.size() == message.size());
  return bytes;
}

}  // namespace

TEST_SUITE("io/protobuf_message") {
  TEST_CASE("add_int: the examples of protobuf's documentation") {
    ProtobufMessage message;
    message.add_int(1, 150);
    CHECK(bytes_of(message) == "\x08\x96\x01");
    ProtobufMessage minus_two;
    minus_two.add_int(1, -2);
    CHECK(bytes_of(minus_two) == "\x08\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
  }
  TEST_CASE("add_bytes: the example of protobuf's documentation") {
    ProtobufMessage message;
    message.add_bytes(2, "testing");
    CHECK(bytes_of(message) == "\x12\x07testing");
  }
  TEST_CASE("add_message: the example of protobuf's documentation") {
    ProtobufMessage inner;
    inner.add_int(1, 150);
    ProtobufMessage outer;
    outer.add_message(3, inner);
    CHECK(bytes_of(outer) == "\x1A\x03\x08\x96\x01");
  }
  TEST_CASE("add_int: every length of a varint reads back") {
    std::vector<std::int64_t> values = {
        0, 1, -1, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
    for (int bit = 1; bit < 63; ++bit) {
      const std::int64_t power = std::int64_t{1} << bit;
      values.insert(values.end(), {power - 1, power, -power});
    }
    ProtobufMessage message;
    for (const std::int64_t value : values) {
      message.add_int(7, value);
    }
    const std::string bytes = bytes_of(message);
    CHECK(Protobuf(bytes).integers(7) == values);
  }
  TEST_CASE("add_int: field numbers of one and more bytes read back in their order") {
    ProtobufMessage message;
    const std::vector<std::uint32_t> numbers = {15, 16, 1, 2047, 2048, (1U << 29) - 1};
    for (const std::uint32_t number : numbers) {
      message.add_int(number, number);
    }
    const std::string bytes = bytes_of(message);
    const Protobuf read(bytes);
    REQUIRE(read.fields().size() == numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      CHECK(read.fields()[i].number == numbers[i]);
      CHECK(read.fields()[i].value == numbers[i]);
    }
  }
  TEST_CASE("add_float: the bits of a float, the lowest byte first") {
    ProtobufMessage message;
    message.add_float(1, 1.5F);
    CHECK(bytes_of(message) == std::string("\x0D\x00\x00\xC0\x3F", 5));
    for (const float value : {0.0F, -0.0F, 1e-45F, std::numeric_limits<float>::lowest(), INFINITY}) {
      ProtobufMessage one;
      one.add_float(3, value);
      const std::string bytes = bytes_of(one);
      CHECK(Protobuf(bytes).number(3) == value);
    }
    ProtobufMessage nan;
    nan.add_float(3, NAN);
    const std::string bytes = bytes_of(nan);
    CHECK(std::isnan(Protobuf(bytes).number(3)));
  }
  TEST_CASE("add_bytes: empty, with zeros, and longer than a byte can count") {
    const std::string zeros("a\0b", 3);
    const std::string many(70000, 'x');
    ProtobufMessage message;
    message.add_bytes(1, "");
    message.add_bytes(1, zeros);
    message.add_bytes(1, many);
    const std::string bytes = bytes_of(message);
    CHECK(Protobuf(bytes).all(1) == std::vector<std::string_view>{"", zeros, many});
  }
  TEST_CASE("write: an empty message has no bytes, and nests as an empty one") {
    const ProtobufMessage empty;
    CHECK(bytes_of(empty).empty());
    ProtobufMessage outer;
    outer.add_message(4, empty);
    CHECK(bytes_of(outer) == std::string("\x22\x00", 2));
  }
  TEST_CASE("add_borrowed: the same bytes as a copy, at any depth, between other fields") {
    const std::string first(300, 'f');
    const std::string second = "second";
    const auto build = [&](bool borrow) {
      const auto add = [&](ProtobufMessage& to, std::uint32_t field, std::string_view bytes) {
        borrow ? to.add_borrowed(field, bytes) : to.add_bytes(field, bytes);
      };
      ProtobufMessage inner;
      add(inner, 1, first);
      add(inner, 2, "");
      ProtobufMessage middle;
      middle.add_int(1, 5);
      middle.add_message(2, inner);
      add(middle, 3, second);
      middle.add_message(2, inner);  // a message may be added twice
      ProtobufMessage outer;
      add(outer, 9, second);
      outer.add_message(1, middle);
      outer.add_float(2, 2.0F);
      return bytes_of(outer);
    };
    CHECK(build(true) == build(false));
    const std::string bytes = build(true);
    CHECK(Protobuf(bytes).message(1).one(3) == second);
  }
  TEST_CASE("add_borrowed: the payload is not copied") {
    const std::string payload(1000, 'p');
    ProtobufMessage message;
    message.add_borrowed(1, payload);
    bool seen = false;
    message.write([&](std::string_view piece) { seen = seen || piece.data() == payload.data(); });
    CHECK(seen);
  }
  TEST_CASE("size: more than four gigabytes are counted without being written") {
    const std::string payload(1 << 20, 'p');
    ProtobufMessage message;
    for (int i = 0; i < 5000; ++i) {
      message.add_borrowed(1, payload);
    }
    ProtobufMessage outer;
    outer.add_message(1, message);
    CHECK(message.size() == 5000ULL * ((1 << 20) + 4));  // key, and a length of three bytes
    CHECK(outer.size() == message.size() + 6);           // key, and a length of five bytes
  }
  TEST_CASE("a copy and a moved one write the same bytes") {
    const std::string payload = "payload";
    ProtobufMessage message;
    message.add_int(1, 1);
    message.add_borrowed(2, payload);
    const std::string bytes = bytes_of(message);
    ProtobufMessage copy = message;
    CHECK(bytes_of(copy) == bytes);
    copy = ProtobufMessage();
    copy = message;
    CHECK(bytes_of(copy) == bytes);
    CHECK(bytes_of(ProtobufMessage(std::move(copy))) == bytes);
  }
}
