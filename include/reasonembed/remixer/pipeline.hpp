#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Whether stage `Next` takes what stage `First` gives.
template <class First, class Next>
concept Feeds = std::same_as<typename First::Output, typename Next::Input>;

namespace detail {

/// Checks one link of a pipeline; a broken one is named by its position and its two stages.
template <std::size_t Position, class First, class Next>
struct CheckLink {
  static_assert(Feeds<First, Next>,
                "reasonembed::remixer::Pipeline: what stage `First` gives (its Output) must be what stage `Next` takes "
                "(its Input); Position, First and Next stand in CheckLink");
  static constexpr bool checked = true;
};

template <class Sequence, class... Stages>
struct CheckLinks;
template <std::size_t... I, class... Stages>
struct CheckLinks<std::index_sequence<I...>, Stages...> {
  template <std::size_t J>
  using At = std::tuple_element_t<J, std::tuple<Stages...>>;
  static constexpr bool checked = (true && ... && CheckLink<I, At<I>, At<I + 1>>::checked);
};

}  // namespace detail

/// How a pipeline shows what it does.
struct PipelineOptions {
  ProgressOptions progress = {.silent = true};            ///< of each stage
  std::string label = {};                                 ///< comes before the stage's name, e.g. the task
  std::function<void(const StageReport&)> on_stage = {};  ///< called after each stage
  /// Called with a stage's name each time that it has come further.
  std::function<void(std::string_view, const StageProgress&)> on_progress = {};
};

/// What a pipeline made.
template <class Output>
struct PipelineResult {
  std::vector<Output> items = {};
  std::vector<StageReport> reports = {};  ///< one for each stage
};

/// Stages joined at compile time: each takes what the one before it gives.
///
/// A stage runs when the one before it has finished, so that it may look at all items (to leave out repeated ones, to
/// index their sources). Within a stage many calls are in flight. What a run was killed in is in the journal of its
/// language model: the same run again takes all answers from there and goes on.
///
/// @tparam Stages  model Stage; `Feeds<Stages[i], Stages[i + 1]>` for each i
template <Stage... Stages>
class Pipeline {
  static_assert(sizeof...(Stages) > 0, "reasonembed::remixer::Pipeline: there must be at least one stage");
  static_assert(detail::CheckLinks<std::make_index_sequence<sizeof...(Stages) - 1>, Stages...>::checked);

 public:
  template <std::size_t I>
  using StageAt = std::tuple_element_t<I, std::tuple<Stages...>>;
  using Input = typename StageAt<0>::Input;
  using Output = typename StageAt<sizeof...(Stages) - 1>::Output;
  using Options = PipelineOptions;

  explicit Pipeline(Stages... stages) : stages_(std::move(stages)...) {}

  /// @return  what the last stage makes of the items, and what each stage did on the way
  /// @throws  what the stages throw
  [[nodiscard]] PipelineResult<Output> run(std::vector<Input> items, const Options& options = {}) {
    PipelineResult<Output> result;
    result.items = run_from<0>(std::move(items), options, result.reports);
    return result;
  }
  /// Stage I, e.g. to look at what it holds.
  template <std::size_t I>
  [[nodiscard]] StageAt<I>& stage() {
    return std::get<I>(stages_);
  }

 private:
  template <std::size_t I, class Item>
  std::vector<Output> run_from(std::vector<Item> items, const Options& options, std::vector<StageReport>& reports) {
    if constexpr (I == sizeof...(Stages)) {
      return items;
    } else {
      const std::string name{std::string_view(StageAt<I>::name)};
      StageReport& report = reports.emplace_back();
      StageWatch watch;
      if (options.on_progress) {
        watch = [&](const StageProgress& progress) { options.on_progress(name, progress); };
      }
      auto output = run_stage(std::get<I>(stages_),
                              std::move(items),
                              report,
                              options.progress,
                              options.label.empty() ? name : options.label + " " + name,
                              std::move(watch));
      if (options.on_stage) {
        options.on_stage(report);
      }
      return run_from<I + 1>(std::move(output), options, reports);
    }
  }

  std::tuple<Stages...> stages_;
};

}  // namespace reasonembed::remixer
