#include <reasonembed/remixer/labelled_rows.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::confusion_of_rows;
using re::remixer::LabelledRow;
using re::remixer::positive_pairs;
using re::remixer::read_labelled_rows;

TEST_SUITE("remixer/labelled_rows") {
  TEST_CASE("read_labelled_rows: reads rows, and names what is broken") {
    const test::Scratch scratch;
    const auto path = scratch.write("a.jsonl",
                                    "{\"query\":\"q\",\"docs\":[\"a\",\"b\"],\"labels\":[5,-1],\"more\":1}\n"
                                    "{\"query\":\"r\",\"docs\":[],\"labels\":[]}\n");
    CHECK(read_labelled_rows(path) == std::vector<LabelledRow>{{"q", {"a", "b"}, {5, -1}}, {"r", {}, {}}});
    const auto message = [&](const std::string& line) {
      scratch.write("a.jsonl", line);
      try {
        (void)read_labelled_rows(path);
      } catch (const re::DataError& error) {
        return std::string(error.what()).substr(path.string().size());
      }
      return std::string("accepted");
    };
    CHECK(message(R"({"query":"q","docs":["a"],"labels":[1,2]})") ==
          ":1: number of labels is 2, expected 1, one for each of docs");
    CHECK(message(R"({"query":"q","docs":["a"],"labels":["1"]})").find(":1: labels[0]") == 0);
    CHECK(message(R"({"query":"q","docs":["a"],"labels":[-2]})").find(":1: labels[0] is -2") == 0);
    CHECK(message(R"({"docs":["a"],"labels":[1]})") == ":1: query is missing, expected a string");
    CHECK(message("not JSON").find(":1") == 0);
    CHECK(message("") == "accepted");
    CHECK_THROWS_AS((void)read_labelled_rows(scratch / "absent.jsonl"), re::IoError);
  }
  TEST_CASE("positive_pairs: property: a label at the threshold or above, and nothing else") {
    const std::vector<LabelledRow> rows = {{"q", {"a", "b", "c", "d", "e", "f"}, {1, 2, 3, 4, 5, -1}}};
    for (int threshold = -1; threshold <= 6; ++threshold) {
      std::size_t expected = 0;
      for (const int label : rows[0].labels) {
        expected += label >= threshold ? 1U : 0U;
      }
      const auto pairs = positive_pairs(rows, threshold);
      REQUIRE(pairs.size() == expected);
      for (const auto& pair : pairs) {
        const auto at = std::find(rows[0].docs.begin(), rows[0].docs.end(), pair.document) - rows[0].docs.begin();
        CHECK(rows[0].labels[static_cast<std::size_t>(at)] >= threshold);
      }
    }
    CHECK(positive_pairs(rows).size() == 3);
  }
  TEST_CASE("confusion_of_rows: pairs are matched by query and document, in any order") {
    const std::vector<LabelledRow> first = {{"q", {"a", "b", "a"}, {1, 2, 5}}, {"r", {"a"}, {3}}, {"s", {"z"}, {-1}}};
    const std::vector<LabelledRow> second = {{"s", {"z"}, {2}}, {"r", {"a", "new"}, {4, 4}}, {"q", {"a"}, {1}}};
    Index unmatched = -1;
    const auto table = confusion_of_rows(first, second, unmatched);
    CHECK(table.items() == 2);
    CHECK(table.count(1, 1) == 1);  // the first label of a repeated document
    CHECK(table.count(3, 4) == 1);
    CHECK(table.left_out() == 1);
    CHECK(unmatched == 2);
    CHECK(confusion_of_rows({}, second, unmatched).items() == 0);
    CHECK(unmatched == 4);
  }
}
