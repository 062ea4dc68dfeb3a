#include <reasonembed/remixer/records.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace rx = reasonembed::remixer;

namespace {

/// Copies, moves and assigns are the value again; a change is noticed.
template <class Record, class Change>
void check_value(const Record& record, const Change& change) {
  Record copy = record;
  CHECK(copy == record);
  Record moved = std::move(copy);
  CHECK(moved == record);
  Record assigned;
  CHECK(!(assigned == record));
  assigned = record;
  CHECK(assigned == record);
  change(assigned);
  CHECK(!(assigned == record));
  assigned = std::move(moved);
  CHECK(assigned == record);
  CHECK(Record() == Record());
}

}  // namespace

TEST_SUITE("remixer/records") {
  TEST_CASE("SourceDocument: is a value") {
    check_value(rx::SourceDocument{"id", "text"}, [](rx::SourceDocument& r) { r.text = "other"; });
    check_value(rx::SourceDocument{"id", "text"}, [](rx::SourceDocument& r) { r.id = "other"; });
  }

  TEST_CASE("GeneratedQuery: is a value") {
    const rx::GeneratedQuery record = {"q", {"id", "text"}, {"100 to 200 words", "college"}};
    check_value(record, [](rx::GeneratedQuery& r) { r.query = "other"; });
    check_value(record, [](rx::GeneratedQuery& r) { r.source.id = "other"; });
    check_value(record, [](rx::GeneratedQuery& r) { r.conditions.level = "other"; });
  }

  TEST_CASE("MinedQuery: is a value, whose copies share the documents") {
    const rx::MinedQuery record = {"q", {"id", "text"}, {"a", "b"}};
    check_value(record, [](rx::MinedQuery& r) { r.candidates.pop_back(); });
    check_value(record, [](rx::MinedQuery& r) { r.candidates[0] = "other"; });
    const rx::MinedQuery copy = record;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the test
    CHECK(copy.candidates[1].view().data() == record.candidates[1].view().data());
  }

  TEST_CASE("AnnotatedQuery: is a value") {
    const rx::AnnotatedQuery record = {"q", {"id", "text"}, {"a", "b"}, {5, rx::kUnlabelled}, {"because", ""}};
    check_value(record, [](rx::AnnotatedQuery& r) { r.labels[1] = 1; });
    check_value(record, [](rx::AnnotatedQuery& r) { r.answers.clear(); });
    CHECK(rx::kUnlabelled == -1);  // as the interchange files have it
  }
}
