#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/judged_ranking.hpp>
#include <reasonembed/eval/metrics.hpp>
#include <reasonembed/io/utf8.hpp>

#include <charconv>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Any RankingMeasure, by value, or one of trec_eval's by its name: a list of measures is written
/// `{"ndcg_cut_10", "recall_100", OwnMeasure{}}`.
///
/// Models: RankingMeasure.
class Measure {
 public:
  /// @param name  `ndcg`, `map`, `recip_rank`, `Rprec`, or with a cut-off k >= 1 `ndcg_cut_k`, `map_cut_k`,
  ///              `recip_rank_cut_k`, `recall_k`, `P_k`, `success_k`
  /// @throws      ConfigError for any other
  // NOLINTNEXTLINE(google-explicit-constructor): a name is the usual way to say which measure
  Measure(std::string_view name) : Measure(parse(name)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  Measure(const char* name) : Measure(std::string_view(name)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  Measure(const std::string& name) : Measure(std::string_view(name)) {}
  template <RankingMeasure T>
    requires(!std::is_same_v<std::remove_cvref_t<T>, Measure>)
  // NOLINTNEXTLINE(google-explicit-constructor): a measure stays what it is
  Measure(T measure) : name_(measure.name()), value_(std::move(measure)) {}

  [[nodiscard]] double operator()(const JudgedRanking& ranking) const { return value_(ranking); }
  [[nodiscard]] std::string name() const { return name_; }

 private:
  static Measure parse(std::string_view name) {
    if (name == "ndcg") {
      return Ndcg();
    }
    if (name == "map") {
      return AveragePrecision();
    }
    if (name == "recip_rank") {
      return ReciprocalRank();
    }
    if (name == "Rprec") {
      return RPrecision();
    }
    const std::size_t end = name.rfind('_') + 1;  // npos + 1 == 0
    const std::string_view kind = name.substr(0, end);
    const std::string_view digits = name.substr(end);
    Index cutoff = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), cutoff);
    if (error == std::errc() && stop == digits.data() + digits.size() && cutoff >= 1) {
      if (kind == "ndcg_cut_") {
        return Ndcg(cutoff);
      }
      if (kind == "map_cut_") {
        return AveragePrecision(cutoff);
      }
      if (kind == "recip_rank_cut_") {
        return ReciprocalRank(cutoff);
      }
      if (kind == "recall_") {
        return Recall(cutoff);
      }
      if (kind == "P_") {
        return Precision(cutoff);
      }
      if (kind == "success_") {
        return Success(cutoff);
      }
    }
    throw ConfigError::invalid("eval::Measure",
                               "name",
                               io::in_quotes(name),
                               "ndcg, map, recip_rank, Rprec, or with a cut-off K >= 1 ndcg_cut_K, map_cut_K, "
                               "recip_rank_cut_K, recall_K, P_K, success_K");
  }

  std::string name_;
  std::function<double(const JudgedRanking&)> value_;
};

static_assert(RankingMeasure<Measure>);

}  // namespace reasonembed::eval
