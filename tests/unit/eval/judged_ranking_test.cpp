#include <reasonembed/eval/judged_ranking.hpp>

#include <doctest/doctest.h>

#include <string>

namespace re = reasonembed;
using re::eval::JudgedRanking;
using re::eval::RankingMeasure;

namespace {

/// The smallest measure.
struct Retrieved {
  double operator()(const JudgedRanking& ranking) const { return static_cast<double>(ranking.retrieved.size()); }
  [[nodiscard]] std::string name() const { return "retrieved"; }
};
struct ReturnsFloat {
  float operator()(const JudgedRanking&) const { return 0; }
  [[nodiscard]] std::string name() const { return "x"; }
};
struct NotConst {
  double operator()(const JudgedRanking&) { return 0; }
  [[nodiscard]] std::string name() const { return "x"; }
};
struct Nameless {
  double operator()(const JudgedRanking&) const { return 0; }
};
struct NamedByPointer {
  double operator()(const JudgedRanking&) const { return 0; }
  [[nodiscard]] const char* name() const { return "x"; }
};

static_assert(RankingMeasure<Retrieved>);
static_assert(!RankingMeasure<ReturnsFloat>);
static_assert(!RankingMeasure<NotConst>, "measures are shared by threads");
static_assert(!RankingMeasure<Nameless>);
static_assert(!RankingMeasure<NamedByPointer>);
static_assert(!RankingMeasure<double (*)(const JudgedRanking&)>);
static_assert(re::eval::kNotJudged < 0, "a document that nobody judged is never relevant");

}  // namespace

TEST_SUITE("eval/judged_ranking") {
  TEST_CASE("JudgedRanking: an empty one has no relevant document at level 1") {
    const JudgedRanking ranking;
    CHECK(ranking.retrieved.empty());
    CHECK(ranking.ideal.empty());
    CHECK(ranking.relevant == 0);
    CHECK(ranking.relevance_level == 1);
    CHECK(Retrieved()(ranking) == 0);
  }
}
