#include <reasonembed/model/base64.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace re = reasonembed;
using re::model::decode_base64;

namespace {

std::string decoded(std::string_view text) {
  return decode_base64(text, "file", "field");
}

/// The definition, for the round trip.
std::string encoded(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k < bytes.size() + 1 ? kAlphabet[(bits >> (18 - 6 * k)) & 63U] : '=';
    }
  }
  return text;
}

void check_refused(std::string_view text, const std::string& got) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS((void)decoded(text), ("file: field is " + got + ", expected base64").c_str(), re::DataError);
}

}  // namespace

TEST_SUITE("model/base64") {
  TEST_CASE("decode_base64: the vectors of RFC 4648") {
    CHECK(decoded("") == "");
    CHECK(decoded("Zg==") == "f");
    CHECK(decoded("Zm8=") == "fo");
    CHECK(decoded("Zm9v") == "foo");
    CHECK(decoded("Zm9vYg==") == "foob");
    CHECK(decoded("Zm9vYmE=") == "fooba");
    CHECK(decoded("Zm9vYmFy") == "foobar");
  }

  TEST_CASE("decode_base64: all bytes in all lengths come back") {
    std::string bytes;
    for (int length = 0; length < 300; ++length) {
      CHECK(decoded(encoded(bytes)) == bytes);
      bytes += static_cast<char>((length * 151 + 7) % 256);
    }
    CHECK(decoded("//8+") == "\xFF\xFF\x3E");
  }

  TEST_CASE("decode_base64: names what is no base64") {
    check_refused("Zg", "2 characters");
    check_refused("Zg=", "3 characters");
    check_refused("Zm9vY", "5 characters");
    check_refused("Zm-v", "another character at 2");
    check_refused("Z===", "another character at 1");
    check_refused("====", "another character at 0");
    check_refused("Zg==Zg==", "another character at 2");
    check_refused("Zm9\n", "another character at 3");
    check_refused("Zh==", "bits behind its end");
    check_refused("Zm9=", "bits behind its end");
  }
}
