#include <reasonembed/remixer/synthesis_options.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <string>
#include <vector>

namespace rx = reasonembed::remixer;

TEST_SUITE("remixer/synthesis_options") {
  TEST_CASE("SynthesisOptions: names the options of every stage; defaults are those of the stages") {
    const rx::SynthesisOptions options;
    const std::vector<std::string> named = test::named_options(options);
    CHECK(named.size() == 9);
    CHECK(named[0] == "filter_domain false");
    CHECK(named[1] == "write_reasoning true");
    CHECK(named[5] == "mine {top_k 1000, kept 100, fill_gaps false}");
    CHECK(options.generate == rx::GenerateQueriesOptions{});
    rx::SynthesisOptions other = options;
    CHECK(other == options);
    other.assemble.least_positive = 4;
    CHECK(!(other == options));
  }
}
