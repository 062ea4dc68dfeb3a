// expected-error: RankingMeasure
#include <reasonembed/eval/evaluate.hpp>

#include <string>

namespace re = reasonembed;

/// A measure of one's own that returns float: its mean would differ from that of a double.
struct FirstRank {
#if MUST_FAIL
  float operator()(const re::eval::JudgedRanking&) const { return 0; }
#else
  double operator()(const re::eval::JudgedRanking&) const { return 0; }
#endif
  [[nodiscard]] std::string name() const { return "first_rank"; }
};

int main() {
  const re::eval::Measure measure{FirstRank()};
  return measure.name() == "first_rank" ? 0 : 1;
}
