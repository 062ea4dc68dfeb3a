#include <reasonembed/text/token_scratch.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::text::Pieces;

TEST_SUITE("text/token_scratch") {
  TEST_CASE("Pieces: holds texts one behind the other") {
    Pieces pieces;
    CHECK(pieces.size() == 0);
    pieces.add("one");
    pieces.add("\u00E9");
    pieces.add("three");
    REQUIRE(pieces.size() == 3);
    CHECK(pieces[0] == "one");
    CHECK(pieces[1] == "\u00E9");
    CHECK(pieces[2] == "three");
  }

  TEST_CASE("Pieces: an empty piece leaves no trace") {
    Pieces pieces;
    pieces.add("");
    CHECK(pieces.size() == 0);
    pieces.add("a");
    pieces.add("");
    pieces.close();
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0] == "a");
  }

  TEST_CASE("open, close: a piece may be written in place") {
    Pieces pieces;
    pieces.open() += "a";
    pieces.open() += "b";
    pieces.close();
    pieces.open() += "c";
    pieces.close();
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[0] == "ab");
    CHECK(pieces[1] == "c");
  }

  TEST_CASE("clear: forgets pieces and where they began") {
    Pieces pieces;
    CHECK_FALSE(pieces.at_text_start());
    pieces.add("a");
    pieces.set_at_text_start(true);
    CHECK(pieces.at_text_start());
    pieces.clear();
    CHECK(pieces.size() == 0);
    CHECK_FALSE(pieces.at_text_start());
    pieces.add("b");
    CHECK(pieces[0] == "b");
  }

  TEST_CASE("TokenScratch: is a value") {
    re::text::TokenScratch scratch;
    scratch.normalized = "text";
    scratch.words.add("word");
    const re::text::TokenScratch copy = scratch;
    scratch.words.clear();
    CHECK(copy.normalized == "text");
    CHECK(copy.words[0] == "word");
  }
}
