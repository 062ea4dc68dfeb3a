#include <reasonembed/core/sha256.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Sha256;
using re::sha256;

TEST_SUITE("core/sha256") {
  TEST_CASE("sha256: gives the example hashes of NIST") {  // FIPS 180-2 appendix B and the NIST CAVS short messages
    CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                 "mnopqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    const std::array<std::byte, 1> bd{std::byte{0xbd}};
    CHECK(sha256(bd) == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
    const std::array<std::byte, 4> c98c8e55{std::byte{0xc9}, std::byte{0x8c}, std::byte{0x8e}, std::byte{0x55}};
    CHECK(sha256(c98c8e55) == "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
  }

  TEST_CASE("sha256: hashes a million letters a") {
    CHECK(sha256(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }

  TEST_CASE("sha256: pads correctly around the block boundaries") {  // NIST SHA-256 additional test vectors
    CHECK(sha256(std::string(55, '\0')) == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
    CHECK(sha256(std::string(56, '\0')) == "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
    CHECK(sha256(std::string(57, '\0')) == "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
    CHECK(sha256(std::string(64, '\0')) == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
    CHECK(sha256(std::string(1000, 'A')) == "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4");
  }

  TEST_CASE("update: any split of a message gives the hash of the whole") {
    std::string message;
    for (int i = 0; i < 200; ++i) {
      message += static_cast<char>(i);
    }
    const std::string whole = sha256(message);
    for (std::size_t first = 0; first <= message.size(); ++first) {
      Sha256 hash;
      hash.update(std::string_view(message).substr(0, first));
      hash.update(std::string_view(message).substr(first));
      REQUIRE(hash.hex() == whole);
    }
    for (const std::size_t step : {1UL, 3UL, 63UL, 64UL, 65UL}) {
      Sha256 hash;
      for (std::size_t at = 0; at < message.size(); at += step) {
        hash.update(std::string_view(message).substr(at, step));
      }
      CHECK(hash.hex() == whole);
    }
  }

  TEST_CASE("update: reads a misaligned start") {
    const std::string message = "?abc";
    CHECK(sha256(std::string_view(message).substr(1)) == sha256("abc"));
  }

  TEST_CASE("digest: may be taken in the middle without ending the message") {
    Sha256 hash;
    CHECK(hash.hex() == sha256(""));
    hash.update("a");
    CHECK(hash.hex() == sha256("a"));
    hash.update("bc");
    CHECK(hash.hex() == sha256("abc"));
    CHECK(hash.digest()[0] == 0xba);
    CHECK(hash.digest()[31] == 0xad);
  }

  TEST_CASE("copy: continues independently") {
    Sha256 hash;
    hash.update("ab");
    Sha256 copy = hash;
    copy.update("c");
    hash.update("d");
    CHECK(copy.hex() == sha256("abc"));
    CHECK(hash.hex() == sha256("abd"));
    hash = copy;
    CHECK(hash.hex() == sha256("abc"));
    Sha256 moved = std::move(copy);
    CHECK(moved.hex() == sha256("abc"));
  }

  TEST_CASE("sha256: a change of one bit changes about half the digest") {
    Sha256 a;
    Sha256 b;
    a.update("reasoning");
    b.update("reasoniog");
    int equal_bytes = 0;
    const auto x = a.digest();
    const auto y = b.digest();
    for (std::size_t i = 0; i < x.size(); ++i) {
      equal_bytes += static_cast<int>(x[i] == y[i]);
    }
    CHECK(equal_bytes < 4);
  }
}
